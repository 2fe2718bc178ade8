"""Scores of answers in words by every text encoder, and encoders compared."""

import polars as pl

from mllm_classify.io.files import InputError
from mllm_classify.measures.bootstrap import matrices
from mllm_classify.measures.paired import compared
from mllm_classify.score.score import REPLY, predicted_by_text, score
from mllm_classify.tasks import SCORINGS, TASK_OF

ENCODED = [scoring.name for scoring in SCORINGS if scoring.needs_encoder]
"""Scorings that depend on a text encoder: OW, and CW+."""


def encoded_scores(
    encoded: dict[tuple[str, str], pl.LazyFrame], labels: pl.DataFrame, classes: pl.DataFrame
) -> pl.DataFrame:
    """What answers are worth under OW and CW+, asked as for all other tables, by every encoder.

    `encoded` are mappings by encoder and model. Columns of scores. Raises InputError where a mapping is by another
    encoder.
    """
    tasks = sorted({TASK_OF[name] for name in ENCODED})
    frames = []
    for (encoder, model), mapping in encoded.items():
        main = mapping.filter(pl.col("variant") == "", pl.col("task").is_in(tasks)).collect()
        if wrong := set(main["encoder"].unique()) - {encoder}:
            msg = f"{model}: a mapping was made with {min(wrong)!r}, not with {encoder!r}"
            raise InputError(msg)
        # requests about several images are variants, of which there are none here
        predicted = predicted_by_text(main, classes).with_columns(pl.lit(None).alias(name) for name in REPLY)
        frames.append(score(model, predicted, labels).filter(pl.col("scoring").is_in(ENCODED)))
    return pl.concat(frames)


def encoder_comparisons(scores: pl.DataFrame, images: pl.DataFrame, n_images: str) -> pl.DataFrame:
    """McNemar's test between any two encoders, for each model and scoring one family of tests.

    Columns model, scoring, measure, encoder_a, encoder_b (names), and the others of `compared`. `images` are as in
    `matrices`.
    """
    frames = []
    for (model, scoring), part in scores.group_by("model", "scoring", maintain_order=True):
        rows = matrices(part.with_columns(pl.col("encoder").alias("model")), images)
        pairs = compared(rows, n_images)
        names = rows.rows["model"]
        frames.append(
            pairs.select(
                pl.lit(model).alias("model"),
                pl.lit(scoring).alias("scoring"),
                "measure",
                *(names.gather(pairs[side]).alias(f"encoder_{side}") for side in ("a", "b")),
                pl.exclude("measure", "a", "b"),
            )
        )
    places = {scoring: place for place, scoring in enumerate(ENCODED)}
    return pl.concat(frames).sort(
        "model", pl.col("scoring").replace_strict(places, return_dtype=pl.Int64), maintain_order=True
    )
