"""What label files say of each image, format by format (docs/labels.md)."""

import re
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, NamedTuple

from mllm_classify.dataset.classes import Lookup
from mllm_classify.io.files import InputError
from mllm_classify.io.records import image_id, read_json, read_records

if TYPE_CHECKING:
    from mllm_classify.config.dataset import AnyDataset, SecondLabelSet

NONE = "N"
"""Stands in the project's own label files for: no class applies. A missing label never means that."""
NOT_SURE = -1
"""Stands in ReImageNet for: the annotators were not sure."""
VALIDATION_IMAGE = re.compile(r"ILSVRC2012_val_(\d{8})")


class Reading(NamedTuple):
    """What a file says of one image."""

    place: str
    classes: frozenset[int] | None  # empty where no class applies; None where the annotators could not decide
    original: frozenset[int] | None = frozenset()  # the ImGT that it repeats, if any; None where it has none


Readings = dict[str, Reading]
"""By image id. An image without a label is not in it."""


def original_labels(dataset: "AnyDataset", lookup: Lookup) -> Readings:
    """ImGT: records of `image_id` and `class`, or a JSON object from image ids to classes.

    Raises InputError where an image is labelled twice, or with something that is no class.
    """

    def read(place: str, value: Any) -> frozenset[int]:
        return frozenset({lookup.one(place, value)})

    return _table(dataset, dataset.imgt.file, "class", read)


def second_labels(
    dataset: "AnyDataset", labels: "SecondLabelSet", lookup: Lookup, image_ids: Iterable[str]
) -> Readings:
    """The second label set, in its format. Raises InputError as `original_labels` does."""
    match labels.format:
        case "table":
            return _table(dataset, labels.file, "classes", lambda place, value: _all_classes(lookup, place, value))
        case "real":
            return _real(labels.file, lookup, image_ids)
        case "reimagenet":
            return _reimagenet(dataset, labels.file, lookup)
        case "mustelidae":
            return mustelidae(dataset, labels.file, lookup)


def labelled_images(file: str) -> list[str]:
    """The image ids of a label file, in its order."""
    return [image_id(place, record) for place, record in read_records(file, "image_id")]


def _table(dataset: "AnyDataset", file: str, column: str, read: Callable[[str, Any], frozenset[int]]) -> Readings:
    """Records with image_id and `column`. A label that is null, or empty text, is missing."""
    found: dict[str, Reading | str] = {}
    for place, record in read_records(file, "image_id"):
        if not record.keys() & {column, "value"}:
            msg = f"{place}: no column {column!r}; it has {', '.join(map(repr, record))}"
            raise InputError(msg)
        value = record.get(column, record.get("value"))
        labelled = value is not None and value != ""
        _add(
            found, dataset.image_id(image_id(place, record)), Reading(place, read(place, value)) if labelled else place
        )
    return _labelled(found)


def _all_classes(lookup: Lookup, place: str, value: Any) -> frozenset[int]:
    """A class, several in a list or with | between, or N for none. An empty list does not say that none applies."""
    if value in (NONE, [NONE]):
        return frozenset()
    parts = value.split("|") if isinstance(value, str) else value if isinstance(value, list) else [value]
    if not parts:
        msg = f"{place}: no classes; write {NONE} where no class applies"
        raise InputError(msg)
    return frozenset(lookup.one(place, part) for part in parts)


def _real(file: str, lookup: Lookup, image_ids: Iterable[str]) -> Readings:
    """ReaL (Beyer et al., 2020): the list of file number i is entry i - 1, and an empty one says that no class applies.

    A single class instead of a list is that one class.
    """
    lists = _loaded_list(file)
    found: Readings = {}
    for name in image_ids:
        matched = VALIDATION_IMAGE.fullmatch(name)
        if matched is None:
            msg = f"{file}: ReaL labels images by their number in ILSVRC2012_val_00000001, which {name!r} has not"
            raise InputError(msg)
        number = int(matched[1])
        if not 1 <= number <= len(lists):
            msg = f"{file}: {len(lists)} lists, none for {name!r}"
            raise InputError(msg)
        value, place = lists[number - 1], f"{file}: list {number - 1} ({name})"
        found[name] = Reading(place, frozenset(lookup.one(place, part) for part in _listed(place, value)))
    return found


def _reimagenet(dataset: "AnyDataset", file: str, lookup: Lookup) -> Readings:
    """ReImageNet's JSON-lines: image_name, original_class, reannotated_labels.

    -1 says that the annotators were not sure: alone it makes the image uncertain, beside classes it is dropped. An empty
    list says that no class applies; null is a missing label. Without an original_class the image is uncertain too.
    """
    found: dict[str, Reading | str] = {}
    for place, record in read_records(file, "image_name", "original_class", "reannotated_labels"):
        name = dataset.image_id(image_id(place, record, "image_name"))
        labels = record["reannotated_labels"]
        if labels is None:
            _add(found, name, place)
            continue
        listed = _listed(place, labels)
        sure = frozenset(lookup.one(place, part) for part in listed if part != NOT_SURE)
        originals = record["original_class"]
        listed_originals = [] if originals is None else _listed(place, originals)
        original = frozenset(lookup.one(place, it) for it in listed_originals) if listed_originals else None
        uncertain = original is None or (NOT_SURE in listed and not sure)
        _add(found, name, Reading(place, None if uncertain else sure, original))
    return _labelled(found)


def mustelidae(dataset: "AnyDataset", file: str, lookup: Lookup) -> Readings:
    """The expert labels of the weasel family (Kisel et al., 2025): a JSON object from file names to labels.

    `label_type` decides what a null label means: custom, no class applies; uncertain, the expert could not decide.
    """
    found: dict[str, Reading | str] = {}
    for place, record in read_records(file):
        entry = record.get("value")
        if not isinstance(entry, dict) or not {"old_label", "new_label", "label_type"} <= entry.keys():
            msg = f"{place}: must have old_label, new_label and label_type"
            raise InputError(msg)
        label, kind = entry["new_label"], entry["label_type"]
        classes: frozenset[int] | None
        if label is not None:
            classes = frozenset(lookup.one(place, part) for part in _listed(place, label))
        elif kind == "custom":
            classes = frozenset()
        elif kind == "uncertain":
            classes = None
        else:
            msg = f"{place}: new_label is null and label_type {kind!r}; only custom and uncertain say what that means"
            raise InputError(msg)
        original = entry["old_label"]
        _add(
            found,
            dataset.image_id(record["image_id"]),
            Reading(place, classes, None if original is None else frozenset({lookup.one(place, original)})),
        )
    return _labelled(found)


def _loaded_list(file: str) -> list[Any]:
    content = read_json(file)
    if not isinstance(content, list):
        msg = f"{file}: must be a JSON list of lists of class ids"
        raise InputError(msg)
    return content


def _listed(place: str, value: Any) -> list[Any]:
    if isinstance(value, list):
        return value
    if isinstance(value, int):
        return [value]
    msg = f"{place}: {value!r} is neither a class id nor a list of them"
    raise InputError(msg)


def _add(found: dict[str, Reading | str], name: str, reading: Reading | str) -> None:
    """Note a reading, or the place of a record without a label."""
    if name in found:
        msg = f"{_place(reading)}: image {name!r} is labelled at {_place(found[name])} already"
        raise InputError(msg)
    found[name] = reading


def _place(reading: Reading | str) -> str:
    return reading if isinstance(reading, str) else reading.place


def _labelled(found: dict[str, Reading | str]) -> Readings:
    return {name: reading for name, reading in found.items() if isinstance(reading, Reading)}
