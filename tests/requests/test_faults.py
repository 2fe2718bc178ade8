"""Whatever a server does: no answer is lost, none is paid for twice, and a dead one is given up soon."""

import socket
import time
from collections import Counter

import pytest

from mllm_classify.io.files import InputError
from tests.fault_server import FAULTS, GOOD, always, fault_server, first, seeded
from tests.requests.job import Job

MANY = 2000


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
    assert server.sent_once
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
    assert healthy.sent_once


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
    assert done.seconds < 100
    assert "preflight: the endpoint does not answer: no answer within 2 s" in done.said


@pytest.mark.parametrize("kind", ["endpoint", "openai"])
@pytest.mark.parametrize("fault", ["silence", "reset", "503", "html", "drip_too_late"])
def test_a_server_that_dies_on_the_way_is_asked_no_more_than_its_patience(tmp_path, fault, kind, monkeypatch):
    monkeypatch.setenv("KEY", "any-key-will-do")
    patience, timeout, grace = 3, 2, 100
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
