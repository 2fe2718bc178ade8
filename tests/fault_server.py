"""An OpenAI-compatible server of chat and embeddings that misbehaves, for tests. It keeps a record of what it received and sent.

What is wrong with a response comes from a seeded hash of the request's digest and of how often it came, never from the
order in which requests arrive.
"""

import asyncio
import contextlib
import hashlib
import json
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from aiohttp import web

from tests.chat_server import Body, completion, digest, error, images_of, prompt_of, serving

GOOD = ("good", "length", "drip")
"""What reaches the client as an answer."""
NEVER = 3600.0
FAULTS = (
    "429", "500", "503", "reset", "reset_in_body", "silence", "truncated", "html", "no_choices", "length",
    "content_filter", "drip", "drip_too_late",
)  # fmt: skip
Pick = Callable[[str, int], str]
"""What becomes of the nth request with a digest."""


class Received(NamedTuple):
    digest: str
    attempt: int
    became: str
    at: float
    prompt: str
    image: str


@dataclass
class Record:
    """What a server received, and what it sent in full. Times are of `time.monotonic`."""

    url: str = ""
    received: list[Received] = field(default_factory=list)
    sent: Counter[str] = field(default_factory=Counter)  # complete good answers by digest
    attempts: Counter[str] = field(default_factory=Counter)
    usage: list[dict] = field(default_factory=list)  # of the complete good answers
    listed: int = 0
    in_flight: int = 0
    peak: int = 0

    @property
    def sent_once(self) -> bool:
        """Whether no complete answer was sent for the same request twice."""
        return set(self.sent.values()) <= {1}


def always(became: str) -> Pick:
    return lambda digest, attempt: became


def seeded(seed: int, rate: float, faults: Sequence[str] = FAULTS) -> Pick:
    """So large a share of all responses is faulty."""

    def pick(asked: str, attempt: int) -> str:
        drawn = hashlib.sha256(f"{seed} {asked} {attempt}".encode()).digest()
        if int.from_bytes(drawn[:8], "big") >= rate * 2**64:
            return "good"
        return faults[int.from_bytes(drawn[8:16], "big") % len(faults)]

    return pick


def first(count: int, then: str) -> Pick:
    """So many answers, and no further one: the one rule that is about the order."""
    left = iter(range(count))
    return lambda digest, attempt: "good" if next(left, None) is not None else then


def numbered_answer(body: Body) -> str:
    """An answer that hardly two requests share."""
    return f"thing {int(digest(body), 16) % 10**9}"


def constant_usage(body: Body) -> dict:
    return {"prompt_tokens": 100, "completion_tokens": 2, "prompt_tokens_details": {"cached_tokens": 0}}


def hashed_vectors(body: Body) -> Body:
    """Embeddings of four numbers that hardly two texts share, the last first."""
    data = [
        {"object": "embedding", "index": index, "embedding": [byte / 255 for byte in hashlib.sha256(text.encode()).digest()[:4]]}
        for index, text in enumerate(body["input"])
    ]  # fmt: skip
    return {"object": "list", "model": body["model"], "data": data[::-1], "usage": {"prompt_tokens": len(data)}}


def application(  # noqa: C901, PLR0915 (one server)
    record: Record,
    pick: Pick,
    *,
    answer: Callable[[Body], str | Body] = numbered_answer,
    embed: Callable[[Body], Body] = hashed_vectors,
    usage: Callable[[Body], dict | None] = constant_usage,
    delay: float = 0.0,
    drip: float = 0.2,
    retry_after: float = 0.05,
    models: Sequence[str] = ("test", "q"),
    listing: Callable[[web.Request], web.Response] | None = None,
    refuse: Callable[[Body], web.Response | None] = lambda body: None,
) -> web.Application:
    """`answer` and `usage` are those of good answers, which take `delay` seconds; those that drip take `drip` more."""

    async def list_models(request: web.Request) -> web.Response:
        record.listed += 1
        if listing is not None:
            return listing(request)
        return web.json_response({"object": "list", "data": [{"id": name, "object": "model"} for name in models]})

    async def chat(request: web.Request) -> web.StreamResponse:
        body = json.loads(await request.read())
        return await respond(request, body, digest(body), prompt_of(body), (images_of(body) or [""])[-1], answer)

    async def embeddings(request: web.Request) -> web.StreamResponse:
        content = await request.read()
        body = json.loads(content)
        return await respond(request, body, hashlib.sha256(content).hexdigest(), "\n".join(body["input"]), "", embed)

    async def respond(
        request: web.Request, body: Body, asked: str, prompt: str, image: str, answer: Callable[[Body], str | Body]
    ) -> web.StreamResponse:
        record.attempts[asked] += 1
        attempt = record.attempts[asked]
        became = pick(asked, attempt)
        at = time.monotonic()
        record.received.append(Received(asked, attempt, became, at, prompt, image))
        record.in_flight += 1
        record.peak = max(record.peak, record.in_flight)
        try:
            if (refused := refuse(body)) is not None:
                return refused
            return await reply(request, body, asked, became, answer)
        finally:
            record.in_flight -= 1

    async def reply(  # noqa: C901, PLR0911
        request: web.Request, body: Body, asked: str, became: str, answer: Callable[[Body], str | Body]
    ) -> web.StreamResponse:
        assert request.transport is not None
        if became == "429":
            return error(429, "slow down", Retry_After=str(retry_after))
        if became.isdecimal():
            return error(int(became), f"failed on purpose ({became})")
        if became == "html":
            return web.Response(text="<html><body>Bad gateway</body></html>", content_type="text/html")
        if became == "no_choices":
            return web.json_response(completion("", choices=[]))
        if became == "content_filter":
            choice = {"index": 0, "finish_reason": "content_filter", "message": {"role": "assistant", "content": ""}}
            return web.json_response(completion("", choices=[choice], usage=usage(body)))
        if became == "silence":
            await asyncio.sleep(NEVER)
        await asyncio.sleep(delay)
        if became == "reset":
            request.transport.abort()
            return web.Response()
        said = answer(body)
        response = completion(said, usage=usage(body)) if isinstance(said, str) else said
        if became == "length":
            response["choices"][0]["finish_reason"] = "length"
        content = json.dumps(response).encode()
        if became == "truncated":
            return web.Response(body=content[: len(content) // 2], content_type="application/json")
        sending = web.StreamResponse(headers={"Content-Type": "application/json"})
        sending.content_length = len(content)
        await sending.prepare(request)
        half = len(content) // 2
        await sending.write(content[:half])
        if became == "reset_in_body":
            await asyncio.sleep(0.01)
            request.transport.abort()
            return sending
        if became in ("drip", "drip_too_late"):
            slowly = content[half : half + 20]
            half += len(slowly)
            for number in slowly:
                await asyncio.sleep((drip if became == "drip" else NEVER) / len(slowly))
                await sending.write(bytes([number]))
        await sending.write(content[half:])
        await sending.write_eof()
        record.sent[asked] += 1
        record.usage.append(response.get("usage") or {})
        return sending

    app = web.Application(client_max_size=64 * 2**20)
    routes = [web.post("/v1/chat/completions", chat), web.post("/v1/embeddings", embeddings)]
    app.add_routes([web.get("/v1/models", list_models), *routes])
    return app


@contextlib.contextmanager
def fault_server(pick: Pick, **options) -> Iterator[Record]:
    record = Record()
    with serving(application(record, pick, **options)) as address:
        record.url = f"{address}/v1"
        yield record
