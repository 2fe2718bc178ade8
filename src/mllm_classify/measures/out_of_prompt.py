"""Out-of-prompt (OOP) answers to the closed-world task, and how they are judged."""

import polars as pl

from mllm_classify.io.keys import QUESTION
from mllm_classify.measures.counting import LABEL_SETS, SUBSETS, in_subset, judged

LABELLED = "SM"
"""Images to which some class applies: all but those in N."""
MEMBERS = {
    "A": pl.lit(value=True),
    LABELLED: in_subset("S") | in_subset("M"),
    **{subset: in_subset(subset) for subset in SUBSETS if subset != "A"},
}
"""The subsets by which OOP answers are counted."""
SIGNALS = ["similarity", "margin"]
"""How near the nearest class is: its cosine, and how far it is ahead of the nearest class of another name."""


def closed_world(scores: pl.DataFrame, scoring: str) -> pl.DataFrame:
    """Answers to CW as it is asked for the main tables, under one scoring; errors are neither in nor out of prompt."""
    return scores.filter((pl.col("scoring") == scoring) & (pl.col("variant") == ""))


def by_label_set(scores: pl.DataFrame, n_images: str) -> pl.DataFrame:
    """Scores once for each label set that there is: columns label_set and right in place of imgt and regt.

    Under ReGT without the images that the rule for N leaves out.
    """
    return pl.concat(
        scores.filter(pl.col(column).is_not_null() & (judged(n_images) if name == "ReGT" else pl.lit(value=True)))
        .with_columns(pl.lit(name).alias("label_set"), pl.col(column).alias("right"))
        .drop(LABEL_SETS.values())
        for name, column in LABEL_SETS.items()
    )


def out_of_prompt(mappings: dict[str, pl.LazyFrame], scores: pl.DataFrame) -> pl.DataFrame:
    """OOP answers to CW on evaluated images, with the nearest class of each and whether that is right.

    `mappings` are by the model's name. Columns model, those of QUESTION, nearest_class and SIGNALS, and, as scores have
    them under CW+, scoring, status, imgt, regt and category.
    """
    oop = closed_world(scores, "CW+").filter("oop")
    return pl.concat(
        mapping.select(*QUESTION, "nearest_class", *SIGNALS)
        .collect()
        .join(
            oop.filter(pl.col("model") == model).select(
                "model", *QUESTION, "scoring", "status", "imgt", "regt", "category"
            ),
            on=QUESTION,
            maintain_order="left",
        )
        for model, mapping in mappings.items()
    )
