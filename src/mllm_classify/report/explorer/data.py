"""What the page shows, as columns: its names, and how values become numbers.

The page holds columns, not records: a byte of flags and the number of a set of classes per image and row. A row is what
a table would have a row for: a model, a task, a variant, a repeat and a scoring.
"""

from typing import Any, NamedTuple

import numpy as np
import polars as pl

from mllm_classify.measures.counting import SUBSETS

FLAGS = {"asked": 1, "imgt": 2, "regt": 4, "oop": 8, "error": 16, "empty": 32, "several": 64, "unasked": 128}
"""Bits of what is known of a row's answer to an image; zero where the model was not asked about it."""
ANSWER = ["model", "task", "variant", "repeat"]
ROW = [*ANSWER, "scoring"]
FIXED = 10_000
"""Similarities and margins are kept in so many parts of one."""
NOTHING = -(2**15)
"""Stands for a similarity or margin that is not there."""

Array = np.ndarray[Any, np.dtype[Any]]


class Data(NamedTuple):
    """What the page shows: facts for its script, and columns by name, which are arrays or lists of texts."""

    facts: dict[str, Any]
    columns: dict[str, Array | list[str]]


def set_key(column: pl.Series) -> pl.Series:
    """Lists of class ids as text, in their order: `281|282`. None is the empty list."""
    return column.cast(pl.List(pl.String)).list.join("|").fill_null("")


def distinct_sets(columns: list[pl.Series]) -> list[str]:
    """All lists of classes that occur in columns, as `set_key` writes them, the empty one first."""
    keys = pl.concat([set_key(column).alias("set").unique() for column in columns]).unique()
    return ["", *sorted(set(keys.to_list()) - {""}, key=lambda key: [int(item) for item in key.split("|")])]


def category_codes(categories: pl.Series) -> Array:
    """Positions in SUBSETS["A"]; 255 where there is none."""
    names = [str(name) for name in SUBSETS["A"]]
    codes = categories.cast(pl.Enum(names)).to_physical().fill_null(255)
    return codes.to_numpy().astype(np.uint8)


def fixed_point(values: pl.Series) -> Array:
    """Numbers between -3 and 3 in parts of FIXED; NOTHING where there is none, or none that is finite."""
    rounded = (values * FIXED).round()
    whole = pl.select(pl.when(rounded.is_finite()).then(rounded.clip(-3 * FIXED, 3 * FIXED)).fill_null(NOTHING))
    return whole.to_series().to_numpy().astype(np.int16)


def padded(lists: pl.Series, depth: int, nothing: float) -> Array:
    """Lists, each with `nothing` after it. Shape: lists x depth."""
    filled: Array = (
        lists.to_frame("list")
        .select(
            pl.col("list").list.get(place, null_on_oob=True).fill_null(nothing).alias(str(place))
            for place in range(depth)
        )
        .to_numpy()
    )
    return filled


def partitions(frame: pl.DataFrame, keys: list[str]) -> dict[tuple[Any, ...], pl.DataFrame]:
    return frame.partition_by(keys, as_dict=True, include_key=False)


def spread(part: pl.DataFrame, column: str, images: int, dtype: type[np.generic]) -> Array:
    """Values at their images' places, 0 at the others. Shape: images."""
    result = np.zeros(images, dtype=dtype)
    result[part["image"].to_numpy()] = part[column].to_numpy()
    return result
