"""Rows compared on the images that both have: McNemar's test, and Holm's correction for many tests."""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import polars as pl
from scipy.special import bdtr

from mllm_classify.measures.bootstrap import MEASURES, Flags, Matrices
from mllm_classify.measures.counting import ALL, RULES
from mllm_classify.measures.intervals import NORMAL, Floats


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


def holm(p: Floats) -> Floats:
    """P-values of one family of tests, corrected for their number (Holm, 1979)."""
    order = np.argsort(p)
    raised = np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1))
    corrected = np.empty_like(p)
    corrected[order] = np.minimum(raised, 1.0)
    return corrected


def mcnemar(flags: Flags, present: Flags) -> Pairs:
    """McNemar's exact test between every two columns (McNemar, 1947), corrected for all of them.

    The interval of a difference is Wald's for paired shares. Shapes: flags and present, images x columns.
    """
    first, second = np.triu_indices(flags.shape[1], k=1)
    both = (flags.T @ flags)[first, second].astype(np.int64)
    only_first = (flags.T @ present)[first, second].astype(np.int64) - both
    only_second = (present.T @ flags)[first, second].astype(np.int64) - both
    images = (present.T @ present)[first, second].astype(np.int64)
    discordant = only_first + only_second
    p = np.minimum(1.0, 2 * bdtr(np.minimum(only_first, only_second).astype(float), discordant, 0.5))
    with np.errstate(invalid="ignore", divide="ignore"):
        difference = (only_first - only_second) / images
        half = NORMAL * np.sqrt(discordant - (only_first - only_second) ** 2 / images) / images
    return Pairs(
        first, second, images, only_first, only_second, difference, difference - half, difference + half, p, holm(p)
    )


def compared(rows: Matrices, n_images: str) -> pl.DataFrame:
    """McNemar's exact test between any two rows, on the images that both have, corrected for all of them.

    Columns: measure, a, b (the places of both rows), n, only_a, only_b, difference (points) with its 95 % interval, p,
    p_holm, tests (their number). Images in N are left out under ReGT where the rule says so.
    """
    frames = []
    for measure, among in {"ImGT": ALL, "ReGT": RULES[n_images]}.items():
        kept = np.array([category in among for category in rows.categories])
        if not kept.any():
            continue
        pairs = mcnemar(getattr(rows, MEASURES[measure])[kept], rows.present[kept])
        frames.append(
            pl.DataFrame(
                {
                    "measure": pl.Series([measure] * len(pairs.first), dtype=pl.String),
                    "a": pairs.first,
                    "b": pairs.second,
                    "n": pairs.images,
                    "only_a": pairs.only_first,
                    "only_b": pairs.only_second,
                    "difference": pairs.difference * 100,
                    "difference_low": pairs.low * 100,
                    "difference_high": pairs.high * 100,
                    "p": pairs.p,
                    "p_holm": pairs.p_holm,
                }
            ).with_columns(pl.lit(len(pairs.first)).alias("tests"))
        )
    return pl.concat(frames)
