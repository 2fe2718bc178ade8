"""A small OpenAI-compatible chat server on 127.0.0.1, for tests: as a library (`chat_server`) and as a command.

It imports nothing but aiohttp and the standard library.
"""

import argparse
import asyncio
import contextlib
import hashlib
import re
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from aiohttp import web

Body = dict[str, Any]
Answer = Callable[[Body], "str | Body | web.Response"]

UNLISTED = ["an unlisted thing", "something else"]
FREE = ["espresso", "tabby cat", "a cup of coffee", "clock tower", ""]


@dataclass
class ChatServer:
    """What a server saw. `requests` are the parsed bodies in arrival order, `headers` those of the same requests."""

    url: str = ""
    requests: list[Body] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    queries: list[dict[str, str]] = field(default_factory=list)
    in_flight: int = 0
    peak: int = 0


def prompt_of(body: Body) -> str:
    """All text of a request."""
    contents = [message["content"] for message in body["messages"]]
    parts = [[{"type": "text", "text": part}] if isinstance(part, str) else part for part in contents]
    return "\n".join(part["text"] for content in parts for part in content if part["type"] == "text")


def image_of(body: Body) -> str:
    """The data URL of a request's image; empty where it has none."""
    content = body["messages"][-1]["content"]
    return "" if isinstance(content, str) or "image_url" not in content[-1] else content[-1]["image_url"]["url"]


def images_of(body: Body) -> list[str]:
    """The data URLs of a request's images, in their order."""
    contents = [message["content"] for message in body["messages"] if not isinstance(message["content"], str)]
    return [part["image_url"]["url"] for content in contents for part in content if part["type"] == "image_url"]


def digest(body: Body) -> str:
    """Equal for requests that ask the same: of the prompt's text, max_tokens and the image."""
    asked = "\0".join([prompt_of(body), str(body.get("max_tokens")), *images_of(body)])
    return hashlib.sha256(asked.encode()).hexdigest()


def digested_answer(body: Body) -> str:
    """One of the names that the prompt lists after "- ", at times another one; without a list, one of a few words."""
    number = int(digest(body), 16)
    listed = re.findall(r"^- (.+)$", prompt_of(body), re.MULTILINE)
    choices = FREE if not listed else UNLISTED if number % 5 == 0 else listed
    return choices[number // 5 % len(choices)]


def completion(content: str | None, **others: Any) -> Body:
    """A chat completion with that content; `others` replace its keys."""
    choice = {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": content}}
    usage = {"prompt_tokens": 10, "completion_tokens": 2, "total_tokens": 12}
    return {"id": "chatcmpl-1", "object": "chat.completion", "choices": [choice], "usage": usage} | others


def error(status: int, message: str, **headers: str) -> web.Response:
    """An error as OpenAI's API words it; `_` in the names of headers stands for `-`."""
    return web.json_response(
        {"error": {"message": message, "type": "invalid_request_error"}},
        status=status,
        headers={name.replace("_", "-"): value for name, value in headers.items()},
    )


def one_model() -> web.Response:
    return web.json_response({"object": "list", "data": [{"id": "test", "object": "model"}]})


def application(
    answer: Answer,
    seen: ChatServer,
    delay: float = 0.0,
    stall_after: int | None = None,
    version: Callable[[], web.Response] = lambda: web.Response(status=404),
    models: Callable[[], web.Response] = one_model,
) -> web.Application:
    """Lists its models and answers chat requests: text, a whole response body, or a response of any sort."""

    async def say_version(_: web.Request) -> web.Response:
        return version()

    async def list_models(_: web.Request) -> web.Response:
        return models()

    async def chat(request: web.Request) -> web.Response:
        body = await request.json()
        seen.requests.append(body)
        seen.headers.append(dict(request.headers))
        seen.queries.append(dict(request.query))
        seen.in_flight += 1
        seen.peak = max(seen.peak, seen.in_flight)
        try:
            reply = answer(body)
            if asyncio.iscoroutine(reply):
                reply = await reply
            stalled = stall_after is not None and len(seen.requests) > stall_after
            await asyncio.sleep(3600 if stalled else delay)
        finally:
            seen.in_flight -= 1
        if isinstance(reply, web.Response):
            return reply
        return web.json_response(completion(reply) if isinstance(reply, str) else reply)

    app = web.Application(client_max_size=64 * 2**20)
    app.add_routes(
        [
            web.get("/version", say_version),
            web.get("/v1/models", list_models),
            web.post("/v1/chat/completions", chat),
        ]
    )
    return app


@contextlib.contextmanager
def serving(app: web.Application) -> Iterator[str]:
    """Run an application in a thread of its own. Yields its address, without a path."""
    started = threading.Event()
    loop = asyncio.new_event_loop()
    runner = web.AppRunner(app, shutdown_timeout=0.1, handler_cancellation=True)
    address = []

    async def start() -> None:
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        address.append("http://{}:{}".format(*runner.addresses[0]))

    def run() -> None:
        loop.run_until_complete(start())
        started.set()
        loop.run_forever()
        loop.run_until_complete(runner.cleanup())
        loop.close()

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    assert started.wait(30), "the server did not start"
    try:
        yield address[0]
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()


@contextlib.contextmanager
def chat_server(answer: Answer = digested_answer, **options: Any) -> Iterator[ChatServer]:
    """A running server. It answers after `delay` seconds; requests after the first `stall_after` wait for ever."""
    seen = ChatServer()
    with serving(application(answer, seen, **options)) as address:
        seen.url = f"{address}/v1"
        yield seen


def main() -> None:
    parser = argparse.ArgumentParser(description="Answers from a digest of the request; logs the digest of each.")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--log", type=Path, required=True, help="one line is appended for every request received")
    parser.add_argument("--delay", type=float, default=0.0, help="seconds before every answer")
    parser.add_argument("--stall-after", type=int, help="requests after so many are logged and never answered")
    args = parser.parse_args()

    def answer(body: Body) -> str:
        with args.log.open("a") as log:
            log.write(f"{digest(body)}\n")
        return digested_answer(body)

    app = application(answer, ChatServer(), args.delay, args.stall_after)
    web.run_app(app, host="127.0.0.1", port=args.port, print=None, shutdown_timeout=0.1, handler_cancellation=True)


if __name__ == "__main__":
    main()
