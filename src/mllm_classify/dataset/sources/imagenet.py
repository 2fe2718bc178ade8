"""ImageNet-1k's validation images."""

import os
from typing import TYPE_CHECKING

from mllm_classify.dataset.classes import Lookup
from mllm_classify.dataset.label_files import original_labels
from mllm_classify.dataset.sources.registered import Registered
from mllm_classify.dataset.validation_images import validation_ids, validation_number
from mllm_classify.io.files import InputError, read_text

if TYPE_CHECKING:
    import polars as pl

    from mllm_classify.config.dataset import CropsDataset, ImagenetDataset


def registered(dataset: "ImagenetDataset", classes: "pl.DataFrame") -> list[Registered]:
    """The validation images, or those of a subset of the classes by ImGT, in the order of their numbers.

    Raises InputError where the folder lacks one of them, or has one twice.
    """
    ids = validation_ids()
    if dataset.classes is not None:
        ids = _of_classes(dataset, dataset.classes, ids, Lookup(classes))
    if dataset.folder is None:
        return [Registered("", image_id, None, "") for image_id in ids]
    there = files(dataset, dataset.folder)
    missing = [image_id for image_id in ids if image_id not in there]
    if missing:
        msg = (
            f"dataset.folder: {dataset.folder!r} and its folders lack {len(missing)} of {len(ids)} images, "
            f"{missing[0]}.JPEG among them"
        )
        raise InputError(msg)
    return [Registered(there[image_id], image_id, there[image_id], "") for image_id in ids]


def _of_classes(dataset: "ImagenetDataset", file: str, ids: list[str], lookup: Lookup) -> list[str]:
    """The images whose ImGT is among the classes of a file, one a line."""
    chosen = frozenset(
        lookup.one(f"{file}:{number}", line)
        for number, line in enumerate(read_text(file).splitlines(), 1)
        if line.strip() and not line.startswith("#")
    )
    labels = original_labels(dataset, lookup)
    return [it for it in ids if it in labels and (labels[it].classes or frozenset()) <= chosen]


def files(dataset: "ImagenetDataset | CropsDataset", folder: str) -> dict[str, str]:
    """Validation images in a folder and in the folders in it, by their id."""
    found: dict[str, str] = {}
    try:
        for entry in sorted(os.scandir(folder), key=lambda it: it.name):
            inside = sorted(it.name for it in os.scandir(entry.path)) if entry.is_dir() else None
            for name in [entry.name] if inside is None else [f"{entry.name}/{it}" for it in inside]:
                image_id = dataset.image_id(name)
                if validation_number(image_id) is None:
                    continue
                if image_id in found:
                    msg = f"dataset.folder: {folder!r} has {image_id!r} twice: {found[image_id]} and {name}"
                    raise InputError(msg)
                found[image_id] = name
    except OSError as error:
        msg = f"dataset.folder: {folder!r} cannot be read ({error.strerror})"
        raise InputError(msg) from None
    return found
