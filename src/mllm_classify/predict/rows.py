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


Column = pl.Series | list[str]


def ranking_rows(
    image_ids: Column, rankings: Column | list[list[int]], scores: list[list[float]] | None = None
) -> pl.DataFrame:
    """Rows of a model that ranks the data set's classes: the CW task, once per image."""
    return _rows(image_id=image_ids, class_ids=rankings, scores=scores, task="CW")


def answer_rows(image_ids: Column, tasks: Column, texts: Column) -> pl.DataFrame:
    """Rows of answers in words, of which nothing else is known."""
    return _rows(image_id=image_ids, task=tasks, text=texts)


def _rows(**columns: object) -> pl.DataFrame:
    """Predictions with these columns, or one value for all rows; the others are null."""
    known = {"variant": "", "repeat": 0, "status": "ok"} | columns
    each = {name: value for name, value in known.items() if isinstance(value, list | pl.Series)}
    return pl.DataFrame(each, schema_overrides={name: PREDICTIONS[name] for name in each}).with_columns(
        pl.lit(known.get(name), dtype=dtype).alias(name) for name, dtype in PREDICTIONS.items() if name not in each
    )


def gathered(shards: list[pl.DataFrame], images: pl.DataFrame) -> pl.DataFrame:
    """The rows of all shards, as one job would have written them: by task, in the order of the images."""
    order = images.select("image_id").with_row_index("order")
    tasks = {task: place for place, task in enumerate(shards[0]["task"].unique(maintain_order=True))}
    return (
        pl.concat(shards)
        .join(order, on="image_id", how="left")
        .sort(pl.col("task").replace_strict(tasks), "variant", "repeat", "order")
        .drop("order")
    )
