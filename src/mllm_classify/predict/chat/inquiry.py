"""Asking a server how likely class names are: their tokens first, then the nodes that searches need, image by image."""

import asyncio
import base64
import functools
import io
import logging
import uuid
from collections.abc import Awaitable, Callable, Iterable
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from PIL import Image

from mllm_classify.api import answers, client, journal, replies
from mllm_classify.api.sending import Sender
from mllm_classify.io.files import InputError, StoppedError
from mllm_classify.predict.chat import nodes
from mllm_classify.predict.chat.naming import NONE, Tokenizer, TokensError, tokenised
from mllm_classify.predict.chat.pictures import data_url
from mllm_classify.predict.chat.prompts import Template
from mllm_classify.predict.chat.rankings import Failure, RankedWay, Rankings, joined
from mllm_classify.predict.likelihood.search import MARGIN, LogProbs

if TYPE_CHECKING:
    from mllm_classify.config.chat import ChatModel
    from mllm_classify.predict.likelihood.tree import Node, Path

log = logging.getLogger(__name__)

GREY = 64
"""Pixels of the side of the picture with which prompts are tokenised: what stands behind it are the same tokens."""
APART = 1.0
"""By how much two ways to ask a name's log-probability may differ. Rounding is far below, another temperature above."""
TRIED = 3
"""Images on which that is looked at, until one of them is not refused."""
TOKENS_BYTES = 2**25
"""Of a reply that lists a prompt's tokens, or has their log-probabilities."""
Report = Callable[[int, str], None]


@functools.cache
def grey() -> str:
    """A picture, as requests carry it."""
    content = io.BytesIO()
    Image.new("RGB", (GREY, GREY), (128, 128, 128)).save(content, "PNG")
    return f"data:image/png;base64,{base64.b64encode(content.getvalue()).decode()}"


def _json_object(reply: replies.Reply) -> dict[str, Any]:
    if reply.status != HTTPStatus.OK:
        raise replies.refused(reply)
    if not isinstance(reply.body, dict):
        msg = f"not what was asked for: {reply.excerpt}"
        raise replies.PermanentError(msg)
    return reply.body


class Inquirer(Sender):
    """Asks for one model's rankings, and journals each answer as it comes."""

    def __init__(
        self,
        rankings: Rankings,
        transport: client.Transport,
        writer: journal.Writer,
        environment: str,
        report: Report,
        ended: Callable[[], str | None] = lambda: None,
    ) -> None:
        self.model: ChatModel = rankings.questionnaire.model
        super().__init__(self.model, transport, ended=ended)
        self.rankings = rankings
        self._writer = writer
        self._environment = environment
        self._report = report
        self._done = self._asked = self._tokens = 0
        self._checked_nodes: dict[tuple[str, int, Path], LogProbs] = {}  # by task, image and node: not asked again

    async def ask_all(self, url: str, key: str) -> None:
        """Ask what is lacking. What goes wrong for good with all of them stops the asking: `stopped` says why."""
        try:
            for way in self.rankings.ways:
                if way.naming is None:
                    await self._tokenise(way, url, key)
            lacking = self.rankings.lacking()
            for way in self.rankings.ways:
                if places := lacking.get(way.way.task):
                    await self._rank(way, places)
        except (TokensError, replies.FailedError) as error:
            said = f"preflight: task {way.way.task}: {error}; remove {way.way.task} from its tasks, or serve it by vLLM"
            self.stop(StoppedError(f"model {self.model.name!r}: {said}"))

    async def _tokenise(self, way: RankedWay, url: str, key: str) -> None:
        """Learn the names' tokens of the server."""
        root = url.removesuffix("/").removesuffix("/v1")
        header = getattr(self.model, "api_key_header", client.BEARER)

        def http(path: str) -> client.Http:
            return client.Http(root, key, self.model.timeout, self.model.concurrency, path, TOKENS_BYTES, header)

        async with http("/tokenize") as to_tokens, http("/detokenize") as to_text:
            tokens = Sender(self.model, to_tokens, _json_object)
            texts = Sender(self.model, to_text, _json_object)
            put = way.put.body

            async def ids(body: dict[str, Any]) -> list[int]:
                response, _ = await tokens.send(body, 0)
                return [int(it) for it in response["tokens"]]

            async def begun(answer: str, *, finished: bool = False) -> list[int]:
                return await ids(Template("", nodes.begun(put, answer, finished=finished), "").with_images([grey()]))

            async def finished(answer: str) -> list[int]:
                return await begun(answer, finished=True)

            async def text(of: list[int]) -> str:
                response, _ = await texts.send({"model": self.model.served, "tokens": of}, 0)
                return str(response["prompt"])

            async def alone(of: str) -> list[int]:
                return await ids({"model": self.model.served, "prompt": of, "add_special_tokens": False})

            try:
                way.naming = await tokenised(way.names, Tokenizer(begun, finished, text, alone), way.end)
            except (LookupError, TypeError, ValueError) as error:
                msg = f"{root}/tokenize does not list tokens ({type(error).__name__})"
                raise replies.PermanentError(msg) from None
            except replies.FailedError as error:
                msg = f"{root}/tokenize: {error}"
                raise replies.PermanentError(msg) from None
        self._keep(way.key, way.key, way.naming.as_json(), None, None, {"names": way.names, "put": put})
        log.info("task %s: %d names, %d nodes", way.way.task, len(set(way.naming.paths)), len(way.inner))

    async def _rank(self, way: RankedWay, places: list[int]) -> None:
        if not await self._checked(way, places):
            return
        if way.prior is None and way.needs_prior:
            await self._without_image(way)
        if self.stopped is not None:
            return
        await self._each(places, lambda place: self._image(way, place))

    async def _checked(self, way: RankedWay, places: list[int]) -> bool:
        """Whether one of the images could be checked. The others were refused: their rankings say why."""
        for number, place in enumerate(places, 1):
            try:
                await self._check(way, place)
            except nodes.UnsaidError:
                raise
            except replies.FailedError as error:
                if self.stopped is not None or number == TRIED:
                    raise
                self._fail(way, place, str(error))
            else:
                return True
        return False

    async def _without_image(self, way: RankedWay) -> None:
        """How likely all names are without an image: known beforehand, it bounds what the image adds."""
        bases: set[int] = set()
        before = self._tokens
        await self._each(way.inner, lambda node: self.children(way, node, None, None, bases))
        if self.stopped is None:
            self.rankings.reread()
            log.info(
                "task %s: %d nodes without an image, %d tokens", way.way.task, len(way.inner), self._tokens - before
            )

    async def _check(self, way: RankedWay, place: int) -> None:
        """The longest name's log-probability, node by node, must be what the server says of the prompt with it."""
        ended = way.end != NONE
        path = max(way.named.paths, key=lambda it: (len(it), it))
        name = path[: len(path) - ended]
        url = self._url(place)
        bases: set[int] = set()
        total, node = 0.0, way.tree
        while node.path != name:
            children = await self.children(way, node, place, url, bases)
            self._checked_nodes[way.way.task, place, node.path] = children
            tokens = next(it for it in node.children if name[len(node.path) :][: len(it)] == it)
            total += children[tokens]
            node = node.children[tokens]
        request = nodes.whole(name, way.named, way.put)
        response, latency = await self.send(request.template.with_images([url]), 0)
        said = nodes.log_probabilities(request, response)
        self._keep(f"probe {uuid.uuid4().hex}", request.template.digest, nodes.kept(response, said), latency, None, {})
        apart = abs(said[0] - total)
        log.info("preflight: task %s: a name asked by its nodes and whole: %.5f and %.5f", way.way.task, total, said[0])
        if apart > APART:
            msg = f"a name's log-probability is {total:.3f} by its nodes, {said[0]:.3f} whole; the server must give raw ones"
            raise nodes.UnsaidError(msg)
        if apart > MARGIN:
            log.warning(
                "task %s: log-probabilities of the same name differ by %.4f; classes whose scores are nearer are in no "
                "certain order", way.way.task, apart,
            )  # fmt: skip

    async def _image(self, way: RankedWay, place: int) -> None:
        """Ask all that the rankings of an image need."""
        try:
            url = await asyncio.to_thread(self._url, place)
            search = way.search()
            bases: set[int] = set()
            try:
                node = next(search)
                while self.stopped is None:
                    node = search.send(await self.children(way, node, place, url, bases))
            except StopIteration:
                pass
        except nodes.UnsaidError as error:
            self.stop(StoppedError(f"task {way.way.task}: {error}"))
        except InputError as error:
            self.stop(StoppedError(str(error)))
        except replies.FailedError as error:
            if self.stopped is None:
                self._fail(way, place, str(error))
        if self.stopped is None:
            self._done += 1
            self._report(self._done, f"{self._asked:,} requests, {self._tokens:,} tokens")

    def _fail(self, way: RankedWay, place: int, reason: str) -> None:
        asked = self.rankings.questionnaire
        self.rankings.failures[way.way.task, asked.sent(place)] = Failure(way.way.task, asked.images.ids[place], reason)

    async def children(
        self, way: RankedWay, node: "Node", place: int | None, url: str | None, bases: set[int]
    ) -> LogProbs:
        """The log-probabilities of a node's children: of the journal, or asked. Raises FailedError.

        `bases` are the tokens that all prompts of one image share, once they are known.
        """
        if place is not None and (known := self._checked_nodes.get((way.way.task, place, node.path))) is not None:
            return known
        asked = way.requests(node, image=place is not None)
        return joined(asked, [await self._record(it, way, place, url, bases) for it in asked])

    async def _record(
        self, request: nodes.Request, way: RankedWay, place: int | None, url: str | None, bases: set[int]
    ) -> dict[str, Any]:
        key = self.rankings.questionnaire.key(request.template, place)
        if key in self.rankings.known:
            return self.rankings.known[key]
        body = request.template.body
        response, latency = await self.send(body if url is None else request.template.with_images([url]), 0)
        said = nodes.log_probabilities(request, response)
        counted = answers.used(response).prompt
        shared = None if counted is None else counted - request.behind
        if shared is not None:
            bases.add(shared)
        if len(bases) > 1:
            msg = (
                f"a prompt has {counted} tokens, not as many as /tokenize says: the server tokenises requests otherwise"
            )
            raise nodes.UnsaidError(msg)
        sent = {"put": way.key, "image": url is not None, "text": body["messages"][-1]["content"]}
        sent = sent if body.get("continue_final_message") else sent | {"text": ""}
        sent |= {"children": [list(it) for it in request.children], "whole": request.whole}
        return self._keep(key, request.template.digest, nodes.kept(response, said), latency, shared, sent)

    def _keep(
        self,
        key: str,
        digest: str,
        response: dict[str, Any],
        latency: float | None,
        shared: int | None,
        sent: dict[str, Any],
    ) -> dict[str, Any]:
        record = {"key": key, "request": digest, "environment": self._environment, "latency": latency, "shared": shared,
                  "response": response}  # fmt: skip
        self._writer.append(record, sent)
        self._asked += 1
        self._tokens += answers.used(response).prompt or 0
        return record

    def _url(self, place: int) -> str:
        images = self.rankings.questionnaire.images
        return data_url(images.read(place), self.model.picture, images.reading, images.looks[place])

    async def _each(self, things: Iterable[Any], ask: Callable[[Any], Awaitable[Any]]) -> None:
        """Ask of each, at most `concurrency` at a time. Raises what one of them raises, once the others are told to end."""
        waiting = iter(things)

        async def work() -> None:
            for thing in waiting:
                await ask(thing)
                if self.stopped is not None:
                    return

        workers = [asyncio.create_task(work()) for _ in range(self.model.concurrency)]
        try:
            await asyncio.gather(*workers)
        finally:
            for worker in workers:
                worker.cancel()
            await asyncio.gather(*workers, return_exceptions=True)
