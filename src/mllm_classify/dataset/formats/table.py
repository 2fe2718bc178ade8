"""The project's own format: records of an image and its class, or classes."""

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from mllm_classify.dataset.readings import Reading, Readings, Records, add, labelled
from mllm_classify.io.files import InputError
from mllm_classify.io.records import image_id, read_records
from mllm_classify.io.text import short

if TYPE_CHECKING:
    from mllm_classify.config.dataset import AnyDataset
    from mllm_classify.config.every_dataset import SecondLabelSet
    from mllm_classify.dataset.classes import Lookup


def read(dataset: "AnyDataset", labels: "SecondLabelSet", lookup: "Lookup", _image_ids: Iterable[str]) -> Readings:
    """Records of `image_id` and `classes`: a class, several in a list or with | between, or the sign for none (N).

    Raises InputError where that sign is a class's name or number, too.
    """
    if lookup.knows(labels.none):
        msg = (
            f"{labels.file}: {labels.none!r} is a class, and also the word for no class at all; set dataset.regt.none to a word "
            "that is neither the name nor the number of a class"
        )
        raise InputError(msg)
    return _readings(dataset, labels.file, "classes", lambda place, value: _several(lookup, labels.none, place, value))


def read_single(dataset: "AnyDataset", file: str, lookup: "Lookup") -> Readings:
    """Records of `image_id` and `class`, or a JSON object from image ids to classes."""
    return _readings(dataset, file, "class", lambda place, value: frozenset({lookup.one(place, value)}))


def labelled_images(file: str) -> list[str]:
    """The image ids of a label file, in its order."""
    return [image_id(place, record) for place, record in read_records(file, "image_id")]


def _readings(dataset: "AnyDataset", file: str, column: str, classes: Callable[[str, Any], frozenset[int]]) -> Readings:
    """Records with image_id and `column`. A label that is null, or empty text, is missing."""
    records: Records = {}
    for place, record in read_records(file, "image_id"):
        if not record.keys() & {column, "value"}:
            msg = f"{place}: no column {column!r}; it has {short(', '.join(map(repr, record)), 300)}"
            raise InputError(msg)
        value = record.get(column, record.get("value"))
        missing = value is None or value == ""
        add(
            records,
            dataset.image_id(image_id(place, record)),
            place if missing else Reading(place, classes(place, value)),
        )
    return labelled(records)


def _several(lookup: "Lookup", none: str, place: str, value: Any) -> frozenset[int]:
    """The classes of a label. An empty list does not say that none applies."""
    if value in (none, [none]):
        return frozenset()
    parts = value.split("|") if isinstance(value, str) else value if isinstance(value, list) else [value]
    if not parts:
        msg = f"{place}: no classes; write {none} where no class applies"
        raise InputError(msg)
    return frozenset(lookup.one(place, part) for part in parts)
