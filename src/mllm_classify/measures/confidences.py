"""How sure models are of their first class, whether it is right, and what a temperature makes of that."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import polars as pl

from mllm_classify.measures.calibration import (
    Integers,
    Truths,
    fitted_temperature,
    log_loss,
    softened,
)
from mllm_classify.measures.counting import LABEL_SETS, fold
from mllm_classify.measures.intervals import Floats
from mllm_classify.measures.selection import evaluated
from mllm_classify.tasks import CW

WHOLE = 1e-3
"""By how much the scores of a ranking may miss 1 in sum, if they are the whole distribution."""
AS_GIVEN, SOFTENED = "as given", "temperature"


class Confidences(NamedTuple):
    """What one model says of its first class, or its answer, under one label set. One entry an image, by their ids."""

    model: str
    task: str  # the scoring
    variant: str  # of multiple choice
    label_set: str
    scores: str  # AS_GIVEN, SOFTENED, or what else confidences were made of
    temperatures: tuple[float, float] | None  # by which the images of half 0, and of half 1, were softened
    images: list[str]
    confidence: Floats
    right: Truths
    class_log_loss: Floats | None  # of the admissible classes; None where the distribution is not known
    class_brier: Floats | None
    errors: int  # images that the model gave no ranking of, which are none of these


class Distributions(NamedTuple):
    """Rankings as arrays, images x the most classes that any has; behind the end of a ranking, class -1 and score 0."""

    images: list[str]
    class_ids: Integers
    scores: Floats

    @property
    def whole(self) -> bool:
        """Whether every ranking has all that is probable: what is cut off is no more than WHOLE."""
        return bool((np.abs(self.scores.sum(axis=1) - 1) <= WHOLE).all())


def confidences(rankings: dict[str, pl.LazyFrame], labels: pl.DataFrame) -> Iterator[Confidences]:
    """Of each model, by name, and each label set: as its scores are, and, where they are whole distributions, softened by
    a temperature that is fitted to each half of the images and used on the other.

    Under ReGT, images in N are none of these: no first class is wrong there. Halves are by the image's id alone.
    """
    known = evaluated(labels)
    for model, frame in sorted(rankings.items()):
        rows = frame.filter((pl.col("variant") == "") & (pl.col("repeat") == 0))
        ranked = rows.select("image_id", "class_ids", "scores", "status").collect()
        yield from of_rankings(Source(model), ranked, known)


class Source(NamedTuple):
    """Whose rankings they are, to what, and what their scores are."""

    model: str
    task: str = CW.name
    variant: str = ""
    scores: str = AS_GIVEN
    complete: bool = True  # whether scores that sum to 1 are all that there are


def of_rankings(source: Source, ranked: pl.DataFrame, known: pl.DataFrame) -> Iterator[Confidences]:
    """Of rankings with columns image_id, class_ids, scores, which are probabilities, and status; one an image.

    `known` are the labels of evaluated images.
    """
    for label_set, column in LABEL_SETS.items():
        judged = labelled_by(known, label_set)
        mine = ranked.join(judged.select("image_id", f"{column}_admissible"), on="image_id").sort("image_id")
        sure = mine.filter((pl.col("status") == "ok") & (pl.col("scores").list.len() > 0))
        if sure.height:
            admissible = padded(sure[f"{column}_admissible"], -2)
            yield from _of_labels(source, label_set, distributions(sure), admissible, mine.height - sure.height)


def labelled_by(known: pl.DataFrame, label_set: str) -> pl.DataFrame:
    """The images of which a label set says which class is right; under ReGT those in N are none."""
    judged = known.filter(pl.col(LABEL_SETS[label_set]).is_not_null())
    return judged.filter(pl.col("regt").list.len() > 0) if label_set == "ReGT" else judged


def distributions(rankings: pl.DataFrame) -> Distributions:
    """Rankings with columns image_id, class_ids and scores, none of them empty."""
    scores = padded(rankings["scores"].cast(pl.List(pl.Float64)), 0)
    return Distributions(
        rankings["image_id"].to_list(), padded(rankings["class_ids"].cast(pl.List(pl.Int64)), -1), scores
    )


def padded(lists: pl.Series, fill: float) -> np.ndarray:
    """Lists as rows of an array, filled up to the longest."""
    lengths = lists.list.len().to_numpy()
    flat = lists.explode(empty_as_null=False).to_numpy()
    rows = np.full((len(lists), int(lengths.max())), fill, dtype=flat.dtype)
    rows[np.arange(rows.shape[1]) < lengths[:, None]] = flat
    return rows


def _of_labels(
    source: Source, label_set: str, given: Distributions, admissible: np.ndarray, errors: int
) -> Iterator[Confidences]:
    hits = np.zeros(given.class_ids.shape, dtype=bool)
    for column in admissible.T:
        hits |= given.class_ids == column[:, None]
    right = hits[:, 0]
    whole = source.complete and given.whole

    def of(scores: Floats, name: str, temperatures: tuple[float, float] | None) -> Confidences:
        mass = np.where(hits, scores, 0).sum(axis=1)
        rest = np.where(hits, 0, scores**2).sum(axis=1)
        single = whole and label_set == "ImGT"
        return Confidences(
            source.model,
            source.task,
            source.variant,
            label_set,
            name,
            temperatures,
            given.images,
            scores[:, 0],
            right,
            log_loss(mass) if single else None,
            rest + (1 - mass) ** 2 if single else None,
            errors,
        )

    yield of(given.scores, source.scores, None)
    halves = np.array([fold(image) for image in given.images])
    if whole and len(set(halves)) > 1:
        fitted = [fitted_temperature(given.scores[halves != half], right[halves != half]) for half in (0, 1)]
        scores = np.empty_like(given.scores)
        for half, temperature in enumerate(fitted):
            scores[halves == half] = softened(given.scores[halves == half], temperature)
        yield of(scores, SOFTENED, (fitted[0], fitted[1]))
