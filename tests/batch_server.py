"""OpenAI's files and batches, in memory, for tests: beside a chat server that answers the same questions one by one."""

import asyncio
import contextlib
import json
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from tests.chat_server import completion, serving
from tests.fault_server import NEVER, Record, always, application, constant_usage, numbered_answer


@dataclass
class Made:
    """A batch, as the server holds it."""

    number: str
    lines: list[dict]
    metadata: dict
    size: int
    polls: int = 0
    became: str = "completed"
    output: str | None = None
    errors: str | None = None
    problems: list[dict] = field(default_factory=list)
    ended: bool = False


@dataclass
class Batched:
    """What the server holds. `answered` counts complete answers by the question's key: the ones that are paid for."""

    url: str = ""
    files: dict[str, bytes] = field(default_factory=dict)
    batches: dict[str, Made] = field(default_factory=dict)
    answered: Counter[str] = field(default_factory=Counter)
    handed_in: Counter[str] = field(default_factory=Counter)
    calls: Counter[str] = field(default_factory=Counter)
    usage: list[dict] = field(default_factory=list)
    chat: Record = field(default_factory=Record)

    @property
    def waiting(self) -> list[Made]:
        return [batch for batch in self.batches.values() if not batch.ended]


def application_with(  # noqa: C901, PLR0915 (one server)
    held: Batched,
    *,
    polls: int = 2,
    line: Callable[[str, int], str] = lambda key, times: "good",
    becomes: Callable[[int], str] = lambda nth: "completed",
    room: int | None = None,
    lost: Callable[[str, int], str] = lambda call, nth: "",
    refuse: str = "",
    answer: Callable[[dict], str | dict] = numbered_answer,
    usage: Callable[[dict], dict] = constant_usage,
) -> web.Application:
    """A batch ends when it was asked for `polls` times.

    `line` says what becomes of a line by its key and how often it was handed in; `becomes`, of the nth batch. No more
    than `room` lines may wait. `lost` says of the nth call of each sort whether the connection breaks `before` or `after`
    it had its effect, or its answer is `held` back for ever. Where there is something to `refuse` with, no batch is made.
    """

    @web.middleware
    async def breaking(request: web.Request, handler: Any) -> web.StreamResponse:
        if "/batches" not in request.path and "/files" not in request.path:
            return await handler(request)
        sort = "content" if request.path.endswith("/content") else request.path.split("/")[2]
        call = f"{request.method} {sort}"
        held.calls[call] += 1
        fate = lost(call, held.calls[call])
        if fate == "before":
            await request.read()
        response = None if fate == "before" else await handler(request)
        if fate == "held":
            await asyncio.sleep(NEVER)
        if fate or response is None:
            assert request.transport is not None
            request.transport.abort()
            return web.Response()
        return response

    async def upload(request: web.Request) -> web.Response:
        posted = await request.post()
        assert posted["purpose"] == "batch"
        number = f"file-{len(held.files)}"
        held.files[number] = posted["file"].file.read()  # type: ignore[union-attr]
        return web.json_response(
            {"id": number, "object": "file", "bytes": len(held.files[number]), "created_at": int(time.time()),
             "filename": "f.jsonl", "purpose": "batch", "status": "processed"}
        )  # fmt: skip

    async def content(request: web.Request) -> web.Response:
        return web.Response(body=held.files[request.match_info["number"]])

    async def make(request: web.Request) -> web.Response:
        if refuse:
            return web.json_response({"error": {"message": refuse}}, status=400)
        asked = await request.json()
        assert asked["endpoint"] == "/v1/chat/completions"
        assert asked["completion_window"] == "24h"
        uploaded = held.files[asked["input_file_id"]]
        lines = [json.loads(one) for one in uploaded.splitlines()]
        assert len({one["custom_id"] for one in lines}) == len(lines) > 0
        assert {(one["method"], one["url"]) for one in lines} == {("POST", "/v1/chat/completions")}
        batch = Made(f"batch_{len(held.batches)}", lines, asked["metadata"], len(uploaded))
        batch.became = becomes(len(held.batches))
        if room is not None and sum(len(one.lines) for one in held.waiting) + len(lines) > room:
            batch.became = "token_limit_exceeded"
        held.batches[batch.number] = batch
        if batch.became in ("completed", "expired"):
            held.handed_in.update(one["custom_id"] for one in lines)
        return web.json_response(shown(batch))

    def shown(batch: Made) -> dict:
        ended = {"token_limit_exceeded": "failed", "invalid": "failed"}.get(batch.became, batch.became)
        return {
            "id": batch.number, "object": "batch", "endpoint": "/v1/chat/completions", "input_file_id": "file",
            "completion_window": "24h", "created_at": int(time.time()), "metadata": batch.metadata,
            "status": ended if batch.ended else "in_progress", "output_file_id": batch.output,
            "error_file_id": batch.errors,
            "errors": {"object": "list", "data": batch.problems} if batch.problems else None,
        }  # fmt: skip

    def end(batch: Made) -> None:
        batch.ended = True
        if batch.became in ("token_limit_exceeded", "invalid"):
            batch.problems = [{"code": batch.became, "message": f"refused on purpose ({batch.became})"}]
            return
        output, errors = [], []
        for place, one in enumerate(batch.lines):
            key, body = one["custom_id"], one["body"]
            became = line(key, held.handed_in[key])
            if batch.became == "expired" and place >= len(batch.lines) // 2:
                problem = {"code": "batch_expired", "message": "This request could not be executed in time."}
                errors.append({"id": "r", "custom_id": key, "response": None, "error": problem})
            elif became == "missing":
                continue
            elif became.isdecimal():
                said = {"error": {"message": f"failed on purpose ({became})", "type": "server_error", "code": None}}
                response = {"status_code": int(became), "request_id": "r", "body": said}
                errors.append({"id": "r", "custom_id": key, "response": response, "error": None})
            else:
                said = answer(body)
                whole = completion(said, usage=usage(body)) if isinstance(said, str) else said
                if became == "content_filter":
                    whole["choices"][0]["finish_reason"] = became
                else:
                    held.answered[key] += 1
                    held.usage.append(whole["usage"])
                response = {"status_code": 200, "request_id": "r", "body": whole}
                output.append({"id": "r", "custom_id": key, "response": response, "error": None})
        for name, found in {"output": output, "errors": errors}.items():
            if found:
                number = f"file-{len(held.files)}"
                # in no particular order, and not in ASCII
                texts = [json.dumps(one, ensure_ascii=False) + "\n" for one in reversed(found)]
                held.files[number] = "".join(texts).encode()
                setattr(batch, name, number)

    async def retrieve(request: web.Request) -> web.Response:
        batch = held.batches.get(request.match_info["number"])
        if batch is None:
            return web.json_response({"error": {"message": "No such batch"}}, status=404)
        batch.polls += 1
        if batch.polls >= polls and not batch.ended:
            end(batch)
        return web.json_response(shown(batch))

    async def list_batches(request: web.Request) -> web.Response:
        newest = list(reversed(held.batches.values()))
        if (after := request.query.get("after")) is not None:
            newest = newest[[batch.number for batch in newest].index(after) + 1 :]
        page = newest[:1]  # so that lists have pages
        return web.json_response(
            {"object": "list", "data": [shown(batch) for batch in page], "has_more": len(newest) > len(page)}
        )

    app = application(held.chat, always("good"), answer=answer, usage=usage)
    app.middlewares.append(breaking)
    app.add_routes(
        [
            web.post("/v1/files", upload),
            web.get("/v1/files/{number}/content", content),
            web.post("/v1/batches", make),
            web.get("/v1/batches", list_batches),
            web.get("/v1/batches/{number}", retrieve),
        ]
    )
    return app


@contextlib.contextmanager
def batch_server(**options) -> Iterator[Batched]:
    held = Batched()
    with serving(application_with(held, **options)) as address:
        held.url = held.chat.url = f"{address}/v1"
        yield held
