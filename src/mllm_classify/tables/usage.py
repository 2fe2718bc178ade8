"""What chat models really used, by the servers' own counts: requests, tokens, the share from a cache, dollars."""

from typing import Any

import polars as pl

from mllm_classify.dollars import dollars
from mllm_classify.predict.rows import TRUNCATED
from mllm_classify.tables.accuracy_columns import truncated_column
from mllm_classify.tables.table import MODEL, TASK, Column, Study, Table, fixed, named
from mllm_classify.tasks import RANKED, TASK_NAMES

TOKENS = ["prompt_tokens", "cached_tokens", "completion_tokens", "reasoning_tokens"]


def usage(
    chat_predictions: dict[str, pl.LazyFrame],
    prices: dict[str, dict[str, Any] | None],
    models: pl.DataFrame,
    study: Study,
) -> Table:
    """One row for each model, task and variant; tokens are those of answers that came.

    `prices` are as a model's entry has them, by its name; where there are none, there is no cost.
    """
    counted = (
        pl.concat(_counted(name, predictions) for name, predictions in chat_predictions.items())
        .collect()
        .with_columns(
            (pl.col("cached_tokens") / pl.col("prompt_tokens") * 100).fill_nan(None).alias("cached_share"),
            *(pl.when("counted").then(column).alias(column) for column in TOKENS),
        )
    )
    costs = [
        None if (price := prices[row["model"]]) is None or not row["counted"] else _cost(price, row)
        for row in counted.iter_rows(named=True)
    ]
    rows = named(
        counted.with_columns(pl.Series("cost", costs, dtype=pl.Float64)).rename({"task": "scoring"}), models
    ).select(
        "model",
        "task",
        "variant",
        "images",
        "answers",
        "n_errors",
        "n_truncated",
        "requests",
        *TOKENS,
        fixed("cached_share", 1),
        fixed("cost", 2),
        *study.columns(),
    )
    return Table(
        rows,
        "What chat models used",
        str(study),
        {
            "model": MODEL,
            "task": TASK,
            "variant": Column("Variant", words=True),
            "answers": Column("Answers"),
            "n_errors": Column("Errors"),
            **truncated_column(rows),
            "requests": Column("Requests"),
            "prompt_tokens": Column(
                "Prompt tokens",
                "Tokens as the server counted them; empty where it does not. Requests that failed are not counted.",
            ),
            "cached_share": Column("cached, %"),
            "completion_tokens": Column("Answer tokens"),
            "reasoning_tokens": Column("of reasoning"),
            "cost": Column("Cost, $", "By the prices in the model's entry."),
        },
    )


def _counted(name: str, predictions: pl.LazyFrame) -> pl.LazyFrame:
    """What one model was asked and what its answers took, by task and variant; those of the Batch API apart, too."""
    return (
        # what all scorings by likelihood used together stands with the first
        predictions.filter(pl.col("task").is_in(TASK_NAMES))
        .select(
            pl.lit(name).alias("model"),
            "task",
            "variant",
            "image_id",
            "status",
            "finish_reason",
            "latency",
            "batched",
            *TOKENS,
        )
        .group_by("model", "task", "variant", maintain_order=True)
        .agg(
            pl.col("image_id").n_unique().alias("images"),
            pl.len().alias("answers"),
            (pl.col("status") == "error").sum().alias("n_errors"),
            TRUNCATED.sum().alias("n_truncated"),
            # a request about several images has its counts in the first one's row
            # each of those for a likelihood is for one token
            pl.when(pl.col("task").first().is_in(list(RANKED)))
            .then(pl.col("completion_tokens").sum())
            .otherwise(pl.col("latency").is_not_null().sum() + pl.col("batched").fill_null(value=False).sum())
            .cast(pl.UInt32)
            .alias("requests"),
            *(pl.col(column).cast(pl.Int64).sum() for column in TOKENS),
            *(pl.col(column).cast(pl.Int64).filter("batched").sum().alias(f"batched_{column}") for column in TOKENS),
            pl.col("prompt_tokens").is_not_null().any().alias("counted"),
        )
    )


def _cost(prices: dict[str, Any], row: dict[str, int]) -> float:
    batched = [row[f"batched_{name}"] for name in TOKENS[:3]]
    alone = [row[name] - of_batch for name, of_batch in zip(TOKENS[:3], batched, strict=True)]
    return dollars(prices, *alone) + dollars(prices, *batched, batch=True)
