"""Accuracy at levels of the hierarchy that are set by hand: whether answer and label belong to the same group."""

import polars as pl

from mllm_classify.measures.counting import percentages
from mllm_classify.measures.granularity import placed
from mllm_classify.tables.granularity import KEYS, READING
from mllm_classify.tables.table import INTERVAL, MODEL, TASK, Column, Study, Table, labelled, subtitle
from mllm_classify.tasks import MAIN_SCORINGS

CLASS = "class"
"""The level of the classes themselves, at which an answer that is more specific counts as right, too."""


def levels(
    scores: pl.DataFrame,
    labels: pl.DataFrame,
    worded_predictions: dict[str, pl.LazyFrame],
    hierarchy: pl.DataFrame,
    models: pl.DataFrame,
    study: Study,
    hierarchy_label: str,
) -> Table:
    """One row a model, task, reading, label set and level, the classes' own first: accuracy (%) with Wilson's interval."""
    at_class = pl.when(pl.col("relation").is_in(["right", "too_specific"])).then(pl.lit([CLASS]))
    none = pl.lit([], dtype=pl.List(pl.String))
    answers = placed(scores, labels, worded_predictions, hierarchy).with_columns(
        levels=pl.concat_list(at_class.otherwise(none), pl.col("levels"))
    )
    known = [CLASS, *hierarchy["levels"].explode().struct.field("level").drop_nulls().unique().sort()]
    rows = percentages(
        pl.concat(
            answers.group_by(KEYS).agg(
                pl.lit(level).alias("level"),
                pl.col("levels").list.contains(level).sum().alias("accuracy"),
                pl.len().alias("accuracy_total"),
                pl.len().alias("n"),
            )
            for level in known
        ),
        ["accuracy"],
    ).sort(
        "model",
        pl.col("scoring").replace_strict({name: place for place, name in enumerate(MAIN_SCORINGS)}),
        pl.col("reading"),
        pl.col("label_set"),
        pl.col("level").replace_strict({name: place for place, name in enumerate(known)}),
        descending=[False, False, True, False, False],
    )
    columns = ["reading", "label_set", "level", "accuracy", "accuracy_low", "accuracy_high", "n"]
    return Table(
        labelled(rows, models, study, columns).with_columns(pl.lit(hierarchy_label).alias("hierarchy")),
        "Accuracy (%) at levels of the hierarchy",
        f"{subtitle(study, rows)}; hierarchy: {hierarchy_label}",
        {
            "model": MODEL,
            "task": TASK,
            "reading": READING,
            "label_set": Column("Labels", "Images to which no class applies are left out.", words=True),
            "level": Column(
                "Level",
                "Right at a level: answer and label belong to the same group of that level, or, where the label belongs to none, "
                "the answer is right or more specific. Answers that cannot be placed are wrong.",
                words=True,
            ),
            "accuracy": Column("Accuracy", "CI: Wilson."),
            "accuracy_interval": INTERVAL,
            "n": Column("n"),
        },
    )
