"""The page on which a study of several data sets opens: a reader chooses one, or looks at what stands across them.

One file that holds all it shows. It runs no script and loads nothing; its links lead to files beside and below it.
"""

from typing import Any, NamedTuple

import polars as pl

from mllm_classify.report.overview import Entry, page

TEMPLATE = "start.html"


class Dataset(NamedTuple):
    """A data set, and the pages about it."""

    label: str
    entries: list[Entry]


def start(datasets: dict[str, Dataset], across: list[Entry], table: pl.DataFrame | None) -> str:
    """The page, as HTML.

    `datasets` are by name, the main one first; `across` is what there is of all of them; `table` is results/datasets.csv as
    it is read, of which the page shows images and the best model of each data set that it has.
    """
    rows = []
    for name, it in datasets.items():
        row: dict[str, Any] = {"label": it.label, "entries": it.entries, "images": None, "best": None}
        if table is not None and f"A_{name}" in table.columns:
            row |= {"images": images(table, name), "best": best(table, name)}
        rows.append(row)
    return page(TEMPLATE, datasets=rows, across=across)


def images(table: pl.DataFrame, name: str) -> str | None:
    """The images of a data set: the most that a row under ImGT is about."""
    counts = table.filter(pl.col("measure") == "ImGT")[f"n_{name}"].drop_nulls().cast(pl.Int64)
    return None if counts.is_empty() else str(counts.max())


def best(table: pl.DataFrame, name: str) -> dict[str, str] | None:
    """The most accurate row under ImGT on a data set, of equal ones the first: model, task, accuracy, and its interval."""
    accuracy = f"A_{name}"
    rows = table.filter(pl.col("measure") == "ImGT", pl.col(accuracy).is_not_null())
    if rows.is_empty():
        return None
    row = rows.sort(pl.col(accuracy).cast(pl.Float64), descending=True, maintain_order=True).row(0, named=True)
    between = f"{row[f'{accuracy}_low']} to {row[f'{accuracy}_high']}"
    return {"model": row["model"], "task": row["task"] or "", "accuracy": row[accuracy], "interval": between}
