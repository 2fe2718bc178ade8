"""What judges said of answers and classes, and which class of an answer they accept."""

from typing import get_args

import polars as pl

from mllm_classify.judge.pairs import PAIRS
from mllm_classify.tasks import Verdict

VERDICTS: list[str] = list(get_args(Verdict))
SAME = VERDICTS[0]
"""By which a judge accepts a class."""
KINDS = (PLAIN, INSTRUCTING) = ("plain", "instructing")
"""Of controls: answers, and answers that address the judge."""
DESCRIBING = [SAME, "more specific"]
"""By which an answer describes a class."""
JUDGEMENTS: dict[str, pl.DataType] = {
    **PAIRS,  # class_id is null for a control
    "repeat": pl.Int32(),
    "verdict": pl.String(),  # null where there is none
    "expected": pl.String(),  # of a control: the verdict that is right
    "control": pl.String(),  # its kind: plain, instructing
    "status": pl.String(),  # ok, error
    "error": pl.String(),
    "prompt_tokens": pl.Int32(),
    "cached_tokens": pl.Int32(),
    "completion_tokens": pl.Int32(),
}


def of_pairs(judgements: pl.LazyFrame) -> pl.LazyFrame:
    """Judgements without controls."""
    return judgements.filter(pl.col("control").is_null())


def of_nearest(judgements: pl.LazyFrame) -> pl.LazyFrame:
    """Judgements of answers and their nearest classes."""
    return judgements.filter(pl.col("rank").is_not_null())


def described(judgements: pl.LazyFrame, classes: pl.DataFrame) -> pl.DataFrame:
    """The classes that an answer names, or names a kind of, as most repeats say, as all classes of their names.

    Columns answer, described. Of the classes that the judge was asked about, those of the answer's images among them: what
    Conti et al. (2025) count as inclusion, a synonym or what is more specific than the target. Their judge is told so in
    other words.
    """
    names = classes.select("class_id", pl.col("same_name").alias("described"))
    return (
        of_pairs(judgements)
        .group_by("answer", "class_id")
        .agg((pl.col("verdict").is_in(DESCRIBING).fill_null(value=False).mean() > 0.5).alias("named"))
        .filter("named")
        .join(names.lazy(), on="class_id")
        .explode("described")
        .group_by("answer")
        .agg(pl.col("described").unique().sort())
        .collect()
    )


def accepted(judgements: pl.LazyFrame, classes: pl.DataFrame) -> pl.DataFrame:
    """The class that a judge accepts for each answer, as all classes of its name. Columns answer, judged.

    Of the nearest classes it is the first, in the order of similarity, of which most repeats say that it is the same; an
    answer of which there is none has no class: an empty list.
    """
    names = classes.select("class_id", pl.col("same_name").alias("judged"))
    first = (
        of_nearest(judgements)
        .group_by("answer", "class_id", "rank")
        .agg(((pl.col("verdict") == SAME).fill_null(value=False).mean() > 0.5).alias("same"))
        .sort("answer", "rank")
        .group_by("answer", maintain_order=True)
        .agg(pl.col("class_id").filter("same").first())
        .collect()
    )
    return first.join(names, on="class_id", how="left", maintain_order="left").select(
        "answer", pl.col("judged").fill_null(pl.lit([], dtype=pl.List(pl.Int32)))
    )
