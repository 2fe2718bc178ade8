"""Jobs that are killed, or told to stop, while they ask: another run goes on where they were."""

import random
import time

import pytest
import yaml
from PIL import Image

from mllm_classify.io.files import sha256
from tests.fault_server import always, fault_server, first
from tests.requests.job import Job
from tests.waiting import wait_until

MANY = 2000


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


def with_other_questions(job):
    """Asked behind examples, without an image, and with pixels shuffled, too."""
    train = job.folder / "train"
    train.mkdir()
    lines = ["image_id,class,sha256"]
    for number in range(4):
        Image.new("RGB", (2, 2), (number, 0, 9)).save(train / f"{number}.png")
        lines.append(f"{number}.png,{number},{sha256((train / f'{number}.png').read_bytes())}")
    (job.folder / "train.csv").write_text("\n".join([*lines, ""]))
    config = yaml.safe_load((job.folder / "config.yaml").read_text())
    examples = {"train": {"folder": str(train), "images": str(job.folder / "train.csv")}, "choose": "random", "n": 3}
    config["tasks"]["OW"]["examples"] = examples
    config["variants"] = [
        {"name": "nothing", "task": "OW", "pixels": "none", "repeats": 20, "temperature": 1.0},
        {"name": "mixed", "task": "OW", "pixels": "shuffled"},
    ]
    config["models"][0]["variants"] = ["nothing", "mixed"]
    (job.folder / "config.yaml").write_text(yaml.safe_dump(config))
    return job


def test_kills_among_questions_with_examples_and_without_images_change_nothing_either(tmp_path):
    """20 requests stand for 300 answers each. A killed job goes on from its journal."""
    images, kills, concurrency = 300, 4, 8
    questions = 2 * images + 20
    with fault_server(always("good"), delay=0.04) as server:
        undisturbed = with_other_questions(Job(tmp_path / "undisturbed", images, server.url, concurrency=concurrency))
        assert undisturbed.run().status == 0
        assert len(server.received) == questions
        expected = undisturbed.frame().drop("latency")
        server.received.clear()
        job = with_other_questions(Job(tmp_path / "killed", images, server.url, concurrency=concurrency))
        for number in range(kills):
            before = len(server.received)
            with job.start() as process:
                wait_until(lambda before=before, number=number: len(server.received) > before + 20 * number)
                process.kill()
            assert not job.output.exists()
        answered = len(job.answers())
        assert 0 < answered < questions
        assert job.run().status == 0
    assert job.frame().drop("latency").equals(expected)
    assert len(server.received) <= questions + kills * concurrency


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
    assert server.sent_once


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
        done = job.terminated(lambda: any(one.became == fault for one in server.received) and not time.sleep(0.3))
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
