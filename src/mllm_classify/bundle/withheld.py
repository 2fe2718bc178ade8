"""What the archive of a study leaves out of the files that its configuration names: of those that may not be handed on, it has
the SHA-256 only. Which results it leaves out: `tables.revealing`.
"""

import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from pydantic import BaseModel

from mllm_classify.config.further import PLACE
from mllm_classify.config.marks import COLUMNS, CONTENT
from mllm_classify.config.models import RecordedModel
from mllm_classify.config.study import Config
from mllm_classify.io.files import InputError, locate, portable, read_bytes, sha256
from mllm_classify.io.records import read_json

PACKAGED = "inputs"
"""Folder of copies of what the configuration reads from installed packages."""
WITHHELD = "withheld.json"
"""The list of what is left out: `files`, their SHA-256 by name, and `results`, why each is left out."""


def place(name: str) -> str:
    """Where a file that the configuration names lies in an archive."""
    return f"{PACKAGED}/{name.removeprefix('package:')}" if name.startswith("package:") else portable(name)


class OfDataset(NamedTuple):
    """A file of recorded predictions of which there is one for each data set."""

    place: str
    """In an archive."""
    path: Path
    restricted: bool


def recorded_of_each(config: Config) -> Iterator[OfDataset]:
    """The files of recorded predictions whose names hold that of a data set."""
    for model in config.models:
        if isinstance(model, RecordedModel) and PLACE in model.file:
            for name, study in config.studies.items():
                if model.name in {it.name for it in study.models}:
                    archived = place(model.file).replace(PLACE, name)
                    yield OfDataset(archived, locate(model.file.replace(PLACE, name)), model.restricted)


def restricted_files(config: Config) -> dict[str, Path]:
    """The files that sections with `restricted: true` name, by their places in an archive."""
    named = {name: path for name, path in _restricted(config).items() if PLACE not in name}
    return named | {it.place: it.path for it in recorded_of_each(config) if it.restricted}


def _restricted(section: BaseModel) -> dict[str, Path]:
    found = {}
    for key, field in type(section).model_fields.items():
        value = getattr(section, key)
        named = any(mark is CONTENT or isinstance(mark, COLUMNS) for mark in field.metadata)
        if named and value is not None and getattr(section, "restricted", False):
            found[place(value)] = locate(value)
        for item in value.values() if isinstance(value, dict) else value if isinstance(value, list) else [value]:
            if isinstance(item, BaseModel):
                found |= _restricted(item)
    return found


class LeftOut(NamedTuple):
    """What an archive says that it leaves out."""

    files: dict[str, str]
    """SHA-256s of files by their names in the archive."""
    results: dict[str, str]
    """Why each result is left out."""


def left_out(archived: Path) -> LeftOut:
    """What an unpacked archive leaves out; nothing where it has no list. Raises InputError where that is none."""
    if not (archived / WITHHELD).is_file():
        return LeftOut({}, {})
    content = read_json(str(archived / WITHHELD))
    parts = [content.get(key) if isinstance(content, dict) else None for key in LeftOut._fields]
    if not all(isinstance(part, dict) and all(isinstance(it, str) for it in part.values()) for part in parts):
        msg = f"{WITHHELD}: must have files, the SHA-256 of each, and results, why each is left out"
        raise InputError(msg)
    return LeftOut(content["files"], content["results"])


def put_back(archived: Path, left: LeftOut, given: Iterable[Path]) -> list[str]:
    """Copy files to where an unpacked archive leaves them out. Returns the names of those that are not given.

    Raises InputError where a given file is none of them.
    """
    names = {digest: name for name, digest in left.files.items()}
    for path in given:
        found = sha256(read_bytes(str(path)))
        if found not in names:
            msg = f"{path}: has the SHA-256 {found}, which is none of {WITHHELD}: {', '.join(sorted(names)) or 'it has none'}"
            raise InputError(msg)
        target = archived / names[found]
        if not target.resolve().is_relative_to(archived.resolve()) or target.exists():
            msg = f"{WITHHELD}: {names[found]!r} is in the archive already, or outside of it"
            raise InputError(msg)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, target)
    return sorted(
        name for name in left.files if not name.startswith(f"{PACKAGED}/") and not (archived / name).is_file()
    )
