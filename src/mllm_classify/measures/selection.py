"""Which images and which scores a table is of, and the task at which a model is shown."""

import polars as pl

from mllm_classify.measures.counting import counts, judged
from mllm_classify.tasks import CANDIDATES, MAIN_SCORINGS


def main_scores(scores: pl.DataFrame) -> pl.DataFrame:
    """Scores of the main tables: tasks as they are asked without a variant, without multiple choice and inclusion."""
    return scores.filter((pl.col("variant") == "") & pl.col("scoring").is_in(MAIN_SCORINGS))


def evaluated(labels: pl.DataFrame) -> pl.DataFrame:
    """Labels of the images that are evaluated: those that no label set leaves open."""
    return labels.filter(pl.col("excluded").is_null())


def best_scoring(counted: pl.DataFrame, n_images: str) -> pl.DataFrame:
    """For each model that answers in words, the scoring of highest ImGT accuracy; ties by ReGT, then OW.

    Columns model, scoring. `counted` is as `counts` returns it.
    """
    order = {name: rank for rank, name in enumerate(CANDIDATES)}
    return (
        counted.filter(pl.col("scoring").is_in(CANDIDATES) & pl.col("common"))
        .group_by("model", "scoring")
        .agg(
            pl.col("imgt").sum() / pl.col("n").sum(),
            (pl.col("regt").filter(judged(n_images)).sum() / pl.col("n").filter(judged(n_images)).sum()).fill_nan(0),
        )
        .sort("model", "imgt", "regt", pl.col("scoring").replace_strict(order), descending=[False, True, True, False])
        .group_by("model", maintain_order=True)
        .agg(pl.col("scoring").first())
    )


def shown_rows(counted: pl.DataFrame, n_images: str) -> pl.DataFrame:
    """The rows of Table 3, as model and scoring: words at their best task, rankings as they are."""
    best = best_scoring(counted, n_images)
    rankings = counted.filter((pl.col("scoring") == "CW") & ~pl.col("model").is_in(best["model"].implode()))
    return pl.concat([best, rankings.select("model", "scoring").unique(maintain_order=True)])


def best_task(scores: pl.DataFrame, n_images: str) -> pl.DataFrame:
    """The scores of every model at its task of Table 3; of a repeated question, the first answer."""
    rows = shown_rows(counts(scores), n_images)
    return scores.filter(pl.col("repeat") == 0).join(rows, on=["model", "scoring"], how="semi")


def cross_fitted(counted: pl.DataFrame, n_images: str) -> pl.DataFrame:
    """Accuracy when each half of the images is scored by the task that was best on the other half.

    Columns model, crossfit_task (the choices for half 0 and half 1), crossfit_ImGT_A, crossfit_ReGT_A.
    """
    kept = pl.concat(
        counted.filter(pl.col("fold") == half).join(
            best_scoring(counted.filter(pl.col("fold") != half), n_images), on=["model", "scoring"], how="semi"
        )
        for half in (0, 1)
    )
    images = pl.col("n").filter(judged(n_images)).sum()
    return kept.group_by("model").agg(
        pl.col("scoring").sort_by("fold").unique(maintain_order=True).str.join(" / ").alias("crossfit_task"),
        (pl.col("imgt").sum() / pl.col("n").sum() * 100).alias("crossfit_ImGT_A"),
        pl.when(images > 0).then(pl.col("regt").filter(judged(n_images)).sum() / images * 100).alias("crossfit_ReGT_A"),
    )
