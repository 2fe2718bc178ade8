"""What every model knows of each class, and how often it recognises it."""

import polars as pl

from mllm_classify.measures.knowledge import by_class
from mllm_classify.tables.table import Study, fixed, named


def class_knowledge(
    probes: dict[str, pl.LazyFrame],
    scores: pl.DataFrame,
    labels: pl.DataFrame,
    classes: pl.DataFrame,
    models: pl.DataFrame,
    study: Study,
) -> pl.DataFrame:
    """One row for each model and class that it was asked about: questions, how many were answered right (`known`), the
    share of these, and accuracy on the class's images, by ImGT, at the model's task of Table 3; in percent.
    """
    found = by_class(probes, scores, labels, study.n_images).with_columns(
        knowledge=pl.col("known") / pl.col("questions") * 100, ImGT=pl.col("ImGT") * 100, ReGT=pl.col("ReGT") * 100
    )
    return (
        named(found, models)
        .join(classes.select("class_id", pl.col("name").alias("class")), on="class_id", how="left")
        .sort("name", "class_id")
        .select(
            "model", "task", "class_id", "class", "questions", "known", fixed("knowledge", 2), "unnamed", "n",
            fixed("ImGT", 2), "n_ReGT", fixed("ReGT", 2), *study.columns(),
        )
    )  # fmt: skip
