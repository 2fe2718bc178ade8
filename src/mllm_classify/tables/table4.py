"""Table 4: accuracy by task."""

import polars as pl

from mllm_classify.measures.counting import ACCURACIES, accuracies, counts
from mllm_classify.measures.selection import best_scoring, main_scores
from mllm_classify.tables.accuracy_columns import (
    CHANGE,
    ERRORS,
    SIZES,
    accuracy_columns,
    error_columns,
    intervals,
    truncated_column,
)
from mllm_classify.tables.table import MODEL, Column, Study, Table, labelled, subtitle
from mllm_classify.tasks import MAIN_SCORINGS


def table4(scores: pl.DataFrame, models: pl.DataFrame, study: Study) -> Table:
    """Every model that answers in words, under OW, CW+ and CW (Table 4)."""
    counted = counts(main_scores(scores))
    worded = best_scoring(counted, study.n_images)["model"].implode()
    by_task = accuracies(counted.filter(pl.col("model").is_in(worded)), study.n_images)
    baseline = by_task.filter(pl.col("scoring") == "CW").select("model", *ACCURACIES)
    rows = (
        by_task.join(baseline, on="model", how="left", suffix="_CW")
        .with_columns(
            *((pl.col(name) - pl.col(f"{name}_CW")).alias(f"{name}_vs_CW") for name in ACCURACIES),
        )
        .with_columns(pl.col("ImGT_A").max().over("model").alias("best"))
        .sort("best", "model", pl.col("scoring").replace_strict({name: i for i, name in enumerate(MAIN_SCORINGS)}))
    )
    shown = [name for name in ACCURACIES if name != "ImGT_and_ReGT"]
    constrained = "CW-constrained" in rows["scoring"]
    return Table(
        labelled(
            rows,
            models,
            study,
            [*shown, *CHANGE, *(f"{name}_vs_CW" for name in shown), *intervals(shown), *SIZES, *ERRORS, "n_truncated"],
        ),
        "Table 4. Accuracy (%) by task of the models that answer in words",
        subtitle(study, rows),
        {
            "model": MODEL,
            "task": Column(
                "Task",
                "OW: no class list, nearest class embedding. CW: the class list is in the prompt, other answers are "
                "wrong. CW+: such answers go to the nearest class embedding."
                + (
                    " CW-constrained: the server lets the model answer with names on the list only."
                    if constrained
                    else ""
                ),
                words=True,
            ),
            **accuracy_columns(rows, study),
            **error_columns(rows),
            **truncated_column(rows),
        },
    )
