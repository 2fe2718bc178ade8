"""Models ranked by accuracy: ranks, their intervals, and how far two rankings agree."""

import numpy as np
from scipy.stats import kendalltau, rankdata

from mllm_classify.measures.intervals import TAIL, Floats


def dense_ranks(accuracies: Floats) -> Floats:
    """Ranks from 1, the highest first; equal accuracies share one and none is skipped. Ranks are along the last axis.

    NaN along a whole axis in which one accuracy is NaN.
    """
    ranks: Floats = rankdata(-accuracies, method="dense", axis=-1).astype(float)
    ranks[np.isnan(accuracies).any(axis=-1)] = np.nan
    return ranks


def rank_intervals(resampled: Floats) -> tuple[Floats, Floats]:
    """The ranks that a row has in the middle 95 % of the resamples; NaN where a resample cannot be ranked.

    Shape: resamples x rows; both bounds have one entry a row.
    """
    low, high = np.quantile(dense_ranks(resampled), [TAIL, 1 - TAIL], axis=0, method="inverted_cdf")
    return low, high


def tau(one: Floats, other: Floats) -> float:
    """Kendall's tau-b between two rankings; NaN with fewer than two rows, or where all are equal."""
    return float(kendalltau(one, other).statistic) if len(one) > 1 else float("nan")
