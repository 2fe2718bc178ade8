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


def ranking_rows(
    image_ids: list[str], rankings: list[list[int]], scores: list[list[float]] | None = None
) -> pl.DataFrame:
    """Rows of a model that ranks the data set's classes: the CW task, once per image."""
    return _rows(image_id=image_ids, class_ids=rankings, scores=scores, task="CW")


def answer_rows(image_ids: list[str], tasks: list[str], texts: list[str]) -> pl.DataFrame:
    """Rows of answers in words, of which nothing else is known."""
    return _rows(image_id=image_ids, task=tasks, text=texts)


def _rows(**columns: object) -> pl.DataFrame:
    """Predictions with these columns, the same in all rows where they are no lists; the others are null."""
    known = {"variant": "", "repeat": 0, "status": "ok"} | columns
    lists = {name: value for name, value in known.items() if isinstance(value, list)}
    return pl.DataFrame(lists, schema_overrides={name: PREDICTIONS[name] for name in lists}).with_columns(
        pl.lit(known.get(name), dtype=dtype).alias(name) for name, dtype in PREDICTIONS.items() if name not in lists
    )
