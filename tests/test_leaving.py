"""A job frees nothing at its end, but says all that it said, and does what libraries leave to the end."""

import subprocess
import sys

import pytest

ENDING = """
import atexit, sys, threading, time, weakref
from mllm_classify.__main__ import leave

class Thing:
    def __del__(self):
        print("freed")

STATUS = {status}
atexit.register(leave, STATUS)
kept, finalized = Thing(), Thing()
kept.itself = kept
weakref.finalize(finalized, print, "finalized")
atexit.register(print, "left to the end")

def work():
    time.sleep(0.2)
    print("a thread's")

threading.Thread(target=work).start()
print("a line without its end", end="")
print("an error", end="", file=sys.stderr)
"""


@pytest.mark.parametrize(("status", "code"), [("[3]", 3), ("[0]", 0), ("[]", 0)])
def test_nothing_is_lost_at_the_end(status, code):
    done = subprocess.run(
        [sys.executable, "-c", ENDING.format(status=status)], capture_output=True, text=True, check=False
    )
    assert done.returncode == code
    assert done.stderr == "an error"
    said = done.stdout
    assert said.startswith("a line without its end")
    for it in ("a thread's", "left to the end", "finalized"):
        assert it in said
    assert ("freed" in said) == (status == "[]")


@pytest.mark.parametrize(
    ("arguments", "code"),
    [(["--help"], 0), (["nothing"], 2), (["predict", "--config=none.yaml", "--model=m", "--images=i", "--classes=c",
                                         "--output=o"], 1)],
)  # fmt: skip
def test_the_status_is_the_command_s(arguments, code, folder):
    done = subprocess.run(
        [sys.executable, "-m", "mllm_classify", *arguments], capture_output=True, text=True, check=False
    )
    assert done.returncode == code, done.stderr
    assert "Traceback" not in done.stderr
