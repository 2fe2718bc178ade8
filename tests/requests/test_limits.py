"""What is refused for good, and the limits that an entry sets: errors, pace, requests at once, money."""

from itertools import pairwise

import polars as pl
import pytest

from mllm_classify.io.files import InputError
from tests.fault_server import always, fault_server, first, seeded
from tests.requests.job import Job

MANY = 2000


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
        with pytest.raises(
            InputError, match=rf"{refused} of 150 requests failed.*the entry tolerates {refused - 1} \(max_errors\)"
        ):
            job.ask()
        assert len(server.received) == 150
        job.change(max_errors=refused)
        done = job.run()
    assert done.status == 0, done.said
    assert len(server.received) == 150 + refused
    assert server.sent_once
    errors = job.frame().filter(pl.col("status") == "error")
    assert errors.height == refused
    assert errors["text"].null_count() == refused
    said = "failed on purpose" if became == "400" else "content filter"
    assert all(said in reason for reason in errors["error"])
    assert job.questions() == 150 - refused


@pytest.mark.parametrize("status", ["401", "402"])
def test_what_concerns_the_key_or_the_account_stops_at_once(tmp_path, status):
    with fault_server(first(200, status)) as server:
        job = Job(tmp_path, MANY, server.url, max_errors=MANY)
        with pytest.raises(InputError, match=f"HTTP {status}: failed on purpose"):
            job.ask()
    assert len(server.received) <= 200 + 8
    assert len(job.answers()) == 200


@pytest.mark.parametrize("status", ["400", "403", "404"])
def test_fifty_refusals_in_a_row_stop_the_job(tmp_path, status):
    """403 and 404 may be about one picture, as long as there are answers."""
    with fault_server(first(200, status)) as server:
        job = Job(tmp_path, MANY, server.url, max_errors=MANY)
        with pytest.raises(InputError, match=rf"50 requests in a row were refused, the last: HTTP {status}"):
            job.ask()
    # of the eight at once, seven may have been refused before the last answer came; eight more are on their way at the end
    assert len(server.received) <= 200 + 7 + 50 + 8
    assert len(job.answers()) == 200


# limits


def test_nothing_is_sent_while_a_server_wants_rest(tmp_path):
    rest = 2.0
    became = iter(["good"] * 100 + ["429"] * 8)
    with fault_server(lambda digest, attempt: next(became, "good"), delay=0.02, retry_after=rest) as server:
        # one pause may be longer than the patience
        Job(tmp_path, 300, server.url, concurrency=8, patience=1).ask()
    times = [one.at for one in server.received]
    told = min(one.at for one in server.received if one.became == "429")
    within = [at for at in times if told + 0.15 < at < told + rest]
    assert within == []
    assert max(later - earlier for earlier, later in pairwise(times)) < rest + 1
    assert 301 <= len(times) <= 308


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
    assert server.sent_once
    assert len(server.received) == 400
    assert cost(server) <= 60


def test_a_server_that_is_much_dearer_than_estimated_shows_that_with_its_first_answer(tmp_path):
    with fault_server(always("good"), usage=lambda body: {"prompt_tokens": 5000, "completion_tokens": 1}) as server:
        job = Job(tmp_path, 90, server.url, prices={"input": 1000, "output": 1000}, budget=12, concurrency=8)
        job.change(request={"max_tokens": 4})
        with pytest.raises(InputError, match=r"budget: 12 dollars"):
            job.ask()
    assert sum(used["prompt_tokens"] + used["completion_tokens"] for used in server.usage) * 1e-3 <= 12


def test_a_budget_needs_a_server_that_counts_tokens(tmp_path):
    with fault_server(always("good"), usage=lambda body: None) as server:
        job = Job(tmp_path, 90, server.url, prices={"input": 1, "output": 1}, budget=12, image_tokens=1)
        with pytest.raises(InputError, match=r"budget: the server does not say how many tokens it used"):
            job.ask()
    assert len(job.answers()) == len(server.received) == 1


# shards


def test_shards_ask_about_a_picture_that_stands_twice_once(tmp_path):
    with fault_server(always("good"), delay=0.5) as server:
        job = Job(tmp_path, 40, server.url, different=13)
        shards = [job.start(f"--shard={number}/3", f"--output=shard{number}.parquet") for number in (1, 2, 3)]
        for process in shards:
            assert process.wait(60) == 0, process.stderr.read()
            process.stderr.close()
    assert len(server.received) == 13
    rows = pl.concat([pl.read_parquet(tmp_path / f"shard{number}.parquet") for number in (1, 2, 3)])
    assert sorted(rows["image_id"]) == sorted(f"image{n}" for n in range(40))
