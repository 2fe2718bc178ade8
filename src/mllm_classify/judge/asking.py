"""Asking a judge what its journal lacks, and its judgements, read from the journal."""

from collections.abc import Container
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl

from mllm_classify.api import answers, journal, replies
from mllm_classify.io.files import InputError
from mllm_classify.judge.questions import KEY, Pairs
from mllm_classify.judge.verdicts import JUDGEMENTS, VERDICTS
from mllm_classify.predict.chat import asking, preflight
from mllm_classify.predict.chat.answering import Means, ask
from mllm_classify.predict.chat.collecting import noted_environments
from mllm_classify.predict.chat.constraining import name_in

if TYPE_CHECKING:
    from mllm_classify.io.environment import Environment
    from mllm_classify.predict.chat.question import Question
    from mllm_classify.predict.job import Progress

ADVICE = "or choose another judge: its verdicts are taken in no other form"


async def check(
    asker: asking.Asker,
    answered: journal.Answers,
    known: Container[str],  # noqa: ARG001 (as of all checks)
    first: "list[Question]",
) -> set[str]:
    """Stop with a message at the first thing that is wrong: budget, model, and whether it is held to a list of verdicts."""
    await preflight.check_without_images(asker, answered, first, ADVICE)
    return set()


def judgements(
    questionnaire: Pairs, folder: Path, progress: "Progress", means: Means
) -> "tuple[pl.DataFrame, list[Environment]]":
    """What a judge says of all pairs, and of controls, and the environments in which it was asked. Columns of JUDGEMENTS.

    Only what its journal lacks is asked.

    Raises InputError where more verdicts are missing than the entry tolerates; what came is in the journal.
    """
    judge = questionnaire.judge
    missing, failures = ask(questionnaire, folder, progress, means, check=check)
    frame, made_with = collected(questionnaire, folder, failures)
    failed = frame.filter(pl.col("status") == "error")
    if failed.height > judge.max_errors:
        if failures:
            said = asking.explain(questionnaire, failures, missing, folder)
        else:
            row = failed.row(0, named=True)
            said = (
                f"judge {judge.name!r}: {failed.height} of {frame.height} verdicts cannot be read, the first on class "
                f"{row['name'][:100]!a} and answer {row['answer'][:100]!a}: {row['error']}"
            )
        msg = f"{said}; the entry tolerates {judge.max_errors} (max_errors)"
        raise InputError(msg)
    return frame, made_with


def collected(
    questionnaire: Pairs, folder: Path, failures: dict[str, asking.Failure]
) -> "tuple[pl.DataFrame, list[Environment]]":
    """The judgements that a journal holds, controls first, what is missing as errors; and where they were asked for."""
    known = journal.read(folder, replies.check_record)
    rows = []
    made_with: set[str] = set()
    for question, about in questionnaire.with_pairs():
        if question.key in known:
            record = known[question.key]
            made_with.add(record.get("environment", ""))
            rows.append(about | verdict(record["response"], in_json=question.template.in_json))
        else:
            failure = failures.get(question.key)
            rows.append(about | {"status": "error", "error": failure.reason[:600] if failure else "not answered"})
    frame = pl.DataFrame(rows, schema=JUDGEMENTS, orient="row").sort(
        "control", "answer", "rank", "repeat", nulls_last=True, maintain_order=True
    )
    return frame, noted_environments(folder, made_with)


def verdict(response: dict[str, Any], *, in_json: bool) -> dict[str, Any]:
    """What one response says. Anything but one of VERDICTS, as it was asked for, is an error, and accepts nothing."""
    answer = answers.read(response)
    text = (name_in(answer.text, KEY) if in_json else answer.text).strip()
    used = answer.used
    row = {
        "verdict": text if text in VERDICTS else None,
        "error": answer.error if text in VERDICTS or answer.error else f"no verdict: {text[:200]!a}",
        "prompt_tokens": used.prompt,
        "cached_tokens": used.cached,
        "completion_tokens": used.completion,
    }
    return row | {"status": "ok" if row["error"] is None else "error"}
