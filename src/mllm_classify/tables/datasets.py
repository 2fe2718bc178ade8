"""Every model on every data set, and on all of them."""

from collections.abc import Mapping

import polars as pl

from mllm_classify.measures.intervals import t_factors
from mllm_classify.tables.table import FAMILY, MODEL, TASK, Column, Table, fixed
from mllm_classify.tasks import CANDIDATES

ROW = ["measure", "task", "name"]
"""What tells rows apart: under which labels, at which task, which model."""
SAME = ("OW, embedding", "CW", "CW+")
"""Protocols that accuracies have as tasks."""
MEAN = ["macro", *(f"macro_{over}_{end}" for over in ("images", "datasets") for end in ("low", "high"))]


def datasets(
    accuracy: Mapping[str, pl.DataFrame],
    protocols: Mapping[str, pl.DataFrame],
    models: Mapping[str, pl.DataFrame],
    n_images: str,
) -> Table:
    """Accuracy of every model and protocol on each data set, and its mean over data sets, mean rank and wins.

    `accuracy` is results/accuracy.parquet of each data set by its name, `protocols` results/protocols.csv as it is written of
    those that have it, of which rows that the first has under another name are left out; `models` are those of each data set;
    `n_images` is the rule for images without a label. Columns: A_NAME, accuracy on a data set in percent, with Wilson's
    interval (of protocols a bootstrap's) and n_NAME; `macro`, their mean, with
    two 95 % intervals: over the images of these data sets, and over data sets like these; `mean_rank` and `wins`, among the
    rows of the same task and label set; `datasets`, how many these are over. All but the first are null of a row without a
    figure for each data set that has the label set: means over different data sets cannot be compared.
    """
    cells = pl.concat(
        [_cells(accuracy, n_images), *(_others(of, models[name], name) for name, of in protocols.items())]
    )
    rows = cells.select(*ROW, "model", "family").unique().join(_summaries(cells), on=ROW, how="left")
    for name in sorted(accuracy):
        own = cells.filter(pl.col("dataset") == name).select(
            *ROW, *(pl.col(it).alias(it.replace("A", f"A_{name}")) for it in ("A", "A_low", "A_high")),
            pl.col("n").alias(f"n_{name}"),
        )  # fmt: skip
        rows = rows.join(own, on=ROW, how="left")
    rows = rows.sort("measure", "task", "macro", "model", descending=[False, False, True, False], nulls_last=True)
    shown = [it for name in sorted(accuracy) for it in (f"A_{name}", f"A_{name}_low", f"A_{name}_high", f"n_{name}")]
    floats = [*MEAN, "mean_rank", *(it for it in shown if not it.startswith("n_"))]
    labels = {name: frame["dataset"].first() or name for name, frame in accuracy.items()}
    return Table(
        rows.select("model", "task", "measure", "family", *shown, *MEAN, "mean_rank", "wins", "datasets").with_columns(
            fixed(name, 2) for name in floats
        ),
        "Accuracy (%) on every data set",
        f"{'; '.join(str(labels[name]) for name in sorted(labels))}; images without a label (N): {n_images}",
        {
            "model": MODEL,
            "family": FAMILY,
            "task": TASK._replace(
                heading="Protocol", note="Protocol: a task, or another question or rule of results/protocols.csv."
            ),
            "measure": Column("Labels", words=True),
            **{f"A_{name}": Column(str(labels[name])) for name in sorted(labels)},
            "macro": Column("Mean", "Mean: over data sets, each with the same weight, of rows that have them all."),
            "macro_images_interval": Column(
                "95 %, images",
                "95 %, images: for these data sets and other images of them, combined from the intervals of each (square "
                "and add).",
            ),
            "macro_datasets_interval": Column(
                "95 %, data sets",
                "95 %, data sets: for other data sets and their images, as if these were drawn from them (Student's interval, cut at 0 and 100).",
                latex=False,
            ),
            "mean_rank": Column(
                "Rank",
                "Rank: mean over data sets, among rows of the same task and labels; 1 is best, ties share theirs.",
            ),
            "wins": Column("Wins", "Wins: data sets on which no such row is better."),
        },
    )


def _cells(accuracies: Mapping[str, pl.DataFrame], n_images: str) -> pl.DataFrame:
    """One row a data set, label set, task and model: accuracy `A` in percent, its interval, and the number of images."""
    every = [frame.with_columns(pl.lit(name).alias("dataset")) for name, frame in accuracies.items()]
    ruled = (
        pl.when(pl.col("measure") == "ReGT")
        .then(pl.col("n_images") == n_images)
        .otherwise(pl.col("n_images").is_null())
    )
    return (
        pl.concat(every, how="diagonal")
        .filter(pl.col("measure").is_in(["ImGT", "ReGT"]), pl.col("subset") == "A", ruled)
        .select(*ROW, "model", "family", "dataset", "n", A="accuracy", A_low="wilson_low", A_high="wilson_high")
        .sort(*ROW, "dataset")
    )


def _others(protocols: pl.DataFrame, models: pl.DataFrame, dataset: str) -> pl.DataFrame:
    """The same of protocols that accuracies have not: multiple choice, shortened lists, inclusion."""
    known = models.rename({"model": "name", "label": "model"}).select("name", "model", "family")
    rows = protocols.filter(~pl.col("protocol").is_in(SAME)).join(known, on="model", how="inner")
    return pl.concat(
        rows.select(
            pl.lit(measure).alias("measure"), pl.col("protocol").alias("task"), "name", "model", "family",
            pl.lit(dataset).alias("dataset"), pl.col("n").cast(pl.Int64),
            *(pl.col(f"{measure}_A{end}").cast(pl.Float64).alias(f"A{end}") for end in ("", "_low", "_high")),
        ).drop_nulls("A")
        for measure in ("ImGT", "ReGT")
    ).sort(*ROW)  # fmt: skip


def _summaries(cells: pl.DataFrame) -> pl.DataFrame:
    """Means, ranks and wins of rows that have a figure for every data set with their label set.

    The interval over images adds the squares of the distances from each accuracy to its bounds (Zou and Donner, 2008).
    """
    everywhere = pl.col("dataset").n_unique().over(ROW) == pl.col("dataset").n_unique().over("measure")
    among = ["measure", "task", "dataset"]
    summed = (
        cells.filter(everywhere)
        .with_columns(
            pl.col("A").rank("average", descending=True).over(among).alias("rank"),
            (pl.col("A") == pl.col("A").max().over(among)).alias("best"),
        )
        .group_by(ROW, maintain_order=True)
        .agg(
            pl.col("A").mean().alias("macro"),
            ((pl.col("A") - pl.col("A_low")).pow(2).sum().sqrt() / pl.len()).alias("below"),
            ((pl.col("A_high") - pl.col("A")).pow(2).sum().sqrt() / pl.len()).alias("above"),
            pl.col("A").std().alias("deviation"),
            pl.col("rank").mean().alias("mean_rank"),
            pl.col("best").sum().alias("wins"),
            pl.len().alias("datasets"),
        )
    )
    half = pl.col("deviation") * pl.Series(t_factors(summed["datasets"].to_numpy()), dtype=pl.Float64).fill_nan(None)
    return summed.select(
        *ROW,
        "macro",
        (pl.col("macro") - pl.col("below")).alias("macro_images_low"),
        (pl.col("macro") + pl.col("above")).alias("macro_images_high"),
        (pl.col("macro") - half).clip(0, 100).alias("macro_datasets_low"),
        (pl.col("macro") + half).clip(0, 100).alias("macro_datasets_high"),
        "mean_rank",
        "wins",
        "datasets",
    )


def best_rows(datasets: pl.DataFrame, names: list[str]) -> pl.DataFrame:
    """A row for each model, at the one of its main tasks, or, without these, protocol on which it has figures for most data sets and then the highest mean of them.

    `datasets` is datasets.csv as it is written: text. Of its rows, those under ImGT.
    Numbers are floats; `mean` is over the data sets that it has. Rows that have most data sets come first, then by mean.
    """
    columns = [f"A_{name}" for name in names]
    order = {task: place for place, task in enumerate(CANDIDATES)}
    numbered = datasets.filter(pl.col("measure") == "ImGT").with_columns(
        pl.col(*columns, *(f"{name}_{end}" for name in columns for end in ("low", "high")), "macro").cast(pl.Float64)
    )
    return (
        numbered.with_columns(
            mean=pl.mean_horizontal(columns).round(9),
            has=pl.sum_horizontal(pl.col(*columns).is_not_null()),
            place=pl.col("task").replace_strict(order, default=len(order)),
        )
        .filter(pl.col("has") > 0)
        .sort(
            pl.col("place") < len(order), "has", "mean", "model", "place", descending=[True, True, True, False, False]
        )
        .unique("model", keep="first", maintain_order=True)
        .sort("has", "mean", "model", descending=[True, True, False])
    )
