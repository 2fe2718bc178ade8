"""OpenAI's Batch API: questions go as files and are answered within a day, at half the price, into the same journal.

What is handed in is written down beside the journal before it is sent, so that a job that was killed finds its batches
again and collects what they have answered.
"""

import asyncio
import json
import logging
import uuid
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from mllm_classify.api import answers, client, replies
from mllm_classify.api.sending import FIRST_WAIT, LONGEST_BACKOFF
from mllm_classify.io.files import InputError, StoppedError, written
from mllm_classify.io.limits import REPLY_BYTES
from mllm_classify.predict.chat.asking import Asker

if TYPE_CHECKING:
    from mllm_classify.config.chat import Batch, ChatModel
    from mllm_classify.predict.chat.question import Question

log = logging.getLogger(__name__)

FOLDER = "batches"
"""Beside the journal's files: one file for each batch that is not collected yet. Shards share them."""
ENDED = {"completed", "failed", "expired", "cancelled"}
ENDPOINT: Final = "/v1/chat/completions"
MARK = "mllm_classify"
"""The key of a batch's metadata under which it is found again."""
WINDOW: Final = "24h"
TOO_MANY_WAIT = "token_limit_exceeded"
RETRIES = 8
"""Of what carries files and asks for their state; OpenAI's client waits between them."""


class HandedIn(NamedTuple):
    """A batch that is not collected yet, as it is written down."""

    mark: str
    number: str | None  # the API's; none where the job was killed before it was known
    keys: list[str]
    tokens: int  # of its prompts, as expected
    cost: float  # at most, in dollars


@dataclass
class Filling:
    """A file to be handed in."""

    lines: list[bytes] = field(default_factory=list)
    keys: list[str] = field(default_factory=list)
    size: int = 0
    tokens: int = 0
    cost: float = 0.0  # at most

    def add(self, key: str, line: bytes, tokens: int, cost: float) -> None:
        self.lines.append(line)
        self.keys.append(key)
        self.size += len(line)
        self.tokens += tokens
        self.cost += cost


@dataclass(frozen=True)
class InBatches:
    """Asks in batches what is left after the preflight."""

    limits: "Batch"
    folder: Path

    def under_way(self) -> set[str]:
        return under_way(self.folder)

    async def ask_all(self, asker: Asker, waiting: Callable[[], Iterator["Question"]]) -> None:
        """Hand in all questions and collect the answers. What failed or expired is handed in again, `rounds` times in all.

        Why a question stays without an answer is noted with the asker, and so is why it stopped, if it did.
        """
        import openai

        transport = asker.transport
        if not isinstance(transport, client.OpenAI):
            msg = "batches go through OpenAI's client"
            raise TypeError(msg)
        questions = {question.key: question for question in waiting()}
        try:
            await Batches(self, asker, transport, questions).run()
        except (openai.OpenAIError, replies.PermanentError) as error:
            said = transport.masked(f"Batch API: {error} {error.__cause__ or ''}")
            asker.stop(StoppedError(said.strip()[:600]))


def written_down(folder: Path) -> Iterator[tuple[Path, HandedIn]]:
    """The batches that are not collected yet, and where that stands."""
    for path in sorted(folder.glob("*.json")):
        yield path, HandedIn(**json.loads(path.read_bytes()))


def under_way(folder: Path) -> set[str]:
    """The questions that jobs before have handed in, and that were not collected yet: nobody else asks them."""
    return {key for _, batch in written_down(folder) for key in batch.keys}


class Batches:
    """The batches of one job, from its questions to their answers."""

    def __init__(
        self, way: InBatches, asker: Asker, transport: client.OpenAI, questions: "dict[str, Question]"
    ) -> None:
        self._limits = way.limits
        self._folder = way.folder
        self._asker = asker
        self._transport = transport
        self._api = transport.client.with_options(max_retries=RETRIES)
        self._left = dict(questions)  # neither answered nor given up
        self._open: dict[str, HandedIn] = {}
        self._full = False  # no more may wait until one of the open ones has ended
        self._alone = ""  # the last batch that was handed in while no other was open
        self._rounds: Counter[str] = Counter()
        self._heard = asyncio.get_running_loop().time()

    @property
    def _model(self) -> "ChatModel":
        return self._asker.model

    @cached_property
    def _ours(self) -> set[str]:
        """All questions of this job, the answered ones among them; other shards have others."""
        return {question.key for question in self._asker.questionnaire}

    async def run(self) -> None:
        await self._find()
        while self._asker.stopped is None:
            await self._hand_in()
            if not self._open:
                return
            for number, batch in list(self._open.items()):
                remote = await self._state(number, batch)
                if remote is not None and remote.status in ENDED:
                    del self._open[number]
                    await self._collect(remote, batch)
            if self._open:
                await self._asker.pause(self._limits.poll)

    async def _find(self) -> None:
        """The batches of a job that was killed."""
        for path, batch in written_down(self._folder):
            if not self._left.keys() & set(batch.keys):
                if self._ours.issuperset(batch.keys):
                    path.unlink()  # collected, but for this
                continue
            number = batch.number or await self._number(batch.mark)
            if number is None:
                path.unlink()
                continue
            log.info("batch %s: %d questions, handed in before", number, len(batch.keys))
            self._open[number] = batch._replace(number=number)
            self._asker.ledger.hold(batch.cost)
            self._rounds.update(batch.keys)

    async def _number(self, mark: str) -> str | None:
        """The number of a batch that was handed in just before it could be written down."""
        async for listed in self._api.batches.list(limit=100):
            if (listed.metadata or {}).get(MARK) == mark:
                return listed.id
        return None

    async def _hand_in(self) -> None:
        """As much as may wait at once."""
        async for file in self._files():
            batch = HandedIn(uuid.uuid4().hex, None, file.keys, file.tokens, file.cost)
            self._asker.ledger.hold(batch.cost)
            self._write(batch)
            name = f"{self._model.name}-{batch.mark}.jsonl"
            sent = await self._api.files.create(file=(name, b"".join(file.lines)), purpose="batch")
            number = await self._make(sent.id, batch.mark)
            self._alone = self._alone if self._open else number
            self._open[number] = batch._replace(number=number)
            self._write(self._open[number])
            self._rounds.update(file.keys)
            log.info("batch %s: %d questions, %.1f MB", number, len(file.keys), file.size / 1e6)
        if self._left and not self._open and self._asker.stopped is None:
            said = f"budget: {self._model.budget or 0:g} dollars: the next request could exceed it"
            self._asker.stop(StoppedError(said))

    async def _make(self, file_id: str, mark: str) -> str:
        """Make a batch, but once: where the connection broke, it may be there already."""
        import openai

        api = self._api.with_options(max_retries=0)
        for attempt in range(RETRIES):
            try:
                remote = await api.batches.create(
                    input_file_id=file_id, endpoint=ENDPOINT, completion_window=WINDOW, metadata={MARK: mark}
                )
            except (openai.APIConnectionError, openai.InternalServerError, openai.RateLimitError):
                await self._asker.pause(min(FIRST_WAIT * 2**attempt, LONGEST_BACKOFF))
                number = await self._number(mark)
                if number is not None:
                    return number
                if attempt == RETRIES - 1 or self._asker.stopped is not None:
                    raise
            else:
                return remote.id
        raise AssertionError

    async def _files(self) -> AsyncIterator[Filling]:
        """Files of what is left, within the limits of rows and bytes, of tokens that may wait, and of money."""
        under_way = {key for batch in self._open.values() for key in batch.keys}
        waiting = sum(batch.tokens for batch in self._open.values())
        allowed = float("inf") if self._limits.enqueued_tokens is None else self._limits.enqueued_tokens
        file = Filling()
        for key, question in list(self._left.items()):
            if self._full or self._asker.stopped is not None:
                return
            if key in under_way:
                continue
            tokens = self._asker.expected(question)
            cost = self._asker.ledger.at_most(tokens, self._model.request.limit * len(question.images), batch=True)
            if (waiting and waiting + tokens > allowed) or file.cost + cost > self._asker.ledger.free:
                break  # the rest is handed in once others are answered
            try:
                body = await asyncio.to_thread(self._asker.body, question)
            except InputError as error:
                self._give_up(key, str(error))
                continue
            request = {"custom_id": key, "method": "POST", "url": ENDPOINT, "body": body}
            line = json.dumps(request).encode() + b"\n"
            if file.keys and (len(file.keys) == self._limits.requests or file.size + len(line) > self._limits.bytes):
                yield file
                file = Filling()
            file.add(key, line, tokens, cost)
            waiting += tokens
        if file.keys:
            yield file

    async def _state(self, number: str, batch: HandedIn) -> Any:
        """A batch as the API describes it; None where nothing is to be heard of it for the moment."""
        import openai

        now = asyncio.get_running_loop().time
        try:
            remote = await self._api.batches.retrieve(number)
        except openai.NotFoundError:
            path = self._folder / f"{batch.mark}.json"
            said = f"batch {number} is not known to this account; remove {path} to hand its questions in again"
            self._asker.stop(StoppedError(said))
            return None
        except (openai.APIConnectionError, openai.InternalServerError, openai.RateLimitError):
            if now() - self._heard > self._model.patience:
                raise
            return None
        self._heard = now()
        return remote

    async def _collect(self, remote: Any, batch: HandedIn) -> None:
        """Journal what a batch has answered; note what it refused for good, or too often."""
        cost = 0.0
        for file_id in (remote.output_file_id, remote.error_file_id):
            if file_id is not None:
                received = await self._api.files.content(file_id)
                lines = received.content.split(b"\n")
                cost += sum(self._read(line, remote.id) for line in lines)
        self._asker.ledger.settle(batch.cost, cost)
        if self._ours.issuperset(batch.keys):
            (self._folder / f"{batch.mark}.json").unlink(missing_ok=True)
        left = [key for key in batch.keys if key in self._left]
        log.info(
            "batch %s: %s, %d of %d answered", remote.id, remote.status, len(batch.keys) - len(left), len(batch.keys)
        )
        self._full = False
        if remote.status == "failed":
            self._failed(remote, batch)
        for key in left:
            self._again(key, f"batch {remote.id}: {remote.status}")

    def _failed(self, remote: Any, batch: HandedIn) -> None:
        """A batch that was refused as a whole: too many tokens wait already, or something is wrong with all of it."""
        problems = list(remote.errors.data or []) if remote.errors else []
        said = "; ".join(str(problem.message) for problem in problems) or "no reason given"
        advice = ""
        if any(problem.code == TOO_MANY_WAIT for problem in problems):
            if remote.id != self._alone:  # there is room once others are done
                self._full = bool(self._open)
                self._rounds.subtract(batch.keys)
                return
            advice = "; set batch: enqueued_tokens: to what the account may have waiting"
        said = self._transport.masked(said)[:400]
        self._asker.stop(StoppedError(f"batch {remote.id} was refused: {said}{advice}"))

    def _read(self, line: bytes, number: str) -> float:
        """One line of a batch's result. Returns what it cost."""
        try:
            record = self._transport.masked(replies.parsed(line))
            question = self._left[record["custom_id"]]
            response = record.get("response") or {}
            status = int(response.get("status_code", HTTPStatus.INTERNAL_SERVER_ERROR))
            body = response.get("body") or {"error": record.get("error")}
        except (ValueError, LookupError, TypeError, AttributeError):
            return 0.0
        try:
            if len(line) > REPLY_BYTES:
                raise client.too_large(REPLY_BYTES)
            answered = replies.completion(replies.Reply(status, {}, body))
        except replies.TemporaryError as error:
            self._again(question.key, str(error))
            return 0.0
        except replies.FailedError as error:
            self._give_up(question.key, str(error))
            return 0.0
        self._asker.keep(question, answered, {"latency": None, "batch": number})
        del self._left[question.key]
        self._asker.report(question)
        return self._asker.ledger.cost(answers.used(answered), batch=True)

    def _again(self, key: str, reason: str) -> None:
        if self._rounds[key] >= self._limits.rounds:
            self._give_up(key, reason)

    def _give_up(self, key: str, reason: str) -> None:
        question = self._left.pop(key)
        self._asker.fail(question, reason, len(self._asker.failures))

    def _write(self, batch: HandedIn) -> None:
        with written(self._folder / f"{batch.mark}.json") as temporary:
            temporary.write_text(json.dumps(batch._asdict()))
