"""Accuracy by what boxes and labels say of an image: its attribute, how many labels it has, which box is dominant or large."""

from typing import NamedTuple

import polars as pl

from mllm_classify.dataset.boxes import ATTRIBUTES, LARGEST
from mllm_classify.measures.counting import in_subset, percentages
from mllm_classify.measures.selection import best_task, main_scores
from mllm_classify.tables.table import INTERVAL, MODEL, TASK, Column, Study, Table, labelled, subtitle

MANY = 6
"""Images of so many labels, and of more, are one group."""


class Group(NamedTuple):
    """Some images, and which classes are right on them."""

    of: str
    images: str
    among: pl.Expr
    right: pl.Expr = pl.col("regt")


def _admitted(classes: pl.Expr) -> pl.Expr:
    """Whether a prediction is one of these classes."""
    found = pl.col("predicted").list.set_intersection(classes).list.len() > 0
    return (pl.col("status") != "error") & found.fill_null(value=False)


def _box(number: int) -> pl.Expr:
    """What the labels of the box of that size admit; null where there are fewer boxes."""
    return pl.col("largest_admissible").list.get(number, null_on_oob=True)


def _boxes(count: int) -> pl.Expr:
    """What the labels of so many largest boxes admit together."""
    none = pl.lit([], dtype=pl.List(pl.Int32))
    return pl.concat_list([_box(number).fill_null(none) for number in range(count)])


SINGLE, SEVERAL = pl.col("n_labels") == 1, pl.col("regt_classes").list.len() > 1
DOMINANT = SEVERAL & (pl.col("dominant_admissible").list.len() > 0)
GROUPS = [
    Group("S", "all", in_subset("S")),
    *(Group("S, by attribute", name, in_subset("S") & (pl.col("attribute") == name)) for name in ATTRIBUTES),
    *(Group("by number of labels", str(number), pl.col("n_labels") == number) for number in range(1, MANY)),
    Group("by number of labels", f"{MANY} and more", pl.col("n_labels") >= MANY),
    Group("unambiguous", "one label", SINGLE),
    Group("unambiguous", "several, one of them dominant", (pl.col("n_labels") > 1) & (pl.col("n_dominant") == 1)),
    Group("several labels, as they are", "all count", SEVERAL),
    Group("several labels, as they are", "those of dominant boxes count", DOMINANT, _admitted(pl.col("dominant_admissible"))),
    *(
        Group("several labels, as they are", f"box {number} by size counts", SEVERAL & _box(number - 1).is_not_null(), _admitted(_box(number - 1)))
        for number in range(1, LARGEST + 1)
    ),
    *(
        Group("several labels, as they are", f"the {number} largest boxes count", SEVERAL & _box(0).is_not_null(), _admitted(_boxes(number)))
        for number in range(2, LARGEST + 1)
    ),
]  # fmt: skip
"""Experiments E3, E7, E8 and E6 of ReImageNet's authors, in the order of rows."""


def attributes(scores: pl.DataFrame, labels: pl.DataFrame, models: pl.DataFrame, study: Study) -> Table:
    """One row a model, at its task of Table 3, and group of images that has any: ReGT accuracy, or accuracy where only the labels
    of some boxes count, with Wilson's intervals.
    """
    about = labels.select(
        *("image_id", "n_labels", "attribute", "n_dominant", "dominant_admissible", "largest_admissible"),
        regt_classes="regt",
    )
    shown = best_task(main_scores(scores), study.n_images).join(about, on="image_id", how="inner")
    keys = ["model", "scoring"]
    counted = [
        shown.filter(group.among)
        .with_columns(right=group.right)
        .group_by(keys)
        .agg(pl.col("right").sum().alias("ReGT"), pl.len().alias("n"), pl.len().alias("ReGT_total"))
        .with_columns(of=pl.lit(group.of), images=pl.lit(group.images), place=pl.lit(place))
        for place, group in enumerate(GROUPS)
    ]
    rows = percentages(pl.concat(counted), ["ReGT"]).sort(*keys, "place")
    return Table(
        labelled(rows, models, study, ["of", "images", "ReGT", "ReGT_low", "ReGT_high", "n"]),
        f"Accuracy (%) under {study.named('ReGT')} by attribute, number of labels, and boxes",
        subtitle(study, rows),
        {
            "model": MODEL,
            "task": TASK,
            "of": Column(
                "Images",
                "S, by attribute: images of one label whose boxes carry just that flag, Mix where they carry several. Several "
                "labels, as they are: equivalent ones are not counted once.",
                words=True,
            ),
            "images": Column("Of these", words=True),
            "n": Column("n"),
            "ReGT": Column("Accuracy", "CI: Wilson."),
            "ReGT_interval": INTERVAL,
        },
    )
