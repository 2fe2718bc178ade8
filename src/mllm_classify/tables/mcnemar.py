"""McNemar's test between any two rows of the main tables."""

import polars as pl

from mllm_classify.measures.bootstrap import matrices
from mllm_classify.measures.paired import compared
from mllm_classify.measures.selection import main_scores
from mllm_classify.tables.table import Study, fixed, named


def mcnemar(scores: pl.DataFrame, images: pl.DataFrame, models: pl.DataFrame, study: Study) -> pl.DataFrame:
    """McNemar's exact test between any two rows (model and task), on the images that both have.

    All pairs under one label set are one family for Holm's correction. Images in N are left out under ReGT where the
    rule says so. Columns: measure, model_a, task_a, model_b, task_b, n, only_a, only_b (images that only this one has
    right), difference (a minus b, points) with its 95 % interval, p, p_holm, tests (the family's size).
    """
    answers = matrices(main_scores(scores), images)
    rows = named(answers.rows, models)
    pairs = compared(answers, study.n_images)
    sides = [
        rows[column].gather(pairs[side]).alias(f"{column}_{side}")
        for side in ("a", "b")
        for column in ("model", "task")
    ]
    return as_text(pairs.select("measure", *sides, pl.exclude("measure", "a", "b"))).with_columns(*study.columns())


def as_text(pairs: pl.DataFrame) -> pl.DataFrame:
    """Differences and p of compared pairs as the CSV has them."""
    percent = [fixed(name, 2) for name in ("difference", "difference_low", "difference_high")]
    p = [
        # smaller ones than a float can hold come as 0
        pl.col(name).map_elements(lambda value: f"{value:.3g}" if value else "<1e-300", return_dtype=pl.String)
        for name in ("p", "p_holm")
    ]
    return pairs.fill_nan(None).with_columns(*percent, *p)
