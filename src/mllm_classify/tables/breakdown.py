"""Out-of-prompt (OOP) answers by label category, and which become right by the nearest class."""

import polars as pl

from mllm_classify.measures.counting import SUBSETS, percentages
from mllm_classify.measures.out_of_prompt import LABELLED, MEMBERS, by_label_set, closed_world
from mllm_classify.tables.accuracy_columns import intervals
from mllm_classify.tables.table import INTERVAL, MODEL, Column, Study, Table, fixed, labelled, subtitle

STATISTICS = {
    "out of prompt": pl.lit(value=True),
    "right": pl.col("right"),
    "wrong": ~pl.col("right") & (pl.col("status") != "empty"),
    "no class": ~pl.col("right") & (pl.col("status") == "empty"),
}
"""Counts of OOP answers, whose last three add up to the first."""
SHARE = "right, %"


def breakdown(scores: pl.DataFrame, models: pl.DataFrame, study: Study) -> Table:
    """OOP answers by label category: how many there are, and how many the nearest class makes right or leaves wrong.

    The paper's Tab. 14 is in its supplement, which is not public; its text has one number of it, 38.75 % for Qwen3-VL
    (Fig. 4), which follows from its Tables 4 and 5 where images in N count as right.
    """
    listed = by_label_set(closed_world(scores, "CW+").filter(pl.col("oop").is_not_null()), study.n_images)
    keys = ["model", "label_set"]
    grouped = listed.group_by(keys)
    counts = [
        grouped.agg(*_counted(what), pl.len().alias("n")).with_columns(
            pl.col(*MEMBERS).cast(pl.String), pl.lit(statistic).alias("statistic")
        )
        for statistic, what in STATISTICS.items()
    ]
    totals = [pl.col(f"{subset}_total").fill_null(0) for subset in MEMBERS]
    right = grouped.agg(
        *_counted(pl.col("right")), *_counted(STATISTICS["out of prompt"], "_total"), pl.len().alias("n")
    )
    bounds = intervals([*MEMBERS])
    shares = percentages(right.with_columns(pl.col(*MEMBERS).fill_null(0), *totals), [*MEMBERS]).with_columns(
        *(fixed(name, 2) for name in [*MEMBERS, *bounds]), pl.lit(SHARE).alias("statistic")
    )
    order = {statistic: place for place, statistic in enumerate([*STATISTICS, SHARE])}
    rows = (
        pl.concat([*counts, shares], how="diagonal")
        .sort(*keys, pl.col("statistic").replace_strict(order, return_dtype=pl.Int32))
        .with_columns(pl.lit("CW+").alias("scoring"))
    )
    in_n = (
        "on which every answer is right under ReGT."
        if study.n_images == "correct"
        else "which are left out under ReGT."
    )
    categories = {
        LABELLED: Column("S and M", f"S and M: without images in N, {in_n}"),
        **{subset: Column(subset) for subset in SUBSETS if subset != "A"},
    }
    return Table(
        labelled(rows, models, study, ["label_set", "statistic", *MEMBERS, *bounds, "n"]).drop("task"),
        "Breakdown: out-of-prompt answers, and what the nearest class makes of them (CW+)",
        subtitle(study, rows),
        {
            "model": MODEL,
            "label_set": Column("Labels", words=True),
            "statistic": Column(
                "Answers",
                "Out of prompt: answers to CW that are none of the listed names. Right, wrong: the class whose embedding is "
                "nearest to the answer is, or is not, admissible. No class: empty answers. Right, %: of those out of prompt. "
                "CI: Wilson.",
                words=True,
            ),
            "A": Column("A"),
            "A_interval": INTERVAL,
            **(categories if study.regt else {}),
        },
    )


def _counted(what: pl.Expr, suffix: str = "") -> list[pl.Expr]:
    """OOP answers of a kind, in every subset; without categories in all of them only."""
    known = pl.col("category").is_not_null().any()
    numbers = {subset: (pl.col("oop") & what & among).sum().cast(pl.Int64) for subset, among in MEMBERS.items()}
    return [
        (number if subset == "A" else pl.when(known).then(number)).alias(f"{subset}{suffix}")
        for subset, number in numbers.items()
    ]
