"""What chat models really used, by the servers' own counts: requests, tokens, the share from a cache, dollars."""

from typing import TYPE_CHECKING

import polars as pl

from mllm_classify.tables.tables import Study, Table, fixed, named

if TYPE_CHECKING:
    from mllm_classify.config.chat import Prices

TOKENS = ["prompt_tokens", "cached_tokens", "completion_tokens", "reasoning_tokens"]


def usage(
    predictions: dict[str, pl.DataFrame], prices: "dict[str, Prices | None]", models: pl.DataFrame, study: Study
) -> Table:
    """One row for each model, task and variant; tokens are those of answers that came.

    `predictions` and `prices` are by the model's name; without prices there is no cost.
    """
    frames = [
        frame.with_columns(pl.lit(name).alias("model")).group_by("model", "task", "variant", maintain_order=True).agg(
            pl.col("image_id").n_unique().alias("images"),
            pl.len().alias("answers"),
            (pl.col("status") == "error").sum().alias("n_errors"),
            # a request about several images has its counts in the first one's row
            pl.col("latency").is_not_null().sum().alias("requests") + pl.col("batched").fill_null(value=False).sum(),
            *(pl.col(column).cast(pl.Int64).sum() for column in TOKENS),
            *(pl.col(column).cast(pl.Int64).filter("batched").sum().alias(f"batched_{column}") for column in TOKENS),
            pl.col("prompt_tokens").is_not_null().any().alias("counted"),
        )
        for name, frame in sorted(predictions.items())
    ]  # fmt: skip
    figures = pl.concat(frames).with_columns(
        (pl.col("cached_tokens") / pl.col("prompt_tokens") * 100).fill_nan(None).alias("cached_share"),
        *(pl.when("counted").then(column).alias(column) for column in TOKENS),
    )
    costs = [
        None if (price := prices[row["model"]]) is None or not row["counted"] else _cost(price, row)
        for row in figures.iter_rows(named=True)
    ]
    figures = figures.with_columns(pl.Series("cost", costs, dtype=pl.Float64))
    columns = [
        "variant",
        "images",
        "answers",
        "n_errors",
        "requests",
        *TOKENS,
        "cached_share",
        "cost",
    ]
    shown = named(figures.rename({"task": "scoring"}), models).select("model", "task", *columns, *study.columns())
    return Table(
        shown.with_columns(fixed("cached_share", 1), fixed("cost", 2)),
        "What chat models used",
        str(study),
        {"model": "Model", "task": "Task", "variant": "Variant", "answers": "Answers", "n_errors": "Errors",
         "requests": "Requests", "prompt_tokens": "Prompt tokens", "cached_share": "cached, %",
         "completion_tokens": "Answer tokens", "reasoning_tokens": "of reasoning",
         "cost": "Cost, $"},
        {"prompt_tokens": "Tokens as the server counted them; empty where it does not. Requests that failed are not counted.",
         "cost": "By the prices in the model's entry."},
    )  # fmt: skip


def _cost(prices: "Prices", row: dict[str, int]) -> float:
    batched = [row[f"batched_{name}"] for name in TOKENS[:3]]
    alone = [row[name] - of_batch for name, of_batch in zip(TOKENS[:3], batched, strict=True)]
    return prices.cost(*alone) + prices.cost(*batched, batch=True)
