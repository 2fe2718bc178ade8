"""Files that were registered, and whether they are still the same.

Their size and the time of their last change tell that; the content of those that differ in one of them is compared: a study
that was copied or moved has other times. Files that are not here are left alone: an archive has no pictures.
"""

import json
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from mllm_classify.io.files import InputError, locate, sha256, written

STAMPS = "files.json"
"""The name of the file that holds them, beside what was registered."""


def stamp(path: Path) -> tuple[int, int] | None:
    """Size (bytes) and time of the last change (ns) of a file; None where there is none."""
    try:
        state = path.stat()
    except (OSError, ValueError):
        return None
    return state.st_size, state.st_mtime_ns


def keep(path: Path, files: Iterable[tuple[str, str]], folder: str | None) -> None:
    """Write down the stamps of files, which are given with their SHA-256."""
    stamps = {file: (*(stamp(locate(file, folder)) or (0, 0)), digest) for file, digest in files}
    with written(path) as temporary:
        temporary.write_text(json.dumps(stamps, separators=(",", ":")))


def replaced(path: Path, folder: str | None) -> dict[str, str]:
    """The files whose content is another than when `path` was written, with their SHA-256 now.

    The stamps of those whose content is the same are written anew, so that they are read once.
    """
    stamps = json.loads(path.read_text())
    others: dict[str, str] = {}
    touched = False
    for file, (size, time, digest) in stamps.items():
        with suppress(InputError, OSError):  # where it is gone or cannot be read, the job that needs it says so
            place = locate(file, folder)
            if (now := stamp(place)) in (None, (size, time)):
                continue
            if (content := sha256(place.read_bytes())) != digest:
                others[file] = content
            else:
                stamps[file], touched = (*now, digest), True
    if touched:
        with suppress(OSError), written(path) as temporary:  # a study that is only looked at may be read-only
            temporary.write_text(json.dumps(stamps, separators=(",", ":")))
    return others
