"""Figures of answers that were not given independently: images of one request are drawn, and flipped, together."""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import polars as pl
from scipy.signal import fftconvolve
from scipy.stats import binom

from mllm_classify.measures import statistics

KEYS = ["model", "image_id", "task", "variant", "repeat"]
Integers = npt.NDArray[np.int64]


class Layout(NamedTuple):
    """Integers summed over the images that were asked about together, and how many they are. One entry a cluster."""

    sums: Integers
    sizes: Integers


def with_clusters(scores: pl.DataFrame, groups: pl.DataFrame) -> pl.DataFrame:
    """Scores with a column cluster, the same for images of one request (within a model, task, variant and repeat).

    `groups` has the columns of KEYS and `group`, as predictions have it. An image that was asked about alone is a
    cluster of its own. Clusters are named by their first image, so that the same in two repeats have the same name.
    """
    together = [*KEYS[:1], *KEYS[2:], "group"]
    return scores.join(groups.select(*KEYS, "group"), on=KEYS, how="left", maintain_order="left").with_columns(
        cluster=pl.when(pl.col("group").is_null()).then("image_id").otherwise(pl.col("image_id").min().over(together))
    )


def layouts(values: pl.DataFrame) -> list[Layout]:
    """Columns image_id, repeat, cluster and value (an integer) as one layout, or, where repeats have other clusters, as
    one of each repeat.
    """
    clusters = values.group_by("image_id").agg(pl.col("cluster").n_unique())["cluster"]
    if (clusters == 1).all():
        values = values.with_columns(repeat=0)
    summed = values.group_by("repeat", "cluster").agg(pl.col("value").sum(), pl.len()).sort("repeat", "cluster")
    return [
        Layout(of["value"].cast(pl.Int64).to_numpy(), of["len"].cast(pl.Int64).to_numpy())
        for _, of in summed.group_by("repeat", maintain_order=True)
    ]


def interval(found: list[Layout], count: int) -> tuple[float, float]:
    """The 95 % bootstrap interval of the mean, from `count` resamples of clusters.

    Of several layouts each has its share of the resamples: what varies between repeats is in the interval, which is
    rather too wide than too narrow.
    """
    each = -(-count // len(found))
    drawn = [
        (block @ layout.sums) / (block @ layout.sizes)
        for layout in found
        for block in statistics.resamples(len(layout.sums), each)
    ]
    low, high = statistics.percentiles(np.concatenate(drawn)[:, None])
    return float(low[0]), float(high[0])


def sign_flip_p(found: list[Layout]) -> float:
    """How often a sum at least as far from 0 comes about if each cluster's sign is decided by a coin (Fisher, 1935).

    All patterns of signs are counted, none is drawn; below 1e-12 that is rounding. Of several layouts, it is the mean over them, each compared with
    their mean.
    """
    observed = abs(sum(int(layout.sums.sum()) for layout in found))
    return float(np.mean([_beyond(np.abs(layout.sums), observed / len(found)) for layout in found]))


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
