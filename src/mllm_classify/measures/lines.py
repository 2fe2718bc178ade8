"""Straight lines through models' accuracies on two data sets, on a logit scale."""

import numpy as np

from mllm_classify.measures.intervals import Floats

FEWEST = 3
"""Models that a line is drawn through: it goes through any two."""


def logit(share: Floats, images: Floats) -> Floats:
    """ln(p / (1 - p)) of shares of so many images; a share of 0 or 1 is taken half an image from it. NaN of no image."""
    with np.errstate(invalid="ignore", divide="ignore"):
        half = 0.5 / images
        inside = np.clip(share, half, 1 - half)
        scaled: Floats = np.log(inside / (1 - inside))
    return scaled


def expit(value: Floats) -> Floats:
    """The share of a logit."""
    share: Floats = 1 / (1 + np.exp(-value))
    return share


def others_line(x: Floats, y: Floats) -> Floats:
    """What the least-squares line through all other models says of each: of `y` at its `x`.

    NaN where the others are fewer than FEWEST, or all of one `x`. Shapes: resamples x models; a model that is NaN in either
    is NaN, and no other.
    """
    known = ~(np.isnan(x) | np.isnan(y))
    a, b = np.where(known, x, 0.0), np.where(known, y, 0.0)
    n = known.sum(axis=-1, keepdims=True) - 1.0  # others of each that is known
    # about the mean of all, so that sums of squares keep their digits
    centre = a.sum(axis=-1, keepdims=True) / np.maximum(n + 1, 1)
    a = np.where(known, a - centre, 0.0)
    sums = {"x": a, "y": b, "xx": a * a, "xy": a * b}
    other = {name: values.sum(axis=-1, keepdims=True) - values for name, values in sums.items()}
    with np.errstate(invalid="ignore", divide="ignore"):
        spread = other["xx"] - other["x"] ** 2 / n
        slope = (other["xy"] - other["x"] * other["y"] / n) / spread
        said: Floats = other["y"] / n + slope * (a - other["x"] / n)
    said[~known | (n < FEWEST) | (spread < 1e-9)] = np.nan
    return said
