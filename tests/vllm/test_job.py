"""The project's job against the real vLLM. An engine takes half a minute to start: each test makes the most of it."""

import signal
import time

import polars as pl
import pytest

from tests.vllm.conftest import N_ANSWERS, N_IMAGES, NAMES, TASKS
from tests.waiting import PATIENCE, wait_until

STARTING = "starting the engine of m"


def test_one_engine_answers_all_tasks_reads_the_class_list_once_and_is_not_started_for_a_full_journal(study):
    study.configure(performance={"max-num-seqs": 8, "ignore_patterns": ["original/*", "*.pth"]})
    status, errors = study.run()
    assert status == 0, errors
    assert study.processes() == []
    assert errors.count(STARTING) == 1
    # vLLM understands switches, values, lists and mappings as they are written
    flags = next(line for line in study.engine_log.read_text().splitlines() if "non-default args: " in line)
    for understood in ("'max_model_len': 12288", "'enforce_eager': True", "'ignore_patterns': ['original/*', '*.pth']",
                       "'limit_mm_per_prompt': {'image': 1}", "'enable_prompt_tokens_details': True"):  # fmt: skip
        assert understood in flags
    assert "answered, all is well" in errors
    assert "of the class list's" in errors

    frame = pl.read_parquet(study.output)
    assert frame["task"].to_list() == [task for task in TASKS for _ in range(N_IMAGES)]
    assert frame["status"].unique().to_list() == ["ok"]
    assert frame["served_model"].n_unique() == 1
    assert not frame["served_model"][0].startswith("/")
    used = frame.select("prompt_tokens", "completion_tokens", "cached_tokens")
    assert used.null_count().sum_horizontal().item() == 0
    assert used["completion_tokens"].min() > 0

    by_task = dict(frame.group_by("task").agg(pl.col("prompt_tokens").min()).iter_rows())
    listed = by_task["CW"] - by_task["OW"]
    assert listed > 5000
    # all but those that were asked before the list was read
    closed = frame.filter(pl.col("task") != "OW").sort("cached_tokens")["cached_tokens"]
    assert (closed >= 0.95 * listed).sum() >= len(closed) - 8
    constrained = frame.filter(pl.col("task") == "CW-constrained")
    assert set(constrained["text"]) <= set(NAMES)
    assert set(constrained["finish_reason"]) == {"stop"}
    assert not set(frame.filter(pl.col("task") == "CW")["text"]) <= set(NAMES)
    # it sees the images
    assert frame.filter(pl.col("task") == "OW")["text"].n_unique() > 1

    study.output.unlink()
    engine_log = study.engine_log.read_bytes()
    status, errors = study.run()
    assert status == 0, errors
    assert STARTING not in errors
    assert study.engine_log.read_bytes() == engine_log
    assert pl.read_parquet(study.output).drop("latency").equals(frame.drop("latency"))


def test_an_engine_that_is_killed_and_a_job_that_is_told_to_stop_cost_no_answer_that_came(study):
    patience = 300
    study.configure(patience=patience)
    with study.start() as job:
        wait_until(lambda: len(study.answers()) >= N_ANSWERS // 3)
        everything = study.processes()
        for process in study.engine():
            process.kill()
        killed = time.monotonic()
        errors = job.communicate(timeout=PATIENCE)[1]
    assert time.monotonic() - killed < patience
    assert job.returncode == 1
    assert errors.splitlines()[-1].startswith("error: model 'm': the engine has ended with status ")
    assert "Traceback" not in errors
    assert not [process for process in everything if process.is_running()]
    assert study.processes() == []
    assert not study.output.exists()
    before = len(study.answers())
    assert N_ANSWERS // 3 <= before < N_ANSWERS

    with study.start() as job:
        wait_until(lambda: len(study.answers()) >= before + 10)
        everything = study.processes()
        assert len(everything) > 3
        job.send_signal(signal.SIGTERM)
        errors = job.communicate(timeout=PATIENCE)[1]
    assert job.returncode == 128 + signal.SIGTERM
    assert f"lacks {N_ANSWERS - before} of {N_ANSWERS} answers" in errors
    assert not [process for process in everything if process.is_running()]
    assert study.processes() == []
    assert not study.output.exists()
    then = len(study.answers())
    assert before + 10 <= then < N_ANSWERS

    status, errors = study.run()
    assert status == 0, errors
    assert f"lacks {N_ANSWERS - then} of {N_ANSWERS} answers" in errors
    assert study.processes() == []
    keys = [record["key"] for record in study.records()]
    assert len(keys) == len(set(keys)) == N_ANSWERS
    assert pl.read_parquet(study.output)["status"].to_list() == ["ok"] * N_ANSWERS


def test_a_class_list_behind_the_image_is_found_not_to_come_from_the_cache(study):
    study.configure(layout="image_first", tasks=["CW", "CW-constrained", "OW"])
    status, errors = study.run()
    assert status == 1
    line = errors.splitlines()[-1]
    assert line.startswith("error: model 'm': preflight: task CW: 0 of the class list's ")
    assert "tokens come from the server's prefix cache (min_cached_share: 0.95); try layout: image_last, or" in line
    assert "Traceback" not in errors
    assert study.processes() == []
    # what was asked to find out is kept
    assert 0 < len(study.answers()) < 20


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"model": "nobody/no-such-model"}, "LocalEntryNotFoundError: Cannot find an appropriate cached snapshot"),
        (
            {"flags": {"no-such-flag": 1}},
            "engine.log ends with 'vllm: error: unrecognized arguments: --no-such-flag 1'",
        ),
    ],
    ids=["no such model", "no such flag"],
)
def test_an_engine_that_does_not_start_is_one_line_of_error_that_shows_what_vllm_said(study, options, says):
    study.configure(**options)
    status, errors = study.run()
    assert status == 1
    line = errors.splitlines()[-1]
    assert line.startswith("error: model 'm': command: the engine ended with status ")
    assert says in line
    assert "Traceback" not in errors
    assert study.processes() == []
    assert not study.output.exists()
