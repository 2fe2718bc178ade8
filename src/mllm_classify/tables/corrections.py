"""Where earlier corrections of labels put images, and where the second label set does."""

import polars as pl

from mllm_classify.measures.counting import SUBSETS
from mllm_classify.measures.earlier import corrected
from mllm_classify.tables.table import Column, Study, Table, fixed

ORDER = {name: place for place, name in enumerate(["N", "S+", "S-", "M+", "M-"])}
assert ORDER.keys() == set(SUBSETS["A"])


def corrections(labels: pl.DataFrame, study: Study) -> Table:
    """One row an earlier label set, category by it, and category by the second label set: how many images go from one to the other.

    `share` is of the set's images. Experiment E10 of ReImageNet's authors.
    """
    rows = (
        corrected(labels)
        .group_by("set", "before", "after")
        .agg(pl.len().alias("n"))
        .with_columns((pl.col("n") / pl.col("n").sum().over("set") * 100).alias("share"))
        .sort("set", *(pl.col(it).replace_strict(ORDER, return_dtype=pl.Int32) for it in ("before", "after")))
    )
    return Table(
        rows.with_columns(fixed("share", 2), *study.columns()),
        f"Earlier corrections, and {study.named('ReGT')}: images by category under either",
        f"{study}; n = {', '.join(f'{name} {n}' for name, n in rows.group_by('set', maintain_order=True).agg(pl.col('n').sum()).rows())}",
        {
            "set": Column("Earlier labels", words=True),
            "before": Column(
                "Category",
                "Categories: labels count as they are, equivalent ones too; + where one is ImGT or equivalent to it.",
                words=True,
            ),
            "after": Column("under ReGT", words=True),
            "n": Column("Images"),
            "share": Column("%"),
        },
    )
