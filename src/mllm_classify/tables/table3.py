"""Table 3: every model at its best task."""

import polars as pl

from mllm_classify.measures.counting import ACCURACIES, accuracies, counts
from mllm_classify.measures.selection import cross_fitted, main_scores, shown_rows
from mllm_classify.tables.accuracy_columns import CHANGE, ERRORS, SIZES, accuracy_columns, error_columns, intervals
from mllm_classify.tables.table import FAMILY, MODEL, Column, Study, Table, labelled, subtitle
from mllm_classify.tasks import CANDIDATES


def table3(scores: pl.DataFrame, models: pl.DataFrame, study: Study) -> Table:
    """Every model at its best task: OW or CW+ for those that answer in words, CW for the others (Table 3).

    `models` has columns model (the name in `scores`), label and family.
    """
    counted = counts(main_scores(scores))
    chosen = accuracies(counted, study.n_images).join(
        shown_rows(counted, study.n_images), on=["model", "scoring"], how="semi"
    )
    worded = pl.col("scoring").is_in(CANDIDATES)
    rows = (
        chosen.join(cross_fitted(counted, study.n_images), on="model", how="left")
        .with_columns(
            pl.when(worded)
            .then(pl.lit("best ImGT_A of OW and CW+ on these same images (optimistic)"))
            .otherwise(pl.lit("only task"))
            .alias("selection"),
            pl.when(worded).then("crossfit_task").otherwise("scoring").alias("crossfit_task"),
            pl.when(worded).then("crossfit_ImGT_A").otherwise("ImGT_A").alias("crossfit_ImGT_A"),
            pl.when(worded).then("crossfit_ReGT_A").otherwise("ReGT_A").alias("crossfit_ReGT_A"),
            # the same counts give the same quotient, so equal accuracies tie exactly
            *(pl.col(name).rank("dense", descending=True).alias(f"{name}_rank") for name in ACCURACIES),
        )
        .sort("ImGT_A", "ReGT_A", "model", nulls_last=True)
    )
    return Table(
        labelled(
            rows,
            models,
            study,
            [
                *ACCURACIES,
                "family",
                *CHANGE,
                *(f"{name}_rank" for name in ACCURACIES),
                *intervals(ACCURACIES),
                *SIZES,
                *ERRORS,
                "selection",
                "crossfit_task",
                "crossfit_ImGT_A",
                "crossfit_ReGT_A",
            ],
        ),
        "Table 3. Accuracy (%) of every model at its best task",
        subtitle(study, rows),
        {
            "model": MODEL,
            "family": FAMILY,
            "task": Column(
                "Task",
                "Task: for models that answer in words, whichever of OW and CW+ has the higher ImGT accuracy on these "
                "same images, ties by ReGT. That is the paper's choice, and optimistic.",
                words=True,
            ),
            **accuracy_columns(rows, study),
            "ImGT_and_ReGT": Column("Both"),
            "crossfit": Column(
                "Cross-fit",
                "Cross-fit: both accuracies when that task is chosen on one half of the images and scored on the other.",
                latex=False,
            ),
            **error_columns(rows),
        },
    )
