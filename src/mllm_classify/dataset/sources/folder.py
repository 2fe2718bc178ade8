"""Folders of class folders."""

from typing import TYPE_CHECKING

from mllm_classify.dataset.classes import ClassList, Lookup
from mllm_classify.dataset.sources.naming import in_list, named
from mllm_classify.dataset.sources.registered import Registered
from mllm_classify.io.class_folders import listed

if TYPE_CHECKING:
    import polars as pl

    from mllm_classify.config.pictured import FolderDataset


def own_classes(dataset: "FolderDataset") -> ClassList:
    """The class folders in the order of their names. Raises InputError as `listed` and `named` do."""
    return named(dataset, "dataset.folder", list(listed(dataset.folder)))


def registered(dataset: "FolderDataset", classes: "pl.DataFrame") -> list[Registered]:
    """The pictures, by class folder and name; an image's id is its path in the folder.

    Raises InputError as `listed` does, or where a class folder is no class.
    """
    folders = listed(dataset.folder)
    if dataset.classes is None:
        numbers = {name: number for number, name in enumerate(folders)}
    else:
        numbers = dict(zip(folders, in_list(dataset, Lookup(classes), "dataset.folder", list(folders)), strict=True))
    return [
        Registered(f"dataset.folder: {file!r}", file, file, "", numbers[name])
        for name, files in folders.items()
        for file in files
    ]
