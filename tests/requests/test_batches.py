"""OpenAI's Batch API: what it answers is what single requests are answered, and is handed in once."""

import json
import signal
import threading

import polars as pl
import pytest

from mllm_classify.api import client
from mllm_classify.io.files import InputError
from mllm_classify.io.limits import REPLY_BYTES
from mllm_classify.predict.chat import batch_api
from tests.batch_server import batch_server
from tests.fault_server import always, fault_server, numbered_answer
from tests.requests.job import VARYING, Job
from tests.waiting import wait_until

IMAGES = 300


@pytest.fixture(autouse=True)
def key(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-any-key-will-do")


def batched(folder, server, images=IMAGES, batch=None, **options):
    return Job(folder, images, server.url, kind="openai", batch={"poll": 0.05} | (batch or {}), **options)


def once(server):
    """Whether no question was answered twice, one by one or in a batch."""
    return set(server.answered.values()) | set(server.chat.sent.values()) <= {1}


def open_batches(job):
    return [json.loads(path.read_bytes()) for path in sorted(job.journal.glob("batches/*.json"))]


def test_batches_answer_what_single_requests_are_answered(tmp_path):
    with fault_server(always("good")) as server:
        single = Job(tmp_path / "single", IMAGES, server.url, kind="openai", tasks=["OW", "CW"])
        expected = single.ask()
    with batch_server() as server:
        job = batched(tmp_path / "batched", server, tasks=["OW", "CW"])
        found = job.ask()
    assert found.drop(VARYING).equals(expected.drop(VARYING))
    assert found["batched"].sum() == len(server.answered) == 2 * IMAGES - 4
    assert found.filter(pl.col("batched"))["latency"].null_count() == found["batched"].sum()
    assert set(single.answers()) == set(job.answers()) - {key for key in job.answers() if key.startswith("probe ")}
    assert once(server)
    assert open_batches(job) == []


def test_a_question_in_a_batch_is_the_one_that_would_be_sent(tmp_path):
    bodies = []
    with batch_server(answer=lambda body: bodies.append(body) or numbered_answer(body)) as server:
        batched(tmp_path, server, request={"max_completion_tokens": 9, "temperature": None}).ask()
    assert {frozenset(body) for body in bodies} == {frozenset(["model", "messages", "max_completion_tokens"])}
    assert {json.dumps(body["messages"][0]["content"][0]) for body in bodies} == {
        json.dumps({"type": "text", "text": "What is it?"})
    }


@pytest.mark.parametrize(
    ("limits", "files"), [({"requests": 100}, 3), ({"bytes": 40_000}, None), ({"enqueued_tokens": 400}, None)], ids=str
)
def test_files_are_split_by_rows_by_bytes_and_by_tokens_that_may_wait(tmp_path, limits, files):
    with batch_server() as server:
        job = batched(tmp_path, server, batch=limits)
        waiting = []
        ended = threading.Event()

        def watch():
            while not ended.wait(0.01):
                waiting.append(sum(len(batch.lines) for batch in server.waiting))

        watching = threading.Thread(target=watch)
        watching.start()
        try:
            job.ask()
        finally:
            ended.set()
            watching.join()
    most = [len(batch.lines) for batch in server.batches.values()]
    assert once(server)
    assert len(server.answered) == IMAGES - 2
    assert len(most) > 1
    if "requests" in limits:
        assert most == [100, 100, 98]
        assert files == 3
    elif "bytes" in limits:
        assert max(batch.size for batch in server.batches.values()) <= 40_000
    else:
        # a prompt has 100 tokens, which the preflight's answers have told
        assert max(most) == 4
        assert max(waiting) <= 4


def test_a_failed_line_is_handed_in_again_and_then_is_an_error(tmp_path):
    fates = ("429", "500", "missing")

    def line(key, times):
        fate = int(key[:8], 16) % 30
        if fate < 3 and times == 1:
            return fates[fate]
        return "500" if fate == 3 else "400" if fate == 4 else "content_filter" if fate == 5 else "good"

    with batch_server(line=line) as server:
        job = batched(tmp_path, server, batch={"rounds": 3})
        with pytest.raises(InputError, match=r"requests failed, the first"):
            job.ask()
    handed = server.handed_in
    for key, times in handed.items():
        fate = int(key[:8], 16) % 30
        assert times == (2 if fate < 3 else 3 if fate == 3 else 1)
        assert (key in job.answers()) == (fate not in (3, 4, 5))
    assert {int(key[:8], 16) % 30 for key in handed} >= set(range(7))
    assert once(server)
    assert len(server.batches) == 3
    assert open_batches(job) == []
    errors = sum(int(key[:8], 16) % 30 in (3, 4, 5) for key in handed)
    with batch_server(line=line) as server:
        job.change(url=server.url, max_errors=errors)
        frame = job.ask()
    assert (frame["status"] == "error").sum() == errors
    said = set(frame.filter(pl.col("status") == "error")["error"])
    assert any("500" in reason for reason in said)
    assert any("400" in reason for reason in said)
    assert any("content filter" in reason for reason in said)


def test_a_job_killed_before_the_number_of_its_batch_was_written_hands_nothing_in_twice(tmp_path):
    with batch_server(lost=lambda call, nth: "held" if (call, nth) == ("POST batches", 1) else "") as server:
        job = batched(tmp_path, server)
        with job.start() as process:
            wait_until(lambda: server.batches)
            process.kill()
        (left,) = open_batches(job)
        assert left["number"] is None
        done = job.run()
        assert done.status == 0, done.said
    assert len(server.batches) == 1
    assert once(server)
    assert set(job.frame()["status"]) == {"ok"}
    assert len(server.chat.received) == 2
    assert open_batches(job) == []


def test_a_job_killed_before_its_file_was_handed_in_hands_it_in(tmp_path):
    with batch_server(lost=lambda call, nth: "held" if (call, nth) == ("POST files", 1) else "") as server:
        job = batched(tmp_path, server)
        with job.start() as process:
            wait_until(lambda: server.files)
            process.kill()
        assert job.run().status == 0
    assert len(server.batches) == 1
    assert once(server)
    assert open_batches(job) == []


@pytest.mark.parametrize("signum", [signal.SIGKILL, signal.SIGTERM], ids=lambda signum: signum.name)
def test_a_job_stopped_while_it_waits_collects_and_asks_nothing_again(tmp_path, signum):
    with batch_server(polls=10) as server:
        job = batched(tmp_path, server, batch={"requests": 60, "poll": 0.2})
        with job.start() as process:
            wait_until(lambda: len(server.batches) == 5 and any(batch.polls > 3 for batch in server.batches.values()))
            process.send_signal(signum)
            assert process.wait(15) == (143 if signum == signal.SIGTERM else -9)
        assert len(open_batches(job)) == 5
        done = job.run()
        assert done.status == 0, done.said
    assert len(server.batches) == 5
    assert len(server.chat.received) == 2
    assert once(server)
    assert open_batches(job) == []
    assert set(job.frame()["status"]) == {"ok"}


def test_a_job_killed_while_it_collects_collects_the_rest(tmp_path):
    """The answers of one file are journalled, and the other's content does not come."""

    def lost(call, nth):
        return "held" if (call, nth) == ("GET content", 3) else ""

    with batch_server(lost=lost, line=lambda key, times: "500" if times == 1 and key < "8" else "good") as server:
        job = batched(tmp_path, server, batch={"requests": 100})
        with job.start() as process:
            wait_until(lambda: server.calls["GET content"] == 3)
            process.kill()
        some = job.questions()
        assert 0 < some < IMAGES
        assert job.run().status == 0
    assert once(server)
    assert set(server.handed_in.values()) == {1, 2}
    assert set(job.frame()["status"]) == {"ok"}


def test_what_a_batch_did_not_reach_before_it_expired_is_handed_in_again(tmp_path):
    with batch_server(becomes=lambda nth: "expired" if nth == 0 else "completed") as server:
        frame = batched(tmp_path, server).ask()
    assert [len(batch.lines) for batch in server.batches.values()] == [IMAGES - 2, (IMAGES - 2) // 2]
    assert once(server)
    assert set(frame["status"]) == {"ok"}


def test_batches_for_which_there_is_no_room_wait_for_others_and_are_no_round(tmp_path):
    with batch_server(room=100, polls=4) as server:
        frame = batched(tmp_path, server, batch={"requests": 50, "rounds": 1}).ask()
    assert set(frame["status"]) == {"ok"}
    assert once(server)
    refused = [batch for batch in server.batches.values() if batch.became == "token_limit_exceeded"]
    assert 1 <= len(refused) <= 12


def test_a_batch_for_which_there_never_is_room_is_said_to_be_so(tmp_path):
    with batch_server(room=10) as server:
        job = batched(tmp_path, server)
        with pytest.raises(InputError, match=r"batch batch_0 was refused: .*token_limit.*set batch: enqueued_tokens"):
            job.ask()
    assert len(server.batches) == 1
    assert open_batches(job) == []


def test_a_batch_that_is_refused_as_a_whole_stops_the_job_with_the_reason(tmp_path):
    with batch_server(becomes=lambda nth: "invalid") as server:
        job = batched(tmp_path, server)
        with pytest.raises(InputError, match=r"batch batch_0 was refused: refused on purpose \(invalid\)"):
            job.ask()
    assert len(server.batches) == 1


def test_a_batch_that_the_account_does_not_know_is_not_handed_in_again_unasked(tmp_path):
    with batch_server(polls=100) as server:
        job = batched(tmp_path, server)
        job.terminated(lambda: server.batches and next(iter(server.batches.values())).polls)
    with batch_server() as server:
        job.change(url=server.url)
        with pytest.raises(InputError, match=r"batch_0 is not known to this account; remove .*batches.*\.json to hand"):
            job.ask()
        assert server.batches == {}
        (path,) = job.journal.glob("batches/*.json")
        path.unlink()
        assert set(job.ask()["status"]) == {"ok"}


def test_what_waits_in_batches_is_not_asked_one_by_one(tmp_path):
    with batch_server(polls=100) as server:
        job = batched(tmp_path, server)
        job.terminated(lambda: server.batches and next(iter(server.batches.values())).polls)
        single = {key: value for key, value in job.entry.items() if key != "batch"}
        job.configure(**single)
        received = len(server.chat.received)
        with pytest.raises(InputError, match=r"298 questions are in batches that are not collected; keep batch: until"):
            job.ask()
        assert len(server.chat.received) == received


@pytest.mark.parametrize("when", ["before", "after"])
def test_connections_that_break_make_no_batch_twice(tmp_path, when):
    """Of every sort of call, the first, and each third one."""
    with batch_server(lost=lambda call, nth: when if nth % 3 == 1 else "") as server:
        frame = batched(tmp_path, server, batch={"requests": 100}).ask()
    assert set(frame["status"]) == {"ok"}
    assert len(server.batches) == 3
    assert once(server)


def test_an_api_that_is_away_for_a_while_costs_nothing(tmp_path, monkeypatch):
    monkeypatch.setattr("mllm_classify.predict.chat.batch_api.RETRIES", 1)
    with batch_server(lost=lambda call, nth: "before" if call == "GET batches" and 1 < nth < 9 else "") as server:
        frame = batched(tmp_path, server).ask()
    assert set(frame["status"]) == {"ok"}
    assert len(server.batches) == 1


def test_an_api_that_is_away_for_longer_than_the_patience_stops_the_job(tmp_path, monkeypatch):
    monkeypatch.setattr("mllm_classify.predict.chat.batch_api.RETRIES", 1)
    with batch_server(lost=lambda call, nth: "before" if call == "GET batches" else "") as server:
        job = batched(tmp_path, server, patience=2)
        with pytest.raises(InputError, match=r"Batch API: .*another run asks for the rest only"):
            job.ask()
    assert len(open_batches(job)) == 1


def test_costs_count_at_half_the_price_and_keep_within_the_budget(tmp_path):
    prices = {"input": 1000, "output": 1000}  # a single request costs 0.104 at most, one in a batch half of it
    with batch_server() as server:
        options = {"prices": prices, "request": {"max_tokens": 4}, "image_tokens": 96}
        job = batched(tmp_path, server, budget=16.5, batch={"requests": 50}, **options)
        frame = job.ask()  # 2 x 0.102 + 298 x 0.051 = 15.4: single requests would cost 30.6
        assert set(frame["status"]) == {"ok"}
    assert once(server)


def test_batches_stop_before_the_budget_is_exceeded_and_go_on_with_a_higher_one(tmp_path):
    prices = {"input": 1000, "output": 1000}
    estimated = {"request": {"max_tokens": 4}, "image_tokens": 1}  # too little for the preflight to object

    def cost(server):
        one_by_one = sum(used["prompt_tokens"] + used["completion_tokens"] for used in server.chat.usage)
        return (one_by_one + sum(used["prompt_tokens"] + used["completion_tokens"] for used in server.usage) / 2) / 1e3

    with batch_server() as server:
        job = batched(tmp_path, server, prices=prices, budget=5, batch={"requests": 40}, **estimated)
        with pytest.raises(InputError, match=r"budget: 5 dollars: the next request could exceed it"):
            job.ask()
        assert 4.8 < cost(server) <= 5
        assert open_batches(job) == []
        job.change(budget=50)
        assert set(job.ask()["status"]) == {"ok"}
        assert cost(server) <= 50
    assert once(server)


def test_shards_leave_each_others_batches_alone(tmp_path):
    with batch_server(polls=8) as server:
        job = batched(tmp_path, server, images=250, batch={"requests": 40, "poll": 0.1})
        shards = [job.start(f"--shard={number}/2", f"--output=shard{number}.parquet") for number in (1, 2)]
        for process in shards:
            assert process.wait(60) == 0, process.stderr.read()
            process.stderr.close()
    assert once(server)
    assert len(server.answered) == 246
    assert open_batches(job) == []
    marks = {}
    for batch in server.batches.values():
        assert len(batch.lines) <= 40
        marks.setdefault(batch.metadata["mllm_classify"], batch.number)
    assert len(marks) == len(server.batches) == 8


def test_a_killed_shard_collects_what_is_its_own(tmp_path):
    with batch_server(polls=10) as server:
        job = batched(tmp_path, server, images=250, batch={"poll": 0.2})
        with job.start("--shard=1/2", "--output=one.parquet") as process:
            wait_until(lambda: server.batches)
            process.kill()
        with job.start("--shard=2/2", "--output=two.parquet") as process:
            assert process.wait(60) == 0
        assert len(open_batches(job)) == 1
        assert len(server.batches) == 2
        with job.start("--shard=1/2", "--output=one.parquet") as process:
            assert process.wait(60) == 0
    assert len(server.batches) == 2
    assert once(server)
    assert open_batches(job) == []


def test_an_image_that_is_gone_costs_no_answer_of_the_others(tmp_path):
    with batch_server() as server:
        job = batched(tmp_path, server)
        (job.folder / "200.png").unlink()
        with pytest.raises(InputError, match=r"1 of 300 requests failed, .*image 'image200'.*cannot be read"):
            job.ask()
    assert job.questions() == IMAGES - 1
    assert len(server.answered) == IMAGES - 3


def test_answers_with_line_separators_of_other_alphabets_are_whole(tmp_path):
    with batch_server(answer=lambda body: numbered_answer(body) + "\u2028\x85é\x0b😀") as server:
        frame = batched(tmp_path, server).ask()
    assert all(text.endswith("\u2028\x85é\x0b😀") for text in frame["text"])
    assert len(server.batches) == 1


def test_a_file_of_answers_may_be_larger_than_a_reply_but_not_endless(tmp_path, monkeypatch):
    with batch_server(answer=lambda body: numbered_answer(body) + "x" * 40_000) as server:
        frame = batched(tmp_path / "one", server).ask()
        assert sum(len(content) for content in server.files.values()) > REPLY_BYTES
        assert frame["text"].str.len_bytes().min() > 40_000
        monkeypatch.setattr(client, "BATCH_BYTES", REPLY_BYTES)
        with pytest.raises(InputError, match="Batch API: the reply has more than 8 MB"):
            batched(tmp_path / "two", server).ask()


def test_one_answer_in_a_batch_may_have_as_many_bytes_as_one_alone(tmp_path, monkeypatch):
    monkeypatch.setattr(batch_api, "REPLY_BYTES", 2000)

    long = iter([*[""] * 100, "x" * 3000])
    with batch_server(answer=lambda body: numbered_answer(body) + next(long, "")) as server:
        job = batched(tmp_path, server, max_errors=1)
        frame = job.ask()
    assert frame.filter(status="error")["error"].to_list() == ["the reply has more than 0 MB"]
    assert job.questions() == IMAGES - 1


def test_fewer_than_a_hundred_questions_go_in_a_batch_without_a_preflight(tmp_path):
    with batch_server() as server:
        frame = batched(tmp_path, server, images=20).ask()
    assert frame["batched"].all()
    assert server.chat.received == []
