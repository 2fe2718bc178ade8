"""Rank correlation: Spearman's, partial, and its intervals."""

import numpy as np
from scipy.stats import rankdata

from mllm_classify.measures.intervals import NORMAL, Floats


def spearman(one: Floats, other: Floats) -> float:
    """Spearman's rank correlation of two rows of numbers; ties share their mean rank. NaN where all of one are equal."""
    if len(one) < 2:
        return float("nan")
    a, b = (rankdata(values) - (len(values) + 1) / 2 for values in (one, other))
    spread = float(np.sqrt((a @ a) * (b @ b)))
    return float(np.clip((a @ b) / spread, -1, 1)) if spread else float("nan")


def partial(between: float, one_third: float, other_third: float) -> float:
    """The correlation of two that a third does not explain, from those of each two. NaN where the third explains one."""
    rest = (1 - one_third**2) * (1 - other_third**2)
    return float(np.clip((between - one_third * other_third) / np.sqrt(rest), -1, 1)) if rest > 1e-12 else float("nan")


def spearman_interval(rho: float, count: int, without: int = 0) -> tuple[float, float]:
    """The 95 % interval of a rank correlation over `count` pairs, `without` so many others that were partialled out.

    Bonett and Wright (2000): normal on Fisher's scale, of variance (1 + rho^2 / 2) / (count - without - 3). NaN of too few.
    """
    freedom = count - without - 3
    if freedom < 1 or np.isnan(rho):
        return float("nan"), float("nan")
    half = NORMAL * np.sqrt((1 + rho**2 / 2) / freedom)
    with np.errstate(divide="ignore"):
        middle = np.arctanh(rho)
    return float(np.tanh(middle - half)), float(np.tanh(middle + half))
