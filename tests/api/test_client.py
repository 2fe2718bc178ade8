import asyncio
import email.utils
import json
import time

import pytest
from aiohttp import web

from mllm_classify.api.client import (
    LONGEST_WAIT,
    HopelessError,
    Http,
    OpenAI,
    PermanentError,
    Reply,
    TemporaryError,
    completion,
    wait_of,
)
from tests.chat_server import chat_server, error
from tests.chat_server import completion as completed

BODY = {
    "model": "q",
    "messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "data:,"}}]}],
    "top_k": 3,
    "max_tokens": 5,
}
FATES = {
    TemporaryError: [408, 409, 425, 429, 500, 502, 503, 504, 520, 529],
    PermanentError: [301, 302, 307, 400, 410, 413, 415, 422, 431, 501, 505],
    HopelessError: [401, 402, 403, 404, 405],
}


def refused(status, content=b'{"error": {"message": "why", "code": null}}', **headers):
    with pytest.raises(Exception) as caught:
        completion(Reply(status, headers, content))
    return caught.value


@pytest.mark.parametrize(("fate", "status"), [(fate, status) for fate in FATES for status in FATES[fate]])
def test_a_status_says_whether_to_ask_again(fate, status):
    found = refused(status)
    assert type(found) is fate
    assert str(found) == f"HTTP {status}: why"


@pytest.mark.parametrize("status", [200, 201, 204])
def test_only_200_is_an_answer(status):
    content = json.dumps(completed("espresso")).encode()
    if status == 200:
        assert completion(Reply(status, {}, content)) == completed("espresso")
    else:
        assert type(refused(status, content)) is PermanentError


def test_a_quota_that_is_used_up_is_not_waited_for():
    found = refused(429, b'{"error": {"message": "pay", "code": "insufficient_quota"}}', **{"retry-after": "1"})
    assert type(found) is HopelessError


def test_what_a_content_filter_withheld_will_never_come():
    choice = {"finish_reason": "content_filter", "message": {"content": ""}}
    found = refused(200, json.dumps(completed("", choices=[choice])).encode())
    assert isinstance(found, PermanentError)
    assert "content filter" in str(found)


def test_half_a_completion_may_come_whole_later():
    assert type(refused(200, b'{"choices": [{"mess')) is TemporaryError


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"<html>Bad gateway</html>", "HTTP 502: <html>Bad gateway</html>"),
        (b"", "HTTP 502: "),
        (b"\xff\xfe", "HTTP 502: \ufffd\ufffd"),
        (b'{"error": "why"}', 'HTTP 502: {"error": "why"}'),
        (b'{"error": {"message": 3}}', "HTTP 502: 3"),
        (b'{"detail": "why"}', 'HTTP 502: {"detail": "why"}'),
        (b"[" * 9999, "HTTP 502: " + "[" * 300),
    ],
    ids=lambda value: ascii(value)[:40],
)
def test_an_error_in_any_words_is_told(content, reason):
    assert str(refused(502, content)) == reason


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"retry-after": "7"}, 7),
        ({"retry-after": "0.5"}, 0.5),
        ({"retry-after-ms": "250", "retry-after": "7"}, 0.25),
        ({"retry-after": "-3"}, 0),
        ({"retry-after": "1e9"}, LONGEST_WAIT),
        ({"retry-after": "inf"}, LONGEST_WAIT),
        ({"retry-after": "nan"}, None),
        ({"retry-after": ""}, None),
        ({"retry-after": "soon"}, None),
        ({"retry-after-ms": "soon"}, None),
        ({"retry-after": "Wed, 21 Oct 2015 07:28:00 GMT"}, 0),
    ],
    ids=str,
)
def test_how_long_a_server_asks_to_wait(headers, seconds):
    assert wait_of(headers) == seconds
    found = refused(503, **headers)
    assert found.wait == seconds


def test_a_server_may_name_the_time_until_which_to_wait():
    at = email.utils.formatdate(time.time() + 100, usegmt=True)
    assert wait_of({"retry-after": at}) == pytest.approx(100, abs=2)


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
    assert json.loads(reply.content) == completed("espresso", service_tier="default", odd={"a": [1]})
    assert json.loads(models.content)["data"][0]["id"] == "test"


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
