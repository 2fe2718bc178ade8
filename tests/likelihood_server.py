"""A server of a toy language model that says log-probabilities as vLLM does, with a tokenizer that can be awkward.

Its tokenizer takes the longest known pieces from the end of each stretch between special tokens: the beginning of a text
may be tokenised otherwise than as a part of it, and a name may share a token with what stands before it.
"""

import asyncio
import contextlib
import functools
import math
import random
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from tests.chat_server import serving

Body = dict[str, Any]
USER, BOT, END, STOP = "<user>", "<bot>", "<end>", "<stop>"
SPECIAL = [USER, BOT, END, STOP]
SPLIT = re.compile("(" + "|".join(map(re.escape, SPECIAL)) + r"|<image:[^>]*>)")


MOST = 150
"""Tokens that a vocabulary may have."""


@functools.lru_cache(maxsize=100_000)
def drawn(context: tuple[int, ...]) -> list[float]:
    """Log-probabilities by chance, the same for the same context."""
    source = random.Random(repr(context))
    weights = [source.uniform(0, 6) for _ in range(MOST)]
    total = math.log(sum(map(math.exp, weights)))
    return [weight - total for weight in weights]


@dataclass
class Toy:
    """The model. `pieces` are tokens of several characters; `ended` says whether its template ends an answer."""

    pieces: list[str] = field(default_factory=list)
    ended: bool = True
    temperature: float = 1.0  # by which its answers' log-probabilities are off, as processed ones are
    knows: bool = True  # whether it knows logprob_token_ids
    fails: set[str] = field(default_factory=set)  # images that it refuses
    stall_after: int | None = None
    delay: float = 0.0  # seconds before it answers
    requests: list[Body] = field(default_factory=list)
    url: str = ""

    def __post_init__(self) -> None:
        self.vocabulary = [*SPECIAL, *self.pieces]

    def id(self, piece: str) -> int:
        if piece not in self.vocabulary:
            self.vocabulary.append(piece)
            assert len(self.vocabulary) < MOST
        return self.vocabulary.index(piece)

    def tokens(self, text: str) -> list[int]:
        found = []
        for part in SPLIT.split(text):
            if part in SPECIAL or part.startswith("<image:"):
                found.append(self.id(part))
                continue
            backwards, left = [], part
            while left:
                piece = max((it for it in [*self.pieces, left[-1]] if left.endswith(it)), key=len)
                backwards.append(self.id(piece))
                left = left[: -len(piece)]
            found += reversed(backwards)
        return found

    def text(self, ids: list[int]) -> str:
        return "".join(self.vocabulary[it] for it in ids)

    def prompt(self, body: Body) -> str:
        """The messages, as a chat template renders them."""
        said = ""
        for message in body["messages"]:
            parts = message["content"]
            if not isinstance(parts, str):
                parts = "".join(
                    it["text"] if it["type"] == "text" else f"<image:{hash(it['image_url']['url'])}>" for it in parts
                )
            mark = USER if message["role"] == "user" else f"{BOT}\n"
            open_ended = message["role"] == "assistant" and (body.get("continue_final_message") or not self.ended)
            said += f"{mark}{parts}{'' if open_ended else END}"
        return said + (f"{BOT}\n" if body.get("add_generation_prompt", True) else "")

    def log_probabilities(self, context: list[int]) -> list[float]:
        """Of MOST tokens behind a context."""
        return drawn(tuple(context))

    def of(self, ids: list[int], start: int) -> float:
        """The log-probability of tokens from a place on."""
        return sum(self.log_probabilities(ids[:place])[ids[place]] for place in range(start, len(ids)))

    def completion(self, body: Body) -> Body:
        ids = self.tokens(self.prompt(body))
        after = [value * self.temperature for value in self.log_probabilities(ids)]
        listed = [
            {"token": f"token_id:{it}", "logprob": after[it]}
            for it in (body.get("logprob_token_ids", []) if self.knows else [3])
        ]
        choice = {"index": 0, "finish_reason": "length", "message": {"role": "assistant", "content": "x"},
                  "logprobs": {"content": [{"token": "token_id:7", "logprob": after[7], "top_logprobs": listed}]}}  # fmt: skip
        usage = {
            "prompt_tokens": len(ids),
            "completion_tokens": 1,
            "prompt_tokens_details": {"cached_tokens": len(ids) - 1},
        }
        reply = {"id": "1", "object": "chat.completion", "model": "toy", "choices": [choice], "usage": usage}
        if body.get("prompt_logprobs") is not None:
            said = [{str(it): {"logprob": self.log_probabilities(ids[:place])[it]}} for place, it in enumerate(ids)]
            reply["prompt_logprobs"] = [None, *said[1:]]
        return reply


@contextlib.contextmanager
def likelihood_server(toy: Toy, *, tokenizes: bool = True) -> Iterator[Toy]:
    """A running server. Requests after the first `stall_after` wait for ever."""

    async def tokenize(request: web.Request) -> web.Response:
        body = await request.json()
        text = body["prompt"] if "prompt" in body else toy.prompt(body)
        return web.json_response({"tokens": toy.tokens(text)})

    async def detokenize(request: web.Request) -> web.Response:
        return web.json_response({"prompt": toy.text((await request.json())["tokens"])})

    async def chat(request: web.Request) -> web.Response:
        body = await request.json()
        if any(url in str(body) for url in toy.fails):
            return web.json_response({"error": {"message": "no such picture"}}, status=400)
        toy.requests.append(body)
        if toy.stall_after is not None and len(toy.requests) > toy.stall_after:
            await asyncio.sleep(3600)
        await asyncio.sleep(toy.delay)
        return web.json_response(toy.completion(body))

    app = web.Application(client_max_size=2**26)
    app.add_routes([web.post("/v1/chat/completions", chat)])
    if tokenizes:
        app.add_routes([web.post("/tokenize", tokenize), web.post("/detokenize", detokenize)])
    with serving(app) as address:
        toy.url = f"{address}/v1"
        yield toy
