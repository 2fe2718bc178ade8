"""Tar files that are read where they lie: no member is ever written to disk, or followed to another file.

An index of a file's members is kept in this process as long as the file's size and time stay the same.
"""

import errno
import os
import tarfile
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

from mllm_classify.io.borders import brief
from mllm_classify.io.files import InputError, regular
from mllm_classify.io.limits import ENTRIES, FILE_BYTES
from mllm_classify.io.text import shown

BLOCK = 512
COMPRESSED = {b"\x1f\x8b": "gzip", b"BZh": "bzip2", b"\xfd7zXZ": "xz", b"\x28\xb5\x2f\xfd": "zstd"}
"""How compressed files begin."""


class Member(NamedTuple):
    """Where the bytes of a member begin, and how many there are."""

    start: int
    size: int


def members(path: Path) -> dict[str, Member]:
    """The regular files in a tar file by their names, in its order; folders and links are none.

    Raises InputError naming the file, and the member where there is one: it cannot be read, is compressed, damaged or cut
    off; a name appears twice, or is not UTF-8; a member is too large.
    """
    try:
        state = regular(path, None).stat()
    except OSError as error:
        msg = f"{path}: cannot be read ({error.strerror})"
        raise InputError(msg) from None
    return _members(path, state.st_size, state.st_mtime_ns)


def read(path: Path, name: str) -> bytes:
    """The bytes of a member. Raises OSError where the file or the member cannot be read."""
    try:
        member = members(path).get(name)
    except InputError as error:
        raise OSError(errno.EIO, str(error).removeprefix(f"{path}: ")) from None
    if member is None:
        raise OSError(errno.ENOENT, "the tar file has no such member")
    with path.open("rb") as file:
        file.seek(member.start)
        return file.read(member.size)


@lru_cache(maxsize=64)
def _members(path: Path, size: int, _time: int) -> dict[str, Member]:
    found: dict[str, Member] = {}
    with path.open("rb") as file:
        head = file.read(8)
        if how := next((how for magic, how in COMPRESSED.items() if head.startswith(magic)), None):
            msg = (
                f"{path}: is compressed ({how}), so its members cannot be read one by one; unpack the compression only"
            )
            raise InputError(msg)
        file.seek(0)
        try:
            with tarfile.open(fileobj=file, mode="r:") as archive:
                while (it := archive.next()) is not None:
                    _add(found, it, path, size)
                    archive.members.clear()  # type: ignore[attr-defined]  # it keeps them all
                end = archive.offset
        except (tarfile.TarError, OSError, ValueError, OverflowError, EOFError, RecursionError, MemoryError) as error:
            msg = f"{path}: {_after(found)}is damaged, or no tar file ({brief(error)})"
            raise InputError(msg) from None
        file.seek(end)
        if (last := file.read(BLOCK)) != bytes(BLOCK):
            what = "ends without tar's mark of the end; was it cut off?" if len(last) < BLOCK else "is damaged"
            msg = f"{path}: {_after(found)}{what}"
            raise InputError(msg)
    return found


def _add(found: dict[str, Member], it: tarfile.TarInfo, path: Path, size: int) -> None:
    """Note a member. Raises InputError where it may not be one."""
    problem = None
    if it.size < 0 or it.offset_data + (it.size if it.isreg() else 0) > size:
        problem = "ends after the file's end; was it cut off?"
    elif it.isreg() and not it.issparse():
        if it.name in found:
            problem = "appears twice"
        elif it.size > FILE_BYTES:
            problem = f"has {it.size:,} bytes, more than the {FILE_BYTES:,} that are read of a picture"
        elif len(found) >= ENTRIES:
            problem = f"is one too many: no more than {ENTRIES:,} are read"
        elif not _utf8(it.name):
            problem = "has a name that is not UTF-8"
    elif it.issparse():
        problem = "is a sparse file, which is not read"
    if problem is not None:
        msg = f"{path}: member {shown(it.name, 300)} {problem}"
        raise InputError(msg)
    if it.isreg():
        found[it.name] = Member(it.offset_data, it.size)


def _utf8(name: str) -> bool:
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return "\0" not in name


def _after(found: dict[str, Member]) -> str:
    return f"after member {shown(next(reversed(found)), 300)}, " if found else ""


# a process that was forked indexes anew: what another thread was at stays half done in it
os.register_at_fork(after_in_child=_members.cache_clear)
