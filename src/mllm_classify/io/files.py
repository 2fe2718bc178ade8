"""Where files are, and how they are written: beside their name first, then renamed."""

import csv
import errno
import glob
import hashlib
import importlib.util
import io
import json
import os
import re
import socket
import stat
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path, PurePath
from typing import Any

from mllm_classify.io.limits import FILE_BYTES
from mllm_classify.io.text import short, shown

# a cell is as long as a model's answer
csv.field_size_limit(FILE_BYTES)

PROJECT = Path(__file__).parents[3]
FILES = "MLLM_CLASSIFY_FILES"
"""The variable of a folder in which the files of a configuration are looked for, in place of the working directory."""
ELSEWHERE = "elsewhere"
"""The folder of an archive for what lay outside of the working directory."""
MACHINE_PATH = re.compile(r"""^[/~].*|(?<=[=,\s"'])[/~](?!/)[^=,\s"']+""", re.DOTALL)
"""A path of this machine: a whole value, or a word or a flag's value inside of one. Addresses have // there."""


class InputError(Exception):
    """Something that the user gave cannot be used. The message is one line: file, key, value and what to do."""


class StoppedError(InputError):
    """Asking ended before everything was asked."""


class TerminatedError(StoppedError):
    """By SIGTERM (Slurm's time limit) or SIGINT (a user)."""

    def __init__(self, message: str, number: int) -> None:
        super().__init__(message)
        self.number = number


def locate(name: str, folder: str | None = None) -> Path:
    """The path that a name in the configuration stands for.

    `package:skimage/data/coffee.png` is a file inside an installed package (which is not imported). Any other name is
    relative to `folder`, else to the working directory, else to the project (so that what the project ships is found
    from a study in another directory).
    """
    if name.startswith("package:"):
        package, _, inside = name.removeprefix("package:").partition("/")
        try:
            # of a package within another, the outer one would be imported
            spec = None if "." in package else importlib.util.find_spec(package)
        except (ImportError, ValueError):
            spec = None
        if spec is None or not spec.submodule_search_locations:
            msg = f"{name}: the package {package!r} is not installed here"
            raise InputError(msg)
        return Path(spec.submodule_search_locations[0]) / inside
    if folder is not None:
        return Path(folder) / name
    path = Path(os.environ.get(FILES, ""), name)
    return PROJECT / name if not _exists(path) and _exists(PROJECT / name) else path


def _exists(path: Path) -> bool:
    """Whether there is such a file: none has a name that no file can have."""
    return os.path.exists(path)  # noqa: PTH110 (Path.exists raises OSError for names that are too long)


def regular(path: Path, largest: int | None = FILE_BYTES) -> Path:
    """The path of a regular file of at most so many bytes.

    Raises OSError for any other: a FIFO or a device may never end. It also says of a name that no file can have it.
    """
    try:
        state = path.stat()
    except ValueError as error:  # NUL, or half of a pair of characters
        raise OSError(errno.EINVAL, f"no file can have this name: {error}") from None
    if stat.S_ISDIR(state.st_mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
    if not stat.S_ISREG(state.st_mode):
        raise OSError(errno.EINVAL, "not a regular file, but a pipe, socket or device")
    if largest is not None and state.st_size > largest:
        raise OSError(errno.EFBIG, f"{state.st_size:,} bytes, more than the {largest:,} that are read of such a file")
    return path


@contextmanager
def _readable(name: str, largest: int | None) -> Iterator[Path]:
    """The path of a regular file that the configuration names; inside, what cannot be read is an InputError."""
    path = locate(name)
    try:
        yield regular(path, largest)
    except OSError as error:
        msg = f"{short(name, 300)}: cannot be read ({error.strerror}); looked for {short(str(path.absolute()), 300)}"
        raise InputError(msg) from None


def portable(text: str) -> str:
    """A value of the configuration in which what stands for a path of this machine is a path inside of an archive.

    `/data/runs/best.pth` and `--weights=/data/runs/best.pth` keep the file's name and a digest of the folders; relative
    paths that stay inside, and addresses, are left alone. What is portable already stays as it is.
    """

    def inside(path: str) -> str:
        return f"{ELSEWHERE}/{sha256(path.encode())[:8]}/{PurePath(path).name}"

    if ".." in PurePath(text).parts:
        return inside(text)
    return MACHINE_PATH.sub(lambda match: inside(match[0]), text)


def portable_values(value: Any) -> Any:
    """The same for all text in what a user wrote freely: lists and mappings of values."""
    if isinstance(value, dict):
        return {key: portable_values(item) for key, item in value.items()}
    if isinstance(value, list):
        return [portable_values(item) for item in value]
    return portable(value) if isinstance(value, str) else value


def read_bytes(name: str) -> bytes:
    """The content of a file that the configuration names.

    Raises InputError when it cannot be read.
    """
    with _readable(name, FILE_BYTES) as path:
        return path.read_bytes()


def stamps(names: Iterable[object]) -> list[tuple[str, int, int]]:
    """Names that stand for files which are there, with size and time of the last change (ns): cheaper than a digest."""
    files = {name: locate(name) for name in names if isinstance(name, str)}
    states = {name: path.stat() for name, path in files.items() if os.path.isfile(path)}  # noqa: PTH113 (as `_exists`)
    return [(name, state.st_size, state.st_mtime_ns) for name, state in states.items()]


def file_sha256(name: str) -> str:
    """SHA-256 of a file that the configuration names, however large.

    Raises InputError when it cannot be read.
    """
    with _readable(name, None) as path, path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def read_text(name: str) -> str:
    """The content of a UTF-8 text file that the configuration names (a byte order mark is dropped)."""
    try:
        return read_bytes(name).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        msg = f"{name}: not UTF-8 text (byte {error.start})"
        raise InputError(msg) from None


def read_csv(name: str, *columns: str) -> list[tuple[str, dict[str, str]]]:
    """The rows of a CSV file that the configuration names, each after its place (`file:line`).

    Lines that begin with # are comments. Every value is stripped text. Raises InputError when a column is missing or a
    row is of another length than the header.
    """
    reader = csv.reader(_without_comments(read_text(name)), strict=True)
    records: list[tuple[str, list[str]]] = []
    try:
        records += ((f"{name}:{reader.line_num}", values) for values in reader if values)
    except csv.Error as error:
        msg = f"{name}:{reader.line_num}: not CSV ({error})"
        raise InputError(msg) from None
    header = [column.strip() for column in records[0][1]] if records else []
    twice = [column for column in header if column and header.count(column) > 1]
    if twice:
        msg = f"{name}: the column {shown(twice[0])} appears twice in the header {shown(','.join(header), 300)}"
        raise InputError(msg)
    missing = [column for column in columns if column not in header]
    if missing:
        msg = f"{name}: no column {missing[0]!r}; the header is {shown(','.join(header), 300)}"
        raise InputError(msg)
    rows = []
    for place, values in records[1:]:
        if len(values) != len(header):
            msg = f"{place}: {len(values)} values under a header of {len(header)}: {','.join(values)[:80]!r}"
            raise InputError(msg)
        rows.append((place, {column: value.strip() for column, value in zip(header, values, strict=True)}))
    return rows


def _without_comments(text: str) -> Iterator[str]:
    """The lines of a CSV text; comments become empty ones, so that line numbers stay the file's.

    A # that begins a line inside of quotes is part of the value.
    """
    quoted = False
    for line in io.StringIO(text, newline=""):
        comment = line.startswith("#") and not quoted
        yield "\n" if comment else line
        quoted ^= not comment and line.count('"') % 2 == 1


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def digest(value: Any) -> str:
    """SHA-256 of a value's JSON with sorted keys."""
    return sha256(json.dumps(value, sort_keys=True, separators=(",", ":")).encode())


@contextmanager
def written(path: str | Path) -> Iterator[Path]:
    """A temporary path beside `path` to write to; renamed to `path` at the end, removed if anything failed.

    The temporary name is this process's own: of several that write one file at once, each writes all of it, and the last
    to end is the one that stays. What a killed process of this machine left behind is removed.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    machine = f".{path.name}.{socket.gethostname()}-"
    for left in path.parent.glob(f"{glob.escape(machine)}*.tmp"):
        number = left.name[len(machine) : -len(".tmp")]
        if number.isdecimal() and not _runs(int(number)):
            left.unlink(missing_ok=True)
    temporary = path.with_name(f"{machine}{os.getpid()}.tmp")
    try:
        yield temporary
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def _runs(process: int) -> bool:
    """Whether a process of this number is there, anybody's."""
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True
