"""How far confidences are what they say: pure functions of confidences between 0 and 1 and of what came true.

Shapes: n confidences, n truths, and weights of resamples x n, which say how often each resample has each.
"""

from itertools import pairwise
from typing import Literal

import numpy as np
import numpy.typing as npt

from mllm_classify.measures.intervals import Floats

BINS = 15
"""As Guo et al. (ICML 2017) have it."""
Binning = Literal["equal width", "equal mass"]
BINNINGS: tuple[Binning, ...] = ("equal width", "equal mass")
CERTAIN = float(np.finfo(np.float32).eps)
"""Logarithms are of probabilities at least so far from 0 and 1: no float32 below 1 is much nearer. scikit-learn's log_loss
does the same.
"""
HOT, COLD = 20.0, 0.05
"""The highest and the lowest temperature that is looked for."""
Truths = npt.NDArray[np.bool_]
Integers = npt.NDArray[np.int64]


def edges(confidence: Floats, binning: Binning, bins: int = BINS) -> Floats:
    """The bounds of bins, each of which holds its upper one: of equal width, or at quantiles of the confidences.

    They are scikit-learn's to the last bit, so that a confidence on a bound falls on the same side.
    """
    shares = np.linspace(0, 1, bins + 1)
    bounds: Floats = shares if binning == "equal width" else np.percentile(confidence, shares * 100)
    return bounds


def binned(confidence: Floats, bounds: Floats) -> Integers:
    """The bin of each confidence, from 0. Equal confidences are in the same one, so bins of equal mass may differ."""
    return np.searchsorted(bounds[1:-1], confidence).astype(np.int64)


def calibration_error(confidence: Floats, right: Truths, bins: Integers, weights: Floats) -> Floats:
    """ECE (Naeini et al., AAAI 2015): the mean over all, bin by bin, of how far mean confidence is from accuracy."""
    order = np.argsort(bins, kind="stable")
    bounds = np.searchsorted(bins[order], np.arange(bins.max() + 2))
    gap = (confidence - right)[order]
    ordered = weights[:, order]
    gaps = [ordered[:, low:high] @ gap[low:high] for low, high in pairwise(bounds)]
    error: Floats = np.abs(gaps).sum(axis=0) / weights.sum(axis=1)
    return error


def brier(confidence: Floats, right: Truths) -> Floats:
    """Brier's score (1950) of each: squared distance of the confidence from what came true."""
    return (confidence - right) ** 2


def log_loss(probability: Floats) -> Floats:
    """Negative log-likelihood of each, in nats, of the probability that what came true was given."""
    return -np.log(np.clip(probability, CERTAIN, 1 - CERTAIN))


def event_loss(confidence: Floats, right: Truths) -> Floats:
    """Negative log-likelihood of each event, of which a confidence was the probability."""
    return log_loss(np.where(right, confidence, 1 - confidence))


def area_under_risk(confidence: Floats, right: Truths, weights: Floats) -> Floats:
    """AURC (Geifman, Uziel & El-Yaniv, ICLR 2019) of each resample: the mean, over all numbers of answers kept, the most
    confident first, of the share of them that is wrong; of equally confident ones the mean over their orders.

    Weights are whole numbers. Of n equally confident answers with a share r of wrong ones behind N with E wrong ones, the
    t-th adds (E + r t) / (N + t), in sum r n + (E - r N) (H(N + n) - H(N)), H being the harmonic numbers.
    """
    _, group = np.unique(-confidence, return_inverse=True)
    order = np.argsort(group, kind="stable")
    starts = np.searchsorted(group[order], np.arange(group.max() + 1))
    ordered = weights[:, order].astype(np.float64)
    kept = np.add.reduceat(ordered, starts, axis=1)
    wrong = np.add.reduceat(ordered * ~right[order], starts, axis=1)
    before, wrong_before = (np.cumsum(each, axis=1) - each for each in (kept, wrong))
    share = np.divide(wrong, kept, out=np.zeros_like(wrong), where=kept > 0)
    total = weights.sum(axis=1)
    harmonic = np.concatenate([[0.0], np.cumsum(1 / np.arange(1, int(total.max()) + 1))])
    first, last = before.astype(np.int64), (before + kept).astype(np.int64)
    risks = wrong + (wrong_before - share * before) * (harmonic[last] - harmonic[first])
    area: Floats = risks.sum(axis=1) / total
    return area


def kept_at(confidence: Floats, coverage: float) -> Truths:
    """Which are kept where at least a share of them is to be: the most confident, equally confident ones together."""
    least = max(1, int(np.ceil(len(confidence) * coverage - 1e-9)))
    kept: Truths = confidence >= -np.sort(-confidence)[least - 1]
    return kept


def softened(probabilities: Floats, temperature: float) -> Floats:
    """Distributions (n x classes, the likeliest first) as the softmax of their logarithms divided by a temperature."""
    with np.errstate(divide="ignore"):
        logits = np.log(probabilities / probabilities[:, :1]) / temperature
    powers = np.exp(logits)
    shares: Floats = powers / powers.sum(axis=1, keepdims=True)
    return shares


def fitted_temperature(probabilities: Floats, right: Truths) -> float:
    """The temperature (Guo et al., ICML 2017) by which the first class's probability is the likeliest to say whether it is
    right, from COLD to HOT.

    They fit it to the one right class; where several are, whether the first is one of them is what can be fitted.
    """
    from scipy.optimize import minimize_scalar

    with np.errstate(divide="ignore"):
        logits = np.log(probabilities / probabilities[:, :1])

    def loss(logarithm: float) -> float:
        first = 1 / np.exp(logits / np.exp(logarithm)).sum(axis=1)
        return float(event_loss(first, right).mean())

    found = minimize_scalar(loss, bounds=(np.log(COLD), np.log(HOT)), method="bounded", options={"xatol": 1e-6})
    return float(np.exp(found.x))
