"""What the tree of names, and the bounds of its search, save of asking how likely every class name is."""

import polars as pl

from mllm_classify.tables.table import MODEL, Column, Study, Table, fixed, labelled, subtitle
from mllm_classify.tasks import RANKED

DECIMALS = {"nodes": 1, "cut": 1, "requests": 1, "tokens": 0, "new_tokens": 0, "whole_tokens": 0, "saved": 1, "saved_new": 1}  # fmt: skip


def likelihood(
    chat_predictions: dict[str, pl.LazyFrame], classes: pl.DataFrame, models: pl.DataFrame, study: Study
) -> Table:
    """One row for each model and scoring by likelihood: means over the images that have a ranking, shares in percent.

    `nodes` are those that the scoring needed of all `tree_nodes`, and `cut` is the share of the others. Requests and tokens are
    of all scorings of one task, which share them, and stand with its first; asked one by one, each of the different `names` is a
    request, of `whole_tokens` together, of which no cache has any (vLLM).
    """
    counted = pl.concat(_counted(name, predictions) for name, predictions in chat_predictions.items()).collect()
    order = {name: place for place, name in enumerate(RANKED)}
    rows = counted.with_columns(
        names=pl.lit(classes["name"].n_unique(), pl.Int64),
        cut=100 * (1 - pl.col("nodes") / pl.col("tree_nodes")),
        saved=100 * (1 - pl.col("tokens") / pl.col("whole_tokens")),
        saved_new=100 * (1 - pl.col("new_tokens") / pl.col("whole_tokens")),
    ).sort("model", pl.col("scoring").replace_strict(order, return_dtype=pl.Int32))
    shown = labelled(
        rows.with_columns(fixed(name, decimals) for name, decimals in DECIMALS.items()),
        models,
        study,
        ["names", "tree_nodes", *DECIMALS, "n", "n_errors"],
    )
    return Table(
        shown,
        "Likelihoods of class names: what the tree of names and its bounds save",
        subtitle(study, rows),
        {
            "model": MODEL,
            "task": Column("Scoring", "Means over the images that are ranked.", words=True),
            "names": Column("Names", "Names: different ones; asked one by one, each is a request."),
            "tree_nodes": Column("Nodes"),
            "nodes": Column("asked", "Nodes asked: those that the search for the best classes by this scoring needs."),
            "cut": Column("cut, %"),
            "requests": Column(
                "Requests",
                "Requests and tokens are of all scorings of a task together, and of images: each name once without an image, "
                "for PMI, is not among them. New tokens are those that no cache had.",
            ),
            "tokens": Column("Prompt tokens"),
            "new_tokens": Column("new"),
            "whole_tokens": Column("one by one"),
            "saved_new": Column("saved, %", "Saved: new tokens less than those of every name asked one by one."),
        },
    )


def _counted(name: str, predictions: pl.LazyFrame) -> pl.LazyFrame:
    """Of one model, by scoring: numbers of nodes, requests and tokens an image, of rankings and of errors."""
    ranked = pl.col("status") == "ok"
    new = pl.col("prompt_tokens") - pl.col("cached_tokens")
    means = {"nodes": pl.col("nodes"), "requests": pl.col("completion_tokens"), "tokens": pl.col("prompt_tokens")}
    means |= {"new_tokens": new, "whole_tokens": pl.col("whole_tokens")}
    return (
        predictions.filter(pl.col("task").is_in(list(RANKED)))
        .group_by(pl.col("task").alias("scoring"), maintain_order=True)
        .agg(
            pl.lit(name).alias("model"),
            pl.col("tree_nodes").max().cast(pl.Int64),
            *(it.filter(ranked).mean().alias(column) for column, it in means.items()),
            ranked.sum().cast(pl.Int64).alias("n"),
            (~ranked).sum().cast(pl.Int64).alias("n_errors"),
        )
    )
