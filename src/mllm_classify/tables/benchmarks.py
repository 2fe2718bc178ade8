"""How far models' accuracies agree with their scores on other benchmarks."""

from typing import Any

import numpy as np
import polars as pl

from mllm_classify.measures.correlation import spearman, spearman_interval
from mllm_classify.tables.datasets import best_rows
from mllm_classify.tables.table import INTERVAL, Column, Table, fixed

NUMBERS = ["rho", "rho_low", "rho_high"]
MEAN = "mean"
"""Stands for all data sets."""


def benchmarks(datasets: pl.DataFrame, dataset_labels: dict[str, str], benchmark_scores: dict[str, Any]) -> Table:
    """One row a data set, or the mean of all, and benchmark: Spearman's correlation over models that have both.

    Models are at the task at which `best_rows` shows them; accuracy is under ImGT. `datasets` is datasets.csv as it is
    written; `benchmark_scores` has the source's `label`, and `scores` by benchmark and model (its label). 95 % intervals:
    `measures.correlation`.
    """
    rows = best_rows(datasets, list(dataset_labels))
    columns = {**{name: f"A_{name}" for name in dataset_labels}, MEAN: "macro"}
    cells = []
    for dataset, column in columns.items():
        accuracies = dict(rows.drop_nulls(column).select("model", column).sort("model").iter_rows())
        for benchmark, scores in benchmark_scores["scores"].items():
            both = [model for model in accuracies if model in scores]
            rho = spearman(*(np.array([of[model] for model in both]) for of in (accuracies, scores)))
            low, high = spearman_interval(rho, len(both))
            cells.append(
                {"dataset": dataset, "benchmark": benchmark, "models": len(both)}
                | {"rho": rho, "rho_low": low, "rho_high": high}
            )
    schema = {"dataset": pl.String, "benchmark": pl.String, "models": pl.Int64, **dict.fromkeys(NUMBERS, pl.Float64)}
    source = benchmark_scores["label"]
    return Table(
        pl.DataFrame(cells, schema=schema)
        .fill_nan(None)
        .with_columns(*(fixed(name, 3) for name in NUMBERS), pl.lit(source).alias("source")),
        "Accuracy and scores on other benchmarks",
        f"{source}; {'; '.join(dataset_labels.values())}",
        {
            "dataset": Column("Data set", "Data set: mean stands for models' mean accuracy over all, of those that have all.", words=True),
            "benchmark": Column("Benchmark", words=True),
            "models": Column("Models"),
            "rho": Column("rho", "rho: Spearman's, of ImGT accuracy with the score, over models. CI: Bonett and Wright (2000)."),
            "rho_interval": INTERVAL,
        },
    )  # fmt: skip
