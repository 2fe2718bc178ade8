"""Chat models, whoever serves them: only what the journal lacks is asked, and predictions are read from the journal."""

import asyncio
import itertools
import json
import logging
from collections.abc import Callable, Container, Coroutine, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol
from urllib.parse import urlsplit

import polars as pl

from mllm_classify.api import client, journal, replies, sending
from mllm_classify.api.replies import FailedError
from mllm_classify.io.environment import Environment, environment
from mllm_classify.io.files import InputError, StoppedError, TerminatedError, sha256, written
from mllm_classify.predict.chat import asking, preflight
from mllm_classify.predict.chat.collecting import ENVIRONMENTS, collected
from mllm_classify.predict.chat.questions import questionnaire_of

if TYPE_CHECKING:
    from mllm_classify.config.chat import ChatModel
    from mllm_classify.predict.chat.questions import Question, Questionnaire
    from mllm_classify.predict.job import PredictJob, Progress

log = logging.getLogger(__name__)

VERSION_TIMEOUT = 5.0
"""Seconds in which a server on this machine says its version, or does not."""


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


def http_transport(model: "ChatModel", url: str, key_header: str = client.BEARER) -> client.Transport:
    """Plain HTTP, as every OpenAI-compatible server understands it."""
    return client.Http(url, _key(model), model.timeout, model.concurrency, key_header=key_header)


class Means(NamedTuple):
    """By what a model is asked, as its kind has it."""

    serving: Serving
    transport: "Callable[[ChatModel, str], client.Transport]" = http_transport
    instead: Instead | None = None


def answered(job: "PredictJob[ChatModel]", means: Means) -> tuple[pl.DataFrame, list[Environment]]:
    """The answers to all that a job asks its model, and the environments in which they were asked for.

    Only what its journal lacks is asked. Raises InputError where more answers are missing than the entry tolerates,
    naming how many and why; what came is in the journal.
    """
    model = job.model
    questionnaire, missing, failures = asked(job, means)
    rows = questionnaire.rows()
    frame, made_with, errors = collected(questionnaire, job.journal, failures)
    if errors > model.max_errors or any(failure.ours for failure in failures.values()):
        if failures:
            said = asking.explain(questionnaire, failures, missing, job.journal)
        else:
            first = frame.filter(pl.col("status") == "error").row(0, named=True)
            said = (
                f"model {model.name!r}: {errors} of {rows} answers cannot be read, the first to task {first['task']}"
                f"{first['variant'] and ' ' + repr(first['variant'])}, image {first['image_id']!r}: {first['error']}"
            )
        msg = f"{said}; the entry tolerates {model.max_errors} (max_errors)"
        raise InputError(msg)
    return frame, made_with


Check = Callable[[asking.Asker, journal.Answers, Container[str], list["Question"]], Coroutine[Any, Any, set[str]]]
"""Stops at the first thing that is wrong, given the answers that are there, the keys of questions that are answered or asked
for already, and the first of those that are not. Returns the keys of those that it has asked."""


class Asked(NamedTuple):
    """What was asked: all questions, how many answers were missing, and why some still are."""

    questionnaire: "Questionnaire"
    missing: int
    failures: dict[str, asking.Failure]


def asked(job: "PredictJob[ChatModel]", means: Means) -> Asked:
    """Ask what the journal of a job lacks."""
    return ask(questionnaire_of(job), job.journal, job.progress, means, job.shard[1])


def ask(
    questionnaire: "Questionnaire",
    folder: Path,
    progress: "Progress",
    means: Means,
    shards: int = 1,
    check: Check = preflight.check,
) -> Asked:
    """Ask what a journal lacks of the answers to some questions; `check` says first whether all is well."""
    known = journal.read(folder, replies.check_record)
    rows = questionnaire.rows()
    report = progress(rows, "answers")
    missing = sum(question.answers for question in asking.still_missing(questionnaire, known))
    log.info("%s lacks %d of %d answers", folder, missing, rows)
    failures: dict[str, asking.Failure] = {}
    if missing:
        _key(questionnaire.model)
        with means.serving() as served:
            log.info("asking %s for %d answers", served.url, missing)
            way = _Way(folder, report, rows - missing, shards, means, check)
            failures = asyncio.run(_ask_missing(questionnaire, known, served, way))
    return Asked(questionnaire, missing, failures)


class _Way(NamedTuple):
    """How a job asks what is missing."""

    folder: Path  # of the journal
    report: asking.Report
    done: int  # answers that are there already
    shards: int
    means: Means
    check: Check


async def _ask_missing(
    questionnaire: "Questionnaire", known: journal.Answers, served: Served, way: _Way
) -> dict[str, asking.Failure]:
    """Ask what is missing. Returns why some questions have no answer."""
    model = questionnaire.model
    already = asking.spent(model, known) if model.budget is not None else 0.0
    ledger = asking.Ledger(model, already, way.shards)
    noted = await _note_environment(served.url, way.folder)
    async with way.means.transport(model, served.url) as carrier:
        with journal.Writer(way.folder) as writer:
            asker = asking.Asker(questionnaire, carrier, writer, ledger, noted, way.report, way.done, served.ended)
            way.report(way.done, "")
            with sending.until_terminated(asker):
                await sending.within_grace(asker, _ask(asker, known, way))
            if asker.stopped is not None:
                raise _why(asker, way.folder)
    return asker.failures


async def _ask(asker: asking.Asker, known: journal.Answers, way: _Way) -> None:
    instead = way.means.instead
    taken = known.keys() | (instead.under_way() if instead else set())
    missing = (question for question in asking.still_missing(asker.questionnaire, known) if question.key not in taken)
    first = list(itertools.islice(missing, preflight.MANY))
    try:
        checked = await way.check(asker, known, taken, first)
    except StoppedError as error:
        asker.stop(error)
        return

    def waiting() -> Iterator["Question"]:
        return preflight.unasked(asking.still_missing(asker.questionnaire, known), checked)

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


async def _note_environment(url: str, folder: Path) -> str:
    """Write down in what environment answers are asked for, once. Returns the name under which it is found."""
    content = json.dumps(environment() | {"server": await _server_version(url)}, sort_keys=True)
    name = sha256(content.encode())[:16]
    with written(folder / ENVIRONMENTS / f"{name}.json") as temporary:
        temporary.write_text(content)
    return name


async def _server_version(url: str) -> str | None:
    """What a server on this machine says of itself at /version, as vLLM does."""
    parts = urlsplit(url)
    if parts.hostname not in client.THIS_MACHINE:
        return None
    root = parts._replace(path="", query="").geturl()
    try:
        async with client.Http(root, "none", VERSION_TIMEOUT, connections=1) as server:
            reply = await server.get("/version")
    except FailedError:
        return None
    said = reply.body.get("version") if isinstance(reply.body, dict) else None
    return None if said is None else str(said)[:100]
