"""Likelihoods of class names in a study of four photographs: jobs that are killed, and what runs again."""

import json
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import polars as pl
import psutil
import pytest

from tests import plain
from tests.likelihood_server import Body, Toy, likelihood_server
from tests.plain.main_answers import Files
from tests.plain.quality import label_quality, quality_precision
from tests.waiting import PATIENCE, wait_until
from tests.workflow.study import Study, reconfigure

TASKS = ["OW", "CW", "OW-likelihood", "CW-likelihood"]
PREDICTIONS = "results/predictions/small/chat.parquet"
TABLES = [
    f"results/{name}.csv"
    for name in ("table4", "protocols", "usage", "likelihood", "top_k", "calibration", "reliability")
]
CONCURRENCY = 2
KILLS = 3


def set_up(folder: Path, toy: Toy, embedder: str) -> Study:
    study = Study(folder)
    options = {"tasks": TASKS, "retries": 0, "concurrency": CONCURRENCY, "min_cached_share": 0}
    study.shrink(embedder=embedder, kind="endpoint", url=toy.url, model="toy", request={"logprobs": True}, **options)
    config = study.config | {"tables": {"resamples": 100}}
    config["tasks"] |= {f"{task}-likelihood": config["tasks"][task] for task in ("OW", "CW")}
    study.write_config(config)
    return study


@pytest.fixture(scope="module")
def toy() -> Iterator[Toy]:
    """One server: which numbers its tokens have comes from the order in which it meets them."""
    with likelihood_server(Toy(["tabby", " cat", "tea", "ce sh", "ss", "ile"])) as found:
        yield found


@pytest.fixture(scope="module")
def finished(toy: Toy, embedder: str, tmp_path_factory: pytest.TempPathFactory) -> Study:
    study = set_up(tmp_path_factory.mktemp("likelihood") / "study", toy, embedder)
    study.make(*TABLES)
    study.make("results/estimate.csv")  # of what is asked by then
    return study


def nodes(requests: list[Body]) -> Counter[str]:
    """How often each node was asked; the check of a whole name, which every job makes, aside."""
    return Counter(json.dumps(body, sort_keys=True) for body in requests if "logprob_token_ids" in body)


def kill(study: Study, number: int, toy: Toy, after: int) -> None:
    """The job that asks gets SIGKILL after so many more requests; the third time Snakemake gets it with all its jobs."""
    seen = len(toy.requests)
    command = [sys.executable, "-m", "snakemake", "--cores", "2", PREDICTIONS]
    with subprocess.Popen(
        command, cwd=study.folder, env=study.whole_environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as snakemake:
        try:
            wait_until(lambda: len(toy.requests) >= seen + after)
            family = psutil.Process(snakemake.pid).children(recursive=True)
            asking = [it for it in family if it.cmdline()[1:4] == ["-m", "mllm_classify", "predict"]]
            assert asking
            whole = number == KILLS - 1
            for process in [psutil.Process(snakemake.pid), *family] if whole else asking:
                process.send_signal(signal.SIGKILL)
            assert snakemake.wait(PATIENCE) != 0
        finally:
            snakemake.kill()
    if whole:
        study.snakemake("--unlock")


def test_killed_jobs_ask_again_only_for_what_was_on_its_way_and_write_the_same_bytes(
    finished: Study, toy: Toy, embedder: str, tmp_path: Path
) -> None:
    undisturbed = nodes(toy.requests)
    assert set(undisturbed.values()) == {1}
    toy.requests.clear()
    study = set_up(tmp_path / "study", toy, embedder)
    toy.delay = 0.02
    for number in range(KILLS):
        kill(study, number, toy, after=sum(undisturbed.values()) // (KILLS + 1))
        assert not (study.folder / PREDICTIONS).exists()
    toy.delay = 0
    before = nodes(toy.requests)
    assert 0 < len(before) < len(undisturbed)
    study.make(*TABLES)
    times = nodes(toy.requests)
    assert times.keys() == undisturbed.keys()
    assert sum(times.values()) <= len(undisturbed) + KILLS * CONCURRENCY
    one, other = (pl.read_parquet(it.folder / PREDICTIONS).drop("latency") for it in (study, finished))
    assert one.equals(other)
    for table in TABLES:
        assert (study.folder / table).read_bytes() == (finished.folder / table).read_bytes()


def test_what_it_took_equals_an_independent_computation(finished: Study) -> None:
    found = finished.rows("likelihood")
    expected = plain.likelihood(finished.folder / "results", finished.config["models"])
    assert len(found) == 8
    estimated = {row["task"]: row for row in finished.rows("estimate")}
    for task in ("OW-likelihood", "CW-likelihood"):
        (first,) = (row for row in found if row["task"] == task)
        # names without an image are requests, too
        assert float(first["requests"]) * 4 < int(estimated[task]["requests"]) == int(estimated[task]["answered"])
        assert estimated[task]["tokens_from"] == "nothing is missing"
    of_answers = {(row["task"], row["scores"]) for row in finished.rows("calibration")}
    assert {
        ("OW", "answers"),
        ("CW+", "answers"),
        ("OW-likelihood", "at least"),
        ("CW-likelihood PMI", "at most"),
    } <= of_answers
    assert [{name: row[name] for name in other} for row, other in zip(found, expected, strict=True)] == expected


def test_fewer_classes_are_read_from_the_journal_and_all_ask_for_the_new_nodes_only(
    finished: Study, toy: Toy, tmp_path: Path
) -> None:
    study = finished.copy(tmp_path / "study")
    assert study.scheduled(*TABLES) == set()
    toy.requests.clear()
    reconfigure(lambda config: config["models"][0].update(likelihood={"top": 2}))(study)
    assert study.scheduled(PREDICTIONS) == {"predict/chat"}
    study.make(PREDICTIONS)
    assert toy.requests == []
    reconfigure(lambda config: config["models"][0].update(likelihood={"top": "all"}))(study)
    study.make(PREDICTIONS)
    new = nodes(toy.requests)
    ranked = pl.read_parquet(study.folder / PREDICTIONS).filter(pl.col("tree_nodes").is_not_null())
    assert ranked["class_ids"].list.len().unique().to_list() == [8]
    assert (ranked["nodes"] == ranked["tree_nodes"]).all()
    assert set(new.values()) == {1}
    asked = ranked["completion_tokens"].sum()
    assert 0 < sum(new.values()) < asked


def test_with_all_names_labels_are_doubted_by_likelihoods(finished: Study, tmp_path: Path) -> None:
    study = finished.copy(tmp_path / "study")
    done = study.snakemake("-n", "results/label_quality.parquet")
    assert "or a chat model that says how likely all names are (likelihood.top: all)" in done.stdout + done.stderr
    reconfigure(lambda config: config["models"][0].update(likelihood={"top": "all"}))(study)
    study.make("results/quality_precision.csv")
    (pairs := tmp_path / "pairs.csv").write_text("classes,admits,source\n4|5,,both fly\n")
    files = Files(study.folder / "results", study.config["models"], pairs)
    expected = label_quality(files)
    found = {(row["task"], row["image_id"]): row for row in study.rows("label_quality")}
    assert len(found) == len(expected) == 8 * 4
    for row in expected:
        assert {name: found[row["task"], row["image_id"]][name] for name in row} == pytest.approx(row)
    precision = quality_precision(list(found.values()))
    rows = study.rows("quality_precision")
    assert [{name: row[name] for name in other} for row, other in zip(rows, precision, strict=True)] == precision
