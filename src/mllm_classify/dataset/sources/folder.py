"""Folders of class folders."""

from typing import TYPE_CHECKING

from mllm_classify.dataset.classes import ClassList, Lookup
from mllm_classify.dataset.sources.naming import in_list, named
from mllm_classify.dataset.sources.registered import Registered
from mllm_classify.io.class_folders import listed
from mllm_classify.io.files import InputError, read_csv, read_text
from mllm_classify.io.records import read_json
from mllm_classify.io.text import shown, spelling

if TYPE_CHECKING:
    import polars as pl

    from mllm_classify.config.pictured import FolderDataset


def own_classes(dataset: "FolderDataset") -> ClassList:
    """The class folders in the order of their names. Raises InputError as `listed` and `named` do."""
    folders = list(listed(dataset.folder))
    return named(dataset.names or "dataset.folder", folders, _names(dataset, folders))


def registered(dataset: "FolderDataset", classes: "pl.DataFrame") -> list[Registered]:
    """The pictures, by class folder and name; an image's id is its path in the folder.

    Raises InputError as `listed` does, or where a class folder is no class.
    """
    folders = listed(dataset.folder)
    if dataset.classes is None:
        numbers = {name: number for number, name in enumerate(folders)}
    else:
        found = in_list(Lookup(classes), "dataset.folder", folders, _names(dataset, folders))
        numbers = dict(zip(folders, found, strict=True))
    return [
        Registered(f"dataset.folder: {file!r}", file, file, "", numbers[name])
        for name, files in folders.items()
        for file in files
    ]


def _names(dataset: "FolderDataset", folders: dict[str, list[str]] | list[str]) -> dict[str, str] | None:
    """The names of the class folders, if a file says them. Raises InputError where it lacks one."""
    if dataset.names is None:
        return None
    names = read_mapping(dataset.names)
    if missing := [name for name in folders if name not in names]:
        msg = (
            f"{dataset.names}: no name for {len(missing)} of {len(folders)} class folders, {shown(missing[0])} among them"
            f"{spelling(missing, names)}"
        )
        raise InputError(msg)
    return names


def read_mapping(file: str) -> dict[str, str]:
    """Names by folder: CSV with the columns folder and name, a JSON object, or text with a folder and its name a line.

    Raises InputError where the file is none of them, or names a folder twice.
    """
    if file.lower().endswith(".json"):
        content = read_json(file)
        if not isinstance(content, dict) or not all(isinstance(name, str) for name in content.values()):
            msg = f"{file}: must be a JSON object from folders to names"
            raise InputError(msg)
        return content
    if file.lower().endswith(".csv"):
        pairs = [(place, row["folder"], row["name"]) for place, row in read_csv(file, "folder", "name")]
    else:
        lines = [
            (f"{file}:{number}", line.split(None, 1)) for number, line in enumerate(read_text(file).split("\n"), 1)
        ]
        if short := [place for place, parts in lines if len(parts) == 1]:
            msg = f"{short[0]}: a folder and its name are needed, with a blank between them"
            raise InputError(msg)
        pairs = [(place, parts[0], parts[1]) for place, parts in lines if parts]
    names: dict[str, str] = {}
    for place, folder, name in pairs:
        if folder in names:
            msg = f"{place}: folder {shown(folder)} stands twice"
            raise InputError(msg)
        names[folder] = name.strip()
    return names
