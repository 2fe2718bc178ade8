"""What rules that map answers to classes make of labelled answers: precision, recall, Cohen's kappa."""

from typing import Final, NamedTuple, get_args

import numpy as np
import numpy.typing as npt
import polars as pl

from mllm_classify.dataset.answer_labels import answer_key
from mllm_classify.io.keys import QUESTION
from mllm_classify.judge.verdicts import accepted
from mllm_classify.mapping.names import by_name, included, normalise
from mllm_classify.measures.intervals import Floats
from mllm_classify.measures.out_of_prompt import SIGNALS
from mllm_classify.tasks import FreeTask, Reading

NAMES: Final[tuple[Reading, ...]] = ("exact", "included")
"""Rules that compare words only."""
EMBEDDED: Final[tuple[Reading, ...]] = ("nearest", "exact, else nearest")
"""Rules that need a text encoder."""
JUDGED: Final[Reading] = "exact, else judged"
"""The rule that needs a judge."""
NO_CLASS: Final = -1
AGREED: Final = "agreed"
"""The labels of answers of which all passes say that they mean the same classes."""
MAPPED: dict[str, pl.DataType] = {
    "answer": pl.String(),
    "rule": pl.String(),
    "encoder": pl.String(),  # or the judge; null of NAMES
    "predicted": pl.List(pl.Int32),  # empty where the rule gives the answer no class
    **dict.fromkeys(SIGNALS, pl.Float64()),  # null of other rules than EMBEDDED
}
Codes = npt.NDArray[np.int64]


class Quality(NamedTuple):
    """What a rule makes of n labelled answers."""

    mapped: int
    """Answers that it gives a class."""
    meant: int
    """Answers that mean a class by their labels."""
    right: int
    """Answers to which it gives a class that they mean."""
    possible: int
    """Answers to which it gives a class that they mean, may mean, or are a general word for."""


def by_rule(
    encoded: dict[tuple[str, str], pl.LazyFrame],
    worded_predictions: dict[str, pl.LazyFrame],
    classes: pl.DataFrame,
    judgements: dict[str, pl.LazyFrame],
) -> pl.DataFrame:
    """What each rule makes of each distinct answer to OW and CW, with the columns of MAPPED; sorted by answer.

    `encoded` are mappings by encoder and model, `judgements` those of each judge. Where two models give an answer, it is read
    once.
    """
    texts = {
        model: frame.filter(pl.col("task").is_in(get_args(FreeTask)), pl.col("variant") == "", pl.col("status") == "ok")
        .select(*QUESTION, pl.col("text").str.strip_chars())
        .filter(pl.col("text") != "")
        .collect()
        for model, frame in worded_predictions.items()
    }
    none = pl.lit([], dtype=pl.List(pl.Int32))
    distinct = pl.concat([pl.DataFrame(schema={"text": pl.String()}), *(it.select("text") for it in texts.values())])
    named = (
        distinct.unique()
        .with_columns(key=normalise("text"), answer=pl.col("text").map_elements(answer_key, return_dtype=pl.String))
        .sort("answer", "text")
        .unique("answer", keep="first", maintain_order=True)
        .join(by_name(classes), on="key", how="left", maintain_order="left")
    )
    named = named.join(included(named["key"], classes), on="key", how="left", maintain_order="left")
    exact = pl.col("exact_classes").fill_null(none)
    frames = [
        named.select("answer", rule=pl.lit("exact"), predicted=exact),
        named.select("answer", rule=pl.lit("included"), predicted=pl.col("included_classes").fill_null(none)),
    ]
    same_name = classes.select(nearest_class="class_id", nearest="same_name")
    for encoder in dict.fromkeys(encoder for encoder, _ in encoded):
        mapped = pl.concat(
            mapping.select(*QUESTION, "nearest_class", *SIGNALS).collect().join(texts[model], on=QUESTION)
            for (by, model), mapping in encoded.items()
            if by == encoder
        )
        near = (
            named.join(
                mapped.unique("text", keep="first", maintain_order=True), on="text", how="left", maintain_order="left"
            )
            .join(same_name, on="nearest_class", how="left", maintain_order="left")
            .with_columns(pl.col("nearest").fill_null(none))
        )
        about = [pl.col("answer"), pl.lit(encoder).alias("encoder"), *map(pl.col, SIGNALS)]
        either = pl.when(exact.list.len() > 0).then(exact).otherwise("nearest")
        frames += [
            near.select(*about, rule=pl.lit("nearest"), predicted="nearest"),
            near.select(*about, rule=pl.lit("exact, else nearest"), predicted=either),
        ]
    for judge, said in judgements.items():
        judged = named.join(
            accepted(said, classes), left_on="text", right_on="answer", how="left", maintain_order="left"
        )
        either = pl.when(exact.list.len() > 0).then(exact).otherwise(pl.col("judged").fill_null(none))
        frames.append(judged.select("answer", rule=pl.lit(JUDGED), encoder=pl.lit(judge), predicted=either))
    return pl.concat(
        [pl.DataFrame(schema=MAPPED), *(frame.cast({name: dtype for name, dtype in MAPPED.items() if name in frame.columns}) for frame in frames)],
        how="diagonal",
    )  # fmt: skip


def by_labels(labels: pl.DataFrame) -> dict[str, pl.DataFrame]:
    """Labels by who gave them in which pass, and, of several, those that are agreed on by all, which come first.

    `labels` have the columns of ANSWER_LABELS. Columns answer, meant, possible; sorted by answer.
    """
    each = {
        str(name): frame.select("answer", "meant", "possible").sort("answer")
        for (name,), frame in labels.sort("labels").group_by("labels", maintain_order=True)
    }
    if len(each) == 1:
        return each
    common = labels.group_by("answer").agg(
        pl.len().alias("passes"), pl.col("meant").n_unique().alias("readings"), pl.col("meant").first(), "possible"
    )
    agreed = common.filter((pl.col("passes") == len(each)) & (pl.col("readings") == 1)).sort("answer")
    both = [sorted(set.intersection(*map(set, lists))) for lists in agreed["possible"]]
    possible = pl.Series("possible", both, dtype=pl.List(pl.Int32))
    return {AGREED: agreed.select("answer", "meant", possible), **each}


def quality(answers: pl.DataFrame) -> Quality:
    """What a rule makes of answers. `answers` have the columns predicted, meant and possible."""
    right, possible = (pl.col("predicted").list.set_intersection(it).list.len() > 0 for it in ("meant", "possible"))
    counted = answers.select(
        (pl.col("predicted").list.len() > 0).sum().alias("mapped"),
        (pl.col("meant").list.len() > 0).sum().alias("meant"),
        right.sum().alias("right"),
        possible.sum().alias("possible"),
    )
    return Quality(*counted.row(0))


def codes(answers: pl.DataFrame) -> tuple[Codes, Codes]:
    """One class of each answer by a rule and by its label, NO_CLASS where there is none; n each.

    Where one of several classes is among the other side's, both stand for the lowest such one.
    """
    both = pl.col("predicted").list.set_intersection("meant").list.min()
    found = answers.select(
        pl.coalesce(both, pl.col(name).list.min()).fill_null(NO_CLASS).alias(name) for name in ("predicted", "meant")
    )
    return found["predicted"].cast(pl.Int64).to_numpy(), found["meant"].cast(pl.Int64).to_numpy()


def kappa(one: Codes, other: Codes, weights: Floats) -> Floats:
    """Cohen's kappa (1960) of two codings of the same n answers, by how often each answer counts.

    Shapes: codes n each, weights k x n; returns k. NaN where both sides have one and the same code throughout.
    """
    known, places = np.unique(np.concatenate([one, other]), return_inverse=True)
    sides = (places[: len(one)], places[len(one) :])
    totals = weights.sum(axis=1)
    agreement = weights @ (one == other) / totals
    first, second = (_by_code(side, weights, len(known)) for side in sides)
    shares = (first * second).sum(axis=1) / totals**2
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(shares < 1, (agreement - shares) / (1 - shares), np.nan)


def _by_code(places: Codes, weights: Floats, count: int) -> Floats:
    """How often each of `count` codes occurs, by how often each answer counts. Returns k x count."""
    order = np.argsort(places, kind="stable")
    present, starts = np.unique(places[order], return_index=True)
    found = np.zeros((len(weights), count))
    found[:, present] = np.add.reduceat(weights[:, order], starts, axis=1)
    return found
