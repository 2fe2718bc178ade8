"""Files that were registered, and whether they are still the same.

Their size and the time of their last change tell that; the content of those that differ in one of them is compared: a study
that was copied or moved has other times. Files that are not here are left alone: an archive has no pictures.
"""

import json
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from mllm_classify.io import places
from mllm_classify.io.files import InputError, sha256, written

STAMPS = "files.json"
"""The name of the file that holds them, beside what was registered."""


def stamp(path: Path | None) -> tuple[int, int] | None:
    """Size (bytes) and time of the last change (ns) of a file; None where there is none."""
    try:
        state = None if path is None else path.stat()
    except (OSError, ValueError):
        return None
    return state and (state.st_size, state.st_mtime_ns)


def keep(path: Path, files: Iterable[tuple[str, str]], folder: str | None) -> None:
    """Write down the stamps of the files in which pictures lie, which are given by their places with their SHA-256."""
    stamps = {file: (*(stamp(places.place(file, folder).file) or (0, 0)), digest) for file, digest in files}
    with written(path) as temporary:
        temporary.write_text(json.dumps(stamps, separators=(",", ":")))


def registered(path: Path) -> set[str]:
    """The places of which stamps were written down."""
    return set(json.loads(path.read_text()))


def replaced(path: Path, folder: str | None) -> dict[str, str]:
    """The pictures whose bytes are others than when `path` was written, with their SHA-256 now.

    The stamps of those whose bytes are the same are written anew, so that they are read once. Where many pictures lie in
    one file, another size of it says that it is another: there may be more of them.
    """
    stamps = json.loads(path.read_text())
    others: dict[str, str] = {}
    touched = False
    for file, (size, time, digest) in stamps.items():
        with suppress(InputError, OSError):  # where it is gone or cannot be read, the job that needs it says so
            place = places.place(file, folder)
            if (now := stamp(place.file)) in (None, (size, time)) or place.items:
                continue
            assert now is not None
            if place.inside and now[0] != size:
                others[file.removesuffix(place.inside)] = f"{now[0]} bytes"
            elif (content := sha256(places.read(file, folder))) != digest:
                others[file] = content
            else:
                stamps[file], touched = (*now, digest), True
    if touched:
        with suppress(OSError), written(path) as temporary:  # a study that is only looked at may be read-only
            temporary.write_text(json.dumps(stamps, separators=(",", ":")))
    return others
