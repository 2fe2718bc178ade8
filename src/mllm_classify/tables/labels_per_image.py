"""How many labels, boxes and attributes images have."""

import polars as pl

from mllm_classify.dataset.boxes import ATTRIBUTES
from mllm_classify.measures.selection import evaluated
from mllm_classify.tables.table import Column, Study, Table, fixed

MANY = 10
"""Images of so many labels or boxes, and of more, are counted together."""
NUMBERS = {"labels": "n_labels", "boxes": "n_boxes"}


def labels_per_image(labels: pl.DataFrame, study: Study) -> Table:
    """One row a number of labels and of boxes, and an attribute: how many evaluated images have it, and their share.

    Labels are counted by the rule for categories. The last row has the images on which the other rule for a class in
    several groups of equivalent classes would give another category or other right answers.
    """
    images = evaluated(labels)
    parts = [
        _counted(images.select(pl.col(column).clip(upper_bound=MANY)), statistic, [*range(MANY + 1)])
        for statistic, column in NUMBERS.items()
    ]
    parts.append(_counted(images.select("attribute"), "attribute", ATTRIBUTES))
    parts.append(_counted(images.select(pl.when("overlapping").then(pl.lit("changed"))), "other rule for classes in several groups", ["changed"]))  # fmt: skip
    rows = pl.concat(parts).with_columns(
        (pl.col("n") / images.height * 100).alias("percent")
        if images.height
        else pl.lit(None, pl.Float64).alias("percent")
    )
    return Table(
        rows.with_columns(fixed("percent", 2), *study.columns()),
        "Labels and boxes per image",
        f"{study}; n = {images.height}",
        {
            "statistic": Column("What", words=True),
            "value": Column(
                "How many",
                "Labels: by the rule for categories, which the line above states. An attribute is that of all of an image's boxes.",
                words=True,
            ),
            "n": Column("Images"),
            "percent": Column("%"),
        },
    )


def _counted(values: pl.DataFrame, statistic: str, order: list[int] | list[str]) -> pl.DataFrame:
    """How many images have each value of a column, in this order; of numbers the last stands for more, too."""
    (column,) = values.get_columns()
    found = dict(column.drop_nulls().value_counts().iter_rows())
    said = [f"{value} and more" if value == MANY else str(value) for value in order]
    return pl.DataFrame(
        {"statistic": statistic, "value": said, "n": [found.get(value, 0) for value in order]},
        schema={"statistic": pl.String, "value": pl.String, "n": pl.Int64},
    )
