"""Intervals and tests for accuracies that were measured on the same images."""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.stats import binom, binomtest, kendalltau, norm, rankdata, t

CONFIDENCE = 0.95
SEED = 20260
"""Of the bootstrap. With a resample's number it decides that resample, whatever is evaluated."""
BLOCK = 250
"""Resamples whose weights are held at once."""

Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.float32]
"""0 or 1. Sums of up to 2^24 of them are exact, in any order of summation."""


def wilson(correct: npt.ArrayLike, total: npt.ArrayLike) -> tuple[Floats, Floats]:
    """Wilson's score interval of shares correct/total, as fractions; NaN where total is 0."""
    bounds = [
        binomtest(int(k), int(n)).proportion_ci(CONFIDENCE, method="wilson") if n else (np.nan, np.nan)
        for k, n in zip(np.asarray(correct), np.asarray(total), strict=True)
    ]
    low, high = np.array(bounds, dtype=float).reshape(-1, 2).T
    return low, high


def t_factors(count: npt.ArrayLike) -> Floats:
    """Half the width of Student's interval of a mean of so many values, in their standard deviations; NaN of one."""
    number = np.asarray(count, dtype=float)
    with np.errstate(invalid="ignore"):
        factors: Floats = t.ppf((1 + CONFIDENCE) / 2, number - 1) / np.sqrt(number)
    return factors


def percentiles(resampled: Floats) -> tuple[Floats, Floats]:
    """The bootstrap's percentile interval. Shape: resamples x anything; returns two of that shape.

    NaN where a resample has no value: an interval without it would be too narrow.
    """
    tail = (1 - CONFIDENCE) / 2
    low, high = np.quantile(resampled, [tail, 1 - tail], axis=0)
    return low, high


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


def dense_ranks(accuracies: Floats) -> Floats:
    """Ranks from 1, the highest first; equal accuracies share one and none is skipped. Ranks are along the last axis.

    NaN along a whole axis in which one accuracy is NaN.
    """
    ranks: Floats = rankdata(-accuracies, method="dense", axis=-1).astype(float)
    ranks[np.isnan(accuracies).any(axis=-1)] = np.nan
    return ranks


def rank_intervals(resampled: Floats) -> tuple[Floats, Floats]:
    """The ranks that a row has in the middle 95 % of the resamples; NaN where a resample cannot be ranked.

    Shape: resamples x rows.
    """
    tail = (1 - CONFIDENCE) / 2
    low, high = np.quantile(dense_ranks(resampled), [tail, 1 - tail], axis=0, method="inverted_cdf")
    return low, high


def tau(one: Floats, other: Floats) -> float:
    """Kendall's tau-b between two rankings; NaN with fewer than two rows, or where all are equal."""
    return float(kendalltau(one, other).statistic) if len(one) > 1 else float("nan")


class Pairs(NamedTuple):
    """Every two columns compared on the images that both have. One entry a pair."""

    first: npt.NDArray[np.int64]
    second: npt.NDArray[np.int64]
    images: npt.NDArray[np.int64]
    only_first: npt.NDArray[np.int64]  # images on which only the first is correct
    only_second: npt.NDArray[np.int64]
    difference: Floats  # of accuracies, first minus second, as a fraction
    low: Floats
    high: Floats
    p: Floats
    p_holm: Floats


def mcnemar(flags: Flags, present: Flags) -> Pairs:
    """McNemar's exact test between every two columns (McNemar, 1947), corrected for all of them (Holm, 1979).

    The interval of a difference is Wald's for paired shares. Shapes: flags and present, images x columns.
    """
    # a second to import, which the other tables need not wait for
    from statsmodels.stats.multitest import multipletests

    first, second = np.triu_indices(flags.shape[1], k=1)
    both = (flags.T @ flags)[first, second].astype(np.int64)
    only_first = (flags.T @ present)[first, second].astype(np.int64) - both
    only_second = (present.T @ flags)[first, second].astype(np.int64) - both
    images = (present.T @ present)[first, second].astype(np.int64)
    discordant = only_first + only_second
    p = np.minimum(1.0, 2 * binom.cdf(np.minimum(only_first, only_second), discordant, 0.5))
    with np.errstate(invalid="ignore", divide="ignore"):
        difference = (only_first - only_second) / images
        half = norm.ppf((1 + CONFIDENCE) / 2) * np.sqrt(discordant - (only_first - only_second) ** 2 / images) / images
    corrected = multipletests(p, method="holm")[1] if len(p) else p
    return Pairs(
        first, second, images, only_first, only_second, difference, difference - half, difference + half, p, corrected
    )
