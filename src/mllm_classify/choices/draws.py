"""Random numbers that depend on what they are for, never on what was drawn before or beside them.

A number is a hash of its purpose: of the image, the variant, the repeat, and its place among the numbers drawn for these.
Another image or model therefore changes nobody else's.
"""

import hashlib
from collections.abc import Iterable

import numpy as np
import numpy.typing as npt
import polars as pl

Keys = npt.NDArray[np.uint64]
"""What numbers are for. Any integer arrays of this type that broadcast together."""


def key(purpose: str) -> np.uint64:
    """The key of a purpose in words: the first 8 bytes of its SHA-256."""
    return np.uint64(int.from_bytes(hashlib.sha256(purpose.encode()).digest()[:8], "big"))


def keys(purposes: Iterable[str]) -> Keys:
    return np.array([key(purpose) for purpose in purposes], dtype=np.uint64)


def draw(*parts: Keys | np.uint64) -> Keys:
    """64 random bits for each combination of parts, by splitmix64's mixing function (Steele, Lea & Flood, 2014)."""
    state = np.zeros(1, dtype=np.uint64)
    with np.errstate(over="ignore"):
        for part in parts:
            state = _mixed((state ^ part) + np.uint64(0x9E3779B97F4A7C15))
    return state


def _mixed(state: Keys) -> Keys:
    state = (state ^ (state >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    state = (state ^ (state >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return state ^ (state >> np.uint64(31))


def below(drawn: Keys, count: int | npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Drawn numbers as integers from 0 to count - 1. The bias of less than count / 2^64 has no consequence."""
    return (drawn % np.asarray(count, dtype=np.uint64)).astype(np.int64)


def shuffled_classes(classes: int, repeat: int, *purpose: np.uint64) -> npt.NDArray[np.int64]:
    """The order of the whole class list in one repeat: the same for every image, so that a prefix cache serves it.

    Multiple choice has one; a further purpose, such as a variant, has an order of its own.
    """
    ids = np.arange(classes, dtype=np.uint64)
    return np.argsort(draw(key("class list"), *purpose, np.uint64(repeat), ids), kind="stable")


def sampled(labels: pl.DataFrame, per_class: int | None, seed: int) -> pl.DataFrame:
    """So many images of every class (by ImGT), or all; of images that no label set leaves open.

    Nested: a larger sample holds every smaller one of the same seed.
    """
    open_ = labels.filter(pl.col("excluded").is_null())
    if per_class is None:
        return open_
    order = draw(key("sample"), np.uint64(seed), keys(open_["image_id"]))
    rank = pl.col("order").rank("ordinal").over("imgt")
    return open_.with_columns(pl.Series("order", order)).filter(rank <= per_class).drop("order")
