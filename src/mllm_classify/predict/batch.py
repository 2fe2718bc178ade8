"""OpenAI's Batch API: questions go as files and are answered within a day, at half the price, into the same journal.

What is handed in is written down beside the journal before it is sent, so that a job that was killed finds its batches
again and collects what they have answered.
"""

import io
import json
import logging
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from mllm_classify.files import written
from mllm_classify.predict import answers, client
from mllm_classify.predict.asking import Asker, StoppedError, expected_tokens

if TYPE_CHECKING:
    import openai

    from mllm_classify.config import Batch, ChatModel
    from mllm_classify.predict.questions import Question

log = logging.getLogger(__name__)

FOLDER = "batches"
"""Beside the journal's files: one file for each batch that is not collected yet."""
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


class Filled(NamedTuple):
    """A file to be handed in."""

    content: bytes
    keys: list[str]
    tokens: int


async def ask_all(limits: "Batch", folder: Path, asker: Asker, waiting: Callable[[], Iterator["Question"]]) -> None:
    """Hand in all questions and collect the answers. What failed or expired is handed in again, `rounds` times in all.

    Why a question stays without an answer is noted with the asker, and so is why it stopped, if it did.
    """
    import openai

    transport = asker.transport
    if not isinstance(transport, client.OpenAI):
        msg = "batches go through OpenAI's client"
        raise TypeError(msg)
    questions = {question.key: question for question in waiting()}
    batches = Batches(limits, folder / FOLDER, asker, transport.client.with_options(max_retries=RETRIES), questions)
    try:
        await batches.run()
    except openai.OpenAIError as error:
        asker.stop(StoppedError(f"Batch API: {error} {error.__cause__ or ''}".strip()[:600]))


class Batches:
    """The batches of one job, from its questions to their answers."""

    def __init__(
        self,
        limits: "Batch",
        folder: Path,
        asker: Asker,
        api: "openai.AsyncOpenAI",
        questions: "dict[str, Question]",
    ) -> None:
        self._limits = limits
        self._folder = folder
        self._asker = asker
        self._api = api
        self._left = dict(questions)  # neither answered nor given up
        self._questions = questions
        self._open: dict[str, HandedIn] = {}
        self._rounds: Counter[str] = Counter()

    @property
    def _model(self) -> "ChatModel":
        return self._asker.model

    async def run(self) -> None:
        await self._find()
        while self._asker.stopped is None:
            await self._hand_in()
            if not self._open:
                return
            for number, batch in list(self._open.items()):
                found = await self._api.batches.retrieve(number)
                if found.status in ENDED:
                    del self._open[number]
                    await self._collect(found, batch)
            if self._open:
                await self._asker.pause(self._limits.poll)

    async def _find(self) -> None:
        """The batches of a job that was killed."""
        for path in sorted(self._folder.glob("*.json")):
            batch = HandedIn(**json.loads(path.read_bytes()))
            if not self._left.keys() & set(batch.keys):
                continue  # another shard's
            number = batch.number or await self._number(batch.mark)
            if number is None:
                path.unlink()
                continue
            log.info("batch %s: %d questions, handed in before", number, len(batch.keys))
            self._open[number] = batch._replace(number=number)
            self._asker.ledger.hold(batch.cost)

    async def _number(self, mark: str) -> str | None:
        """The number of a batch that was handed in just before it could be written down."""
        async for listed in self._api.batches.list(limit=100):
            if (listed.metadata or {}).get(MARK) == mark:
                return listed.id
        return None

    async def _hand_in(self) -> None:
        """As much as may wait at once."""
        for file in self._files():
            prices = self._model.prices
            limit = self._model.request.limit * sum(len(self._questions[key].images) for key in file.keys)
            cost = prices.cost(file.tokens, 0, limit, batch=True) if prices else 0.0
            if cost > self._asker.ledger.free:
                if not self._open:
                    said = f"budget: {self._model.budget:g} dollars: the next batch could cost {cost:.2f}"
                    self._asker.stop(StoppedError(said))
                return
            self._asker.ledger.hold(cost)
            batch = HandedIn(uuid.uuid4().hex, None, file.keys, file.tokens, cost)
            self._write(batch)
            name = f"{self._model.name}-{batch.mark}.jsonl"
            sent = await self._api.files.create(file=(name, file.content), purpose="batch")
            made = await self._api.batches.create(
                input_file_id=sent.id, endpoint=ENDPOINT, completion_window=WINDOW, metadata={MARK: batch.mark}
            )
            self._open[made.id] = batch._replace(number=made.id)
            self._write(self._open[made.id])
            self._rounds.update(file.keys)
            log.info("batch %s: %d questions, %.1f MB", made.id, len(file.keys), len(file.content) / 1e6)

    def _files(self) -> Iterator[Filled]:
        """Files of what is left, within the limits of rows and bytes, and of tokens that may wait."""
        under_way = {key for batch in self._open.values() for key in batch.keys}
        waiting = sum(batch.tokens for batch in self._open.values())
        content, keys, tokens = io.BytesIO(), list[str](), 0
        for key, question in self._left.items():
            if key in under_way:
                continue
            expected = expected_tokens(self._model, question.template, len(question.images))
            allowed = self._limits.enqueued_tokens
            if allowed is not None and waiting + tokens + expected > allowed and waiting + tokens:
                break  # the rest is handed in once others are answered
            request = {"custom_id": key, "method": "POST", "url": ENDPOINT, "body": self._asker.body(question)}
            line = json.dumps(request).encode() + b"\n"
            if keys and (len(keys) == self._limits.requests or content.tell() + len(line) > self._limits.bytes):
                yield Filled(content.getvalue(), keys, tokens)
                waiting += tokens
                content, keys, tokens = io.BytesIO(), [], 0
            content.write(line)
            keys.append(key)
            tokens += expected
        if keys:
            yield Filled(content.getvalue(), keys, tokens)

    async def _collect(self, found: Any, batch: HandedIn) -> None:
        """Journal what a batch has answered; note what it refused for good, or too often."""
        cost = 0.0
        for file_id in (found.output_file_id, found.error_file_id):
            if file_id is not None:
                content = await self._api.files.content(file_id)
                cost += sum(self._read(line, found.id) for line in content.text.splitlines())
        self._asker.ledger.settle(batch.cost, cost)
        (self._folder / f"{batch.mark}.json").unlink(missing_ok=True)
        problems = list(found.errors.data or []) if found.errors else []
        if found.status == "failed":
            self._failed(found.id, problems)
        left = [key for key in batch.keys if key in self._left]
        log.info(
            "batch %s: %s, %d of %d answered", found.id, found.status, len(batch.keys) - len(left), len(batch.keys)
        )
        for key in left:
            self._again(key, f"batch {found.id}: {found.status}")

    def _failed(self, number: str, problems: list[Any]) -> None:
        """A batch that was refused as a whole: too many tokens wait already, or something is wrong with all of it."""
        said = "; ".join(str(problem.message) for problem in problems) or "no reason given"
        advice = ""
        if any(problem.code == TOO_MANY_WAIT for problem in problems):
            if self._open:
                return  # there is room once these are done
            advice = "; set batch: enqueued_tokens: to what the account may have waiting"
        self._asker.stop(StoppedError(f"batch {number} was refused: {said[:400]}{advice}"))

    def _read(self, line: str, number: str) -> float:
        """One line of a batch's result. Returns what it cost."""
        try:
            record = json.loads(line)
            question = self._left[record["custom_id"]]
            response = record.get("response") or {}
            status = response.get("status_code", HTTPStatus.INTERNAL_SERVER_ERROR)
            content = json.dumps(response.get("body") or {"error": record.get("error")}).encode()
        except (ValueError, LookupError, TypeError, AttributeError):
            return 0.0
        try:
            answered = client.completion(client.Reply(status, {}, content))
        except client.TemporaryError as error:
            self._again(question.key, str(error))
            return 0.0
        except client.FailedError as error:
            self._give_up(question.key, str(error))
            return 0.0
        self._asker.keep(question, answered, {"latency": None, "batch": number})
        del self._left[question.key]
        self._asker.report()
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
