"""Crops of ImageNet's validation images along boxes that annotators drew. They are cut when a picture is read, and not stored."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from mllm_classify.dataset.boxes import Box, boxes
from mllm_classify.dataset.classes import Lookup
from mllm_classify.dataset.sources.imagenet import files
from mllm_classify.dataset.sources.registered import Registered
from mllm_classify.io import pictures, places
from mllm_classify.io.borders import border
from mllm_classify.io.files import InputError
from mllm_classify.io.records import image_id, read_records
from mllm_classify.io.text import short

if TYPE_CHECKING:
    import polars as pl

    from mllm_classify.config.dataset import CropsDataset

Rectangle = tuple[int, int, int, int]
"""Left, top, right and bottom in pixels; right and bottom lie outside."""


def registered(dataset: "CropsDataset", classes: "pl.DataFrame") -> list[Registered]:
    """A crop for each box of each image and each of its classes, in the order of the file of boxes; the class is its label.

    An image's id is followed by `_crop_`, the class, and a number. Boxes are cut at the edges of the picture; those without a class,
    or without a pixel in it, have no crop. Raises InputError where the folder lacks an image that has boxes.
    """
    lookup = Lookup(classes)
    known = files(dataset, dataset.folder)
    found: list[Registered] = []
    with border(dataset.boxes):
        for place, record in read_records(dataset.boxes, "image_name", "bboxes"):
            drawn = boxes(place, record["bboxes"] or [], lookup)
            name = dataset.image_id(image_id(place, record, "image_name"))
            if not any(box.labels for box in drawn):
                continue
            if name not in known:
                msg = f"{place}: dataset.folder: {dataset.folder!r} and its folders lack {short(name, 80)}.JPEG"
                raise InputError(msg)
            size = pictures.size(Path(dataset.folder) / known[name])
            for number, (label, part) in enumerate(crops(drawn, size, enlarged=dataset.extent == "enlarged")):
                found.append(
                    Registered(place, f"{name}_crop_{label}_{number}", places.part(known[name], part), "", label)
                )
    return found


def crops(drawn: tuple[Box, ...], size: tuple[int, int], *, enlarged: bool) -> Iterator[tuple[int, Rectangle]]:
    """The class and rectangle of each crop of an image: of every box, in its order, and every class, in the order of ids."""
    rectangles = [rectangle(box, size) for box in drawn]
    for place, (box, own) in enumerate(zip(drawn, rectangles, strict=True)):
        if own is None:
            continue
        others = [it for number, it in enumerate(rectangles) if it is not None and number != place]
        part = enlarge(own, others, size) if enlarged else own
        yield from ((label, part) for label in sorted(box.labels))


def rectangle(box: Box, size: tuple[int, int]) -> Rectangle | None:
    """A box in whole pixels, cut at the edges of the picture; None where nothing is left."""
    if box.corners is None:
        return None
    left, right = (min(max(0, round(x)), size[0]) for x in box.corners[::2])
    top, bottom = (min(max(0, round(y)), size[1]) for y in box.corners[1::2])
    return (left, top, right, bottom) if left < right and top < bottom else None


def enlarge(own: Rectangle, others: list[Rectangle], size: tuple[int, int]) -> Rectangle:
    """The largest rectangle around one box, within the picture, that touches no pixel of others that do not lie on it already.

    Of equal ones, that which begins farthest left, then ends farthest left.
    """
    apart = [it for it in others if not _overlap(it, own)]
    lefts = sorted({0, *(it[2] for it in apart if it[2] <= own[0])})
    rights = sorted({size[0], *(it[0] for it in apart if it[0] >= own[2])})
    best, most = own, 0
    for left in lefts:
        for right in rights:
            within = [it for it in apart if it[0] < right and it[2] > left]
            if any(it[1] < own[3] and it[3] > own[1] for it in within):
                continue
            top = max((it[3] for it in within if it[3] <= own[1]), default=0)
            bottom = min((it[1] for it in within if it[1] >= own[3]), default=size[1])
            if (area := (right - left) * (bottom - top)) > most:
                best, most = (left, top, right, bottom), area
    return best


def _overlap(one: Rectangle, other: Rectangle) -> bool:
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]
