"""The expert labels of the weasel family (Kisel et al., 2025)."""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from mllm_classify.dataset.readings import Reading, Readings, Records, add, labelled, listed
from mllm_classify.io.files import InputError
from mllm_classify.io.records import read_records
from mllm_classify.io.text import shown

if TYPE_CHECKING:
    from mllm_classify.config.dataset import AnyDataset
    from mllm_classify.config.every_dataset import SecondLabelSet
    from mllm_classify.dataset.classes import Lookup


def read(dataset: "AnyDataset", labels: "SecondLabelSet", lookup: "Lookup", _image_ids: Iterable[str]) -> Readings:
    """The expert labels as a second label set."""
    return read_file(dataset, labels.file, lookup)


def read_file(dataset: "AnyDataset", file: str, lookup: "Lookup") -> Readings:
    """A JSON object from file names to labels.

    `label_type` decides what a null label means: custom, no class applies; uncertain, the expert could not decide.
    """
    records: Records = {}
    for place, record in read_records(file):
        entry = record.get("value")
        if not isinstance(entry, dict) or not {"old_label", "new_label", "label_type"} <= entry.keys():
            msg = f"{place}: must have old_label, new_label and label_type"
            raise InputError(msg)
        classes = _classes(place, entry, lookup)
        original = entry["old_label"]
        add(
            records,
            dataset.image_id(record["image_id"]),
            Reading(place, classes, None if original is None else frozenset({lookup.one(place, original)})),
        )
    return labelled(records)


def _classes(place: str, entry: dict[str, Any], lookup: "Lookup") -> frozenset[int] | None:
    label, label_type = entry["new_label"], entry["label_type"]
    if label is not None:
        return frozenset(lookup.one(place, part) for part in listed(place, label))
    if label_type == "custom":
        return frozenset()
    if label_type == "uncertain":
        return None
    msg = (
        f"{place}: new_label is null and label_type {shown(label_type)}; only custom and uncertain say what that means"
    )
    raise InputError(msg)
