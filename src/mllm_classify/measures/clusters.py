"""Accuracies of answers that were not given independently: images of one request are drawn, and flipped, together."""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import polars as pl
from scipy.signal import fftconvolve
from scipy.stats import binom

from mllm_classify.measures.bootstrap import resamples
from mllm_classify.measures.counting import LABEL_SETS, RULES
from mllm_classify.measures.intervals import percentiles

REQUESTS = ["model", "task", "variant", "repeat", "group"]
"""What images of one request share."""
Integers = npt.NDArray[np.int64]


class Layout(NamedTuple):
    """Integers summed over the images that were asked about together, and how many they are. One entry a cluster."""

    sums: Integers
    sizes: Integers


def with_clusters(scores: pl.DataFrame) -> pl.DataFrame:
    """Scores with a column cluster, the same for images of one request (within a model, task, variant and repeat).

    An image that was asked about alone is a cluster of its own. Clusters are named by their first image, so that the same
    in two repeats have the same name.
    """
    alone = pl.col("group").is_null()
    return scores.with_columns(
        cluster=pl.when(alone).then("image_id").otherwise(pl.col("image_id").min().over(REQUESTS))
    )


def answered(scores: pl.DataFrame, label_set: str, n_images: str) -> pl.DataFrame:
    """The answers that accuracy under a label set is over: image_id, repeat, cluster, and value, 1 where correct.

    `scores` are as `with_clusters` returns them.
    """
    column = LABEL_SETS[label_set]
    counts = pl.lit(value=True) if label_set == "ImGT" else pl.col("category").is_in(RULES[n_images])
    return scores.filter(counts & pl.col(column).is_not_null()).select(
        "image_id", "repeat", "cluster", value=pl.col(column).cast(pl.Int64)
    )


def layouts(values: pl.DataFrame) -> list[Layout]:
    """Values summed by cluster: in one layout, or, where repeats have other clusters, in one of each repeat.

    Columns: image_id, repeat, cluster and value (an integer).
    """
    clusters = values.group_by("image_id").agg(pl.col("cluster").n_unique())["cluster"]
    if (clusters == 1).all():
        values = values.with_columns(repeat=0)
    summed = values.group_by("repeat", "cluster").agg(pl.col("value").sum(), pl.len()).sort("repeat", "cluster")
    return [
        Layout(of["value"].cast(pl.Int64).to_numpy(), of["len"].cast(pl.Int64).to_numpy())
        for _, of in summed.group_by("repeat", maintain_order=True)
    ]


def interval(of: list[Layout], count: int) -> tuple[float, float]:
    """The 95 % bootstrap interval of the mean, from `count` resamples of clusters.

    Of several layouts each has its share of the resamples: what varies between repeats is in the interval, which is
    rather too wide than too narrow.
    """
    each = -(-count // len(of))
    drawn = [
        (block @ layout.sums) / (block @ layout.sizes) for layout in of for block in resamples(len(layout.sums), each)
    ]
    low, high = percentiles(np.concatenate(drawn)[:, None])
    return float(low[0]), float(high[0])


def sign_flip_p(of: list[Layout]) -> float:
    """How often a sum at least as far from 0 comes about if each cluster's sign is decided by a coin (Fisher, 1935).

    All patterns of signs are counted, none is drawn; below 1e-12 that is rounding. Of several layouts, it is the mean over
    them, each compared with their mean.
    """
    observed = abs(sum(int(layout.sums.sum()) for layout in of))
    return float(np.mean([_beyond(np.abs(layout.sums), observed / len(of)) for layout in of]))


def _beyond(magnitudes: Integers, least: float) -> float:
    """The probability that coins as signs make the sum of these at least so large, in either direction."""
    total = int(magnitudes.sum())
    negative = np.ones(1)  # probabilities that magnitudes of 0, ..., total together have a minus
    for magnitude, times in zip(*np.unique(magnitudes[magnitudes > 0], return_counts=True), strict=True):
        tossed = np.zeros(magnitude * times + 1)
        tossed[::magnitude] = binom.pmf(np.arange(times + 1), times, 0.5)
        negative = fftconvolve(negative, tossed)
    beyond = np.abs(total - 2 * np.arange(total + 1)) >= least
    return float(np.clip(negative[beyond].sum(), 0, 1))
