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
from mllm_classify.io.text import one_line
from mllm_classify.predict.chat import asking, preflight
from mllm_classify.predict.chat.collecting import ENVIRONMENTS, collected, noted_environments
from mllm_classify.predict.chat.inquiry import Inquirer
from mllm_classify.predict.chat.questions import questionnaire_of
from mllm_classify.predict.chat.rankings import Rankings
from mllm_classify.predict.rows import in_order

if TYPE_CHECKING:
    from mllm_classify.config.chat import ChatModel
    from mllm_classify.predict.chat.prompts import Way
    from mllm_classify.predict.chat.question import Question
    from mllm_classify.predict.chat.questions import Questionnaire
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


def plainly(model: "ChatModel", serving: Serving) -> Means:
    """By plain HTTP, with the header that the entry's kind puts its key in."""
    header = getattr(model, "api_key_header", client.BEARER)
    return Means(serving, lambda model, url: http_transport(model, url, header))


def answered(job: "PredictJob[ChatModel]", means: Means) -> tuple[pl.DataFrame, list[Environment]]:
    """The answers to all that a job asks its model, and the environments in which they were asked for.

    Only what its journal lacks is asked. Raises InputError where more answers are missing than the entry tolerates,
    naming how many and why; what came is in the journal.
    """
    model = job.model
    questionnaire, missing, failures, rankings = asked(job, means)
    rows = questionnaire.rows()
    frame, environments, errors = collected(questionnaire, job.journal, failures)
    if len(rankings.failures) > model.max_errors:
        first_failed = next(iter(rankings.failures.values()))
        msg = (
            f"model {model.name!r}: {len(rankings.failures)} images have no ranking, the first for task {first_failed.task}, "
            f"image {first_failed.image_id!r}: {one_line(first_failed.reason)}; what was answered is in {rankings.folder}, and "
            f"another run asks for the rest only; the entry tolerates {model.max_errors} (max_errors)"
        )
        raise InputError(msg)
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
    if rankings.ways:
        frame = in_order(pl.concat([frame, rankings.rows()]), questionnaire.images.ids)
    return frame, noted_environments(job.journal, environments | rankings.environments())


Check = Callable[[asking.Asker, journal.Answers, Container[str], list["Question"]], Coroutine[Any, Any, set[str]]]
"""Stops at the first thing that is wrong, given the answers that are there, the keys of questions that are answered or asked
for already, and the first of those that are not. Returns the keys of those that it has asked."""


class Askable(Protocol):
    """Questions to one model, as `Questionnaire` has those about images. It can be gone through any number of times."""

    @property
    def model(self) -> "ChatModel": ...

    @property
    def ways(self) -> "list[Way]": ...

    def __iter__(self) -> Iterator["Question"]: ...

    def body(self, question: "Question") -> dict[str, Any]:
        """A whole request."""


class Asked(NamedTuple):
    """What was asked: all questions, how many answers were missing, and why some still are."""

    questionnaire: "Questionnaire"
    missing: int
    failures: dict[str, asking.Failure]
    rankings: Rankings


def asked(job: "PredictJob[ChatModel]", means: Means) -> Asked:
    """Ask what the journal of a job lacks."""
    questionnaire = questionnaire_of(job)
    rankings = Rankings(questionnaire, job.journal)
    missing, failures = ask(questionnaire, job.journal, job.progress, means, job.shard[1], rankings=rankings)
    return Asked(questionnaire, missing, failures, rankings)


def ask(
    questionnaire: Askable,
    folder: Path,
    progress: "Progress",
    means: Means,
    shards: int = 1,
    *,
    rankings: Rankings | None = None,
    check: Check | None = preflight.check,
) -> tuple[int, dict[str, asking.Failure]]:
    """Ask what a journal's folder lacks of a questionnaire. `check` says first whether all is well, where there is one.

    Returns how many answers were missing, and why some still are.
    """
    known = journal.read(folder, replies.check_record)
    # questions that equal each other to the letter are one, and have one answer
    answers = {question.key: len(question.images) for question in questionnaire}
    total = sum(answers.values())
    report = progress(total, "answers")
    missing = sum(count for key, count in answers.items() if key not in known)
    log.info("%s lacks %d of %d answers", folder, missing, total)
    failures: dict[str, asking.Failure] = {}
    lacking = sum(map(len, rankings.lacking().values())) if rankings else 0
    if missing or lacking:
        _key(questionnaire.model)
        with means.serving() as served:
            way = _Way(folder, report, total - missing, shards, means, check)
            if missing:
                log.info("asking %s for %d answers", served.url, missing)
                failures = asyncio.run(_ask_missing(questionnaire, known, served, way))
            if rankings and lacking:
                log.info("asking %s for %d rankings", served.url, lacking)
                way = way._replace(report=progress(lacking, "rankings"))
                asyncio.run(_rank_missing(rankings, served, way))
                rankings.reread()
    return missing, failures


class _Way(NamedTuple):
    """How a job asks what is missing."""

    folder: Path  # of the journal
    report: asking.Report
    done: int  # answers that are there already
    shards: int
    means: Means
    check: Check | None


async def _ask_missing(
    questionnaire: Askable, known: journal.Answers, served: Served, way: _Way
) -> dict[str, asking.Failure]:
    """Ask what is missing. Returns why some questions have no answer."""
    model = questionnaire.model
    already = asking.spent(model, known) if model.budget is not None else 0.0
    ledger = asking.Ledger(model, already, way.shards)
    noted = await _note_environment(served.url, way.folder)
    async with way.means.transport(model, served.url) as carrier:
        with journal.Writer(way.folder) as writer:
            early = way.means.instead is None and model.prices is None and model.budget is None
            asker = asking.Asker(
                questionnaire, carrier, writer, ledger, noted, way.report, way.done, served.ended, early=early
            )
            way.report(way.done, "")
            with sending.until_terminated(asker):
                await sending.within_grace(asker, _ask(asker, known, way))
            if asker.stopped is not None:
                raise _why(asker, model, way.folder)
    return asker.failures


async def _rank_missing(rankings: Rankings, served: Served, way: _Way) -> None:
    """Ask what rankings lack. Raises StoppedError where asking ended before that."""
    model = rankings.questionnaire.model
    noted = await _note_environment(served.url, way.folder)
    async with way.means.transport(model, served.url) as carrier:
        with journal.Writer(rankings.folder) as writer:
            inquirer = Inquirer(rankings, carrier, writer, noted, way.report, served.ended)
            with sending.until_terminated(inquirer):
                await sending.within_grace(inquirer, inquirer.ask_all(served.url, _key(model)))
            if inquirer.stopped is not None:
                raise _why(inquirer, model, rankings.folder)


async def _ask(asker: asking.Asker, known: journal.Answers, way: _Way) -> None:
    instead, checked = way.means.instead, set[str]()
    taken = known.keys() | (instead.under_way() if instead else set())
    missing = (question for question in asking.still_missing(asker.questionnaire, known) if question.key not in taken)
    first = list(itertools.islice(missing, preflight.MANY))
    try:
        if way.check is not None:
            checked = await way.check(asker, known, taken, first)
    except StoppedError as error:
        asker.stop(error)
        await asker.ask_all(iter(()))
        return

    def waiting() -> Iterator["Question"]:
        return preflight.unasked(asking.still_missing(asker.questionnaire, known), checked)

    if instead is None:
        await asker.ask_all(waiting())
    else:
        await instead.ask_all(asker, waiting)


def _why(asker: sending.Sender, model: "ChatModel", folder: Path) -> StoppedError:
    """Why asking stopped, and that nothing is lost."""
    reason = str(asker.stopped)
    named = f"model {model.name!r}: "
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
