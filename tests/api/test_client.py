import asyncio
import contextlib

import pytest
from aiohttp import web

from mllm_classify.api.client import Http, OpenAI
from mllm_classify.api.replies import PermanentError, TemporaryError, completion
from mllm_classify.io.limits import REPLY_BYTES
from tests.chat_server import chat_server, error
from tests.chat_server import completion as completed

BODY = {
    "model": "q",
    "messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "data:,"}}]}],
    "top_k": 3,
    "max_tokens": 5,
}


def send(transport, body=BODY):
    async def once():
        async with transport:
            return await transport.send(body), await transport.models()

    return asyncio.run(once())


def transports(url):
    return {"http": Http(url, "sk-1", 5, 2), "openai": OpenAI(url, "sk-1", 5)}


@pytest.mark.parametrize("kind", ["http", "openai"])
def test_both_transports_send_what_they_are_given_and_bring_what_comes(kind):
    with chat_server(lambda _: completed("espresso", service_tier="default", odd={"a": [1]})) as server:
        reply, models = send(transports(server.url)[kind])
    assert server.requests == [BODY]
    assert server.headers[0]["Authorization"] == "Bearer sk-1"
    assert (reply.status, models.status) == (200, 200)
    assert reply.body == completed("espresso", service_tier="default", odd={"a": [1]})
    assert models.body["data"][0]["id"] == "test"


@pytest.mark.parametrize("kind", ["http", "openai"])
def test_both_transports_bring_errors_once_with_their_headers(kind):
    with chat_server(lambda _: error(429, "later", Retry_After="7")) as server:
        reply, _ = send(transports(server.url)[kind])
    assert len(server.requests) == 1
    with pytest.raises(TemporaryError, match="HTTP 429: later") as caught:
        completion(reply)
    assert caught.value.wait == 7


@pytest.mark.parametrize("kind", ["http", "openai"])
def test_neither_transport_takes_the_key_to_another_address(kind):
    with chat_server() as other:
        elsewhere = f"{other.url}/chat/completions"
        with chat_server(lambda _: web.Response(status=307, headers={"Location": elsewhere})) as server:
            reply, _ = send(transports(server.url)[kind])
    assert (reply.status, other.requests) == (307, [])


@pytest.mark.parametrize("kind", ["http", "openai"])
def test_a_server_that_is_not_there_may_be_there_later(kind):
    with pytest.raises(TemporaryError):
        send(transports("http://127.0.0.1:9/v1")[kind])


@pytest.mark.parametrize("kind", ["http", "openai"])
def test_an_answer_that_takes_too_long_may_come_later(kind):
    with chat_server(stall_after=0) as server:
        transport = {"http": Http(server.url, "k", 0.2, 1), "openai": OpenAI(server.url, "k", 0.2)}[kind]
        with pytest.raises(TemporaryError, match="no answer"):
            send(transport)


@pytest.mark.parametrize("kind", ["http", "openai"])
def test_a_server_on_this_machine_is_reached_past_a_proxy(monkeypatch, kind):
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    with chat_server() as server:
        assert send(transports(server.url)[kind])[0].status == 200


@pytest.mark.parametrize("kind", ["http", "openai"])
@pytest.mark.parametrize("status", [200, 500])
def test_a_reply_without_end_is_left_where_it_is_larger_than_any_answer(kind, status):
    sent = 0

    async def endless(request):
        nonlocal sent
        response = web.StreamResponse(status=status)
        await response.prepare(request)
        with contextlib.suppress(ConnectionError):
            while sent < 20 * REPLY_BYTES:
                await response.write(b" " * 2**16)
                sent += 2**16
        return response

    async def once():
        app = web.Application()
        app.router.add_post("/v1/chat/completions", endless)
        runner = web.AppRunner(app)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        port = runner.addresses[0][1]
        try:
            async with transports(f"http://127.0.0.1:{port}/v1")[kind] as transport:
                with pytest.raises(PermanentError, match="more than 8 MB"):
                    await transport.send(BODY)
        finally:
            await runner.cleanup()

    asyncio.run(once())
    assert sent < 4 * REPLY_BYTES


@pytest.mark.parametrize("kind", ["http", "openai"])
def test_a_query_stays_behind_the_path(kind):
    """As Azure's addresses have one."""
    with chat_server() as server:
        reply, _ = send(transports(f"{server.url}/?api-version=2024-10-21")[kind])
    assert reply.status == 200
    assert server.queries == [{"api-version": "2024-10-21"}]
