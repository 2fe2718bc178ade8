"""Numbers of images, and of correct ones among them, by label category: what the paper's tables are made of."""

import hashlib

import polars as pl

from mllm_classify.measures.intervals import wilson
from mllm_classify.tasks import CANDIDATES

Categories = list[str | None]
"""Disjoint label categories; None is that of images without a second label set."""
SUBSETS: dict[str, Categories] = {
    "A": ["S+", "S-", "M+", "M-", "N"],
    "S": ["S+", "S-"],
    "S+": ["S+"],
    "S-": ["S-"],
    "M": ["M+", "M-"],
    "M+": ["M+"],
    "M-": ["M-"],
    "N": ["N"],
}
"""Label categories by the disjoint ones that they are made of (Table 1)."""
ALL: Categories = [None, *SUBSETS["A"]]
RULES: dict[str, Categories] = {
    "correct": SUBSETS["A"],
    "excluded": [category for category in SUBSETS["A"] if category != "N"],
}
"""The categories that ReGT accuracy is over, by the rule for images in N: the paper's, and ReaL's.

Differences between label sets are over them under both.
"""
LABEL_SETS = {"ImGT": "imgt", "ReGT": "regt"}
"""The columns of scores that say whether an answer is correct."""
STATUSES = {"errors": "error", "empty": "empty", "several": "several"}
"""Answers that are counted apart, by the name of the count."""
COUNTED = [f"n_{name}" for name in (*STATUSES, "truncated")]
"""All counts of answers: by status, and of those that were cut off."""
REGT = {f"ReGT_{subset}": subset for subset in SUBSETS if subset != "N"}
"""Accuracies under ReGT, by the subset that they are over."""
ACCURACIES = ["ImGT_A", *REGT, "ImGT_and_ReGT"]
COMPARED = "ImGT_compared"
"""ImGT accuracy over the images that ReGT_A is over: what it is compared with."""


def in_subset(subset: str) -> pl.Expr:
    return pl.col("category").is_in(SUBSETS[subset])


def judged(n_images: str) -> pl.Expr:
    """Whether ReGT accuracy is over a category, by the rule for N."""
    return pl.col("category").is_in(RULES[n_images])


def fold(image_id: str) -> int:
    """Which half of the images one belongs to when tasks are chosen on the other half: 0 or 1, from its id alone."""
    return hashlib.sha256(f"fold:{image_id}".encode()).digest()[0] % 2


def folds(scores: pl.DataFrame) -> pl.DataFrame:
    """The half of every image that is scored. Columns image_id, fold."""
    ids = scores["image_id"].unique()
    return pl.DataFrame({"image_id": ids, "fold": [fold(image_id) for image_id in ids]})


def counts(scores: pl.DataFrame) -> pl.DataFrame:
    """Numbers of images, and of correct ones, per model, scoring, fold and category: what tables 3 to 5 are made of.

    `common` are images of which a model was asked every task that is chosen among: a pilot of one of them has fewer.
    """
    return (
        scores.join(folds(scores), on="image_id", how="left")
        .join(common_images(scores), on=["model", "image_id"], how="left")
        .with_columns(pl.col("common").fill_null(value=True))
        .group_by("model", "scoring", "fold", "category", "common")
        .agg(
            pl.len().alias("n"),
            pl.col("imgt").sum(),
            pl.col("regt").sum(),
            (pl.col("imgt") & pl.col("regt")).sum().alias("both"),
            pl.col("oop").sum(),
            *(pl.col("status").eq(kind).sum().alias(f"n_{name}") for name, kind in STATUSES.items()),
            pl.col("truncated").sum().alias("n_truncated"),
            (pl.col("regt").is_not_null() & (pl.col("status") == "error")).sum().alias("regt_errors"),
        )
        .sort("model", "scoring", "fold", "category", "common", nulls_last=True)
    )


def common_images(scores: pl.DataFrame) -> pl.DataFrame:
    """Whether an image has all of the model's scorings among CANDIDATES; where no image has, all count as if they had.

    Columns model, image_id, common.
    """
    chosen_among = scores.filter(pl.col("scoring").is_in(CANDIDATES))
    scorings = chosen_among.group_by("model").agg(pl.col("scoring").n_unique().alias("scorings"))
    has_all = pl.col("len") == pl.col("scorings")
    return (
        chosen_among.group_by("model", "image_id")
        .len()
        .join(scorings, on="model")
        .select("model", "image_id", common=has_all | ~has_all.any().over("model"))
    )


def accuracies(counted: pl.DataFrame, n_images: str) -> pl.DataFrame:
    """Accuracy in percent (eq. 2) per model and scoring, its 95 % Wilson interval, and the number of images.

    Columns of ACCURACIES and COMPARED, each with `_low` and `_high`, null where there is no image; ImGT_A and ReGT_A with
    `_worst` and `_best`, if all errors were wrong, as they are scored, and if all were right; `change`, ReGT_A minus
    COMPARED in points; `n`, `n_compared` (of the change) and `n_` of every subset. Where images in N are excluded, all but
    ImGT_A and `n` leave them out. `counted` is as `counts` returns it.
    """
    parts = {
        "ImGT_A": ("imgt", pl.lit(value=True)),
        **{name: ("regt", in_subset(subset)) for name, subset in REGT.items()},
        "ReGT_A": ("regt", judged(n_images)),
        "ImGT_and_ReGT": ("both", judged(n_images)),
        COMPARED: ("imgt", judged(n_images)),
    }
    summed = counted.group_by("model", "scoring", maintain_order=True).agg(
        *(pl.col(count).filter(among).sum().alias(name) for name, (count, among) in parts.items()),
        *(pl.col("n").filter(among).sum().alias(f"{name}_total") for name, (_, among) in parts.items()),
        *(pl.col(name).sum() for name in COUNTED),
        pl.col("regt_errors").filter(judged(n_images)).sum(),
        *sizes(),
        pl.when(pl.col("category").is_not_null().any())
        .then(pl.col("n").filter(judged(n_images)).sum())
        .alias("n_compared"),
    )
    errors = {"ImGT_A": pl.col("n_errors"), "ReGT_A": pl.col("regt_errors")}
    extremes = [
        pl.when(pl.col(f"{name}_total") > 0)
        .then((pl.col(name) + gain) / pl.col(f"{name}_total") * 100)
        .alias(f"{name}_{case}")
        for name, count in errors.items()
        for case, gain in {"worst": pl.lit(0), "best": count}.items()
    ]
    return percentages(summed.with_columns(extremes), [*ACCURACIES, COMPARED]).with_columns(
        (pl.col("ReGT_A") - pl.col(COMPARED)).alias("change")
    )


def percentages(counted: pl.DataFrame, names: list[str]) -> pl.DataFrame:
    """Numbers of images (columns `names`) as percentages of `_total`, with Wilson's interval as `_low` and `_high`.

    All three are null where the total is 0. The columns `_total` are dropped.
    """
    for name in names:
        total = pl.col(f"{name}_total")
        low, high = wilson(counted[name].to_numpy(), counted[f"{name}_total"].to_numpy())
        counted = counted.with_columns(
            pl.when(total > 0).then(pl.col(name) / total * 100).alias(name),
            pl.Series(f"{name}_low", low * 100).fill_nan(None),
            pl.Series(f"{name}_high", high * 100).fill_nan(None),
        )
    return counted.drop(f"{name}_total" for name in names)


def sizes() -> list[pl.Expr]:
    """Number of images, and in every subset; without a second label set, in all of them together only."""
    known = pl.col("category").is_not_null().any()
    return [
        pl.col("n").sum(),
        *(
            pl.when(known).then(pl.col("n").filter(in_subset(subset)).sum()).alias(f"n_{subset}")
            for subset in SUBSETS
            if subset != "A"
        ),
    ]
