"""Boxes around the objects of an image, with their labels and attributes, as ReImageNet has them."""

import math
from typing import TYPE_CHECKING, Any, NamedTuple

import polars as pl

from mllm_classify.dataset.equivalences import Admits, admissible
from mllm_classify.io.files import InputError
from mllm_classify.io.text import shown

if TYPE_CHECKING:
    from mllm_classify.dataset.classes import Lookup

FLAGS = {
    "crowd_flag": "Crowd",
    "reflected_flag": "Reflection",
    "rendition_flag": "Rendition",
    "ocr_needed_flag": "Text",
}
"""A box's flags, and what the attribute is called."""
MIXED, NO_ATTRIBUTE = "Mix", "none"
ATTRIBUTES = [*FLAGS.values(), MIXED, NO_ATTRIBUTE]
NOT_SURE = -1
LARGEST = 5
"""Boxes of an image of which each is looked at by its size."""
BOXES: dict[str, pl.DataType] = {
    "n_boxes": pl.Int32(),  # null, as all below, where the label file has no boxes of the image
    "attribute": pl.String(),  # one of ATTRIBUTES: the one that its boxes have, Mix where they have several
    "n_dominant": pl.Int32(),  # different labels of its dominant boxes
    "dominant_admissible": pl.List(pl.Int32),  # what these admit; empty where no box is dominant
    "largest_admissible": pl.List(pl.List(pl.Int32)),  # what the labels of each of the largest boxes admit, by size
}
"""What labels know of an image's boxes."""


class Box(NamedTuple):
    """One box."""

    corners: tuple[float, ...] | None
    """Left, top, right and bottom in pixels; None where it has other than four numbers."""
    labels: frozenset[int]
    """Its classes, without `not sure`."""
    attributes: frozenset[str]
    dominant: bool


def boxes(place: str, value: Any, lookup: "Lookup") -> tuple[Box, ...]:
    """The boxes of one record. Raises InputError naming the place where a label is no class, or a box is none."""
    if not isinstance(value, list):
        msg = f"{place}: bboxes {shown(value)}: must be a list of boxes"
        raise InputError(msg)
    return tuple(_box(f"{place}: box {number}", it, lookup) for number, it in enumerate(value))


def _box(place: str, value: Any, lookup: "Lookup") -> Box:
    labels = value.get("labels") if isinstance(value, dict) else None
    corners = value.get("coordinates") if isinstance(value, dict) else None
    if not isinstance(labels, list) or not isinstance(corners, list):
        msg = f"{place}: {shown(value)}: needs coordinates and labels, two lists"
        raise InputError(msg)
    four = len(corners) == 4 and all(type(it) in (int, float) and math.isfinite(it) for it in corners)
    return Box(
        tuple(corners) if four else None,
        frozenset(lookup.one(place, it) for it in labels if it != NOT_SURE),
        frozenset(name for flag, name in FLAGS.items() if value.get(flag)),
        bool(value.get("dominant_object")),
    )


def attribute(found: tuple[Box, ...]) -> str:
    """The attribute of an image: the one flag that any of its boxes carries, Mix where there are several."""
    every = frozenset[str]().union(*(box.attributes for box in found))
    return next(iter(every)) if len(every) == 1 else MIXED if every else NO_ATTRIBUTE


def largest(found: tuple[Box, ...], size: tuple[int, int] | None) -> list[frozenset[int]]:
    """The labels of the boxes that have any, the largest first, equal ones in their order.

    Boxes are cut at the edges of the picture, where its `size` (width and height) is known, and count if anything is left.
    """
    sized = [(_area(box.corners, size), box.labels) for box in found if box.labels and box.corners is not None]
    return [labels for area, labels in sorted(sized, key=lambda it: -it[0]) if area > 0]


def _area(corners: tuple[float, ...], size: tuple[int, int] | None) -> float:
    width, height = size or (math.inf, math.inf)
    left, right = (min(max(0.0, x), width) for x in corners[::2])
    top, bottom = (min(max(0.0, y), height) for y in corners[1::2])
    return (right - left) * (bottom - top) if right > left and bottom > top else 0.0


def described(found: tuple[Box, ...] | None, size: tuple[int, int] | None, equal: Admits) -> tuple[Any, ...]:
    """The columns of BOXES of one image."""
    if found is None:
        return (None,) * len(BOXES)
    dominant = frozenset[int]().union(*(box.labels for box in found if box.dominant))
    by_size = largest(found, size)[:LARGEST]
    return (
        len(found),
        attribute(found),
        len(dominant),
        sorted(admissible(dominant, equal)),
        [sorted(admissible(labels, equal)) for labels in by_size],
    )
