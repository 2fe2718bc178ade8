"""Unpacking an archive of somebody else's, within limits, and only what its list of sums says."""

import os
import shutil
import zipfile
import zlib
from collections import Counter
from io import BufferedReader, FileIO
from pathlib import Path, PurePosixPath

from mllm_classify.bundle import confined
from mllm_classify.bundle.archive import SUMS, digest
from mllm_classify.io.borders import border
from mllm_classify.io.files import InputError, regular
from mllm_classify.io.limits import BUNDLE_ENTRIES, BUNDLE_LIST_BYTES
from mllm_classify.io.parquet_size import MAGIC, NotParquetError, excess

UNREADABLE = (zipfile.BadZipFile, zlib.error, OSError, EOFError, ValueError, NotImplementedError, RuntimeError)
"""What zipfile raises for archives that are torn, or not as it knows them."""


class Opened(BufferedReader):
    """An archive's file. Of what zipfile reads at once only its list of files can be large."""

    def read(self, size: int | None = -1, /) -> bytes:
        if size is not None and size > BUNDLE_LIST_BYTES:
            msg = f"its list of files has {size:,} bytes, more than the {BUNDLE_LIST_BYTES:,} that are read"
            raise ValueError(msg)
        return super().read(size)


def unpacked(bundle: Path, folder: Path) -> tuple[list[str], set[str]]:
    """What is wrong with an archive's files, and their names, as paths are written without need of `.` and doubled `/`.

    Raises InputError where the file is no zip archive.
    """
    with border(bundle):
        try:
            with Opened(FileIO(regular(bundle, None))) as file, zipfile.ZipFile(file) as archive:
                return extract(archive, folder), {str(PurePosixPath(it)) for it in archive.namelist()}
        except UNREADABLE as error:
            msg = f"{bundle}: not a complete zip archive ({error})"
            raise InputError(msg) from None


def extract(archive: zipfile.ZipFile, folder: Path) -> list[str]:
    """Unpack what the list of sums names, and name every file that is not as it says."""
    names = archive.namelist()
    if len(names) > BUNDLE_ENTRIES:
        return [f"{len(names):,} files, more than the {BUNDLE_ENTRIES:,} that a bundle may have"]
    problems = [f"{name}: appears twice" for name, times in sorted(Counter(names).items()) if times > 1]
    problems += [f"{name!a}: would leave the archive's folder" for name in names if not confined.is_inside(name)]
    size = sum(entry.file_size for entry in archive.infolist())
    if size > (free := shutil.disk_usage(folder.parent).free):
        problems.append(
            f"its files take {size / 1e9:.1f} GB, and {folder.parent} has {free / 1e9:.1f} GB left; set TMPDIR"
        )
    if problems or SUMS not in names:
        return problems or [f"{SUMS}: missing; this is no bundle"]
    for name in names:
        try:
            with archive.open(name) as content:
                target = folder / name
                target.parent.mkdir(parents=True, exist_ok=True)
                with target.open("wb") as file:
                    shutil.copyfileobj(content, file)
        except UNREADABLE as error:
            problems.append(f"{name}: damaged ({error})")
    if problems:
        return problems
    if digest(folder / SUMS).encode() != archive.comment:
        return [f"{SUMS}: changed since the bundle was made (the archive's comment is not its SHA-256)"]
    lines = (folder / SUMS).read_text("utf-8", "backslashreplace").splitlines()
    listed = {name: expected for expected, _, name in (line.partition("  ") for line in lines)}
    problems = [f"{name}: not listed in {SUMS}" for name in names if name not in listed and name != SUMS]
    archived = set(names)
    problems += [f"{name}: missing" for name in listed if name not in archived]
    problems += [
        f"{name}: changed since the bundle was made (its SHA-256 is not that in {SUMS})"
        for name, expected in listed.items()
        if name in archived and digest(folder / name) != expected
    ]
    return problems + [f"{name}: {problem}" for name in names if (problem := _unreadable(folder / name))]


def _unreadable(path: Path) -> str:
    """Why a Parquet file, whatever it is called, must not be read: a few kB may unpack to more than there is memory for."""
    try:
        with path.open("rb") as file:
            file.seek(-min(len(MAGIC), path.stat().st_size), os.SEEK_END)
            return excess(file) if file.read() == MAGIC else ""
    except (NotParquetError, RecursionError) as error:
        return f"not a Parquet file ({error})"
