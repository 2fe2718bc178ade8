"""Chat models, whoever serves them: only what the journal lacks is asked, and predictions are read from the journal."""

import asyncio
import http.client
import itertools
import json
import logging
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol
from urllib.parse import urlsplit

import polars as pl

from mllm_classify.api import answers, client, journal, sending
from mllm_classify.io.environment import Environment, environment
from mllm_classify.io.files import InputError, StoppedError, TerminatedError, sha256, shared
from mllm_classify.predict.chat import asking, preflight
from mllm_classify.predict.rows import PREDICTIONS, in_order

if TYPE_CHECKING:
    from mllm_classify.config.chat import ChatModel
    from mllm_classify.predict.chat.questions import Question, Questionnaire

log = logging.getLogger(__name__)

ENVIRONMENTS = "environments"
"""A folder beside the journal's files."""
LONG_ANSWER = 1000
"""Characters beyond which an answer is no class name any more, and is reported."""


class Served(NamedTuple):
    """Where a model is served, and, where the job has started its engine, why that has ended, if it has."""

    url: str
    ended: Callable[[], str | None] = lambda: None


Serving = Callable[[], AbstractContextManager[Served]]
"""Serves a model for as long as it is asked."""


class Instead(Protocol):
    """Another way to ask what is left after the preflight."""

    def under_way(self) -> set[str]:
        """What has been asked for already."""

    async def ask_all(self, asker: "asking.Asker", waiting: Callable[[], Iterator["Question"]]) -> None: ...


def _key(model: "ChatModel") -> str:
    return client.api_key(f"model {model.name!r}", model.api_key_env)


def http_transport(model: "ChatModel", url: str) -> client.Transport:
    """Plain HTTP, as every OpenAI-compatible server understands it."""
    return client.Http(url, _key(model), model.timeout, model.concurrency)


def answer(
    asked: "Questionnaire",
    journal_folder: Path,
    progress: asking.Progress,
    serving: Serving,
    transport: "Callable[[ChatModel, str], client.Transport]" = http_transport,
    instead: Instead | None = None,
    shards: int = 1,
) -> tuple[pl.DataFrame, list[Environment]]:
    """The answers to all that a model is asked, and the environments in which they were asked for.

    Only what its journal lacks is asked; `serving` gives the URL for that. Raises InputError where more answers are
    missing than the entry tolerates, naming how many and why; what came is in the journal.
    """
    model = asked.model
    answered = journal.read(journal_folder)
    rows = asked.rows()
    report = progress(rows)
    missing = sum(len(question.images) for question in asking.still_missing(asked, answered))
    log.info("%s lacks %d of %d answers", journal_folder, missing, rows)
    failures: dict[str, asking.Failure] = {}
    if missing:
        _key(model)
        with serving() as served:
            log.info("asking %s for %d answers", served.url, missing)
            failures = asyncio.run(
                _asked(asked, answered, served, journal_folder, report, transport, instead, rows - missing, shards)
            )
    frame, made_with, errors = collect(asked, journal_folder, failures)
    if errors > model.max_errors or any(failure.ours for failure in failures.values()):
        if failures:
            said = asking.explain(model, failures, missing, asked.images.ids, journal_folder)
        else:
            first = frame.filter(pl.col("status") == "error").row(0, named=True)
            said = (
                f"model {model.name!r}: {errors} of {rows} answers cannot be read, the first to task {first['task']}"
                f"{first['variant'] and ' ' + repr(first['variant'])}, image {first['image_id']!r}: {first['error']}"
            )
        msg = f"{said}; max_errors: {model.max_errors} is what the entry tolerates"
        raise InputError(msg)
    return frame, made_with


async def _asked(
    asked: "Questionnaire",
    answered: journal.Answers,
    served: Served,
    folder: Path,
    report: asking.Report,
    transport: "Callable[[ChatModel, str], client.Transport]",
    instead: Instead | None,
    done: int,
    shards: int,
) -> dict[str, asking.Failure]:
    """Ask what is missing. Returns why some questions have no answer."""
    model = asked.model
    already = asking.spent(model, answered) if model.budget is not None else 0.0
    ledger = asking.Ledger(model, already, shards)
    noted = _note_environment(served.url, folder)
    async with transport(model, served.url) as carrier:
        with journal.Writer(folder) as writer:
            asker = asking.Asker(asked, carrier, writer, ledger, noted, report, done, served.ended)
            report(done, "")
            with sending.until_terminated(asker):
                await sending.within_grace(asker, _ask(asker, answered, instead))
            if asker.stopped is not None:
                raise _why(asker, folder)
    return asker.failures


async def _ask(asker: asking.Asker, answered: journal.Answers, instead: Instead | None) -> None:
    checked: set[str] = set()
    few = preflight.MANY
    known = answered.keys() | (instead.under_way() if instead else set())
    missing = (question for question in asking.still_missing(asker.asked, answered) if question.key not in known)
    if sum(1 for _, _ in zip(range(few), missing, strict=False)) == few:
        try:
            checked = await preflight.check(asker, answered, known)
        except StoppedError as error:
            asker.stop(error)
            return

    def waiting() -> Iterator["Question"]:
        return preflight.unasked(asking.still_missing(asker.asked, answered), checked)

    if instead is None:
        await asker.ask_all(waiting())
    else:
        await instead.ask_all(asker, waiting)


def _why(asker: asking.Asker, folder: Path) -> StoppedError:
    """Why asking stopped, and that nothing is lost."""
    reason = str(asker.stopped)
    named = f"model {asker.model.name!r}: "
    said = reason if reason.startswith(named) else named + reason
    whole = f"{said}; what was answered is in {folder}, and another run asks for the rest only"
    if isinstance(asker.stopped, TerminatedError):
        return TerminatedError(whole, asker.stopped.number)
    return StoppedError(whole)


def _note_environment(url: str, folder: Path) -> str:
    """Write down in what environment answers are asked for, once. Returns the name under which it is found."""
    content = json.dumps(environment() | {"server": _server_version(url)}, sort_keys=True)
    name = sha256(content.encode())[:16]
    with shared(folder / ENVIRONMENTS / f"{name}.json") as temporary:
        temporary.write_text(content)
    return name


def _server_version(url: str) -> str | None:
    """What a server on this machine says of itself at /version, as vLLM does."""
    parts = urlsplit(url)
    if parts.hostname not in client.THIS_MACHINE:
        return None
    connection = http.client.HTTPConnection(parts.hostname, parts.port or 80, timeout=5)
    try:
        connection.request("GET", "/version")
        return str(json.loads(connection.getresponse().read(10_000))["version"])[:100]
    except (OSError, http.client.HTTPException, ValueError, LookupError, TypeError):
        return None
    finally:
        connection.close()


def collect(
    asked: "Questionnaire", folder: Path, failures: dict[str, asking.Failure]
) -> tuple[pl.DataFrame, list[Environment], int]:
    """The predictions of a model, by task, variant and repeat, and then in the images' order.

    Beside them, the environments in which the answers were asked for, and the number of rows that are errors, those about
    images which cannot be decoded apart.
    """
    found = journal.read(folder)
    columns: dict[str, list[Any]] = {name: [] for name in PREDICTIONS}
    asking_environments: set[str] = set()
    for question in itertools.chain(asked, asked.refused()):
        if (image_id := asked.images.ids[question.images[0]]) in asked.unreadable:
            rows = [{"status": "error", "error": asked.unreadable[image_id]}]
        elif question.key in found:
            record = found[question.key]
            asking_environments.add(record.get("environment", ""))
            rows = answered_rows(question, record)
        else:
            failure = failures.get(question.key)
            rows = [{"status": "error", "error": failure.reason[:600] if failure else "not answered"}]
            rows *= len(question.images)
        for place, row in zip(question.images, rows, strict=True):
            about = {"image_id": asked.images.ids[place], "task": question.task, "variant": question.variant,
                     "repeat": question.repeat, "prompt": question.template.prompt,
                     "request": question.template.digest, "group": question.group}  # fmt: skip
            known = about | row
            for name, column in columns.items():
                column.append(known.get(name))
    frame = in_order(pl.DataFrame(columns, schema=PREDICTIONS), asked.images.ids)
    _report_odd_answers(frame)
    noted = [folder / ENVIRONMENTS / f"{name}.json" for name in sorted(asking_environments)]
    made_with = [json.loads(path.read_bytes()) for path in noted if path.is_file()]
    failed = frame.filter(pl.col("status") == "error", ~pl.col("image_id").is_in(list(asked.unreadable)))
    return frame, made_with, failed.height


def answered_rows(question: "Question", record: dict[str, Any]) -> list[dict[str, Any]]:
    """One row an image of a request; what the request used stands in the first."""
    response = answers.read(record["response"])
    count = len(question.images)
    texts = answers.one_each(response.text, count) if question.template.numbered or count > 1 else None
    if texts is None and count == 1:
        texts = [response.text]
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
    first = {
        "reasoning": response.reasoning,
        "prompt_tokens": response.used.prompt,
        "completion_tokens": response.used.completion,
        "cached_tokens": response.used.cached,
        "reasoning_tokens": response.used.reasoning,
        "latency": record["latency"],
        "batched": record.get("batch") is not None,
    }
    said: list[str | None] = [None] * count if error is not None or texts is None else [*texts]
    return [row | {"text": text} | (first if number == 0 else {}) for number, text in enumerate(said)]


def _report_odd_answers(found: pl.DataFrame) -> None:
    """One line for each sort of answer that is hardly meant as one. They are kept and scored by the rules."""
    text = pl.col("text")
    sorts = {
        "empty (out of prompt, never embedded)": text.str.strip_chars() == "",
        f"longer than {LONG_ANSWER} characters": text.str.len_chars() > LONG_ANSWER,
        "with control characters": text.str.contains(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]"),
    }
    for sort, condition in sorts.items():
        odd = found.filter(condition)
        if odd.height:
            shown = ascii(odd["text"][0][:60])
            log.warning(
                "%d of %d answers are %s, the first for image %r: %s",
                odd.height, found.height, sort, odd["image_id"][0], shown,
            )  # fmt: skip
