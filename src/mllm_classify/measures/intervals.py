"""95 % intervals of shares, of means, and of what resamples give."""

import numpy as np
import numpy.typing as npt
from scipy.stats import binomtest, t

CONFIDENCE = 0.95
TAIL = (1 - CONFIDENCE) / 2

Floats = npt.NDArray[np.float64]


def wilson(correct: npt.ArrayLike, total: npt.ArrayLike) -> tuple[Floats, Floats]:
    """Wilson's score interval of shares correct/total, as fractions; NaN where total is 0."""
    # many classes of one size share few shares
    pairs, place = np.unique(np.stack([np.asarray(correct), np.asarray(total)]), axis=1, return_inverse=True)
    bounds = [
        binomtest(int(k), int(n)).proportion_ci(CONFIDENCE, method="wilson") if n else (np.nan, np.nan)
        for k, n in pairs.T
    ]
    low, high = np.array(bounds, dtype=float).reshape(-1, 2)[place].T
    return low, high


def t_factors(count: npt.ArrayLike) -> Floats:
    """Half the width of Student's interval of a mean of so many values, in their standard deviations; NaN of one."""
    number = np.asarray(count, dtype=float)
    with np.errstate(invalid="ignore"):
        factors: Floats = t.ppf((1 + CONFIDENCE) / 2, number - 1) / np.sqrt(number)
    return factors


def percentiles(resampled: Floats) -> tuple[Floats, Floats]:
    """The bootstrap's percentile interval over the first axis. Shape: resamples x any; both bounds have the shape any.

    NaN where a resample has no value: an interval without it would be too narrow.
    """
    low, high = np.quantile(resampled, [TAIL, 1 - TAIL], axis=0)
    return low, high
