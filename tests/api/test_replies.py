import email.utils
import json
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mllm_classify.api.answers import read
from mllm_classify.api.replies import (
    LONGEST_WAIT,
    SHORTEST_KEY,
    DeniedError,
    FailedError,
    HopelessError,
    PermanentError,
    Reply,
    TemporaryError,
    completion,
    received,
    wait_of,
)
from tests.chat_server import completion as completed

FATES = {
    TemporaryError: [408, 409, 425, 429, 500, 502, 503, 504, 520, 529],
    PermanentError: [301, 302, 307, 400, 410, 413, 415, 422, 431, 501, 505],
    HopelessError: [401, 402],
    DeniedError: [403, 404, 405],
}


def refused(status, content=b'{"error": {"message": "why", "code": null}}', **headers):
    with pytest.raises(Exception) as caught:
        completion(received(status, headers, content))
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
        assert completion(received(status, {}, content)) == completed("espresso")
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
        (b'{"error": "why"}', "HTTP 502: why"),
        (b'{"error": {"message": 3}}', "HTTP 502: 3"),
        (b'{"detail": "why"}', 'HTTP 502: {"detail": "why"}'),
        (b'[{"error": {"code": 502, "message": "why", "status": "INTERNAL"}}]', "HTTP 502: why"),
        (b'["why", {"error": {"message": "not this"}}]', 'HTTP 502: ["why", {"error": {"message": "not this"}}]'),
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


ANY = [None, True, 3, 1.5, "x", "length", [], ["a"], {}, {"code": []}, {"message": {}}, [{}], "\ud800", 10**4000]


@given(st.recursive(st.sampled_from(ANY), lambda inner: st.dictionaries(
    st.sampled_from(["choices", "error", "message", "content", "finish_reason", "code", "type", "text", "refusal", "usage"]), inner
) | st.lists(inner, max_size=2), max_leaves=12), st.sampled_from([200, 400, 403, 429, 500]))  # fmt: skip
def test_whatever_a_server_says_is_an_answer_that_can_be_read_or_a_failure(body, status):
    try:
        response = completion(Reply(status, {}, body))
    except FailedError as error:
        assert str(error).isprintable()  # noqa: PT017 (or else it must be read)
    else:
        read(response)


KEYS = st.text('abcXYZ019-_/+=\\"', min_size=SHORTEST_KEY, max_size=24)


@given(KEYS, st.randoms(), st.sampled_from(["content", "error", "name"]))
def test_a_key_that_a_server_repeats_in_any_escapes_is_in_nothing_that_is_kept(key, random, where):
    spelled = "".join(random.choice([json.dumps(it)[1:-1], f"\\u{ord(it):04x}"]) for it in key)
    content = {
        "content": '{"choices": [{"finish_reason": "stop", "message": {"content": "it is %s."}}]}',
        "error": '{"error": {"message": "no such key: %s"}}',
        "name": '{"choices": [{"message": {"content": "a"}}], "%s": 1}',
    }[where] % spelled
    kept = received(200, {}, content.encode(), key)
    assert key not in json.dumps(kept.body, ensure_ascii=False)
    assert json.dumps(key)[1:-1] not in json.dumps(kept.body)
    assert "[key]" in json.dumps(kept.body)


def test_a_compressed_reply_is_not_unpacked():
    with pytest.raises(TemporaryError, match="compressed"):
        received(200, {"Content-Encoding": "gzip"}, b"")


@pytest.mark.parametrize("depth", [90, 101, 500, 900, 990, 100_000])
@pytest.mark.parametrize("where", ["error", "content", "usage"])
def test_a_reply_of_many_levels_is_an_answer_or_a_failure(depth, where):
    nested = "[" * depth + r'"\u0073k-123456789"' + "]" * depth
    body = {
        "error": '{"error": {"message": %s}}',
        "content": '{"choices": [{"message": {"content": [{"type": "thinking", "thinking": %s}]}}]}',
        "usage": '{"choices": [{"message": {"content": "a"}}], "usage": %s}',
    }[where] % nested
    for status in (200, 500):
        reply = received(status, {}, body.encode(), "sk-123456789")
        assert "sk-123456789" not in reply.excerpt
        try:
            completion(reply)
        except FailedError as error:
            assert str(error).isprintable()  # noqa: PT017 (or else it is an answer)
