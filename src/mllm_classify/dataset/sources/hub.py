"""Data sets of the Hugging Face hub, from the caches on this machine."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mllm_classify.dataset.classes import ClassList, Lookup
from mllm_classify.dataset.sources.naming import in_list, named, read_mapping, whole_number
from mllm_classify.dataset.sources.registered import Registered
from mllm_classify.io import columns, places
from mllm_classify.io.files import InputError
from mllm_classify.io.text import short

if TYPE_CHECKING:
    import polars as pl

    from mllm_classify.config.pictured import HubDataset

HIDDEN = -1
"""What stands for a label that nobody may see."""


def own_classes(dataset: "HubDataset") -> ClassList:
    """The classes in the order of the labels' feature; texts without one are sorted. Raises InputError as `own_keys` does."""
    return named(dataset, f"{dataset.repository}, {dataset.split}", own_keys(dataset))


def own_keys(dataset: "HubDataset") -> list[str]:
    """What the data set calls its classes. Raises InputError where labels are numbers without names."""
    folder, files = _found(dataset)
    column = labels_column(dataset, folder / files[0])
    names = feature_names(folder / files[0], column)
    if names is not None:
        return names
    values = {value for file in files for value in columns.values(folder / file, column) if value is not None}
    if any(isinstance(value, int) for value in values):
        msg = (
            f"dataset.classes: missing; nothing says what the numbers in the column {column!r} of {files[0]} are called"
        )
        raise InputError(msg)
    return sorted(values)


def registered(dataset: "HubDataset", classes: "pl.DataFrame") -> list[Registered]:
    """The rows of all files of the split, in their order.

    Raises InputError naming file and row where a label is no class, and naming the file where it lacks a column.
    """
    folder, files = _found(dataset)
    picture, labels = picture_column(dataset, folder / files[0]), labels_column(dataset, folder / files[0])
    class_of = _reader(dataset, classes, f"{files[0]}: column {labels!r}", feature_names(folder / files[0], labels))
    images: list[Registered] = []
    for file in files:
        _require(folder / file, picture, "dataset.image")
        values = columns.values(folder / file, labels)
        ids = [f"{dataset.split}/{len(images) + row}" for row in range(len(values))]
        if dataset.id is not None:
            ids = ["" if it is None else str(it) for it in columns.values(folder / file, dataset.id)]
        for row, (image_id, value) in enumerate(zip(ids, values, strict=True)):
            place = f"{file}: row {row}"
            number = None if value is None or value == HIDDEN else class_of(place, value)
            images.append(Registered(place, image_id, places.row(file, row, picture), "", number))
    return images


def _reader(
    dataset: "HubDataset", classes: "pl.DataFrame", where: str, names: list[str] | None
) -> Callable[[str, Any], int]:
    """What makes a class of a value: numbers count the feature's names, where it has such."""
    lookup = Lookup(classes)
    if names is None:
        words = None if dataset.names is None else read_mapping(dataset.names)
        return lambda place, value: lookup.one(place, value if words is None else words.get(value, value))
    numbers = list(range(classes.height)) if dataset.classes is None else in_list(dataset, lookup, where, names)
    return lambda place, value: numbers[whole_number(place, value, len(numbers))]


def picture_column(dataset: "HubDataset", file: Path) -> str:
    """The column of pictures."""
    return dataset.image or _only(file, "Image", ("image", "img"), "dataset.image")


def labels_column(dataset: "HubDataset", file: Path) -> str:
    """The column of classes."""
    column = dataset.labels or _only(file, "ClassLabel", ("label",), "dataset.labels")
    _require(file, column, "dataset.labels")
    return column


def feature_names(file: Path, column: str) -> list[str] | None:
    """The names of the classes that a column numbers, if the file says them."""
    feature = columns.features(file).get(column)
    names = feature.get("names") if isinstance(feature, dict) else None
    return names if isinstance(names, list) and names and all(isinstance(it, str) for it in names) else None


def _only(file: Path, kind: str, usual: tuple[str, ...], key: str) -> str:
    """The only column of a kind of feature; where the file says none, one of the usual names."""
    features = columns.features(file)
    found = [name for name, it in features.items() if isinstance(it, dict) and it.get("_type") == kind]
    found = found or [name for name in columns.names(file) if name in usual]
    if len(found) != 1:
        known = short(", ".join(columns.names(file)), 300)
        msg = f"{key}: missing; {file.name} has {len(found)} columns that look like it, of {known}"
        raise InputError(msg)
    return found[0]


def _require(file: Path, column: str, key: str) -> None:
    if column not in (known := columns.names(file)):
        msg = f"{key}: {file} has no column {column!r}; it has {short(', '.join(known), 300)}"
        raise InputError(msg)


def _found(dataset: "HubDataset") -> tuple[Path, list[str]]:
    folder, files = dataset.files()
    return Path(folder), files
