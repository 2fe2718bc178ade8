"""Every script of benchmarks/ runs at its smallest size, and prints its table. How fast it was says nothing here."""

import os
import re
import subprocess
import sys

import pytest

from mllm_classify.io.files import PROJECT
from tests.workflow.study import Study

SMALLEST = {
    "choices": ["--smallest"],
    "clients": ["--smallest"],
    "datasets": ["--smallest"],
    "dry_run": ["--smallest"],
    "explorer": ["--models", "1", "--images", "200", "--repeats", "1"],
    "neighbours": ["--queries", "20", "--rows", "5000", "--dimensions", "32", "--runs", "1"],
    "scoring": ["--smallest"],
    "vision": ["--images", "16", "--batch-size", "4", "--runs", "1"],
}
ELSEWHERE = {
    "bundle": "the finished demonstration, below",
    "likelihood": "tests/vllm/test_benchmarks.py, in the environment of make vllm-cpu",
    "stated": "what others import",
    "studies": "the same",
    "vllm": "tests/vllm/test_benchmarks.py, too",
}
FAILURE = re.compile(r"Traceback|\bnan\b|\bNone\b")


def printed(script: str, *arguments: str) -> str:
    """What a script prints. Its own processes see this checkout's package only."""
    done = subprocess.run(
        [sys.executable, str(PROJECT / f"benchmarks/{script}.py"), *arguments],
        capture_output=True, text=True, check=False, env=os.environ | {"OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


def rows(output: str) -> list[str]:
    """The rows of a printed table that hold a number."""
    return [line for line in output.splitlines() if re.search(r"\d", line) and re.match(r"\||\S.*  ", line)]


def test_every_script_is_run() -> None:
    scripts = {path.stem for path in (PROJECT / "benchmarks").glob("*.py")}
    assert scripts == SMALLEST.keys() | ELSEWHERE.keys()


@pytest.mark.parametrize("script", SMALLEST)
def test_a_script_prints_its_table(script: str) -> None:
    output = printed(script, *SMALLEST[script])
    assert len(rows(output)) >= 2
    assert re.match(r"Commit (no commit|[0-9a-f]{7,40}(-dirty)?), ", output)
    assert not FAILURE.search(output)


def test_the_bundle_of_a_finished_study_beside_zip(demonstration: Study) -> None:
    output = printed("bundle", "--runs", "1", "--study", str(demonstration.folder))
    assert "ratio of the times" in output
    assert not FAILURE.search(output)
