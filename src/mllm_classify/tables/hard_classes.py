"""The classes that an older model fails and a newer one solves, over data sets."""

from collections.abc import Mapping

import polars as pl

from mllm_classify.io.text import short
from mllm_classify.tables.table import ASIDE, Column, Table, fixed

HALF = 50.0
"""A model that is right on fewer of a class's images, in percent, fails the class; else it solves it."""
KINDS = ("solved", "lost", "failed by both", "solved by both")
"""What the newer model does to a class, in the order of the table."""
FIRST = 60
"""Rows that people see; the CSV has all."""
NUMBERS = [f"{name}{end}" for name in ("older", "newer") for end in ("", "_low", "_high")]


def hard_classes(per_class: Mapping[str, pl.DataFrame], compared: list[str], dataset_labels: dict[str, str]) -> Table:
    """One row a data set and class that both models of `compared` (their labels, the older first) have seen.

    Their ImGT accuracy in percent, each at its task of Table 3, with Wilson's intervals; `kind`, of KINDS; `gain`, in
    points; and how many of all models that saw the class solve it. `per_class` is per_class.csv of each data set as it is
    written. Within a data set, rows are by kind, then by gain, the largest change first, then by class.
    """
    older, newer = compared
    rows = pl.concat(_of_one(per_class[name], older, newer, name) for name in dataset_labels)
    rows = rows.sort("dataset", pl.col("kind").replace_strict({kind: place for place, kind in enumerate(KINDS)}),
                     pl.col("gain").abs().round(9), "class_id", descending=[False, False, True, False])  # fmt: skip
    numbers = {name: rows.filter(dataset=name)["kind"].to_list() for name in dataset_labels}
    said = "; ".join(
        f"{dataset_labels[name]}: {', '.join(f'{kind} {kinds.count(kind)}' for kind in KINDS)}"
        for name, kinds in numbers.items() if kinds
    )  # fmt: skip
    title = f"Classes that {short(older, 60)} fails and {short(newer, 60)} solves"
    return Table(
        rows.with_columns(
            *(fixed(name, 2) for name in [*NUMBERS, "gain"]),
            pl.lit(older).alias("older_model"), pl.lit(newer).alias("newer_model"),
        ),
        title,
        f"{said}; here the first {min(FIRST, rows.height)} rows",
        _columns(older, newer),
        FIRST,
    )  # fmt: skip


def _of_one(per_class: pl.DataFrame, older: str, newer: str, dataset: str) -> pl.DataFrame:
    numbered = per_class.with_columns(
        pl.col("class_id", "n").cast(pl.Int64), pl.col("ImGT", "ImGT_low", "ImGT_high").cast(pl.Float64)
    )
    solving = numbered.group_by("class_id").agg(
        (pl.col("ImGT") >= HALF).sum().alias("models_solving"), pl.len().alias("models")
    )
    one, other = (
        numbered.filter(model=model).select(
            "class_id", "class", "n",
            pl.col("ImGT").alias(name), pl.col("ImGT_low").alias(f"{name}_low"), pl.col("ImGT_high").alias(f"{name}_high"),
        )
        for name, model in {"older": older, "newer": newer}.items()
    )  # fmt: skip
    solved_before, solved_now = pl.col("older") >= HALF, pl.col("newer") >= HALF
    kind = (
        pl.when(solved_before)
        .then(pl.when(solved_now).then(pl.lit("solved by both")).otherwise(pl.lit("lost")))
        .otherwise(pl.when(solved_now).then(pl.lit("solved")).otherwise(pl.lit("failed by both")))
    )
    return (
        one.join(other.drop("class", "n"), on="class_id")
        .join(solving, on="class_id")
        .with_columns(kind=kind, gain=pl.col("newer") - pl.col("older"), dataset=pl.lit(dataset))
        .select("dataset", "kind", "class_id", "class", "n", *NUMBERS, "gain", "models_solving", "models")
    )


def _columns(older: str, newer: str) -> dict[str, Column]:
    return {
        "dataset": Column("Data set", words=True),
        "class": Column("Class", words=True),
        "kind": Column(
            "Kind", f"Kind: a class is solved by a model that is right on {HALF:.0f} % of its images or more, by ImGT.", words=True
        ),
        "n": Column("n", "n: images of the class, on which the older model was asked."),
        "older": Column(short(older, 30)),
        "older_interval": ASIDE,
        "newer": Column(short(newer, 30)),
        "newer_interval": ASIDE,
        "gain": Column("Gain"),
        "models_solving": Column("Solved by"),
        "models": Column("of", "Solved by, of: models that solve the class, of those that saw it."),
    }  # fmt: skip
