"""Whatever a server does: no answer is lost, none is paid for twice, and what cannot succeed ends soon."""

import random
import socket
import time
from collections import Counter
from itertools import pairwise

import polars as pl
import pytest

from mllm_classify.files import InputError
from tests.fault_server import FAULTS, GOOD, Record, always, fault_server, first, seeded
from tests.requests.job import Job, wait_until

MANY = 2000


def asked_once(server: Record) -> bool:
    """Whether no complete answer was sent for the same request twice."""
    return set(server.sent.values()) <= {1}


def test_every_question_is_answered_once_by_a_server_that_fails_at_a_third_of_them(tmp_path):
    with fault_server(seeded(1, 0.3)) as server:
        job = Job(tmp_path, MANY, server.url, concurrency=24, timeout=2)
        runs = 0
        while True:
            before = len(server.received)
            done = job.run()
            runs += 1
            for attempts in groups(server.received[before:]).values():
                # within a run, nothing follows upon a refusal or an answer
                assert all(one.became not in (*GOOD, "content_filter") for one in attempts[:-1])
            if done.status == 0:
                break
            assert "content filter" in done.said
            assert runs < 10
        assert runs >= 2
    became = Counter(one.became for one in server.received)
    assert set(became) == {"good", *FAULTS}
    assert 0.25 < 1 - became["good"] / len(server.received) < 0.35
    frame = job.frame()
    assert frame.height == MANY
    assert set(frame["status"]) == {"ok"}
    assert frame["image_id"].to_list() == [f"image{n}" for n in range(MANY)]
    assert len(server.sent) == MANY
    assert asked_once(server)
    assert len(job.answers()) == MANY
    assert (frame["finish_reason"] == "length").sum() == became["length"]
    assert "content_filter" not in set(frame["finish_reason"])
    print(f"{runs} runs, {len(server.received)} requests: {dict(became)}")


def groups(received):
    found = {}
    for one in received:
        found.setdefault(one.digest, []).append(one)
    return found


@pytest.mark.parametrize("answered", [0, 300])
def test_a_server_that_only_says_429_is_given_up_and_asked_for_everything_later(tmp_path, answered):
    with fault_server(first(answered, "429"), retry_after=0.5) as server:
        job = Job(tmp_path, MANY, server.url, patience=4)
        done = job.run()
    assert done.status == 1
    assert done.seconds < 60
    assert "HTTP 429: slow down" in done.said
    if answered:
        assert "no answer for" in done.said
        assert "(patience: 4)" in done.said
        assert len(server.received) < answered + 8 * 30
    assert len(job.answers()) == answered
    assert not job.output.exists()
    with fault_server(always("good")) as healthy:
        job.change(url=healthy.url)
        assert job.run().status == 0
    assert len(healthy.received) == MANY - answered
    assert asked_once(healthy)


def test_a_closed_port_stops_the_job_at_once(tmp_path):
    job = Job(tmp_path, MANY, "http://127.0.0.1:9/v1", patience=3, timeout=2)
    done = job.run()
    assert done.status == 1
    assert done.seconds < 15
    assert "error: model 'm': preflight: the endpoint does not answer: ClientConnectorError" in done.said


def test_a_port_that_accepts_and_never_answers_stops_the_job_soon(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as listening:
        job = Job(tmp_path, MANY, f"http://127.0.0.1:{listening.getsockname()[1]}/v1", patience=3, timeout=2)
        done = job.run()
    assert done.status == 1
    assert done.seconds < 20
    assert "preflight: the endpoint does not answer: no answer within 2 s" in done.said


@pytest.mark.parametrize("kind", ["endpoint", "openai"])
@pytest.mark.parametrize("fault", ["silence", "reset", "503", "html", "drip_too_late"])
def test_a_server_that_dies_on_the_way_is_asked_no_more_than_its_patience(tmp_path, fault, kind, monkeypatch):
    monkeypatch.setenv("KEY", "any-key-will-do")
    patience, timeout, grace = 3, 2, 10
    with fault_server(first(300, fault)) as server:
        job = Job(tmp_path, MANY, server.url, kind=kind, api_key_env="KEY", patience=patience, timeout=timeout)
        started = time.monotonic()
        with pytest.raises(InputError, match=r"no answer for \d+ s \(patience: 3\), the last: .*another run asks"):
            job.ask()
        took = time.monotonic() - started
        answered = max(one.at for one in server.received if one.became == "good") - started
    assert took - answered < patience + timeout + grace
    assert len(server.received) < 300 + 8 * 10
    assert len(job.answers()) == 300


def test_twenty_kills_change_nothing_and_cost_no_more_than_what_was_on_its_way(tmp_path):
    kills, concurrency = 20, 8
    chance = random.Random(20)
    with fault_server(always("good"), delay=0.04) as server:
        undisturbed = Job(tmp_path / "undisturbed", MANY, server.url, concurrency=concurrency)
        assert undisturbed.run().status == 0
        expected = undisturbed.frame().drop("latency")
        server.received.clear()
        server.sent.clear()

        job = Job(tmp_path / "killed", MANY, server.url, concurrency=concurrency)
        for _ in range(kills):
            before = len(server.received)
            with job.start() as process:
                wait_until(lambda before=before: len(server.received) > before)
                time.sleep(chance.uniform(0, 0.7))
                assert process.poll() is None
                process.kill()
            assert not job.output.exists()
        answered = len(job.answers())
        assert answered < MANY
        assert job.run().status == 0
    assert job.frame().drop("latency").equals(expected)
    assert len(server.received) <= MANY + kills * concurrency
    assert len(server.sent) == MANY
    print(f"{len(server.received)} requests, {answered} answers before the last run")


# SIGTERM


def test_sigterm_keeps_what_arrives_within_the_grace_and_leaves_the_rest(tmp_path):
    with fault_server(always("good"), delay=1) as server:
        job = Job(tmp_path, 60, server.url, concurrency=8)
        done = job.terminated(lambda: len(server.received) == 24)
        assert done.status == 143
        assert done.seconds < 5
        assert len(job.answers()) == len(server.received) == 24
        assert "SIGTERM: asking has stopped; what was answered is in journal/m" in done.said
        assert not job.output.exists()
        assert job.run().status == 0
    assert len(server.received) == 60
    assert asked_once(server)


@pytest.mark.parametrize("images", [60, MANY], ids=["while it asks", "in its preflight"])
def test_sigterm_waits_no_longer_than_the_grace(tmp_path, images):
    with fault_server(always("silence")) as server:
        job = Job(tmp_path, images, server.url, concurrency=8)
        done = job.terminated(lambda: server.received)
    assert done.status == 143
    assert 9 < done.seconds < 15
    assert "SIGTERM" in done.said


@pytest.mark.parametrize("fault", ["429", "503"])
def test_sigterm_sends_nothing_that_was_waiting_and_does_not_wait_for_it(tmp_path, fault):
    with fault_server(first(20, fault), retry_after=100) as server:
        job = Job(tmp_path, 60, server.url, concurrency=8)
        done = job.terminated(lambda: sum(one.became == fault for one in server.received) >= 8)
        received = len(server.received)
    assert done.status == 143
    assert done.seconds < 3
    # back-off may have sent some once more before the signal came
    assert received <= 20 + 2 * 8
    assert len(job.answers()) == 20


def test_answers_to_a_preflight_that_sigterm_stops_are_kept(tmp_path):
    with fault_server(always("good"), delay=0.5) as server:
        job = Job(tmp_path, MANY, server.url, tasks=["OW", "CW"])
        done = job.terminated(lambda: len(server.received) == 2)
    assert done.status == 143
    assert len(job.answers()) == 2


# errors


@pytest.mark.parametrize("became", ["400", "content_filter"])
def test_what_is_refused_for_good_is_asked_once_and_tolerated_as_often_as_said(tmp_path, became):
    refused = 7

    def pick(digest, attempt):
        return became if digest in chosen else "good"

    chosen = set()
    with fault_server(always("good")) as server:
        job = Job(tmp_path / "first", 150, server.url)
        job.ask()
        chosen.update(one.digest for one in server.received[10 : 10 + refused])
    with fault_server(pick) as server:
        job = Job(tmp_path / "job", 150, server.url, max_errors=refused - 1)
        with pytest.raises(InputError, match=rf"{refused} of 150 requests failed.*max_errors: {refused - 1} is what"):
            job.ask()
        assert len(server.received) == 150
        job.change(max_errors=refused)
        done = job.run()
    assert done.status == 0, done.said
    assert len(server.received) == 150 + refused
    assert asked_once(server)
    errors = job.frame().filter(pl.col("status") == "error")
    assert errors.height == refused
    assert errors["text"].null_count() == refused
    said = "failed on purpose" if became == "400" else "content filter"
    assert all(said in reason for reason in errors["error"])
    assert job.questions() == 150 - refused


@pytest.mark.parametrize("status", ["401", "403", "404", "402"])
def test_what_concerns_the_key_or_the_model_stops_at_once(tmp_path, status):
    with fault_server(first(200, status)) as server:
        job = Job(tmp_path, MANY, server.url, max_errors=MANY)
        with pytest.raises(InputError, match=f"HTTP {status}: failed on purpose"):
            job.ask()
    assert len(server.received) <= 200 + 8
    assert len(job.answers()) == 200


def test_fifty_refusals_in_a_row_stop_the_job(tmp_path):
    with fault_server(first(200, "400")) as server:
        job = Job(tmp_path, MANY, server.url, max_errors=MANY)
        with pytest.raises(InputError, match=r"50 requests in a row were refused, the last: HTTP 400"):
            job.ask()
    assert len(server.received) < 200 + 50 + 8
    assert len(job.answers()) == 200


# limits


def test_nothing_is_sent_while_a_server_wants_rest(tmp_path):
    rest = 2.0
    became = iter(["good"] * 100 + ["429"])
    with fault_server(lambda digest, attempt: next(became, "good"), delay=0.02, retry_after=rest) as server:
        Job(tmp_path, 300, server.url, concurrency=8).ask()
    times = [one.at for one in server.received]
    (told,) = [one.at for one in server.received if one.became == "429"]
    within = [at for at in times if told + 0.15 < at < told + rest]
    assert within == []
    assert max(later - earlier for earlier, later in pairwise(times)) < rest + 1
    assert len(times) == 301


@pytest.mark.parametrize("pause", [False, True])
def test_no_more_requests_a_minute_are_sent_than_allowed(tmp_path, pause):
    a_second = 10
    became = iter(["good"] * 30 + ["429"] * pause)
    with fault_server(lambda digest, attempt: next(became, "good"), retry_after=2) as server:
        job = Job(tmp_path, 90, server.url, concurrency=32, requests_per_minute=60 * a_second)
        job.ask()
    times = sorted(one.at for one in server.received)
    for seconds in (1, 3, 5):
        most = max(sum(start <= at < start + seconds for at in times) for start in times)
        assert most <= a_second * (seconds + 1) + 1  # a burst is a second's worth


@pytest.mark.parametrize("kind", ["endpoint", "openai"])
@pytest.mark.parametrize("concurrency", [1, 3])
def test_no_more_requests_are_under_way_than_allowed(tmp_path, concurrency, kind, monkeypatch):
    monkeypatch.setenv("KEY", "any-key-will-do")
    with fault_server(seeded(3, 0.2, ["500"]), delay=0.02) as server:
        options = {"kind": kind, "api_key_env": "KEY", "concurrency": concurrency}
        Job(tmp_path, 60, server.url, tasks=["OW", "CW"], **options).ask()
    assert server.peak == concurrency


# money


def test_the_job_stops_before_its_budget_is_exceeded_and_goes_on_with_a_higher_one(tmp_path):
    prices = {"input": 1000, "output": 2000}

    def usage(body):
        number = int(body["messages"][0]["content"][-1]["image_url"]["url"].encode().hex()[-30:], 16)
        return {"prompt_tokens": 90 + number % 20, "completion_tokens": 1 + number % 3}

    def cost(server):
        return sum(used["prompt_tokens"] * 1e-3 + used["completion_tokens"] * 2e-3 for used in server.usage)

    with fault_server(always("good"), usage=usage, delay=0.01) as server:
        # the estimate is left out: it would not let the job begin
        job = Job(tmp_path, 400, server.url, prices=prices, budget=12, request={"max_tokens": 4})
        job.change(image_tokens=1)
        done = job.run()
        assert done.status == 1
        assert "budget: 12 dollars: the next request could exceed it" in done.said
        assert 11.5 < cost(server) <= 12
        assert len(job.answers()) == len(server.received) < 400
        job.change(budget=60)
        assert job.run().status == 0
    assert asked_once(server)
    assert len(server.received) == 400
    assert cost(server) <= 60


def test_a_server_that_is_much_dearer_than_estimated_shows_that_with_its_first_answer(tmp_path):
    with fault_server(always("good"), usage=lambda body: {"prompt_tokens": 5000, "completion_tokens": 1}) as server:
        job = Job(tmp_path, 90, server.url, prices={"input": 1000, "output": 1000}, budget=12, concurrency=8)
        job.change(request={"max_tokens": 4})
        with pytest.raises(InputError, match=r"budget: 12 dollars"):
            job.ask()
    assert sum(used["prompt_tokens"] + used["completion_tokens"] for used in server.usage) * 1e-3 <= 12
