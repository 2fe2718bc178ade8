"""A model asked about two data sets by one job: by the means of its kind, and within one budget."""

import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import polars as pl
import pytest
import yaml

from tests.batch_server import batch_server
from tests.chat_server import chat_server
from tests.fault_server import always, fault_server
from tests.requests.job import Job
from tests.waiting import PATIENCE

IMAGES = 10
"""Of each data set."""


def asked(folder: Path, url: str, **entry: object) -> tuple[Job, SimpleNamespace]:
    """Two data sets, each of half the pictures, and what the job said."""
    job = Job(folder, 2 * IMAGES, url, **entry)
    config = yaml.safe_load((folder / "config.yaml").read_text())
    other = {key: value for key, value in config["dataset"].items() if key != "regt"} | {"name": "e", "label": "E"}
    (folder / "config.yaml").write_text(yaml.safe_dump(config | {"datasets": [{"dataset": other}]}))
    for name in ("classes.txt", "images.csv", "imgt.csv", "templates.txt"):
        (folder / name).write_text("read by no job of this test\n")
    for number, name in enumerate(("d", "e")):
        place = folder / "results/dataset" / name
        place.mkdir(parents=True)
        images = pl.read_parquet(folder / "images.parquet").slice(number * IMAGES, IMAGES)
        images.write_parquet(place / "images.parquet")
        (place / "classes.parquet").write_bytes((folder / "classes.parquet").read_bytes())
    command = [
        sys.executable,
        "-m",
        "mllm_classify",
        "ask",
        "--config=config.yaml",
        "--model=m",
        "--datasets",
        "d",
        "e",
    ]
    environment = os.environ | job.environment | {"OPENAI_API_KEY": "sk-any-key-will-do"}
    done = subprocess.run(
        [*command, "--output=mark.json"], cwd=folder, env=environment, capture_output=True, text=True, check=False,
        timeout=PATIENCE,
    )  # fmt: skip
    return job, SimpleNamespace(status=done.returncode, said=done.stderr)


def test_batches_are_handed_in_for_each(tmp_path: Path) -> None:
    """Not one by one, at twice the price."""
    with batch_server() as server:
        job, done = asked(tmp_path, server.url, kind="openai", batch={"poll": 0.05})
    assert done.status == 0, done.said
    assert [len(batch.lines) for batch in server.batches.values()] == [IMAGES, IMAGES]
    assert set(server.answered.values()) == {1}
    assert server.chat.received == []
    assert job.questions() == 2 * IMAGES


def test_the_key_is_in_the_header_that_the_entry_names(tmp_path: Path) -> None:
    with chat_server(lambda _: "ox") as server:
        _, done = asked(tmp_path, server.url, api_key_env="OPENAI_API_KEY", api_key_header="api-key")
    assert done.status == 0, done.said
    assert len(server.headers) == 2 * IMAGES
    assert {headers.get("api-key") for headers in server.headers} == {"sk-any-key-will-do"}
    assert not any("Authorization" in headers for headers in server.headers)


@pytest.mark.parametrize("budget", [1.5, 30])
def test_the_budget_is_for_all_of_them(tmp_path: Path, budget: float) -> None:
    """Each answer costs 0.1 dollars and a bit, so that either data set alone is within it."""
    with fault_server(always("good"), usage=lambda _: {"prompt_tokens": 100, "completion_tokens": 1}) as server:
        money = {"prices": {"input": 1000, "output": 1000}, "budget": budget, "image_tokens": 1}
        _, done = asked(tmp_path, server.url, request={"max_tokens": 4}, concurrency=1, **money)
    cost = sum(used["prompt_tokens"] + used["completion_tokens"] for used in server.usage) / 1000
    assert cost <= budget
    assert (done.status, len(server.usage)) == (0, 2 * IMAGES) if budget > 2 else done.status == 1
    assert len(server.usage) > IMAGES
