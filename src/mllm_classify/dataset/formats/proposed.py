"""Corrections of ImageNet's labels as ReImageNet's authors keep those of earlier work: an image, and the labels proposed for it."""

from collections.abc import Iterable
from typing import TYPE_CHECKING

from mllm_classify.dataset.readings import Reading, Readings, Records, add, labelled
from mllm_classify.io.records import image_id, read_records

if TYPE_CHECKING:
    from mllm_classify.config.dataset import AnyDataset
    from mllm_classify.config.every_dataset import SecondLabelSet
    from mllm_classify.dataset.classes import Lookup


def read(dataset: "AnyDataset", labels: "SecondLabelSet", lookup: "Lookup", _image_ids: Iterable[str]) -> Readings:
    """Records of `id` and `proposed_labels`, classes with commas between; empty text says that no class applies."""
    records: Records = {}
    for place, record in read_records(labels.file, "id", "proposed_labels"):
        parts = str(record["proposed_labels"] if record["proposed_labels"] is not None else "").split(",")
        # a table of numbers with gaps is written with fractions
        ids = [part.strip().removesuffix(".0") for part in parts]
        classes = frozenset(lookup.one(place, part) for part in ids if part)
        add(records, dataset.image_id(image_id(place, record, "id")), Reading(place, classes))
    return labelled(records)
