"""Chat models served by a command that the job starts, waits for, uses for all tasks, and stops."""

import contextlib
import ctypes
import logging
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING

import psutil

from mllm_classify.files import InputError
from mllm_classify.predict.endpoint import answer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager

    import polars as pl

    from mllm_classify.config import EngineModel, Task, TaskPrompt
    from mllm_classify.predict.images import Images

log = logging.getLogger(__name__)

STOP_TIMEOUT = 10.0
"""Seconds that an engine has to end after SIGTERM."""


def predict(
    model: "EngineModel",
    tasks: "dict[Task, TaskPrompt]",
    images: "Images",
    classes: "pl.DataFrame",
    journal_folder: Path,
    progress: "Callable[[int], None]",
) -> "pl.DataFrame":
    """The answers of the model that the entry's command serves. The engine runs only if an answer is missing."""

    def serving() -> "AbstractContextManager[str]":
        return running(model, journal_folder / "engine.log")

    return answer(model, tasks, images, classes, journal_folder, progress, serving)


@contextlib.contextmanager
def running(model: "EngineModel", log_file: Path) -> "Iterator[str]":
    """Start the model's command, wait until it answers, yield its URL, and stop it with all of its children.

    Raises InputError when the command does not exist, ends, or does not answer within `start_timeout`.
    """
    port = _free_port()
    command = [part.replace("{port}", str(port)).replace("{python}", sys.executable) for part in model.command]
    if shutil.which(command[0]) is None:
        msg = f"model {model.name!r}: command: {command[0]!r} is not a program on this machine"
        raise InputError(msg)
    log_file.parent.mkdir(parents=True, exist_ok=True)
    log.info("starting the engine of %s on port %d; its output goes to %s", model.name, port, log_file)
    with log_file.open("ab") as output:
        process = subprocess.Popen(  # noqa: S603 (the configuration's own command)
            command,
            stdout=output,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            start_new_session=True,
            preexec_fn=_die_with_parent,  # noqa: PLW1509 (no other thread runs yet)
        )
    previous = signal.signal(signal.SIGTERM, _stop)
    try:
        url = f"http://127.0.0.1:{port}/v1"
        _wait(model, process, url, log_file)
        yield url
    finally:
        _end(process)
        signal.signal(signal.SIGTERM, previous)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _die_with_parent() -> None:
    """Have Linux stop the engine when this process is killed outright."""
    if sys.platform == "linux":
        pr_set_pdeathsig = 1
        ctypes.CDLL(None).prctl(pr_set_pdeathsig, signal.SIGTERM)


def _stop(signum: int, _frame: object) -> None:
    """Turn SIGTERM (a scheduler's time limit, a cancelled job) into an exit that stops the engine."""
    sys.exit(128 + signum)


def _wait(model: "EngineModel", process: subprocess.Popen[bytes], url: str, log_file: Path) -> None:
    """Return once the engine lists its models."""
    deadline = time.monotonic() + model.start_timeout
    while time.monotonic() < deadline:
        if (status := process.poll()) is not None:
            msg = f"model {model.name!r}: command: the engine ended with status {status} before it answered{_tail(log_file)}"
            raise InputError(msg)
        try:
            with urllib.request.urlopen(f"{url}/models", timeout=2) as reply:  # noqa: S310 (http on this machine)
                if reply.status == 200:
                    return
        except OSError:
            pass
        time.sleep(0.2)
    msg = (
        f"model {model.name!r}: start_timeout: the engine did not answer at {url}/models within {model.start_timeout:g} s"
        + _tail(log_file)
    )
    raise InputError(msg)


def _tail(log_file: Path) -> str:
    lines = log_file.read_text(errors="backslashreplace").strip().splitlines()
    last = ascii(lines[-1][-200:]) if lines else "nothing"
    return f"; {log_file} ends with {last}"


def _end(process: subprocess.Popen[bytes]) -> None:
    """Stop the engine and every process that it started, in its process group or out of it."""
    try:
        family = [psutil.Process(process.pid), *psutil.Process(process.pid).children(recursive=True)]
    except psutil.NoSuchProcess:
        family = []
    for signum in (signal.SIGTERM, signal.SIGKILL):
        for member in family:
            with contextlib.suppress(psutil.NoSuchProcess):
                member.send_signal(signum)
        _, family = psutil.wait_procs(family, timeout=STOP_TIMEOUT)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
