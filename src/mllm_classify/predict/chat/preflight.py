"""Before the first of many requests: whether this is the model, sees the images, and does as it is told.

What can be checked on questions that have to be asked anyway is: their answers are kept. Where requests cost nothing, as
many as go at once are begun when the first of each kind is answered: a server is not idle while it is checked.
"""

import asyncio
import itertools
import logging
import uuid
from collections.abc import Container, Coroutine, Iterable
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, NamedTuple, NoReturn, TypeVar

from mllm_classify.api import answers, replies
from mllm_classify.io.files import StoppedError
from mllm_classify.predict.chat.constraining import IN_JSON, name_in
from mllm_classify.predict.chat.prompts import Prompt, Way, template
from mllm_classify.predict.chat.tally import estimated
from mllm_classify.tasks import CW, CW_CONSTRAINED, OW, TASKS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mllm_classify.api.journal import Answers
    from mllm_classify.predict.chat.asking import Asker
    from mllm_classify.predict.chat.prompts import Template
    from mllm_classify.predict.chat.question import Question

log = logging.getLogger(__name__)

MANY = 100
"""Requests from which on checking pays."""
WARM_UPS = 3
"""How often the class list is looked for in the server's cache."""
IMAGES = 4
"""Images that must not all look alike."""
LONG_LIST = 100
"""Classes from which on it is looked at whether the whole list arrives."""
WHOLE = 0.9
"""What a half of the class list takes at least of the other half's tokens."""
DESCRIBE = "Describe this image in one short sentence."
OBEY = "Write the word green and nothing else."
ONLY = ["alpha-omega-1", "omega-alpha-2"]
"""The only answers that a constrained server can give to OBEY."""
LISTING = [task.name for task in TASKS if task.placeholder == CW.placeholder]
"""Tasks whose prompts hold the list of classes."""

T = TypeVar("T")


class Answered(NamedTuple):
    question: "Question"
    answer: answers.Answer


def questions_by_way(asker: "Asker", known: Container[str]) -> list[list["Question"]]:
    """For each way of asking, some unanswered questions about different images.

    Where there are enough images, no two ways share one: a prompt that both have would come from the cache.
    """
    chosen_by_way = []
    used: set[str] = set()
    for questions in asker.questionnaire.by_way():
        some: dict[str, Question] = {}
        unused: dict[str, Question] = {}
        keys: set[str] = set()
        for question in questions:
            if question.key in known or question.key in keys:
                continue
            keys.add(question.key)
            digest = asker.questionnaire.images.digests[question.images[0]]
            if len(some) < WARM_UPS:
                some.setdefault(digest, question)
            if digest not in used:
                unused.setdefault(digest, question)
            if len(unused) == WARM_UPS:
                break
        chosen = unused if len(unused) > 1 else some
        used |= chosen.keys()
        if chosen:
            chosen_by_way.append(list(chosen.values()))
    return chosen_by_way


async def check(asker: "Asker", answered: "Answers", known: Container[str], first: list["Question"]) -> set[str]:
    """Stop with a message at the first thing that is wrong. Returns the keys of the questions that were asked.

    `known` are those that are answered, or asked for already; `first` are the first MANY of the others: of fewer, only
    whether the server holds to a list of answers is looked at.

    Raises StoppedError.
    """
    if len(first) < MANY:
        await check_constraint(asker, first)
        return set()
    return await _check_whole_preflight(asker, answered, known, first)


async def check_without_images(asker: "Asker", answered: "Answers", first: list["Question"], advice: str) -> None:
    """The same for questions that have no images, and all a list of answers. None is asked."""
    if len(first) == MANY:
        _check_budget(asker, answered)
        await _check_models(asker)
    await _check_constrained(asker, 0, 0, advice)


async def _check_whole_preflight(
    asker: "Asker", answered: "Answers", known: Container[str], first: list["Question"]
) -> set[str]:
    _check_budget(asker, answered)
    length = await _check_models(asker)
    ways = questions_by_way(asker, known)
    listing = [questions for questions in ways if asker.questionnaire.lists_classes(questions[0])]
    cached = [questions for questions in listing if asker.model.min_cached_share and len(questions) > 1]
    long = listing if len(asker.questionnaire.names) >= LONG_LIST else []
    # what requests use with no class, and with every second one
    without: dict[str, answers.Used | None] = {}
    half: dict[str, answers.Used | None] = {}

    async def note(used: dict[str, answers.Used | None], question: "Question", classes: range) -> None:
        put = asker.questionnaire.listing_only(question, classes)
        answer = await _probe(asker, put, question.images[0], like=question)
        used[question.key] = None if answer is None else answer.used

    every_second = range(0, len(asker.questionnaire.names), 2)
    firsts = await _together(
        *(_ask(asker, questions[0]) for questions in ways),
        *(note(without, questions[0], range(0)) for questions in ways if questions in cached or questions in long),
        *(note(half, questions[0], every_second) for questions in long),
        check_constraint(asker, (questions[0] for questions in ways)),
    )
    begun: list[Question] = []
    if asker.early and all(firsts[: len(ways)]):
        chosen = {question.key for questions in ways for question in questions}
        room = max(0, asker.model.concurrency - len(ways))  # the next of each kind waits for none of them
        begun = [question for question in first if question.key not in chosen][:room]
        asker.begin(begun)
    second = await _together(*(_ask(asker, questions[1]) for questions in ways if len(questions) > 1))
    got = [one for one in (*firsts, *second) if one is not None]
    for questions in ways:
        task = questions[0].task
        failed = [asker.failures[question.key] for question in questions if question.key in asker.failures]
        filtered = all(failure.filtered for failure in failed)  # which says nothing of other images
        if not filtered and task not in {one.question.task for one in got}:
            _fail(asker, f"task {task}: {min(failed).reason}", _too_long(asker, task, length))
    await _check_images(asker, got)
    for questions in long:
        _check_whole(asker, questions[0], got, without[questions[0].key], half[questions[0].key])
    for questions in cached:
        got += await _check_cache(asker, questions, got, without[questions[0].key])
    log.info("preflight: %d questions answered, all is well", len(got))
    checked = {question.key for questions in ways for question in questions if question.key in _keys(got, asker)}
    return checked | {question.key for question in begun}


def _keys(got: list[Answered], asker: "Asker") -> set[str]:
    return {one.question.key for one in got} | set(asker.failures)


async def _ask(asker: "Asker", question: "Question") -> Answered | None:
    response = await asker.ask(question)
    if asker.stopped is not None:
        raise asker.stopped
    asker.report(question)
    return None if response is None else Answered(question, answers.read(response))


async def _together(*asking: Coroutine[Any, Any, T]) -> list[T]:
    """All of them at once. Where one of them stops the asking, what the others are answered is waited for all the same."""
    results = await asyncio.gather(*asking, return_exceptions=True)
    for result in results:
        if isinstance(result, BaseException):
            raise result
    return [result for result in results if not isinstance(result, BaseException)]


async def _probe(
    asker: "Asker", put: "Template", image: int, advice: str = "", like: "Question | None" = None
) -> answers.Answer | None:
    """The answer to something that is not a question of the study; None where a filter withheld it.

    The journal holds it, as it holds all that was paid for, but nothing finds it there.
    """
    probing = asker.questionnaire.probe(put, image, like)._replace(key=f"probe {uuid.uuid4().hex}", variant="probe")
    response = await asker.ask(probing)
    if asker.stopped is not None:
        raise asker.stopped
    failure = asker.failures.pop(probing.key, None)
    if failure is not None and not failure.filtered:
        _fail(asker, failure.reason, advice)
    return None if response is None else answers.read(response)


def _fail(asker: "Asker", reason: str, advice: str = "") -> NoReturn:
    msg = f"model {asker.model.name!r}: preflight: {reason}{advice and f'; {advice}'}"
    raise StoppedError(msg)


def _too_long(asker: "Asker", task: str, length: int | None) -> str:
    if task not in LISTING:
        return ""
    fits = f" (its context has {length} tokens)" if length else ""
    return f"if the list of {len(asker.questionnaire.names)} classes is too long for it{fits}, remove {task} from its tasks"


def _check_budget(asker: "Asker", answered: "Answers") -> None:
    if asker.model.budget is None:
        return
    rows = estimated(asker.questionnaire, answered)
    expected = sum(row["cost_cached" if asker.model.min_cached_share else "cost"] or 0.0 for row in rows)
    if expected > asker.ledger.left:
        _fail(
            asker,
            f"budget: {asker.model.budget:g}: the answers that are missing cost about {expected:.2f} dollars, and "
            f"{max(asker.ledger.left, 0):.2f} are left",
            "raise it, or set tasks: sample: (`make estimate` shows what costs how much)",
        )


async def _check_models(asker: "Asker") -> int | None:
    """Whether the model is served. Returns the length of its context, where the server tells."""
    for attempt in itertools.count(1):
        try:
            reply = await asker.transport.models()
            if reply.status < HTTPStatus.INTERNAL_SERVER_ERROR or attempt > 1:
                break
        except replies.TemporaryError as error:
            if attempt > 1:
                _fail(asker, f"the endpoint does not answer: {error}", "look at its address, and whether it runs")
        await asyncio.sleep(1)
    try:
        listed: list[dict[str, Any]] = reply.body["data"]
        names = [str(model["id"]) for model in listed]
    except (LookupError, TypeError):
        log.info("preflight: the endpoint does not list its models (HTTP %d)", reply.status)
        return None
    if names and asker.model.served not in names:
        shown = ", ".join(names[:10]) + (", ..." if len(names) > 10 else "")
        log.warning(
            "preflight: the server's list of models has no %r (it has %s); it is asked all the same, as lists lack aliases",
            asker.model.served, shown,
        )  # fmt: skip
    own = next((model for model in listed if model["id"] == asker.model.served), {})
    length = own.get("max_model_len")
    return length if isinstance(length, int) else None


async def _check_images(asker: "Asker", got: list[Answered]) -> None:
    """Different images must not all be answered alike, whatever is asked."""
    seen = [it for it in got if it.question.pixels == "own"]
    if got and not seen:
        return  # nothing that was asked shows an image
    by_way: dict[tuple[str, str], set[str]] = {}
    for one in seen:
        by_way.setdefault((one.question.task, one.question.variant), set()).add(one.answer.text)
    if any(len(texts) > 1 for texts in by_way.values()):
        return
    digests = asker.questionnaire.images.digests
    places = sorted({digest: place for place, digest in enumerate(digests)}.values())
    spread = places[:: max(1, len(places) // IMAGES)][:IMAGES]
    if len(spread) < 2:
        return
    put = template(asker.model, Way(OW.name, Prompt(DESCRIBE, ""), asker.model.layout), DESCRIBE)
    probed = await _together(*(_probe(asker, put, place) for place in spread))
    described = [answer for answer in probed if answer is not None]
    if len(described) > 1 and len({answer.text for answer in described}) == 1:
        ids = ", ".join(asker.questionnaire.images.ids[place] for place in spread)
        _fail(
            asker,
            f"the model says the same of different images ({ids}), asked what they are and to describe them: "
            f"{described[0].text[:80]!a}",
            "does it see images, and does its chat template place them?",
        )


def _check_whole(
    asker: "Asker",
    question: "Question",
    got: list[Answered],
    without: answers.Used | None,
    half: answers.Used | None,
) -> None:
    """The second half of the class list must take about as many tokens as the first: some servers cut prompts in silence."""
    counted = next((one.answer.used.prompt for one in got if one.question.key == question.key), None)
    if counted is None or half is None or half.prompt is None or without is None or without.prompt is None:
        return
    if counted - half.prompt <= WHOLE * (half.prompt - without.prompt):
        _fail(
            asker,
            f"task {question.task}: the class list is cut off: the server counts {half.prompt} tokens with every second class, "
            f"{counted} with all {len(asker.questionnaire.names)}",
            "serve the model with a longer context",
        )


async def _check_cache(
    asker: "Asker", questions: list["Question"], got: list[Answered], without: answers.Used | None
) -> list[Answered]:
    """The class list must come from the server's cache, once it was read."""
    share = asker.model.min_cached_share
    mine = [one for one in got if (one.question.task, one.question.variant) == (questions[0].task, "")]
    if len(mine) < 2 or without is None:
        return []
    waive = "or set min_cached_share: 0 to do without"
    more: list[Answered] = []
    while True:
        counted = [one.answer.used for one in [*mine, *more]]
        if counted[-1].prompt is None or without.prompt is None or counted[-1].cached is None:
            _fail(
                asker,
                "the server does not say how many tokens came from its prefix cache",
                f"start vLLM with --enable-prefix-caching --enable-prompt-tokens-details, {waive}",
            )
        listed = (counted[0].prompt or 0) - (without.prompt or 0)
        cached = max(used.cached or 0 for used in counted[1:])
        if cached >= share * listed:
            log.info("preflight: %d of the class list's %d tokens come from the cache", min(cached, listed), listed)
            return more
        if len(counted) == len(questions):
            break
        await asyncio.sleep(1)
        if (one := await _ask(asker, questions[len(counted)])) is not None:
            more.append(one)
        else:
            break
    _fail(
        asker,
        f"task {questions[0].task}: {cached} of the class list's {listed} tokens come from the server's prefix cache "
        f"(min_cached_share: {share:g})",
        f"try layout: image_last, or layout: system for templates that render images first, {waive}",
    )


async def check_constraint(asker: "Asker", questions: Iterable["Question"]) -> None:
    """Where one of the questions has a list of answers, the server must hold to such a list, whatever it is asked.

    Raises StoppedError.
    """
    place = next((question.images[0] for question in questions if question.task == CW_CONSTRAINED.name), None)
    if place is None:
        return
    await _check_constrained(asker, 1, place, f"or remove {CW_CONSTRAINED.name} from its tasks")


async def _check_constrained(asker: "Asker", images: int, place: int, otherwise: str) -> None:
    field = asker.model.constrained_by
    advice = f"look at constrained_by: {field} (docs/providers.md), {otherwise}"
    way = Way(CW_CONSTRAINED.name, Prompt(OBEY, ""), asker.model.layout)
    answer = await _probe(asker, template(asker.model, way, OBEY, images, choice=ONLY), place, advice)
    if answer is not None and (name_in(answer.text) if field in IN_JSON else answer.text) not in ONLY:
        _fail(
            asker,
            f"constrained decoding does not constrain: {ONLY} were the only answers, and {answer.text[:80]!a} came",
            advice,
        )


def unasked(waiting: "Iterator[Question]", checked: set[str]) -> "Iterator[Question]":
    """What is left after the preflight."""
    return (question for question in waiting if question.key not in checked)
