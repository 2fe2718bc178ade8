"""Many requests: limits, money, retries, and when to stop. Servers are real; only the clock of limits is not."""

import asyncio
import base64
import io
import json
import time

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from mllm_classify.api import journal, sending
from mllm_classify.api.answers import Used
from mllm_classify.api.replies import check_record
from mllm_classify.config.chat import EndpointModel
from mllm_classify.config.tasks import TaskPrompt, Variant
from mllm_classify.io.files import InputError, sha256
from mllm_classify.predict import endpoint
from mllm_classify.predict.chat.asking import Ledger
from mllm_classify.predict.images import Images
from tests.chat_server import chat_server, completion, error, image_of
from tests.predict.jobs import job

PRICES = {"input": 1, "cached_input": 0.5, "output": 10}
MILLION = 1_000_000


def entry(**options):
    base = {"name": "m", "label": "M", "kind": "endpoint", "url": "http://x/v1", "model": "q", "tasks": ["OW"]}
    return EndpointModel(**base | options)


@pytest.fixture(autouse=True)
def impatient(monkeypatch):
    """Retries come at once."""
    monkeypatch.setattr(sending, "FIRST_WAIT", 0.001)


@pytest.fixture
def ask(tmp_path):
    """Asks a server about eight images, one after the other. Gives the predictions."""
    rows = []
    for number in range(8):
        content = io.BytesIO()
        Image.new("RGB", (2, 2), (number, 9, 9)).save(content, "PNG")
        (tmp_path / f"image{number}").write_bytes(content.getvalue())
        rows.append({"image_id": f"image{number}", "file": f"image{number}", "sha256": sha256(content.getvalue())})
    (tmp_path / "ow.txt").write_text("What?")
    (tmp_path / "several.txt").write_text("What are these {n}?")
    images = Images(pl.DataFrame(rows), str(tmp_path))

    def run(url, variants=(), progress=lambda _total, _what: lambda *_: None, **options):
        model = entry(url=url, variants=[it.name for it in variants], **{"concurrency": 1, "retries": 0} | options)
        tasks = {"OW": TaskPrompt(prompt=str(tmp_path / "ow.txt"))}
        given = {"tasks": tasks, "variants": variants, "journal": tmp_path / "journal", "progress": progress}
        return endpoint.predict(job(model, images, ["a"], **given))[0]

    run.several = str(tmp_path / "several.txt")
    run.journal = tmp_path / "journal"
    return run


def number_of(body):
    """Which image a request shows last."""
    return Image.open(io.BytesIO(base64.b64decode(image_of(body).partition("base64,")[2]))).getpixel((0, 0))[0]


# retries


@pytest.mark.parametrize("status", [408, 409, 425, 429, 500, 502, 503, 504, 529])
def test_what_may_succeed_later_is_asked_again(ask, status):
    left = [error(status, "later") for _ in range(3)]
    with chat_server(lambda _: left.pop() if left else "a") as server:
        frame = ask(server.url, retries=3)
    assert frame["status"].unique().to_list() == ["ok"]
    assert len(server.requests) == 8 + 3


def test_every_request_has_its_own_number_of_attempts(ask):
    seen = {}

    def answer(body):
        number = number_of(body)
        seen[number] = seen.get(number, 0) + 1
        return error(503, "busy") if seen[number] <= 2 else "a"

    with chat_server(answer) as server:
        ask(server.url, retries=2)
    assert seen == dict.fromkeys(range(8), 3)


def test_a_server_that_asks_for_a_pause_gets_one_from_all(ask):
    """The first answer asks for half a second; until then nothing else is sent."""
    arrived = []

    def answer(_):
        arrived.append(time.monotonic())
        return error(429, "later", retry_after_ms="500") if len(arrived) == 1 else "a"

    with chat_server(answer) as server:
        ask(server.url, retries=1)
    assert len(arrived) == 9
    assert arrived[1] - arrived[0] >= 0.5


def test_a_refused_request_is_not_asked_again(ask):
    with chat_server(lambda body: error(400, "too long") if number_of(body) == 3 else "a") as server:
        with pytest.raises(InputError, match=r"1 of 8 requests failed.*image 'image3'.*HTTP 400: too long"):
            ask(server.url, retries=5)
        assert len(server.requests) == 8


# when to stop


@pytest.mark.parametrize("status", [401, 402])
def test_what_no_request_will_survive_stops_at_the_first(ask, status):
    with chat_server(lambda body: "a" if number_of(body) < 2 else error(status, "no such model")) as server:
        with pytest.raises(InputError, match=rf"model 'm': HTTP {status}: no such model; what was answered is in"):
            ask(server.url, retries=5, max_errors=100)
        assert len(server.requests) == 3
    assert len(journal.read(ask.journal, check_record)) == 2


@pytest.mark.parametrize("status", [403, 404, 405])
def test_a_key_a_model_or_an_address_that_is_wrong_for_all_stops_early(ask, status):
    with chat_server(lambda _: error(status, "no such model")) as server:
        with pytest.raises(InputError, match=rf"model 'm': HTTP {status}: no such model; what was answered is in"):
            ask(server.url, retries=5, max_errors=100)
        assert len(server.requests) == sending.DENIALS


@pytest.mark.parametrize("denied", [{0}, {1}, {4}, {0, 3, 4, 6, 7}], ids=str)
def test_what_one_request_is_denied_for_is_its_own_error_and_costs_the_others_nothing(ask, denied):
    """Providers refuse a picture with the status of a wrong key; another run asks about nothing but those."""
    with chat_server(lambda body: error(403, "policy") if number_of(body) in denied else "a") as server:
        for missing in (8, len(denied)):
            before = len(server.requests)
            frame = ask(server.url, max_errors=len(denied))
            assert len(server.requests) == before + missing
            assert frame.filter(status="error")["error"].to_list() == ["HTTP 403: policy"] * len(denied)


def test_a_row_of_refusals_stops_and_one_with_answers_between_does_not(ask, monkeypatch):
    monkeypatch.setattr(sending, "REFUSALS", 3)
    with chat_server(lambda body: error(400, "no") if number_of(body) in (0, 1, 3, 4, 6, 7) else "a") as server:
        frame = ask(server.url, max_errors=6)
        assert len(server.requests) == 8
    assert frame["status"].to_list().count("error") == 6
    with chat_server(lambda _: error(400, "no")) as server:
        with pytest.raises(InputError, match="3 requests in a row were refused, the last: HTTP 400: no"):
            ask(server.url, max_errors=6)
        assert len(server.requests) == 3


def test_a_server_that_answers_nothing_for_long_is_not_asked_on(ask):
    started = time.monotonic()
    with (
        chat_server(lambda _: error(503, "down")) as server,
        pytest.raises(InputError, match="HTTP 503: down") as caught,
    ):
        ask(server.url, retries=10_000, patience=0.3)
    assert "no answer for" in str(caught.value)
    assert "(patience: 0.3)" in str(caught.value)
    assert time.monotonic() - started > 0.3


def test_a_server_that_answers_now_and_then_is_alive(ask):
    seen = []

    def answer(_):
        seen.append(1)
        return "a" if len(seen) % 6 == 0 else error(503, "busy")

    with chat_server(answer) as server:
        frame = ask(server.url, retries=100, patience=0.5)
    assert frame["status"].unique().to_list() == ["ok"]


# errors that are tolerated


@pytest.mark.parametrize("tolerated", [0, 1, 2])
def test_so_many_errors_are_tolerated_and_are_rows(ask, tolerated):
    with chat_server(lambda body: error(400, "no") if number_of(body) in (2, 5) else "a") as server:
        if tolerated < 2:
            with pytest.raises(
                InputError, match=rf"2 of 8 requests failed.*the entry tolerates {tolerated} \(max_errors\)"
            ):
                ask(server.url, max_errors=tolerated)
            return
        frame = ask(server.url, max_errors=tolerated)
    assert frame.select("image_id", "text", "status", "error").rows() == [
        (f"image{n}", None, "error", "HTTP 400: no") if n in (2, 5) else (f"image{n}", "a", "ok", None)
        for n in range(8)
    ]


def test_an_answer_that_cannot_be_read_is_an_error_that_is_not_asked_for_again(ask):
    choice = {"message": {"content": "<think>It is"}, "finish_reason": "length"}
    with chat_server(lambda body: completion("", choices=[choice]) if number_of(body) == 4 else "a") as server:
        with pytest.raises(InputError, match=r"1 of 8 answers cannot be read, the first to task OW, image 'image4'"):
            ask(server.url)
        frame = ask(server.url, max_errors=1)
        assert len(server.requests) == 8
    row = frame.row(4, named=True)
    assert (row["text"], row["status"], row["reasoning"]) == (None, "error", "It is")
    assert "cut off while the model was reasoning" in row["error"]
    assert row["prompt_tokens"] == 10


# several images in a request


def together(ask, **options):
    return Variant(**{"name": "all", "task": "OW", "images": 8, "prompt": ask.several} | options)


def test_answers_to_several_images_go_to_their_images(ask):
    said = "\n".join(f"{number + 1}. thing {number}" for number in range(8))
    with chat_server(lambda body: said if "8?" in json.dumps(body) else "a") as server:
        frame = ask(server.url, [together(ask)]).filter(variant="all")
    assert frame.select("image_id", "text").rows() == [(f"image{n}", f"thing {n}") for n in range(8)]
    # what the one request used stands once
    assert frame["prompt_tokens"].to_list() == [10, *[None] * 7]
    assert frame["latency"].null_count() == 7
    assert len(server.requests) == 9


@pytest.mark.parametrize("lost", range(1, 9))
def test_one_answer_of_eight_that_is_missing_makes_all_of_them_errors(ask, lost):
    """Renumbered lines would be right for nobody behind the gap: there is never a shift."""
    said = "\n".join(f"{number}. thing" for number in range(1, 9) if number != lost)
    with chat_server(lambda body: said if "8?" in json.dumps(body) else "a") as server:
        frame = ask(server.url, [together(ask)], max_errors=8)
    found = frame.filter(variant="all")
    assert found["status"].to_list() == ["error"] * 8
    assert found["text"].null_count() == 8
    assert found["error"].str.starts_with("not one answer for each of 8 images").all()
    assert frame.filter(variant="")["status"].to_list() == ["ok"] * 8


def test_a_group_that_failed_is_an_error_of_each_of_its_images(ask):
    with chat_server(lambda body: error(400, "no") if "3?" in json.dumps(body) else "1. a\n2. b") as server:
        frame = ask(server.url, [together(ask, images=3)], max_errors=6)
    found = frame.filter(variant="all")
    assert found["status"].to_list() == ["error"] * 6 + ["ok"] * 2
    assert found["text"].to_list() == [None] * 6 + ["a", "b"]


# money


def counted(prompt, completion_tokens, cached=0):
    return {"prompt_tokens": prompt, "completion_tokens": completion_tokens,
            "prompt_tokens_details": {"cached_tokens": cached}}  # fmt: skip


def test_asking_stops_before_it_costs_more_than_the_budget_and_goes_on_with_more(ask):
    """Each answer costs 2 dollars, and could cost 11: with 14, one is left when 10 are not there any more."""
    usage = counted(MILLION, MILLION // 10)
    options = {"prices": PRICES, "request": {"max_tokens": MILLION}, "image_tokens": MILLION}
    with chat_server(lambda _: completion("a", usage=usage)) as server:
        with pytest.raises(InputError, match="budget: 14 dollars: the next request could exceed it"):
            ask(server.url, budget=14, **options)
        assert len(server.requests) == 2
        # those are paid for
        with pytest.raises(InputError, match="budget: 14 dollars"):
            ask(server.url, budget=14, **options)
        assert len(server.requests) == 2
        assert ask(server.url, budget=28, **options)["status"].unique().to_list() == ["ok"]
        assert len(server.requests) == 8


def run(coroutine):
    return asyncio.run(coroutine)


def ledger(budget=None, already=0.0, shards=1):
    return Ledger(entry(prices=PRICES, budget=budget), already, shards)


def test_a_ledger_counts_by_the_prices():
    async def counts():
        book = ledger()
        assert book.cost(Used(MILLION, MILLION, 0, None)) == 11
        assert book.cost(Used(MILLION, MILLION, MILLION, MILLION)) == 10.5
        assert book.cost(Used(None, None, None, None)) == 0
        assert book.cost(Used(MILLION, 0, 0, 0), batch=True) == 0.5
        assert book.at_most(MILLION, MILLION) == 11
        assert Ledger(entry(), 0).at_most(MILLION, MILLION) == 0

    run(counts())


def test_without_a_budget_there_is_always_enough():
    async def reserves():
        return await ledger(already=1e9).reserve(1e9)

    assert run(reserves())


def test_shards_have_equal_parts_of_what_is_left():
    async def parts():
        return [ledger(10, 4, shards).free for shards in (1, 2, 3)]

    assert run(parts()) == [6, 3, 2]


def test_a_request_waits_for_what_others_have_reserved_and_not_for_what_will_never_be_there():
    async def reserves():
        book = ledger(10)
        assert await book.reserve(6)
        waiting = asyncio.create_task(book.reserve(6))
        await asyncio.sleep(0)
        assert not waiting.done()
        book.settle(6, 3)
        assert await waiting
        assert book.free == 1
        book.settle(6, 6)
        assert book.free == 1
        assert not await book.reserve(1.5)
        assert await book.reserve(1)

    run(reserves())


@given(st.lists(st.tuples(st.floats(0.01, 20), st.floats(0, 1)), max_size=30), st.integers(0, 100), st.integers(1, 5))
def test_whatever_is_asked_at_once_the_budget_is_never_exceeded(requests, budget, workers):
    """As long as no request costs more than was set aside for it; and nobody waits for ever."""

    async def spends():
        book = ledger(max(budget, 0.001))
        spent = 0.0
        waiting = iter(requests)

        async def work():
            nonlocal spent
            for most, share in waiting:
                if await book.reserve(most):
                    await asyncio.sleep(0)
                    spent += most * share
                    book.settle(most, most * share)

        await asyncio.wait_for(asyncio.gather(*(work() for _ in range(workers))), 10)
        assert book.left == pytest.approx(book.free)
        return spent

    assert run(spends()) <= max(budget, 0.001) + 1e-9


# progress


def test_progress_tells_tokens_errors_and_retries(ask):
    told, left = [], [error(503, "busy")]
    with chat_server(
        lambda body: error(400, "no") if number_of(body) == 7 else left.pop() if left else "a"
    ) as server, pytest.raises(InputError):  # fmt: skip
        ask(server.url, retries=1, progress=lambda total, _what: lambda done, more: told.append((total, done, more)))
    assert {total for total, *_ in told} == {8}
    assert [done for _, done, _ in told] == [0, 1, 2, 3, 4, 5, 6, 7, 8]
    assert told[1][2] == "12 tokens, 1 retries"
    assert told[-1][2] == "84 tokens, 1 errors, 1 retries"
