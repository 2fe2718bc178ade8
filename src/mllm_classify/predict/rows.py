"""The one shape of predictions, whoever made them."""

from collections.abc import Sequence

import polars as pl

from mllm_classify.tasks import CW

PREDICTIONS: dict[str, pl.DataType] = {
    "image_id": pl.String(),
    "task": pl.String(),  # of classes ranked by likelihood, the scoring
    "variant": pl.String(),
    "repeat": pl.Int32(),
    "text": pl.String(),  # answers in words; null for models that name class ids
    "texts": pl.List(pl.String),  # of a recorded list of answers all, best first, `text` the first of them
    "class_ids": pl.List(
        pl.Int32
    ),  # a ranking, best first, empty if recorded as none; null for models that answer in words
    "scores": pl.List(pl.Float32),  # of that ranking: what its model, or its task's scoring by likelihood, ranks by
    "status": pl.String(),  # ok, or error; of recorded class ids also empty and several, whose ranking is empty
    "error": pl.String(),  # why
    "reasoning": pl.String(),  # of chat models that show it; never mapped
    "answer_logprob": pl.Float64(),  # natural logarithm of the answer's probability; null unless asked for (request.logprobs)
    "letters": pl.List(
        pl.Float32
    ),  # of MC by letter: probabilities of A, B, ... as the answer's beginning, null where not said
    "finish_reason": pl.String(),
    "prompt": pl.String(),  # SHA-256 of the prompt file
    "request": pl.String(),  # digest of what was sent, without images; the journal holds it
    "group": pl.Int32(),  # images of one request have the same, within a variant and repeat; null where it was about one
    "served_model": pl.String(),  # as the server names it
    "fingerprint": pl.String(),  # of the server's system
    # of a request about several images, in the first one's row; of several requests about one, their sums:
    "prompt_tokens": pl.Int32(),
    "completion_tokens": pl.Int32(),  # reasoning among them
    "cached_tokens": pl.Int32(),  # of the prompt
    "reasoning_tokens": pl.Int32(),
    "batched": pl.Boolean(),  # whether the Batch API answered
    "latency": pl.Float64(),  # seconds; outside of every byte-for-byte comparison
    # of classes ranked by the likelihood of their names, whose every request is for one completion token:
    "nodes": pl.Int32(),  # of the tree of names that this ranking needed
    "tree_nodes": pl.Int32(),  # that there are
    "whole_tokens": pl.Int64(),  # of prompts, if every name was asked by itself; as those above, in the first scoring's row
}

TRUNCATED = (pl.col("finish_reason") == "length") & (pl.col("status") != "error")
"""Whether an answer was cut off at the most tokens that its request allows. An error is no answer, however it ended."""
Column = pl.Series | list[str]


def ranking_rows(
    image_ids: Column, rankings: Column | list[list[int]], scores: list[list[float]] | None = None
) -> pl.DataFrame:
    """Rows of a model that ranks the data set's classes: the CW task, once per image."""
    return _rows(image_id=image_ids, class_ids=rankings, scores=scores, task=CW.name)


def error_rows(image_ids: Column, reasons: Column) -> pl.DataFrame:
    """Rows of images that a model which ranks classes could not be asked about: wrong, and counted as errors."""
    return _rows(image_id=image_ids, error=reasons, status="error", task=CW.name)


def answer_rows(image_ids: Column, tasks: Column, texts: Column, lists: pl.Series | None = None) -> pl.DataFrame:
    """Rows of answers in words, of which nothing else is known; `lists` are those of which each answer is the first."""
    return _rows(image_id=image_ids, task=tasks, text=texts, texts=lists)


def without_answers(rows: pl.DataFrame, reason: str) -> pl.DataFrame:
    """Rows of which those with neither a text nor a ranking are errors, for this reason."""
    null = pl.col("text").is_null() & pl.col("class_ids").is_null()
    return rows.with_columns(
        status=pl.when(null).then(pl.lit("error")).otherwise("status"),
        error=pl.when(null).then(pl.lit(reason)).otherwise("error"),
    )


def _rows(**columns: object) -> pl.DataFrame:
    """Predictions with these columns, or one value for all rows; the others are null."""
    known = {"variant": "", "repeat": 0, "status": "ok"} | columns
    each = {name: value for name, value in known.items() if isinstance(value, list | pl.Series)}
    frame = pl.DataFrame(each, schema_overrides={name: PREDICTIONS[name] for name in each})
    return frame.select(
        name if name in each else pl.lit(known.get(name), dtype=dtype).alias(name)
        for name, dtype in PREDICTIONS.items()
    )


def in_order(rows: pl.DataFrame, image_ids: Column, tasks: Sequence[str] = ()) -> pl.DataFrame:
    """Rows by task (those of `tasks`, and others as they come), variant and repeat, and then in the images' order."""
    order = pl.DataFrame({"image_id": image_ids}, schema={"image_id": pl.String}).with_row_index("order")
    known = dict.fromkeys([*tasks, *rows["task"].unique(maintain_order=True)])
    places = {task: place for place, task in enumerate(known)}
    return (
        rows.join(order, on="image_id", how="left")
        .sort(pl.col("task").replace_strict(places, return_dtype=pl.Int32), "variant", "repeat", "order")
        .drop("order")
    )


def gathered(shards: list[pl.DataFrame], images: pl.DataFrame, tasks: Sequence[str] = ()) -> pl.DataFrame:
    """The rows of all shards, as one job would have written them, which has `tasks` in this order.

    A shard need not have all of them: a sample may have none of its images.
    """
    return in_order(pl.concat(shards), images["image_id"], tasks)
