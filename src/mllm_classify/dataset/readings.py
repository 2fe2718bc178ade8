"""What a label file says of each image, whatever its format."""

from typing import TYPE_CHECKING, Any, NamedTuple

from mllm_classify.io.files import InputError
from mllm_classify.io.text import shown

if TYPE_CHECKING:
    from mllm_classify.dataset.boxes import Box


class Reading(NamedTuple):
    """What a file says of one image."""

    place: str
    classes: frozenset[int] | None  # empty where no class applies; None where the annotators could not decide
    original: frozenset[int] | None = frozenset()  # the ImGT that it repeats, if any; None where it has none
    boxes: "tuple[Box, ...] | None" = None  # None where the file has none


Readings = dict[str, Reading]
"""By image id. An image without a label is not in it."""
Records = dict[str, Reading | str]
"""By image id: what its record says, or the place of a record without a label."""


def add(records: Records, image_id: str, reading: Reading | str) -> None:
    """Note what a record says of an image. Raises InputError where another one is of that image too."""
    if image_id in records:
        msg = f"{_place(reading)}: image {shown(image_id)} is labelled at {_place(records[image_id])} already"
        raise InputError(msg)
    records[image_id] = reading


def labelled(records: Records) -> Readings:
    """Records that have a label."""
    return {image_id: reading for image_id, reading in records.items() if isinstance(reading, Reading)}


def listed(place: str, value: Any) -> list[Any]:
    """A list as it is, and a single number as a list of it. Raises InputError where a value is neither."""
    if isinstance(value, list):
        return value
    if isinstance(value, int):
        return [value]
    msg = f"{place}: {shown(value)} is neither a class id nor a list of them"
    raise InputError(msg)


def _place(reading: Reading | str) -> str:
    return reading if isinstance(reading, str) else reading.place
