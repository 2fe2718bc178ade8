"""Label files of tests, and how they are read."""

import json

import polars as pl
import pytest

from mllm_classify.config.dataset import ImagenetDataset
from mllm_classify.config.every_dataset import SecondLabelSet
from mllm_classify.dataset.classes import Lookup, classes
from mllm_classify.dataset.label_files import second_labels
from mllm_classify.dataset.labels import LABELS
from mllm_classify.io.files import InputError

IMAGENET = ImagenetDataset(source="imagenet", name="i", label="I")
CLASSES = classes(IMAGENET)
LOOKUP = Lookup(CLASSES)


def val(number):
    """The id of a validation image."""
    return f"ILSVRC2012_val_{number:08d}"


def read(format_, file, ids=()):
    """A second label set of ImageNet."""
    labels = SecondLabelSet(label="R", file=file, format=format_, uncertain="exclude")
    return second_labels(IMAGENET, labels, LOOKUP, ids)


def summary(found):
    """Classes and repeated ImGT of each image."""
    return {image_id: (reading.classes, reading.original) for image_id, reading in found.items()}


def refusal(call, *arguments, **options):
    """What an error says."""
    with pytest.raises(InputError) as caught:
        call(*arguments, **options)
    return str(caught.value)


def frame(**columns):
    """Labels with these columns, the others null; numbers of labels are those of the labels as they are."""
    height = len(columns["image_id"])
    columns.setdefault("n_labels", [None if it is None else len(it) for it in columns.get("regt", [None] * height)])
    columns.setdefault("overlapping", [False] * height)
    return pl.DataFrame({name: columns.get(name, [None] * height) for name in LABELS}, schema=LABELS)


def write_json(folder, content, file="r.json"):
    (folder / file).write_text(json.dumps(content))
    return file


def write_lines(folder, *records):
    (folder / "r.jsonl").write_text("".join(json.dumps(record) + "\n" for record in records))
    return "r.jsonl"
