"""Every answer ever received, kept as it arrives.

`journal/{model}/{writer}.jsonl`: append-only, one writer per file, one answer a line. A job reads all files of its
model and appends to its own only, so nothing needs locking, on any file system. An answer names its request by a
digest; what was sent under that, without images, stands once in the same file, before the first answer to it.
"""

import json
import logging
import os
import socket
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, NamedTuple, Self

from mllm_classify.api.replies import NotUnderstoodError, parsed
from mllm_classify.io.files import InputError, regular
from mllm_classify.io.limits import JOURNAL_LINE_BYTES

log = logging.getLogger(__name__)

Check = Callable[[dict[str, Any]], object]
"""Raises an error where a record is not what its reader takes."""
CHUNK = 2**20
"""Bytes of a line that is too long which are read at once, and dropped."""
SYNC_INTERVAL = 1.0
"""Seconds between flushes to the disk itself. A killed process loses nothing that was written; a machine that loses
power loses this much."""


class Place(NamedTuple):
    """Where a record stands."""

    path: Path
    start: int
    length: int


class Answers(Mapping[str, dict[str, Any]]):
    """The records of a journal by their keys, read from the disk when they are asked for."""

    def __init__(self, places: dict[str, Place]) -> None:
        self._places = places

    def __getitem__(self, key: str) -> dict[str, Any]:
        place = self._places[key]
        with place.path.open("rb") as file:
            file.seek(place.start)
            record: dict[str, Any] = json.loads(file.read(place.length))
        return record

    def __contains__(self, key: object) -> bool:
        return key in self._places

    def __iter__(self) -> Iterator[str]:
        return iter(self._places)

    def __len__(self) -> int:
        return len(self._places)


def read(folder: Path, check: Check) -> Answers:
    """All answers in a model's journal by their key; of two under one key the first, by the file's name and then by line.

    A line that cannot be read (the torn end of a killed job's file), or whose record `check` refuses, is reported and left
    where it is: what it answered is asked again. What was paid for all the same stands under a key of its own.

    Raises InputError where a file cannot be read, or is a pipe or a device.
    """
    places: dict[str, Place] = {}
    for path in sorted(folder.glob("*.jsonl")):
        unreadable: list[str] = []
        start = 0
        try:
            regular(path, None)
        except OSError as error:
            msg = f"{path}: cannot be read ({error.strerror}); only journals belong in this folder: move the file away"
            raise InputError(msg) from None
        with path.open("rb") as file:
            for number, (length, line) in enumerate(_lines(file), 1):
                place = Place(path, start, length)
                start += length
                if line is None:
                    unreadable.append(f"line {number}: more than {JOURNAL_LINE_BYTES:,} bytes")
                    continue
                try:
                    record = parsed(line)
                    if "sent" not in record:
                        check(record)
                        places.setdefault(record["key"], place)
                except NotUnderstoodError as error:
                    places[f"not understood, {path.name} {number}"] = place
                    unreadable.append(f"line {number}: {error}")
                except (ValueError, TypeError, LookupError, AttributeError) as error:
                    unreadable.append(f"line {number}: {type(error).__name__}")
        if unreadable:
            log.warning(
                "%s: %d unreadable line(s), the first %s; what they answered will be asked again",
                path, len(unreadable), unreadable[0],
            )  # fmt: skip
    return Answers(places)


def _lines(file: BinaryIO) -> Iterator[tuple[int, bytes | None]]:
    """The length of each line, and what it holds; None where that is more than any answer's."""
    while line := file.readline(JOURNAL_LINE_BYTES + 1):
        length = len(line)
        if length <= JOURNAL_LINE_BYTES:
            yield length, line
            continue
        while not line.endswith(b"\n") and (line := file.readline(CHUNK)):
            length += len(line)
        yield length, None


class Writer:
    """Appends answers to a file of its own, which it creates with the first one."""

    def __init__(self, folder: Path) -> None:
        started = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
        self.path = folder / f"{started}-{socket.gethostname()}-{os.getpid()}-{uuid.uuid4().hex[:8]}.jsonl"
        self._file = -1
        self._synced = time.monotonic()
        self._sent: set[str] = set()

    def append(self, record: dict[str, Any], sent: dict[str, Any] | None = None) -> None:
        """Hand one answer to the operating system before anything else happens.

        `sent` is what was sent under the digest `record["request"]`, without images.
        """
        if sent is not None and record["request"] not in self._sent:
            self._write({"request": record["request"], "sent": sent})
            self._sent.add(record["request"])
        self._write(record)

    def _write(self, record: dict[str, Any]) -> None:
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
