"""ReaL, the reassessed labels of ImageNet's validation images (Beyer et al., 2020)."""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from mllm_classify.dataset.readings import Reading, Readings, listed
from mllm_classify.dataset.validation_images import validation_number
from mllm_classify.io.files import InputError
from mllm_classify.io.records import read_json

if TYPE_CHECKING:
    from mllm_classify.config.dataset import AnyDataset
    from mllm_classify.config.every_dataset import SecondLabelSet
    from mllm_classify.dataset.classes import Lookup


def read(_dataset: "AnyDataset", labels: "SecondLabelSet", lookup: "Lookup", image_ids: Iterable[str]) -> Readings:
    """A JSON list: the list of validation image number i is entry i - 1, and an empty one says that no class applies.

    A single class instead of a list is that one class. Raises InputError where an image has no number, or no list.
    """
    file = labels.file
    lists = _lists(file)
    readings: Readings = {}
    for image_id in image_ids:
        number = validation_number(image_id)
        if number is None:
            msg = f"{file}: ReaL labels images by the number in their name (ILSVRC2012_val_00000001); {image_id!r} has none"
            raise InputError(msg)
        if not 1 <= number <= len(lists):
            msg = f"{file}: {len(lists)} lists, none for {image_id!r}"
            raise InputError(msg)
        value, place = lists[number - 1], f"{file}: list {number - 1} ({image_id})"
        readings[image_id] = Reading(place, frozenset(lookup.one(place, part) for part in listed(place, value)))
    return readings


def _lists(file: str) -> list[Any]:
    content = read_json(file)
    if not isinstance(content, list):
        msg = f"{file}: must be a JSON list of lists of class ids"
        raise InputError(msg)
    return content
