"""95 % intervals of shares, of means, and of what resamples give."""

import numpy as np
import numpy.typing as npt

CONFIDENCE = 0.95
TAIL = (1 - CONFIDENCE) / 2
# scipy.special.ndtri(1 - TAIL), written out: importing scipy takes a quarter of a table's time
NORMAL = 1.959963984540054
"""Half the width of a normal distribution's interval, in its standard deviations."""

Floats = npt.NDArray[np.float64]


def wilson(correct: npt.ArrayLike, total: npt.ArrayLike) -> tuple[Floats, Floats]:
    """The score interval of shares correct/total, as fractions (Wilson, 1927); NaN where total is 0."""
    k, n = np.asarray(correct, dtype=float), np.asarray(total, dtype=float)
    with np.errstate(invalid="ignore", divide="ignore"):
        share = k / n
        double = 2 * (n + NORMAL**2)
        centre = (2 * n * share + NORMAL**2) / double
        half = NORMAL / double * np.sqrt(4 * n * share * (1 - share) + NORMAL**2)
    # exactly, where rounding would leave some 1e-17
    return np.where(k == 0, centre * 0, centre - half), np.where(k == n, centre * 0 + 1, centre + half)


def t_factors(count: npt.ArrayLike) -> Floats:
    """Half the width of Student's interval of a mean of so many values, in their standard deviations; NaN of one."""
    from scipy.special import stdtrit

    number = np.asarray(count, dtype=float)
    with np.errstate(invalid="ignore"):
        factors: Floats = stdtrit(number - 1, (1 + CONFIDENCE) / 2) / np.sqrt(number)
    return factors


def percentiles(resampled: Floats) -> tuple[Floats, Floats]:
    """The bootstrap's percentile interval over the first axis. Shape: resamples x any; both bounds have the shape any.

    NaN where a resample has no value: an interval without it would be too narrow.
    """
    low, high = np.quantile(resampled, [TAIL, 1 - TAIL], axis=0)
    return low, high
