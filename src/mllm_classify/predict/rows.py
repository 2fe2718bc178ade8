"""The one shape of predictions, whoever made them."""

import polars as pl

PREDICTIONS: dict[str, pl.DataType] = {
    "image_id": pl.String(),
    "task": pl.String(),
    "variant": pl.String(),
    "repeat": pl.Int32(),
    "text": pl.String(),  # answers in words; null for models that name class ids
    "class_ids": pl.List(pl.Int32),  # a ranking, best first; null for models that answer in words
    "scores": pl.List(pl.Float32),  # of that ranking
    "status": pl.String(),  # ok, or error
    "finish_reason": pl.String(),
    "prompt_tokens": pl.Int32(),
    "completion_tokens": pl.Int32(),
    "cached_tokens": pl.Int32(),
    "latency": pl.Float64(),  # seconds; outside of every byte-for-byte comparison
}


def ranking_rows(image_ids: list[str], rankings: list[list[int]], scores: list[list[float]]) -> pl.DataFrame:
    """Rows of a model that ranks the data set's classes: the CW task, once per image."""
    absent = [name for name in PREDICTIONS if name not in ("image_id", "class_ids", "scores")]
    constant = {"task": "CW", "variant": "", "repeat": 0, "status": "ok"}
    return pl.DataFrame(
        {"image_id": image_ids, "class_ids": rankings, "scores": scores},
        schema_overrides={name: PREDICTIONS[name] for name in ("image_id", "class_ids", "scores")},
    ).with_columns(pl.lit(constant.get(name), dtype=PREDICTIONS[name]).alias(name) for name in absent)
