"""What one factor of models (their language model, image encoder, training data) is worth, all others being equal."""

import itertools
from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
import polars as pl

from mllm_classify.measures.bootstrap import MEASURES, Flags, Matrices, matrices
from mllm_classify.measures.bootstrap import resamples as blocks_of
from mllm_classify.measures.counting import ALL, RULES, Categories
from mllm_classify.measures.intervals import Floats, percentiles
from mllm_classify.measures.selection import main_scores
from mllm_classify.tables.table import INTERVAL, Column, Study, Table, fixed
from mllm_classify.tasks import MAIN_SCORINGS

KEYS = ["factor", "value", "other_value", "task", "measure"]
NUMBERS = ["A", "other_A", "gain", "gain_low", "gain_high"]
SCHEMA = {
    **dict.fromkeys([*KEYS, "model", "other_model"], pl.String), "pairs": pl.Int64, "n": pl.Int64,
    **dict.fromkeys(NUMBERS, pl.Float64),
}  # fmt: skip


class Compared(NamedTuple):
    """Pairs of models, which are right on which images that both have. Shapes: images x pairs."""

    pairs: list[tuple[str, str]]
    first: Flags
    second: Flags
    images: Flags  # that both have


def factors(
    scores: pl.DataFrame,
    images: pl.DataFrame,
    models: pl.DataFrame,
    study: Study,
    resamples: int,
    factor_pairs: list[list[str]],
) -> Table:
    """One row a pair of models that differ in one factor only, task that both have, and label set; and one the mean of pairs.

    `factor_pairs`: factor, its value and its other value, and the names of the models that have them. `gain`: accuracy of
    the model with the other value minus that of the first, in points, on the images that both have (`n`). Rows without a
    model are means over the `pairs` with these two values. Intervals (95 %): bootstrap over the images, paired; for these
    models. `images` are as in `matrices`.
    """
    answers = matrices(main_scores(scores), images)
    measures = {"ImGT": ALL, "ReGT": RULES[study.n_images]}
    labels = dict(models.select("model", "label").iter_rows())
    cells: list[dict[str, object]] = []
    for (factor, value, other_value), group in itertools.groupby(factor_pairs, key=lambda pair: pair[:3]):
        pairs = [(one, other) for *_, one, other in group]
        for task, (measure, among) in itertools.product(MAIN_SCORINGS, measures.items()):
            about = {"factor": factor, "value": value, "other_value": other_value, "task": task, "measure": measure}
            compared = _compared(answers, pairs, task, measure, among)
            if not compared.pairs:
                continue
            exact = _accuracies([np.ones((1, len(answers.categories)), np.float32)], compared)[:, 0]
            many = _accuracies(blocks_of(len(answers.categories), resamples), compared)
            for place, (one, other) in enumerate(compared.pairs):
                named = {"model": labels[one], "other_model": labels[other]}
                cells.append(about | named | _figures(exact, many, [place], compared.images))
            if len(compared.pairs) > 1:
                cells.append(about | _figures(exact, many, list(range(len(compared.pairs))), compared.images))
    rows = pl.DataFrame(cells, schema=SCHEMA).fill_nan(None)
    return Table(
        rows.with_columns(*(fixed(name, 2) for name in NUMBERS), *study.columns()),
        "Gains (points) by factors of models",
        f"{study}; pairs of models of which nothing else differs",
        {
            "factor": Column("Factor", words=True),
            "value": Column("From", words=True),
            "other_value": Column("To", "From, to: in the order of the alphabet.", words=True),
            "model": Column("Model", words=True),
            "other_model": Column("Other", "Lines without models are means over pairs with these two values.", words=True),
            "pairs": Column("Pairs"),
            "task": Column("Task", words=True),
            "measure": Column("Labels", words=True),
            "A": Column("Accuracy"),
            "other_A": Column("Other's"),
            "gain": Column("Gain", "Gain: on the images that both have. CI: paired bootstrap over the images, for these models."),
            "gain_interval": INTERVAL,
        },
    )  # fmt: skip


def _compared(answers: Matrices, pairs: list[tuple[str, str]], task: str, measure: str, among: Categories) -> Compared:
    """Those of the pairs of which both models have the task on some image of these categories."""
    kept = np.array([category in among for category in answers.categories], dtype=bool)
    rows = {row: place for place, row in enumerate(answers.rows.rows())}
    right, present = getattr(answers, MEASURES[measure]), answers.present > 0
    found: list[tuple[str, str]] = []
    sides: list[list[Flags]] = [[], []]
    shared = []
    for pair in pairs:
        if not all((model, task) in rows for model in pair):
            continue
        first, second = (rows[model, task] for model in pair)
        both = kept & present[:, first] & present[:, second]
        if both.any():
            found.append(pair)
            shared.append(both)
            sides[0].append(right[:, first] * both)
            sides[1].append(right[:, second] * both)
    columns = [np.array(flags, dtype=np.float32).T for flags in (*sides, shared)]
    return Compared(found, *columns)


def _accuracies(blocks: Iterable[Flags], compared: Compared) -> Floats:
    """Accuracies of the first models, of the others, and the others' minus the first's, in percent: 3 x resamples x pairs.

    NaN in resamples without an image that both have.
    """
    parts = []
    for block in blocks:
        with np.errstate(invalid="ignore", divide="ignore"):
            one, other = (
                (block @ right).astype(float) / (block @ compared.images).astype(float) * 100
                for right in (compared.first, compared.second)
            )
        parts.append(np.stack([one, other, other - one]))
    return np.concatenate(parts, axis=1)


def _figures(exact: Floats, many: Floats, pairs: list[int], images: Flags) -> dict[str, object]:
    """Means over these pairs, and the interval of their gain."""
    one, other, gain = exact[:, pairs].mean(axis=1)
    low, high = percentiles(many[2][:, pairs].mean(axis=1))
    return {
        "pairs": len(pairs), "n": int(images[:, pairs].sum(axis=0).min()), "A": float(one), "other_A": float(other),
        "gain": float(gain), "gain_low": float(low), "gain_high": float(high),
    }  # fmt: skip
