"""Every answer ever received, kept as it arrives.

`journal/{model}/{writer}.jsonl`: append-only, one writer per file, one answer a line. A job reads all files of its
model and appends to its own only, so nothing needs locking, on any file system.
"""

import json
import logging
import os
import socket
import time
import uuid
from pathlib import Path
from types import TracebackType
from typing import Any, Self

log = logging.getLogger(__name__)

SYNC_INTERVAL = 1.0
"""Seconds between flushes to the disk itself. A killed process loses nothing that was written; a machine that loses
power loses this much."""


def read(folder: Path) -> dict[str, dict[str, Any]]:
    """All answers in a model's journal by their key; of two under one key the first, by the file's name and then by line.

    A line that cannot be read (the torn end of a killed job's file) is reported and left where it is: what it answered
    is asked again.
    """
    answers: dict[str, dict[str, Any]] = {}
    for path in sorted(folder.glob("*.jsonl")):
        torn = 0
        with path.open("rb") as lines:
            for line in lines:
                try:
                    record = json.loads(line)
                    answers.setdefault(record["key"], record)
                except (ValueError, TypeError, KeyError):
                    torn += 1
        if torn:
            log.warning("%s: %d unreadable line(s); what they answered will be asked again", path, torn)
    return answers


class Writer:
    """Appends answers to a file of its own, which it creates with the first one."""

    def __init__(self, folder: Path) -> None:
        started = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
        self.path = folder / f"{started}-{socket.gethostname()}-{os.getpid()}-{uuid.uuid4().hex[:8]}.jsonl"
        self._file = -1
        self._synced = time.monotonic()

    def append(self, record: dict[str, Any]) -> None:
        """Hand one answer to the operating system before anything else happens."""
        if self._file < 0:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._file = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_EXCL, 0o644)
        line = memoryview(json.dumps(record, ensure_ascii=False).encode("utf-8", "surrogatepass") + b"\n")
        while line:
            line = line[os.write(self._file, line) :]
        if time.monotonic() - self._synced > SYNC_INTERVAL:
            os.fsync(self._file)
            self._synced = time.monotonic()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._file >= 0:
            os.fsync(self._file)
            os.close(self._file)
