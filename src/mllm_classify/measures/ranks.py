"""Models ranked by accuracy: ranks, their intervals, and how far two rankings agree."""

from typing import Literal

import numpy as np
from scipy.stats import kendalltau, rankdata

from mllm_classify.measures.intervals import TAIL, Floats


def dense_ranks(accuracies: Floats) -> Floats:
    """Ranks from 1, the highest first; equal accuracies share one and none is skipped. Ranks are along the last axis."""
    return _ranked(accuracies, "dense")


def places(accuracies: Floats) -> Floats:
    """Places from 1, the highest first: one more than the number of rows above (competition ranking); along the last axis."""
    return _ranked(accuracies, "min")


def place_intervals(resampled: Floats) -> tuple[Floats, Floats]:
    """The places that a row has in the middle 95 % of the resamples; NaN where a resample cannot be ranked.

    Dense ranks would lift a row wherever others tie. Shape: resamples x rows; both bounds have one entry a row.
    """
    low, high = np.quantile(places(resampled), [TAIL, 1 - TAIL], axis=0, method="inverted_cdf")
    return low, high


def _ranked(accuracies: Floats, method: Literal["dense", "min"]) -> Floats:
    """Ranks along the last axis, the highest first; NaN along a whole axis in which one accuracy is NaN."""
    ranks: Floats = rankdata(-accuracies, method=method, axis=-1).astype(float)
    ranks[np.isnan(accuracies).any(axis=-1)] = np.nan
    return ranks


def tau(one: Floats, other: Floats) -> float:
    """Kendall's tau-b between two rankings; NaN with fewer than two rows, or where all are equal."""
    return float(kendalltau(one, other).statistic) if len(one) > 1 else float("nan")
