"""The two label sets, and the categories that follow from them."""

import polars as pl

from mllm_classify.files import InputError, read_csv

LABELS: dict[str, pl.DataType] = {
    "image_id": pl.String(),
    "imgt": pl.Int32(),
    "regt": pl.List(pl.Int32),
    "imgt_admissible": pl.List(pl.Int32),
    "regt_admissible": pl.List(pl.Int32),
    "category": pl.String(),
}
NONE = "N"
"""Stands in a label file for: no class applies. A missing label is an error instead: it would score as correct."""


def category(imgt: int, regt: set[int]) -> str:
    """The category of one image: N, S+, S-, M+ or M- (Table 1)."""
    if not regt:
        return "N"
    return ("S" if len(regt) == 1 else "M") + ("+" if imgt in regt else "-")


def admissible(labels: set[int], pairs: set[frozenset[int]]) -> set[int]:
    """L*: the labels and every class that makes a pair with one of them (eq. 1). Pairs are not chained."""
    return labels.union(*(pair for pair in pairs if pair & labels))


def labels(
    images: pl.DataFrame, classes: pl.DataFrame, imgt: str, regt: str | None, equivalences: str | None
) -> pl.DataFrame:
    """Labels of the registered images, from the files that the configuration names.

    Without `regt` the second label set and the categories are null. Raises InputError naming file and line: a label
    that is no class, an image twice, an image that is not registered, a registered image without a label.
    """
    lookup = _Classes(classes)
    pairs = _pairs(equivalences, lookup) if equivalences else set()
    ids = images["image_id"].to_list()
    first = {key: lookup.one(place, text) for key, (place, text) in _labelled(imgt, "class", ids).items()}
    second = (
        {key: lookup.several(place, text) for key, (place, text) in _labelled(regt, "classes", ids).items()}
        if regt
        else {}
    )
    rows = []
    for image_id in ids:
        label, all_labels = first[image_id], second.get(image_id)
        rows.append(
            {
                "image_id": image_id,
                "imgt": label,
                "regt": None if all_labels is None else sorted(all_labels),
                "imgt_admissible": sorted(admissible({label}, pairs)),
                "regt_admissible": None if all_labels is None else sorted(admissible(all_labels, pairs)),
                "category": None if all_labels is None else category(label, all_labels),
            }
        )
    return pl.DataFrame(rows, schema=LABELS)


def _labelled(file: str, column: str, image_ids: list[str]) -> dict[str, tuple[str, str]]:
    """Place and text of every registered image's label."""
    found: dict[str, tuple[str, str]] = {}
    registered = set(image_ids)
    for place, row in read_csv(file, "image_id", column):
        image_id = row["image_id"]
        if image_id in found:
            msg = f"{place}: image_id {image_id!r} is labelled at {found[image_id][0]} already"
            raise InputError(msg)
        if image_id not in registered:
            msg = f"{place}: image_id {image_id!r} is not among the images (dataset.images)"
            raise InputError(msg)
        if not row[column]:
            msg = f"{place}: {column} of image {image_id!r} is empty; a label is needed" + (
                f", or {NONE} where no class applies" if column == "classes" else ""
            )
            raise InputError(msg)
        found[image_id] = (place, row[column])
    missing = [image_id for image_id in image_ids if image_id not in found]
    if missing:
        msg = (
            f"{file}: no label for {len(missing)} of {len(image_ids)} images, {missing[0]!r} among them; label them, or "
            "take them out of dataset.images"
        )
        raise InputError(msg)
    return found


def _pairs(file: str, lookup: "_Classes") -> set[frozenset[int]]:
    """Equivalence pairs E."""
    return {
        frozenset((lookup.one(place, row["class_a"]), lookup.one(place, row["class_b"])))
        for place, row in read_csv(file, "class_a", "class_b")
    }


class _Classes:
    """Class ids from what a label file says: an id, or a name that only one class has."""

    def __init__(self, classes: pl.DataFrame) -> None:
        self.count = classes.height
        self.names: dict[str, list[int]] = {}
        for class_id, name in classes.select("class_id", "name").iter_rows():
            self.names.setdefault(name.strip().lower(), []).append(class_id)

    def one(self, place: str, text: str) -> int:
        key = text.strip().lower()
        if (found := self.names.get(key)) is not None:
            if len(found) > 1:
                msg = f"{place}: {text!r} is the name of several classes; write one of the ids {found}"
                raise InputError(msg)
            return found[0]
        if key.isdecimal() and int(key) < self.count:
            return int(key)
        msg = (
            f"{place}: {text!r} is no class: neither one of the {self.count} names nor an id from 0 to {self.count - 1}"
        )
        raise InputError(msg)

    def several(self, place: str, text: str) -> set[int]:
        return set() if text == NONE else {self.one(place, part) for part in text.split("|")}
