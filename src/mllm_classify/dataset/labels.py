"""The two label sets, and the categories that follow from them."""

from typing import TYPE_CHECKING, Any, NamedTuple

import polars as pl

from mllm_classify.dataset.boxes import BOXES, described
from mllm_classify.dataset.classes import Lookup
from mllm_classify.dataset.equivalences import (
    OVERLAPPING,
    Admits,
    admissible,
    admits,
    admitted,
    distinct,
    entries,
    shared,
)
from mllm_classify.dataset.label_files import expert_labels, original_labels, second_labels
from mllm_classify.dataset.readings import Reading, Readings
from mllm_classify.io.files import InputError
from mllm_classify.io.text import spelling

if TYPE_CHECKING:
    from mllm_classify.config.dataset import AnyDataset
    from mllm_classify.config.every_dataset import LabelSet, SecondLabelSet

LABELS: dict[str, pl.DataType] = {
    "image_id": pl.String(),
    "imgt": pl.Int32(),  # null where the image is excluded for want of it
    "regt": pl.List(pl.Int32),  # empty where no class applies; null without a second label set
    "imgt_admissible": pl.List(pl.Int32),
    "regt_admissible": pl.List(pl.Int32),
    "category": pl.String(),
    "excluded": pl.String(),  # why the image is left out of every table; null for those that are evaluated
    "expert": pl.List(pl.Int32),  # of the weasel family; null but for images that the expert labelled for certain
    "expert_admissible": pl.List(pl.Int32),
    "n_labels": pl.Int32(),  # of regt, by the rule for categories; null where that is
    "overlapping": pl.Boolean(),  # whether the other rule for a class in several groups changes category or admissible classes
    "pixels": pl.Int64(),  # width times height of the picture; null where that is not known
    **BOXES,
    "earlier": pl.List(pl.Struct({"set": pl.String(), "classes": pl.List(pl.Int32), "admissible": pl.List(pl.Int32)})),
}
EXAMPLES = 3
"""How many images an error names."""


def category(imgt: int, regt: frozenset[int], equal: Admits) -> str:
    """The category of one image: N, S+, S-, M+ or M- (Table 1).

    What is equivalent counts once, and as ImGT where it is equivalent to that; from labels as they are, nothing is.
    """
    if not regt:
        return "N"
    plus = regt & admissible(frozenset({imgt}), equal)
    return ("S" if distinct(regt, equal) == 1 else "M") + ("+" if plus else "-")


def labels(images: pl.DataFrame, classes: pl.DataFrame, dataset: "AnyDataset") -> pl.DataFrame:
    """Labels of the registered images, from the files that the configuration names.

    Categories follow from the labels as they are, or under equivalence, accuracy from the admissible ones (eq. 1). Without
    `regt` the second label set and the categories are null.

    Raises InputError naming file and place: a label that is no class, an image twice, an image without a label or with
    an uncertain one (unless they are to be excluded), a label file that is of other images or repeats another ImGT.
    """
    lookup = Lookup(classes)
    equal = admits(dataset.equivalences, lookup)
    other = _other(dataset, lookup)
    ids = images["image_id"].to_list()
    own = dict(zip(ids, images["own_label"], strict=True)) if "own_label" in images.columns else {}
    sized = {"width", "height"} <= {*images.columns}
    sizes = {it: (w, h) for it, w, h in images.select("image_id", "width", "height").rows() if w} if sized else {}
    originals = original_labels(dataset, lookup, own)
    first = _checked("dataset.imgt", dataset.imgt, originals, ids, only_these=dataset.only_registered)
    second: Readings = {}
    if dataset.regt is not None:
        second = second_labels(dataset, dataset.regt, lookup, ids)
        second = _checked("dataset.regt", dataset.regt, second, ids, only_these=dataset.only_registered)
        _agreeing(dataset.regt.file, second, first)
    earlier = {
        it.label: (it, _checked("dataset.earlier", it, second_labels(dataset, it, lookup, ids), ids, only_these=False))
        for it in dataset.corrections
    }
    for options, readings in earlier.values():
        _agreeing(options.file, readings, first)
    experts = expert_labels(dataset, lookup)
    if dataset.expert_file is not None:
        _agreeing(dataset.expert_file, experts, first)
    return pl.DataFrame(
        [
            (
                *_row(
                    image_id,
                    dataset.regt,
                    first.get(image_id),
                    second.get(image_id),
                    experts.get(image_id),
                    equal,
                    other,
                    sizes.get(image_id),
                ),
                _earlier(image_id, earlier, equal) if earlier else None,
            )
            for image_id in ids
        ],
        schema=LABELS,
        orient="row",
    )


def _row(
    image_id: str,
    regt: "SecondLabelSet | None",
    first: Reading | None,
    second: Reading | None,
    expert: Reading | None,
    equal: Admits,
    other: Admits | None,
    size: tuple[int, int] | None,
) -> tuple[object, ...]:
    imgt = next(iter(first.classes)) if first and first.classes else None
    excluded = None
    if imgt is None:
        excluded = "no ImGT label"
    elif regt is not None and second is None:
        excluded = "no ReGT label"
    elif regt is not None and second is not None and second.classes is None and regt.uncertain != "N":
        excluded = "uncertain"
    classes = None if second is None or excluded else second.classes or frozenset()
    experts = expert.classes if expert is not None else None
    derived = _derived(imgt, classes, regt, equal)
    return (
        image_id,
        imgt,
        None if classes is None else sorted(classes),
        *derived[:3],
        excluded,
        None if experts is None else sorted(experts),
        None if experts is None else sorted(admissible(experts, equal)),
        derived.n_labels,
        other is not None and derived != _derived(imgt, classes, regt, other),
        size and size[0] * size[1],
        *described(None if second is None or excluded else second.boxes, size, equal),
    )


def _earlier(
    image_id: str, earlier: "dict[str, tuple[SecondLabelSet, Readings]]", equal: Admits
) -> list[dict[str, Any]]:
    """What each earlier label set that has an image, and is sure of it, says of it."""
    said: list[dict[str, Any]] = []
    for name, (options, readings) in earlier.items():
        if (reading := readings.get(image_id)) is None or (reading.classes is None and options.uncertain != "N"):
            continue
        classes = reading.classes or frozenset()
        said.append({"set": name, "classes": sorted(classes), "admissible": sorted(admissible(classes, equal))})
    return said


class Derived(NamedTuple):
    """What follows from the labels of one image."""

    imgt_admissible: list[int] | None
    regt_admissible: list[int] | None
    category: str | None
    n_labels: int | None


def _derived(imgt: int | None, regt: frozenset[int] | None, options: "SecondLabelSet | None", equal: Admits) -> Derived:
    counted_once = equal if options is not None and options.categories == "equivalent" else {}
    return Derived(
        None if imgt is None else sorted(admissible(frozenset({imgt}), equal)),
        None if regt is None else sorted(admissible(regt, equal)),
        None if regt is None or imgt is None else category(imgt, regt, counted_once),
        None if regt is None else distinct(regt, counted_once),
    )


def _other(dataset: "AnyDataset", lookup: Lookup) -> Admits | None:
    """What classes admit by the rule for a class in several groups that is not chosen; None where none is in several."""
    found = entries(dataset.equivalences, lookup)
    if dataset.equivalences is None or not shared(found):
        return None
    (other,) = {*OVERLAPPING} - {dataset.equivalences.overlapping}
    return admitted(found, other)


def _examples(items: list[str]) -> str:
    return f"{', '.join(items[:EXAMPLES])}{' ...' if len(items) > EXAMPLES else ''}"


def _checked(key: str, options: "LabelSet", readings: Readings, ids: list[str], *, only_these: bool) -> Readings:
    """Readings of the registered images, after what the options call an error."""
    registered = set(ids)
    unknown = [image_id for image_id in readings if image_id not in registered]
    if only_these and unknown:
        msg = (
            f"{readings[unknown[0]].place}: {len(unknown)} labels are of images that are not registered (dataset.images)"
            f"{spelling(unknown, ids)}"
        )
        raise InputError(msg)
    if len(unknown) == len(readings):
        example = next(iter(readings), None)
        msg = (
            f"{options.file or key}: labels none of the {len(ids)} images, such as {ids[0]!r}; its own are such as {example!r}"
            f"{spelling(unknown, ids)}"
        )
        raise InputError(msg)
    missing = [repr(image_id) for image_id in ids if image_id not in readings]
    if missing and options.missing == "error":
        msg = (
            f"{options.file or key}: no label for {len(missing)} of {len(ids)} images: {_examples(missing)}. Label them"
            f"{f' ({options.none} where no class applies)' if hasattr(options, 'none') else ''}, or set {key}.missing: exclude to leave them "
            "out of every table"
        )
        raise InputError(msg)
    here = {image_id: readings[image_id] for image_id in ids if image_id in readings}
    uncertain = [f"{image_id!r}" for image_id, reading in here.items() if reading.classes is None]
    if uncertain and getattr(options, "uncertain", None) == "error":
        msg = (
            f"{options.file}: {len(uncertain)} labels are uncertain: {_examples(uncertain)}; set {key}.uncertain: exclude "
            "to leave those images out of every table"
        )
        raise InputError(msg)
    return here


def _agreeing(file: str, second: Readings, first: Readings) -> None:
    """A label file that repeats ImGT must repeat ours: otherwise its images, or its classes, are numbered otherwise."""
    differing = [
        f"{image_id} ({_ids(reading.original)} there, {_ids(ours.classes)} here)"
        for image_id, reading in second.items()
        if reading.original and (ours := first.get(image_id)) and ours.classes and not ours.classes & reading.original
    ]
    if differing:
        msg = f"{file}: repeats another ImGT for {len(differing)} of {len(second)} images: {_examples(differing)}"
        raise InputError(msg)


def _ids(classes: frozenset[int] | None) -> str:
    return ", ".join(map(str, sorted(classes or ())))


def numbers(labelled: pl.DataFrame) -> dict[str, str]:
    """How many images there are of each category, and how many are left out for which reason, in words."""
    told = {}
    for column, what in {"category": "images", "excluded": "left out"}.items():
        counts = labelled[column].drop_nulls().value_counts(sort=True).rows()
        if counts:
            told[what] = ", ".join(f"{name} {count}" for name, count in counts)
    if changed := labelled["overlapping"].sum():
        told["changed by the other rule for classes in several groups (equivalences.overlapping)"] = str(changed)
    return told
