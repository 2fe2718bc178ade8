"""Data sets of the Hugging Face hub on this machine: Parquet files in the hub's cache, Arrow files in that of `datasets`.

Nothing is downloaded. Which files are a split's is told by the data set's card, else by their names.
"""

import os
import re
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

import yaml

from mllm_classify.io.files import InputError
from mllm_classify.io.text import short

ENDINGS = {".parquet", ".arrow"}
CARD_BYTES = 2**24
OF = re.compile(r"-(\d{5})-of-(\d{5})\b")
"""The number of a file, and how many there are of the split."""


class Wanted(NamedTuple):
    """A split of a data set, and where it is looked for."""

    repository: str
    revision: str
    config: str | None
    split: str
    folder: str | None  # a folder of its files, in place of the caches


class Split(NamedTuple):
    """The folder in which a split's files lie, and their names in it, in their order."""

    folder: str
    files: list[str]


def split(wanted: Wanted) -> Split:
    """The files of a split. Raises InputError where they are not on this machine, not all there, or of several configurations."""
    home = Path(os.environ.get("HF_HOME") or Path.home() / ".cache/huggingface")
    hub, prepared = os.environ.get("HF_HUB_CACHE"), os.environ.get("HF_DATASETS_CACHE")
    folders = [Path(wanted.folder or "")]
    if wanted.folder is None:
        folders = _caches(wanted, Path(hub or home / "hub"), Path(prepared or home / "datasets"))
    for folder in folders:
        if files := _files(folder, wanted):
            return Split(str(folder), files)
    if wanted.folder is not None:
        msg = f"dataset.folder: {short(wanted.folder, 300)!r} has no .parquet or .arrow file of the split {wanted.split!r}"
    else:
        msg = (
            f"dataset.repository: {wanted.repository!r}: revision {wanted.revision!r} with the split {wanted.split!r} is not in the "
            "cache of this machine (HF_HOME says where that is), and nothing is downloaded here; "
            f"`hf download --repo-type dataset --revision {wanted.revision} {wanted.repository}` fetches it"
        )
    raise InputError(msg)


def _caches(wanted: Wanted, hub: Path, prepared: Path) -> list[Path]:
    """Folders of both caches in which the data set lies."""
    hub /= f"datasets--{wanted.repository.replace('/', '--')}"
    commit = wanted.revision
    reference = hub / "refs" / wanted.revision
    if reference.is_file() and reference.stat().st_size < 100:
        commit = reference.read_text("ascii", "replace").strip()
    folders = [hub / "snapshots" / commit] if re.fullmatch(r"\w[\w.-]*", commit) else []
    prepared /= wanted.repository.replace("/", "___")
    built = sorted(prepared.glob(f"{wanted.config or '*'}/*/*/dataset_info.json"))
    commits = [it.parent for it in built if wanted.revision in ("main", it.parent.name) or commit == it.parent.name]
    if len(commits) > 1 and not (folders and folders[0].is_dir()):
        names = ", ".join(it.relative_to(prepared).as_posix() for it in commits)
        msg = f"dataset.repository: {wanted.repository!r} is in the cache several times ({short(names, 300)}); name revision and config"
        raise InputError(msg)
    return [it for it in [*folders, *commits] if it.is_dir()]


def _files(folder: Path, wanted: Wanted) -> list[str]:
    """The split's files in a folder, if it has such."""
    try:
        there = sorted(
            it.relative_to(folder).as_posix() for it in folder.rglob("*") if it.suffix in ENDINGS and it.is_file()
        )
    except OSError as error:
        msg = f"{folder}: cannot be read ({error.strerror})"
        raise InputError(msg) from None
    patterns = list(_carded(folder, wanted))
    if patterns:
        files = [name for name in there if any(PurePosixPath(name).match(it) for it in patterns)]
    else:
        named = re.compile(rf"(?:^|[/_.-]){re.escape(wanted.split)}(?:[/_.-]|$)")
        files = [name for name in there if named.search(name) and wanted.config in (None, *name.split("/")[:-1])]
        if not files and wanted.config is not None:  # the only one has no folder of its own
            files = [name for name in there if named.search(name) and name.count("/") <= 1]
    _complete(folder, files, wanted)
    return files


def _complete(folder: Path, files: list[str], wanted: Wanted) -> None:
    """Raises InputError where files are of several configurations or kinds, or some of their numbers are missing."""
    groups = {(OF.sub("", name) if OF.search(name) else str(PurePosixPath(name).parent)) for name in files}
    if len(groups) > 1:
        msg = (
            f"dataset.config: {folder} has several groups of files of the split {wanted.split!r} ({short(', '.join(sorted(groups)), 300)}); "
            "name the configuration, or set dataset.folder to the one that is meant"
        )
        raise InputError(msg)
    numbered = [found for name in files if (found := OF.search(name))]
    if numbered and {int(it[1]) for it in numbered} != set(range(int(numbered[0][2]))):
        msg = f"{folder}: {len(numbered)} of the {int(numbered[0][2])} files of the split {wanted.split!r} are there ({numbered[0].string} is)"
        raise InputError(msg)


def _carded(folder: Path, wanted: Wanted) -> Iterator[str]:
    """The names, with * and ?, that the data set's card gives the split's files, if it does."""
    card = folder / "README.md"
    try:
        if not card.is_file() or card.stat().st_size > CARD_BYTES:
            return
        _, front, _ = card.read_text("utf-8", "replace").split("---\n", 2)
        configs = yaml.safe_load(front)["configs"]
        known = {it["config_name"]: it for it in configs}
        default = next(
            (it for it in configs if it.get("default")), known.get("default", configs[0] if len(configs) == 1 else None)
        )
        config = known.get(wanted.config) if wanted.config is not None else default
        listed: Any = config["data_files"] if config is not None else []
        for it in [listed] if isinstance(listed, str | dict) else listed:
            of = it["split"] if isinstance(it, dict) else "train"
            paths = it["path"] if isinstance(it, dict) else it
            if of == wanted.split:
                yield from [paths] if isinstance(paths, str) else [path for path in paths if isinstance(path, str)]
    except (OSError, ValueError, TypeError, LookupError, AttributeError, RecursionError, yaml.YAMLError):
        return  # cards are people's texts; names of files say as much
