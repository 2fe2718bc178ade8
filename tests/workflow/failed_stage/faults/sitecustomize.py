"""Breaks one stage's process, for real, when it is on the path and FAULT names the stage (`embed classes:kill`)."""

import os
import pathlib
import signal
import sys

stage, _, how = os.environ.get("FAULT", "").partition(":")
words = sys.orig_argv
if (
    stage
    and "mllm_classify" in words
    and words[words.index("mllm_classify") + 1 :][: len(stage.split())] == stage.split()
):
    if how == "exit":
        os._exit(1)

    def killed_before_renaming(self: pathlib.Path, target: pathlib.Path) -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    pathlib.Path.replace = killed_before_renaming
