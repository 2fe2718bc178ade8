"""Predictions of a chat model, read from its journal."""

import itertools
import json
import logging
import math
import string
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl

from mllm_classify.api import answers, journal, replies
from mllm_classify.predict.chat.constraining import name_in
from mllm_classify.predict.rows import PREDICTIONS, TRUNCATED, in_order

if TYPE_CHECKING:
    from mllm_classify.io.environment import Environment
    from mllm_classify.predict.chat.asking import Failure
    from mllm_classify.predict.chat.question import Question
    from mllm_classify.predict.chat.questions import Questionnaire

log = logging.getLogger(__name__)

ENVIRONMENTS = "environments"
"""A folder beside the journal's files: in which environments answers were asked for."""
MARK = r"^\s*[<\[◁]\|?/?[A-Za-z_:]{2,30}\|?[>\]▷]|[<\[◁]\|?/[A-Za-z_:]{2,30}\|?[>\]▷]"
"""What opens a text, or closes something in it, as marks of reasoning do (`answers.THOUGHTS`)."""
LONG_ANSWER = 1000
"""Characters beyond which an answer is no class name any more, and is reported."""


def collected(
    questionnaire: "Questionnaire", folder: Path, failures: "dict[str, Failure]"
) -> tuple[pl.DataFrame, set[str], int]:
    """The predictions of a model, by task, variant and repeat, and then in the images' order.

    Beside them, the names of the environments in which the answers were asked for, and the number of rows that are errors, those about
    images which cannot be decoded apart.
    """
    known = journal.read(folder, replies.check_record)
    columns: dict[str, list[Any]] = {name: [] for name in PREDICTIONS}
    asking_environments: set[str] = set()
    read: set[str] = set()  # of one answer, the first row alone has what it used
    for question in itertools.chain(questionnaire, questionnaire.refused()):
        if (image_id := questionnaire.images.ids[question.images[0]]) in questionnaire.unreadable:
            rows = [{"status": "error", "error": questionnaire.unreadable[image_id]}]
        elif question.key in known:
            record = known[question.key]
            asking_environments.add(record.get("environment", ""))
            rows = answered_rows(
                question, record, letters=questionnaire.by_letter(question), again=question.key in read
            )
            read.add(question.key)
        else:
            failure = failures.get(question.key)
            rows = [{"status": "error", "error": failure.reason[:600] if failure else "not answered"}]
            rows *= len(question.images)
        for place, row in zip(question.images, rows, strict=True):
            about = {"image_id": questionnaire.images.ids[place], "task": question.task, "variant": question.variant,
                     "repeat": question.repeat, "prompt": question.template.prompt,
                     "request": question.template.digest, "group": question.group}  # fmt: skip
            cells = about | row
            for name, column in columns.items():
                column.append(cells.get(name))
    frame = in_order(pl.DataFrame(columns, schema=PREDICTIONS), questionnaire.images.ids)
    _report_odd_answers(frame)
    failed = frame.filter(pl.col("status") == "error", ~pl.col("image_id").is_in(list(questionnaire.unreadable)))
    return frame, asking_environments, failed.height


def noted_environments(folder: Path, names: set[str]) -> "list[Environment]":
    """The environments of these names, as far as they are written down beside the journal."""
    noted = [folder / ENVIRONMENTS / f"{name}.json" for name in sorted(names)]
    return [json.loads(path.read_bytes()) for path in noted if path.is_file()]


def answered_rows(
    question: "Question", record: dict[str, Any], *, letters: bool = False, again: bool = False
) -> list[dict[str, Any]]:
    """One row an image of a request; what the request used stands in the first, unless its answer was read before.

    `letters`: it is answered by one.
    """
    response = answers.read(record["response"])
    count = len(question.images)
    texts = answers.one_each(response.text, count) if question.template.numbered or count > 1 else None
    if texts is None and count == 1:
        texts = [name_in(response.text) if question.template.in_json else response.text]
    error = response.error
    if texts is None and error is None:
        error = f"not one answer for each of {count} images: {response.text[:200]!a}"
    row = {
        "text": None,
        "status": "ok" if error is None else "error",
        "error": error,
        "finish_reason": response.finish_reason,
        "served_model": response.model,
        "fingerprint": response.fingerprint,
    }
    # reasoning that is among an answer's tokens is no part of it
    tokens = None if response.reasoning or count > 1 else answers.tokens(record["response"])
    first = {
        "answer_logprob": None if tokens is None else sum(token.log_probability for token in tokens),
        "letters": letter_probabilities(tokens[0].likeliest) if tokens and letters else None,
        "reasoning": response.reasoning,
        "prompt_tokens": response.used.prompt,
        "completion_tokens": response.used.completion,
        "cached_tokens": response.used.cached,
        "reasoning_tokens": response.used.reasoning,
        "latency": record["latency"],
        "batched": record.get("batch") is not None,
    }
    said: list[str | None] = [None] * count if error is not None or texts is None else [*texts]
    return [row | {"text": text} | (first if number == 0 and not again else {}) for number, text in enumerate(said)]


def letter_probabilities(likeliest: dict[str, float]) -> list[float | None] | None:
    """The probability of each letter from A to the last one that is known, whatever blanks and marks its tokens have.

    None where no letter is among the likeliest tokens; null for those that are not: the server does not say theirs.
    """
    known: dict[str, float] = {}
    for token, log_probability in likeliest.items():
        letter = token.strip(" \n▁Ġ.:()*")
        if len(letter) == 1 and letter in string.ascii_uppercase:
            known[letter] = known.get(letter, 0.0) + math.exp(log_probability)
    last = max(map(string.ascii_uppercase.index, known), default=-1)
    return [known.get(letter) for letter in string.ascii_uppercase[: last + 1]] or None


def _report_odd_answers(frame: pl.DataFrame) -> None:
    """One line for each sort of answer that is hardly meant as one. They are kept and scored by the rules."""
    text = pl.col("text")
    sorts = {
        "empty (out of prompt, never embedded)": text.str.strip_chars() == "",
        f"longer than {LONG_ANSWER} characters": text.str.len_chars() > LONG_ANSWER,
        "cut off at the most tokens that the entry allows (finish_reason length)": TRUNCATED,
        "begun or ended with marks that may set reasoning apart, and are not known": text.str.contains(MARK),
        "with control characters": text.str.contains(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]"),
    }
    for sort, condition in sorts.items():
        odd = frame.filter(condition)
        if odd.height:
            shown = ascii(odd["text"][0][:60])
            log.warning(
                "%d of %d answers are %s, the first for image %r: %s",
                odd.height, frame.height, sort, odd["image_id"][0], shown,
            )  # fmt: skip
