"""McNemar's test between any two text encoders."""

import polars as pl

from mllm_classify.measures.encoders import encoded_scores, encoder_comparisons
from mllm_classify.tables.given import images
from mllm_classify.tables.mcnemar import as_text
from mllm_classify.tables.table import Study, named


def encoder_pairs(
    encoded: dict[tuple[str, str], pl.LazyFrame],
    labels: pl.DataFrame,
    classes: pl.DataFrame,
    models: pl.DataFrame,
    study: Study,
) -> pl.DataFrame:
    """McNemar's exact test between any two encoders, for each model and task on the images that both have.

    All pairs of one model and task under one label set are one family for Holm's correction. `encoded` are mappings by
    encoder and model. Columns: model, task, measure, encoder_a, encoder_b, and the others of `compared`.
    """
    scores = encoded_scores(encoded, labels, classes)
    pairs = encoder_comparisons(scores, images(labels), study.n_images)
    return as_text(named(pairs, models).select("model", "task", *pairs.columns[2:])).with_columns(*study.columns())
