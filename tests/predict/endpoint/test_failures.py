import asyncio
import json
import logging
import platform

import polars as pl
import pytest
from aiohttp import web

from mllm_classify.api import answers, journal
from mllm_classify.api.replies import check_record
from mllm_classify.io.files import InputError
from mllm_classify.predict.chat import answering
from tests.chat_server import chat_server, completion, error
from tests.predict.endpoint.pictures import number_of, register

KEY = "sk-4f1d09c2"


# what goes wrong


def refusing(number, status=400):
    """A server's answer that refuses one image."""

    def answer(body):
        return error(status, "the image \x1b[31m cannot be read") if number_of(body) == number else "espresso"

    return answer


def test_an_error_names_what_failed_and_is_no_answer(predict, tmp_path):
    with chat_server(refusing(2)) as server, pytest.raises(InputError) as caught:
        predict(server.url, retries=4)
    message = str(caught.value)
    assert "model 'm': 1 of 5 requests failed, the first for task OW, image 'image2'" in message
    assert "400" in message
    assert r"the image \x1b[31m cannot be read" in message
    assert len(server.requests) == 5
    assert len(journal.read(tmp_path / "journal", check_record)) == 4
    with chat_server(lambda _: "tabby") as server:
        frame = predict(server.url)
    assert [number_of(body) for body in server.requests] == [2]
    assert frame["text"].to_list() == ["espresso", "espresso", "tabby", "espresso", "espresso"]


def test_of_many_errors_the_first_in_order_is_named_though_it_came_last(predict):
    seen = []

    def answer(body):
        seen.append(number_of(body))
        return error(429, "later", retry_after_ms="300") if seen.count(4) == 1 and seen[-1] == 4 else error(400, "no")

    with chat_server(answer) as server, pytest.raises(InputError, match=r"5 of 5.*image 'image4'"):
        predict(server.url, concurrency=5, retries=1)


@pytest.mark.parametrize(
    "reply",
    [
        "<html>Service Unavailable</html>",
        "",
        "null",
        "[]",
        '"espresso"',
        "{}",
        '{"choices": []}',
        '{"choices": null}',
        '{"choices": [null]}',
        '{"choices": [{}]}',
        '{"choices": [{"message": null}]}',
        '{"choices": [{"message": "espresso"}]}',
        '{"choices": [{"message": {"content": "esp',
        "[" * 100_000,
    ],
    ids=lambda reply: ascii(reply[:50]),
)
def test_a_reply_of_status_200_that_is_no_completion_is_an_error(predict, tmp_path, reply):
    def answer(body):
        return web.Response(text=reply, content_type="application/json") if number_of(body) == 2 else "espresso"

    with (
        chat_server(answer) as server,
        pytest.raises(InputError, match=r"1 of 5 requests failed.*not a chat completion"),
    ):
        predict(server.url)
    assert len(journal.read(tmp_path / "journal", check_record)) == 4


@pytest.mark.parametrize("content", [["espresso"], 3, [{"type": "image"}]], ids=str)
def test_what_is_not_understood_was_paid_for_and_is_kept_but_is_no_answer(predict, tmp_path, content, monkeypatch):
    whole = completion("", choices=[{"message": {"content": content}, "finish_reason": "stop"}])
    with chat_server(lambda body: whole if number_of(body) == 2 else "espresso") as server:
        with pytest.raises(InputError, match=r"1 of 5 requests failed.*content of an unknown form"):
            predict(server.url)
        assert len(server.requests) == 5
    records = journal.read(tmp_path / "journal", check_record)
    assert [record["response"] for record in records.values()].count(whole) == 1
    # once a version can read it, nothing is asked
    monkeypatch.setattr(answers, "_content", lambda content: ("tabby" if content != "espresso" else content, None))
    frame = predict("http://127.0.0.1:1/v1")
    assert sorted(frame["text"].to_list()) == ["espresso"] * 4 + ["tabby"]


@pytest.mark.parametrize(
    "reply",
    [
        {"error": {"message": "overloaded"}},
        {"error": {"message": "slow down", "code": 429}},
        completion("", choices=[{"error": {"code": 502, "message": "gone"}, "message": {"content": ""}}]),
        *(
            completion("", choices=[{"finish_reason": finish, "message": {"content": "esp"}}])
            for finish in ("error", "abort", "cancelled", "tool_calls", "CANCELLED", "whatever", "\ud800", 3)
        ),
    ],
    ids=lambda reply: ascii(reply)[-60:],
)
def test_an_error_inside_a_reply_and_an_answer_that_was_not_finished_are_asked_again(predict, tmp_path, reply):
    waiting = [reply]
    with chat_server(lambda body: waiting.pop() if number_of(body) == 2 and waiting else "espresso") as server:
        frame = predict(server.url, retries=1)
        assert len(server.requests) == 6
    assert frame["text"].to_list() == ["espresso"] * 5
    assert len(journal.read(tmp_path / "journal", check_record)) == 5


@pytest.mark.parametrize("statuses", [[429], [500, 503], [408, 429, 502]], ids=str)
def test_what_can_succeed_later_is_retried(predict, images, tmp_path, statuses):
    waiting = list(statuses)

    def answer(_):
        return error(waiting.pop(0), "later", retry_after_ms="1") if waiting else "espresso"

    one = register(tmp_path, one=images.read(0))
    with chat_server(answer) as server:
        assert predict(server.url, one, retries=len(statuses))["text"].to_list() == ["espresso"]
    assert len(server.requests) == len(statuses) + 1


def test_what_fails_more_often_than_it_is_retried_is_an_error(predict, images, tmp_path):
    one = register(tmp_path, one=images.read(0))
    with chat_server(lambda _: error(429, "slow down", retry_after_ms="1")) as server:
        with pytest.raises(InputError, match=r"1 of 1 requests failed.*429.*slow down"):
            predict(server.url, one, retries=2)
        assert len(server.requests) == 3
    assert journal.read(tmp_path / "journal", check_record) == {}


def test_a_request_that_takes_longer_than_its_timeout_is_an_error(predict, tmp_path):
    with (
        chat_server(stall_after=3) as server,
        pytest.raises(InputError, match=r"2 of 5 requests failed.*image 'image1'.*no answer within 2 s"),
    ):
        predict(server.url, timeout=2, concurrency=1)
    assert len(journal.read(tmp_path / "journal", check_record)) == 3


def test_a_server_that_is_not_there_is_an_error(predict):
    with pytest.raises(InputError, match=r"5 of 5 requests failed.*Cannot connect to host"):
        predict("http://127.0.0.1:9/v1")


def test_an_image_that_changed_is_an_input_error_and_what_was_answered_stays(predict, images, tmp_path):
    (tmp_path / "image1").write_bytes(images.read(0))
    with chat_server() as server, pytest.raises(InputError, match=r"image 'image1'.*has changed"):
        predict(server.url, concurrency=1)
    assert len(journal.read(tmp_path / "journal", check_record)) >= 3


def test_a_key_that_is_not_set_is_an_error_before_any_request(predict, monkeypatch):
    monkeypatch.delenv("ABSENT_KEY", raising=False)
    with chat_server() as server, pytest.raises(InputError, match=r"model 'm': api_key_env: .* ABSENT_KEY is not set"):
        predict(server.url, api_key_env="ABSENT_KEY")
    assert server.requests == []


def test_a_line_break_after_the_key_is_no_part_of_it(predict, monkeypatch):
    monkeypatch.setenv("TEST_KEY", f"{KEY}\r\n")
    with chat_server() as server:
        predict(server.url, api_key_env="TEST_KEY")
    assert {headers["Authorization"] for headers in server.headers} == {f"Bearer {KEY}"}


@pytest.mark.parametrize("key", ["sk-é", "sk-\u200b", "sk-one\nsk-two"], ids=ascii)
def test_a_key_that_no_request_can_carry_is_an_error_that_does_not_show_it(predict, monkeypatch, key):
    monkeypatch.setenv("TEST_KEY", key)
    with chat_server() as server, pytest.raises(InputError, match=r"model 'm': api_key_env: .*TEST_KEY") as caught:
        predict(server.url, api_key_env="TEST_KEY")
    assert "sk-" not in str(caught.value)
    assert server.requests == []


def test_the_key_is_sent_and_written_nowhere(predict, tmp_path, monkeypatch, caplog):
    caplog.set_level(logging.INFO)
    monkeypatch.setenv("TEST_KEY", KEY)
    with chat_server(refusing(2)) as server, pytest.raises(InputError) as caught:
        predict(server.url, api_key_env="TEST_KEY")
    assert {headers["Authorization"] for headers in server.headers} == {f"Bearer {KEY}"}
    assert KEY not in str(caught.value)
    assert KEY not in caplog.text
    written = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert any(path.suffix == ".jsonl" for path in written)
    assert not [path for path in written if KEY.encode() in path.read_bytes()]


# odd answers


@pytest.mark.parametrize("message", [{"content": None}, {"content": ""}, {"content": None, "refusal": ""}, {}], ids=str)
def test_an_answer_without_text_is_an_empty_answer(predict, message):
    with chat_server(lambda _: completion("", choices=[{"message": message}])) as server:
        frame = predict(server.url)
    assert frame.select("text", "status").rows() == [("", "ok")] * 5


@pytest.mark.parametrize("message", [{"refusal": "No."}, {"content": None, "refusal": "No."}], ids=str)
def test_a_refusal_in_a_field_of_its_own_is_the_answer(predict, message):
    with chat_server(lambda _: completion("", choices=[{"message": message}])) as server:
        frame = predict(server.url)
    assert frame.select("text", "status").rows() == [("No.", "ok")] * 5


def test_odd_answers_are_kept_as_they_are_and_reported_in_one_line_a_sort(predict, caplog, tmp_path):
    caplog.set_level(logging.INFO, logger="mllm_classify")
    odd = {
        4: "espresso",
        3: "",
        2: "long é😀" * 2**17,
        1: "nul \0 \x1b[31mred\x1b]0;title\x07 \x9b2J",
        0: "two\nlines\r\n",
    }
    with chat_server(lambda body: odd[number_of(body)]) as server:
        frame = predict(server.url)
    assert frame["text"].to_list() == list(odd.values())
    frame.write_parquet(tmp_path / "frame.parquet")
    assert pl.read_parquet(tmp_path / "frame.parquet")["text"].to_list() == list(odd.values())
    warnings = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert len(warnings) == 3
    assert warnings[0].startswith("1 of 5 answers are empty")
    assert "'image3': ''" in warnings[0]
    assert warnings[1].startswith("1 of 5 answers are longer than 1000 characters")
    assert r"'image2': 'long \xe9\U0001f600long" in warnings[1]
    assert warnings[2].startswith("2 of 5 answers are with control characters")
    assert r"'image1': 'nul \x00 \x1b[31mred\x1b]0;title\x07 \x9b2J'" in warnings[2]
    for record in caplog.records:
        assert record.getMessage().isprintable()
        assert len(record.getMessage()) < 500


def test_answers_that_were_cut_off_and_marks_that_are_not_known_are_counted_in_the_log(predict, caplog):
    """An error that was cut off is none of them; marks stay in the answer."""
    said = {0: "<ponder>a cat</ponder> tabby", 1: "tab", 2: "", 3: "tabby", 4: "<3 tabby"}

    def answer(body):
        whole = completion(said[number_of(body)])
        whole["choices"][0]["finish_reason"] = "length" if number_of(body) in (1, 2) else "stop"
        return web.json_response(whole)

    with chat_server(answer) as server:
        frame = predict(server.url, max_errors=1)
    assert frame["text"].to_list() == [said[4], "tabby", None, "tab", said[0]]
    assert frame["finish_reason"].to_list() == ["stop", "stop", "length", "length", "stop"]
    assert (
        "1 of 5 answers are cut off at the most tokens that the entry allows (finish_reason length), the first"
        in caplog.text
    )
    assert "1 of 5 answers are begun or ended with marks that may set reasoning apart, and are not known" in caplog.text


def test_half_of_a_surrogate_pair_does_not_cost_the_answer(predict):
    reply = json.dumps(completion("caf\ud83d\ude00 x\ud800y"))
    with chat_server(lambda _: web.Response(text=reply, content_type="application/json")) as server:
        frame = predict(server.url)
    assert frame["text"].to_list() == ["caf😀 x?y"] * 5


# where answers come from


@pytest.mark.parametrize(
    ("said", "noted"),
    [
        ('{"version": "0.11.0"}', "0.11.0"),
        ('{"version": 3}', "3"),
        ('["0.11.0"]', None),
        ("{}", None),
        ("<html>", None),
        ("", None),
    ],
)
def test_the_version_of_a_server_on_this_machine_is_noted(ask, said, noted):
    with chat_server(version=lambda: web.Response(text=said)) as server:
        frame, environments = ask(server.url, ["OW"])
    assert [environment["server"] for environment in environments] == [noted]
    assert environments[0]["python"] == platform.python_version()
    # nothing is asked now: what is noted is of those who answered
    again, known = ask("http://127.0.0.1:9/v1", ["OW"])
    assert known == environments
    assert again.equals(frame)


def test_a_version_that_never_ends_holds_no_job_up(ask, monkeypatch):
    """A byte now and then is an answer to every single read."""
    monkeypatch.setattr(answering, "VERSION_TIMEOUT", 0.5)

    async def drops():
        while True:
            yield b" "
            await asyncio.sleep(0.05)

    with chat_server(version=lambda: web.Response(body=drops())) as server:
        _, environments = ask(server.url, ["OW"])
    assert [environment["server"] for environment in environments] == [None]


def test_answers_of_two_servers_name_both(ask):
    for number, wanted in enumerate([["OW"], ["OW", "CW"]]):
        with chat_server(version=lambda n=number: web.json_response({"version": f"0.{n}"})) as server:
            _, environments = ask(server.url, wanted)
    assert sorted(environment["server"] for environment in environments) == ["0.0", "0.1"]
    _, environments = ask("http://127.0.0.1:9/v1", ["OW"])
    assert [environment["server"] for environment in environments] == ["0.0"]
