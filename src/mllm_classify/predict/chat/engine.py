"""Engines: commands that a job starts, waits for, and stops with all that they started."""

import contextlib
import http.client
import logging
import os
import re
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from mllm_classify.io.files import InputError
from mllm_classify.predict.chat.answering import Served

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

log = logging.getLogger(__name__)

LOG = "engine.log"
"""In the model's journal: what its engines write."""
RAISED = re.compile(r"^(?:[^\n]*?\] )?((?:\w+\.)*\w+(?:Error|Exception): .*)", re.MULTILINE | re.DOTALL)
"""From the first exception on. vLLM's processes log theirs one after the other, and the last only refers to the first."""


@contextlib.contextmanager
def running(
    name: str, command: list[str], start_timeout: float, log_file: Path, programs: Path | None = None
) -> "Iterator[Served]":
    """Start a model's command, wait until it answers, yield where, and stop it with all that it started.

    `programs` is a folder in which it looks for other programs first, as it does in an activated environment.

    Raises InputError when the command does not exist, ends, or does not answer within `start_timeout` seconds.
    """
    port = _free_port()
    command = [part.replace("{port}", str(port)).replace("{python}", sys.executable) for part in command]
    if shutil.which(command[0]) is None:
        msg = f"model {name!r}: command: {command[0]!r} is not a program on this machine"
        raise InputError(msg)
    path = os.environ.get("PATH", os.defpath)
    log_file.parent.mkdir(parents=True, exist_ok=True)
    log.info("starting the engine of %s on port %d; its output goes to %s", name, port, log_file)
    with log_file.open("ab") as output:
        begin = output.tell()
        supervisor = subprocess.Popen(  # noqa: S603 (the configuration's own command)
            [sys.executable, "-m", "mllm_classify.predict.chat.supervisor", *command],
            stdin=subprocess.PIPE,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            env=os.environ | {"PATH": path if programs is None else f"{programs}{os.pathsep}{path}"},
        )

    def ended() -> str | None:
        status = supervisor.poll()
        return None if status is None else f"the engine has ended with status {status}{_cause(log_file, begin)}"

    try:
        _wait(name, supervisor, port, start_timeout, lambda: _cause(log_file, begin))
        yield Served(f"http://127.0.0.1:{port}/v1", ended)
    finally:
        if (reason := ended()) is not None:
            log.warning("%s: %s", name, reason)
        # the end of its input tells the supervisor to stop the engine
        supervisor.communicate()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _wait(
    name: str, supervisor: subprocess.Popen[bytes], port: int, start_timeout: float, cause: "Callable[[], str]"
) -> None:
    """Return once the engine lists its models."""
    deadline = time.monotonic() + start_timeout
    while time.monotonic() < deadline:
        if (status := supervisor.poll()) is not None:
            msg = f"model {name!r}: command: the engine ended with status {status} before it answered"
            raise InputError(msg + cause())
        if _answers(port):
            return
        time.sleep(0.2)
    msg = (
        f"model {name!r}: start_timeout: the engine did not answer at http://127.0.0.1:{port}/v1/models within "
        f"{start_timeout:g} s"
    )
    raise InputError(msg + cause())


def _answers(port: int) -> bool:
    """Whether the engine lists its models. No proxy is asked: it is on this machine."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=2)
    try:
        connection.request("GET", "/v1/models")
        return connection.getresponse().status == http.HTTPStatus.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def _cause(log_file: Path, begin: int) -> str:
    """Why an engine has ended, as far as what it wrote since `begin` says."""
    written = log_file.read_bytes()[begin:].decode(errors="backslashreplace")
    if (raised := RAISED.search(written)) is not None:
        return f"; {log_file} says {' '.join(raised[1].split())[:300]!a}"
    lines = written.strip().splitlines()
    last = ascii(lines[-1][-200:]) if lines else "nothing"
    return f"; {log_file} ends with {last}"
