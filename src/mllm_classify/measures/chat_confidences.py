"""How sure chat models are: of classes ranked by the likelihood of their names, of answers in words, of letters."""

from collections.abc import Iterator

import numpy as np
import polars as pl

from mllm_classify.io.keys import QUESTION
from mllm_classify.measures.confidences import AS_GIVEN, Confidences, Source, distributions, labelled_by, of_rankings
from mllm_classify.measures.counting import LABEL_SETS
from mllm_classify.measures.intervals import Floats
from mllm_classify.measures.selection import evaluated
from mllm_classify.predict.likelihood.search import MARGIN
from mllm_classify.tasks import MAIN_SCORINGS, MC, RANKED, SCORINGS

SAID = ["status", "class_ids", "scores", "answer_logprob", "letters"]
"""What predictions have of how sure a model is."""
AT_LEAST, AT_MOST = "at least", "at most"
"""Bounds of probabilities, where bounds of the search left names out."""
ANSWERS, LETTERS = "answers", "letters"
WORDED = [it.name for it in SCORINGS if it.name not in RANKED and (it.name in MAIN_SCORINGS or it.name == MC.name)]
"""Scorings of answers whose own probability may be known: OW, CW, CW+, CW-constrained, MC."""


def chat_confidences(
    predictions: dict[str, pl.LazyFrame],
    scores: pl.DataFrame,
    choices: dict[str, pl.LazyFrame],
    labels: pl.DataFrame,
    classes: pl.DataFrame,
) -> Iterator[Confidences]:
    """Of each chat model, by name: likelihoods, answers of which the log-probability is known, and letters of MC.

    `scores` and `choices` are those stages', `choices` empty where there are none. Only first repeats count; of variants, those of MC.
    """
    known = evaluated(labels)
    for model, frame in sorted(predictions.items()):
        rows = frame.filter(pl.col("repeat") == 0).select(*QUESTION, *SAID).collect()
        for task in (name for name in RANKED if rows["task"].eq(name).any()):
            for name, ranked in normalised(rows.filter(task=task), classes):
                yield from of_rankings(Source(model, task, "", name, complete=name == AS_GIVEN), ranked, known)
        yield from _answers(model, rows, scores, known)
        for options in choices.values():
            asked = lettered(rows, options.collect())
            for (variant,), ranked in sorted(asked.group_by("variant")):
                yield from of_rankings(Source(model, MC.name, str(variant), LETTERS, complete=False), ranked, known)


def normalised(ranked: pl.DataFrame, classes: pl.DataFrame) -> Iterator[tuple[str, pl.DataFrame]]:
    """Rankings by likelihood with probabilities in place of scores: their softmax over all names, which classes of one name
    share equally.

    Where a ranking has not all classes, each other name is known to score at most as the last that it has, up to MARGIN: the
    probabilities are then at least, and at most, what the two rankings say.
    """
    of_name = classes.group_by("name").agg("class_id", pl.len().alias("sharing")).explode("class_id")
    weights = 1 / of_name.sort("class_id")["sharing"].to_numpy()
    told = pl.col("class_ids").list.len() > 0
    about = ranked.select("image_id", "status", "class_ids", "scores")
    sure, others = about.filter(told), about.filter(~told | told.is_null())
    if not sure.height:
        return
    given = distributions(sure)
    there = given.class_ids >= 0
    above = given.scores - given.scores[:, :1]
    weight = np.where(there, weights[given.class_ids], 0)
    shares = np.where(there, np.exp(above), 0) * weight
    left = weights.sum() - weight.sum(axis=1)  # names, of which the last of the ranking bounds each
    rest = np.where(
        there.all(axis=1) & (there.shape[1] == len(weights)), 0, left * np.exp(_last(above, there) + MARGIN)
    )
    total = shares.sum(axis=1)
    for name, sums in ((AS_GIVEN, total),) if not rest.any() else ((AT_LEAST, total + rest), (AT_MOST, total)):
        probable = pl.Series("scores", shares / sums[:, None]).arr.to_list()
        class_ids = pl.Series("class_ids", given.class_ids).arr.to_list()
        yield (
            name,
            pl.concat(
                [sure.select("image_id", "status").with_columns(class_ids, probable), others], how="diagonal_relaxed"
            ),
        )


def _last(scores: Floats, there: np.ndarray) -> Floats:
    """The score of the last class of each ranking."""
    lowest: Floats = np.where(there, scores, np.inf).min(axis=1)
    return lowest


def lettered(rows: pl.DataFrame, choices: pl.DataFrame) -> pl.DataFrame:
    """The options of each question of MC whose letters' probabilities are known, ranked by these, which sum to 1.

    A letter of which the server says nothing is not among the likeliest tokens; it counts as 0.
    """
    asked = rows.filter(pl.col("letters").is_not_null()).join(
        choices.filter(pl.col("options").is_not_null()).select(*QUESTION[:1], *QUESTION[2:], "options"),
        on=[*QUESTION[:1], *QUESTION[2:]],
    )
    ranked = []
    for image_id, variant, status, options, letters in asked.select(
        "image_id", "variant", "status", "options", "letters"
    ).iter_rows():
        known = [*(it or 0.0 for it in letters[: len(options)]), *[0.0] * (len(options) - len(letters))]
        if (total := sum(known)) > 0:
            order = sorted(range(len(options)), key=lambda it: -known[it])
            shares = [known[it] / total for it in order]
            ranked.append((image_id, variant, status, [options[it] for it in order], shares))
    schema = {"image_id": pl.String, "variant": pl.String, "status": pl.String}
    return pl.DataFrame(
        ranked, schema=schema | {"class_ids": pl.List(pl.Int32), "scores": pl.List(pl.Float64)}, orient="row"
    )


def _answers(model: str, rows: pl.DataFrame, scores: pl.DataFrame, known: pl.DataFrame) -> Iterator[Confidences]:
    """Of answers in words, whose confidence is the probability of the whole answer."""
    sure = rows.filter(pl.col("answer_logprob").is_not_null()).select(*QUESTION, "answer_logprob")
    if not sure.height:
        return
    mine = scores.filter((pl.col("model") == model) & pl.col("scoring").is_in(WORDED) & (pl.col("repeat") == 0))
    asked = mine.filter(((pl.col("variant") == "") | (pl.col("task") == MC.name)) & (pl.col("status") != "unasked"))
    judged = asked.join(sure, on=QUESTION, how="left")
    order = {name: place for place, name in enumerate(WORDED)}
    keys = judged.select("scoring", "variant").unique().sort(pl.col("scoring").replace_strict(order), "variant")
    for scoring, variant in keys.iter_rows():
        of = judged.filter(scoring=scoring, variant=variant)
        for label_set, column in LABEL_SETS.items():
            labelled = of.join(labelled_by(known, label_set), on="image_id", how="semi").sort("image_id")
            told = labelled.filter(pl.col("answer_logprob").is_not_null() & (pl.col("status") != "error"))
            if told.height:
                yield Confidences(
                    model,
                    scoring,
                    variant,
                    label_set,
                    ANSWERS,
                    None,
                    told["image_id"].to_list(),
                    np.exp(np.minimum(told["answer_logprob"].to_numpy(), 0)),
                    told[column].to_numpy(),
                    None,
                    None,
                    labelled.height - told.height,
                )
