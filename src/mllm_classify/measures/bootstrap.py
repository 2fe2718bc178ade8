"""Accuracies over resamples of the images: every row (model and scoring) is taken on the same resamples."""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import polars as pl

from mllm_classify.measures.counting import Categories
from mllm_classify.measures.intervals import Floats

SEED = 20260
"""With a resample's number it decides that resample, whatever is evaluated."""
BLOCK = 250
"""Resamples whose weights are held at once."""
MEASURES = {"ImGT": "imgt", "ReGT": "regt", "ImGT and ReGT": "both"}
"""What may be correct, by the column that counts it."""
CHANGE = "change"
"""The measure that is ReGT minus ImGT, in points."""

Flags = npt.NDArray[np.float32]
"""0 or 1. Sums of up to 2^24 of them are exact, in any order of summation."""


def resamples(images: int, count: int) -> Iterator[Flags]:
    """How often each resample draws each image: blocks of up to BLOCK x images, `count` rows in all."""
    for start in range(0, count, BLOCK):
        block = np.empty((min(BLOCK, count - start), images), dtype=np.float32)
        for row, number in enumerate(range(start, start + len(block))):
            drawn = np.random.default_rng([SEED, number]).integers(0, images, images)
            block[row] = np.bincount(drawn, minlength=images)
        yield block


def category_sums(
    blocks: Iterable[Flags], flags: Flags, categories: npt.NDArray[np.int64], kinds: int
) -> npt.NDArray[np.float32]:
    """Weighted sums of flags over the images of each category; all columns see the same weights.

    Shapes: blocks of resamples x images, flags images x columns, categories (0 to kinds - 1) images; returns
    resamples x kinds x columns.
    """
    order = np.argsort(categories, kind="stable")
    bounds = np.searchsorted(categories[order], np.arange(kinds + 1))
    flags = np.ascontiguousarray(flags[order])
    sums = []
    for block in blocks:
        weights = block[:, order]
        among = [slice(bounds[kind], bounds[kind + 1]) for kind in range(kinds)]
        sums.append(np.stack([weights[:, part] @ flags[part] for part in among], axis=1))
    return np.concatenate(sums)


class Matrices(NamedTuple):
    """Answers of every row (model and scoring) to every image, and correct ones among them. Shapes: images x rows.

    0 or 1, or more where a question was asked repeatedly.
    """

    rows: pl.DataFrame  # model, scoring
    categories: Categories  # of each image
    present: Flags
    imgt: Flags
    regt: Flags  # zeros without a second label set
    both: Flags


def by_image(scores: pl.DataFrame) -> pl.DataFrame:
    """Scores of repeated questions, one row an image: how many answers there are, and how many of them are correct."""
    return scores.group_by("model", "scoring", "image_id").agg(
        pl.len().alias("answers"),
        pl.col("imgt").sum(),
        pl.col("regt").sum(),
        (pl.col("imgt") & pl.col("regt")).sum().alias("both"),
    )


def matrices(scores: pl.DataFrame, images: pl.DataFrame) -> Matrices:
    """Images in the order of their ids, rows in the order of model and scoring.

    `scores` have one row an image, or are as `by_image` returns them. `images`, with image_id and category, are all that
    are evaluated, whether or not a model has them: what is drawn from them then depends on no model.
    """
    rows = scores.select("model", "scoring").unique().sort("model", "scoring").with_row_index("row")
    images = images.sort("image_id").with_row_index("image")
    if "answers" not in scores.columns:
        once = [pl.lit(1).alias("answers"), (pl.col("imgt") & pl.col("regt")).alias("both")]
        scores = scores.with_columns(once)
    places = (
        scores.select("model", "scoring", "image_id", "answers", "imgt", "regt", "both")
        .join(images.select("image_id", "image"), on="image_id", how="left")
        .join(rows, on=["model", "scoring"], how="left")
    )
    flat = places["image"].to_numpy().astype(np.int64) * rows.height + places["row"].to_numpy()

    def matrix(column: str) -> Flags:
        values = np.zeros(images.height * rows.height, dtype=np.float32)
        values[flat] = places[column].cast(pl.Float32).fill_null(0)
        return values.reshape(images.height, rows.height)

    return Matrices(
        rows.drop("row"),
        images["category"].to_list(),
        *(matrix(column) for column in ("answers", "imgt", "regt", "both")),
    )


class Sums(NamedTuple):
    """Correct answers, and all, per category, over resamples of the images. Shapes: resamples x categories x rows."""

    categories: Categories
    imgt: Floats
    regt: Floats
    both: Floats
    present: Floats

    def total(self, count: str, among: Categories) -> Floats:
        """Sums of one of the counts over these categories. Shape: resamples x rows."""
        kept = [number for number, category in enumerate(self.categories) if category in among]
        summed: Floats = getattr(self, count)[:, kept].sum(axis=1)
        return summed

    def accuracy(self, measure: str, among: Categories) -> Floats:
        """The share of answers to images of these categories that are correct by a measure, in percent.

        NaN where there is no answer. Shape: resamples x rows.
        """
        if measure == CHANGE:
            return self.accuracy("ReGT", among) - self.accuracy("ImGT", among)
        with np.errstate(invalid="ignore", divide="ignore"):
            return self.total(MEASURES[measure], among) / self.total("present", among) * 100


def sums(of: Matrices, blocks: Iterable[Flags]) -> Sums:
    """Sums over resamples, which are given as `resamples` yields them."""
    categories = sorted(set(of.categories), key=str)
    codes = np.array([categories.index(category) for category in of.categories])
    columns = np.concatenate([of.imgt, of.regt, of.both, of.present], axis=1)
    each = category_sums(blocks, columns, codes, len(categories)).astype(np.float64)
    return Sums(categories, *np.split(each, 4, axis=2))


def resampled(of: Matrices, count: int) -> tuple[Sums, Sums]:
    """Sums over the images as they are (one resample), and over `count` resamples of them."""
    images = len(of.categories)
    return sums(of, [np.ones((1, images), np.float32)]), sums(of, resamples(images, count))
