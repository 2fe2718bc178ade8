"""What figures share: their style, how they are saved, and how numbers are read from the tables that they are drawn from.

Figures are drawn from tables as they are written: every column is text ("99.62"), and null where there is no number.
"""

from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
import polars as pl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from mllm_classify.io.files import written

STYLE: Any = {
    "font.size": 8,
    "svg.fonttype": "none",  # text stays text
    "svg.hashsalt": "mllm-classify",  # the same figure, the same bytes
    "pdf.fonttype": 42,
    "text.parse_math": False,  # names are shown as they are
    "axes.spines.top": False,
    "axes.spines.right": False,
}
COLOURS = ["#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000"]
"""Told apart by the colour-blind (Okabe & Ito, 2008)."""
MARKERS = ["o", "s", "^", "D", "v", "P", "X"]
LONGEST = 42
"""Characters of a model's name."""
WIDTH = 7.6
"""Inches, of figures with a line for each model: two columns of a page."""


def save(figure: Figure, path: Path) -> None:
    """Write `path` (.svg, for pages), and .pdf (for papers) beside it."""
    for suffix, undated in {".svg": "Date", ".pdf": "CreationDate"}.items():
        with written(path.with_suffix(suffix)) as temporary, mpl.rc_context(STYLE):
            figure.savefig(temporary, format=suffix[1:], metadata={undated: None})


def notice(text: str) -> Figure:
    """A figure that says why there is nothing to draw."""
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(WIDTH, 0.6))
        figure.text(0.5, 0.5, text, ha="center", va="center")
    return figure


def numbers(table: pl.DataFrame, *columns: str) -> list[np.ndarray]:
    """Columns of a table as numbers, each an array of its rows; NaN where there is none."""
    return [table[column].cast(pl.Float64).fill_null(np.nan).to_numpy() for column in columns]


def whiskers(table: pl.DataFrame, column: str) -> tuple[np.ndarray, np.ndarray]:
    """A column's numbers, and how far their intervals reach below and above them (shape: 2 x rows)."""
    value, low, high = numbers(table, column, f"{column}_low", f"{column}_high")
    return value, np.abs(np.nan_to_num(np.stack([value - low, high - value])))


def label_sets(table: pl.DataFrame, suffix: str) -> list[str]:
    """Those of ImGT and ReGT of which a column holds any number (`suffix` "_A": ImGT_A, ReGT_A)."""
    return [name for name in ("ImGT", "ReGT") if table[f"{name}{suffix}"].is_not_null().any()]


def beside(number: int, count: int, width: float) -> float:
    """How far from a line's middle the mark of one of `count` stands that share `width` of it."""
    return width * ((number + 0.5) / count - 0.5)


def name_lines(axes: Axes, names: list[str]) -> None:
    """Give each name a line of the figure, from the top."""
    axes.set_yticks(range(len(names)), names)
    axes.set_ylim(len(names) - 0.4, -0.6)
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)


def scale_percent(axes: Axes, *ends: np.ndarray) -> None:
    """Let an axis reach from 0 to 100 %, or from where intervals begin (their lower ends) if they leave a third of it empty."""
    lowest = min((float(np.nanmin(values)) for values in ends if not np.isnan(values).all()), default=0.0)
    axes.set_xlim(max(0.0, lowest - 8) if lowest > 33 else -2, 102)
    axes.grid(axis="x", linewidth=0.3)
