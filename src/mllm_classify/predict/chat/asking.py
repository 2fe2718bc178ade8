"""Asking a chat model many questions at once: within its budget, each answer journalled as it comes."""

import asyncio
import logging
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from mllm_classify.api import answers, client, journal, replies
from mllm_classify.api.sending import Sender
from mllm_classify.io.files import InputError, StoppedError
from mllm_classify.io.text import one_line

if TYPE_CHECKING:
    from mllm_classify.config.chat import ChatModel
    from mllm_classify.predict.chat.question import Question

log = logging.getLogger(__name__)

CHARACTERS_PER_TOKEN = 3.0
"""Of English text and class lists, for estimates until a server has counted; tokenizers differ."""

Report = Callable[[int, str], None]
"""Told how many answers there are, and what else there is to say."""


def characters(question: "Question") -> int:
    """Length of all text of a request."""
    return question.template.characters + sum(map(len, question.texts))


def expected_tokens(model: "ChatModel", question: "Question") -> int:
    """Tokens of a prompt, before a server has counted any."""
    pictures = question.template.pictures * (model.image_tokens or 0)
    return round(characters(question) / CHARACTERS_PER_TOKEN) + pictures


def like(question: "Question") -> tuple[str, str, int]:
    """What questions have in common whose prompts have about as many tokens."""
    return question.task, question.variant, len(question.images)


def spent(model: "ChatModel", known: journal.Answers) -> float:
    """Dollars that all answers in a model's journal have cost, as far as their usage says."""
    if model.prices is None:
        return 0.0
    total = 0.0
    for record in known.values():
        used = answers.used(record["response"])
        total += model.prices.cost(
            used.prompt or 0, used.cached or 0, used.completion or 0, batch=record.get("batch") is not None
        )
    return total


class Ledger:
    """Money: what was spent, and what is reserved for requests that are under way."""

    def __init__(self, model: "ChatModel", already: float, shards: int = 1) -> None:
        self._prices = model.prices
        # shards do not see each other's requests: each may spend its part of what is left
        self.left = float("inf") if model.budget is None else (model.budget - already) / shards
        self._reserved = 0.0
        self._under_way = 0  # a sum of dollars that went and came is hardly ever exactly 0 again
        self._settled = asyncio.Event()

    @property
    def free(self) -> float:
        """What is neither spent nor reserved."""
        return self.left - self._reserved

    def hold(self, cost: float) -> None:
        """Set money aside, whether or not it is there."""
        self._reserved += cost
        self._under_way += 1

    def cost(self, used: answers.Used, *, batch: bool = False) -> float:
        if self._prices is None:
            return 0.0
        return self._prices.cost(used.prompt or 0, used.cached or 0, used.completion or 0, batch=batch)

    def at_most(self, prompt: int, completion: int, *, batch: bool = False) -> float:
        """The cost of a request of which nothing is cached, and whose answer is as long as it may be."""
        return 0.0 if self._prices is None else self._prices.cost(prompt, 0, completion, batch=batch)

    async def reserve(self, cost: float) -> bool:
        """Set money aside, once there is enough; False where there never will be."""
        while cost > self.free:
            if not self._under_way:
                return False
            self._settled.clear()
            await self._settled.wait()
        self.hold(cost)
        return True

    def settle(self, reserved: float, cost: float) -> None:
        self._under_way -= 1
        self._reserved = self._reserved - reserved if self._under_way else 0.0
        self.left -= cost
        self._settled.set()


class Failure(NamedTuple):
    """Why a question has no answer. `number` is its place among those that were asked."""

    number: int
    question: "Question"
    reason: str
    ours: bool = False  # no request was sent: an image is gone, or another one
    filtered: bool = False  # by the provider's content filter


class Asker(Sender):
    """Asks questions of one model and journals each answer as it comes."""

    def __init__(
        self,
        questionnaire: Any,
        transport: client.Transport,
        writer: journal.Writer,
        ledger: Ledger,
        environment: str,
        report: Report,
        done: int = 0,
        ended: Callable[[], str | None] = lambda: None,
        *,
        early: bool = False,
    ) -> None:
        super().__init__(questionnaire.model, transport, ended=ended, answered=done > 0)
        self.early = early  # whether some may be asked while a preflight goes on
        self._begun: list[asyncio.Task[None]] = []
        self.questionnaire = questionnaire
        self.model: ChatModel = questionnaire.model
        self.ledger = ledger
        self.failures: dict[str, Failure] = {}
        self._writer = writer
        self._environment = environment
        self._report = report
        self.done = done  # answers that are there, or failed for good
        self._first = asyncio.Lock()
        self._tokens = 0
        self._asked = 0
        self._largest: Counter[tuple[str, str, int]] = Counter()

    def body(self, question: "Question") -> dict[str, Any]:
        """The whole request, images included."""
        whole: dict[str, Any] = self.questionnaire.body(question)
        return whole

    async def ask(self, question: "Question") -> dict[str, Any] | None:
        """Ask one question and journal the answer. Returns the response; None where there is none, noted as a failure."""
        if self.model.budget is not None and not self._largest[like(question)]:
            async with self._first:
                if not self._largest[like(question)]:  # it shows what others like it will cost
                    return await self._ask(question)
        return await self._ask(question)

    async def _ask(self, question: "Question") -> dict[str, Any] | None:
        self._asked += 1
        number = self._asked
        expected = self.expected(question)
        limit = self.model.request.limit * len(question.images)
        reserved = self.ledger.at_most(expected, limit)
        if not await self.ledger.reserve(reserved):
            budget = self.model.budget
            self.stop(StoppedError(f"budget: {budget:g} dollars: the next request could exceed it"))
            return None
        cost = 0.0
        try:
            body = await asyncio.to_thread(self.body, question)
            response, latency = await self.send(body, expected + limit)
            used = answers.used(response)
            cost = self.ledger.cost(used)
            self.keep(question, response, {"latency": latency})
            if self.model.budget is not None and used.prompt is None:
                said = "budget: the server does not say how many tokens it used, and so not what was spent"
                self.stop(StoppedError(said))
        except InputError as error:
            self.fail(question, str(error), number, ours=True)
            return None
        except replies.NotUnderstoodError as error:
            cost = self.ledger.cost(answers.used(error.response))
            self.keep(question, error.response, {"latency": None})
            self.fail(question, str(error), number)
            return None
        except replies.FailedError as error:
            if self.stopped is None or isinstance(error, replies.PermanentError):
                self.fail(question, str(error), number, filtered=isinstance(error, replies.FilteredError))
            return None
        else:
            return response
        finally:
            self.ledger.settle(reserved, cost)

    def expected(self, question: "Question") -> int:
        """Tokens of a question's prompt: the most that the server has counted for one like it, or an estimate."""
        counted = self._largest[like(question)]
        expected = expected_tokens(self.model, question)
        return max(counted, expected) if question.texts else counted or expected

    def keep(self, question: "Question", response: dict[str, Any], about: dict[str, Any]) -> None:
        """Journal an answer, and what was sent for it."""
        used = answers.used(response)
        self._largest[like(question)] = max(self._largest[like(question)], used.prompt or 0)
        self._tokens += (used.prompt or 0) + (used.completion or 0)
        record = {"key": question.key, "request": question.template.digest, "environment": self._environment}
        if question.examples:
            about = about | {"examples": [[example.digest, example.name] for example in question.examples]}
        if question.texts:
            about = about | {"about": list(question.texts)}
        self._writer.append(record | about | {"response": response}, question.template.body)

    def fail(
        self, question: "Question", reason: str, number: int, *, ours: bool = False, filtered: bool = False
    ) -> None:
        """Note why a question stays without an answer. `number` is its place among those that were asked."""
        self.failures[question.key] = Failure(number, question, reason, ours, filtered)

    def report(self, question: "Question") -> None:
        """Say how far it is, now that a question is done with."""
        self.done += len(question.images)
        counts = {"tokens": self._tokens, "errors": len(self.failures), "retries": self.retried}
        self._report(self.done, ", ".join(f"{count:,} {what}" for what, count in counts.items() if count))

    def begin(self, questions: "Iterable[Question]") -> None:
        """Ask these, without waiting for the answers: `ask_all` does."""
        self._begun += [asyncio.create_task(self._work(iter([question]))) for question in questions]

    async def _work(self, waiting: Iterator["Question"]) -> None:
        for question in waiting:
            await self.ask(question)
            if self.stopped is not None:
                return
            self.report(question)

    async def ask_all(self, waiting: Iterator["Question"]) -> None:
        """Ask all of them, at most `concurrency` at a time. Each worker takes the next one when it is free.

        Once asking has stopped, only what has begun is waited for.
        """
        workers = list(self._begun)
        if self.stopped is None:
            workers += [asyncio.create_task(self._work(waiting)) for _ in range(self.model.concurrency)]
        try:
            await asyncio.gather(*workers)
        finally:
            for worker in workers:
                worker.cancel()
            await asyncio.gather(*workers, return_exceptions=True)


def still_missing(questionnaire: "Iterable[Question]", known: journal.Answers) -> Iterator["Question"]:
    """The questions without an answer; one that appears twice (an image that the data set holds twice) once."""
    seen: set[str] = set()
    for question in questionnaire:
        if question.key not in known and question.key not in seen:
            seen.add(question.key)
            yield question


def explain(questionnaire: Any, failures: dict[str, Failure], count: int, folder: Path) -> str:
    """How many questions failed, and why the first did."""
    model: ChatModel = questionnaire.model
    first = min(failures.values())
    return (
        f"model {model.name!r}: {len(failures)} of {count} requests failed, the first for task {first.question.task}, "
        f"{questionnaire.about(first.question)}: {one_line(first.reason)}; what was answered is in {folder}, and another run "
        "asks for the rest only"
    )
