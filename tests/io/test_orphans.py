"""Jobs that end when the Snakemake that started them does."""

import signal
import subprocess
import sys

import psutil
import pytest

from tests.waiting import PATIENCE

JOB = """
import signal, sys, time
from mllm_classify.io.orphans import end_without_snakemake
signal.signal(signal.SIGTERM, lambda *_: (print("SIGTERM", flush=True), sys.exit(0)))
end_without_snakemake()
print("watching", flush=True)
time.sleep(float(sys.argv[1]))
print("slept", flush=True)
"""
STARTER = "import subprocess, sys, time; subprocess.Popen(sys.argv[2:]); time.sleep(60)"


def started(name: str, seconds: float) -> subprocess.Popen:
    """A process of this name that has started, through a shell as Snakemake does, a job of so many seconds."""
    job = [sys.executable, "-c", JOB, str(seconds)]
    shell = ["bash", "-c", '"$@"; echo ended', "bash", *job]
    process = subprocess.Popen(
        [sys.executable, "-c", STARTER, f"/somewhere/bin/{name}", *shell], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout.readline() == "watching\n"
    return process


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_job_ends_when_its_snakemake_is_gone(number):
    starter = started("snakemake", 60)
    jobs = psutil.Process(starter.pid).children(recursive=True)
    starter.send_signal(number)
    assert starter.stdout.read() == "SIGTERM\nended\n"
    starter.wait()
    _, alive = psutil.wait_procs(jobs, timeout=PATIENCE)
    assert not alive


def test_a_job_that_somebody_else_started_outlives_its_starter():
    starter = started("make", 3)
    starter.kill()
    assert starter.stdout.read() == "slept\nended\n"
    starter.wait()


def test_a_job_whose_snakemake_lives_is_left_alone():
    starter = started("snakemake", 2.5)
    assert [starter.stdout.readline() for _ in range(2)] == ["slept\n", "ended\n"]
    starter.kill()
    starter.communicate()
