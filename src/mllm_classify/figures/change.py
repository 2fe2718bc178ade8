"""What the second label set does to each model's accuracy (the paper's Fig. 3)."""

import matplotlib as mpl
import numpy as np
import polars as pl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from mllm_classify.figures.style import (
    COLOURS,
    LONGEST,
    MARKERS,
    STYLE,
    WIDTH,
    name_lines,
    numbers,
    scale_percent,
    whiskers,
)
from mllm_classify.io.text import short, span


def change(table3: pl.DataFrame) -> Figure:
    """Each model's accuracy under both label sets, on the same images, and the change; `table3` is table3.csv as written.

    The best model under ImGT is at the top. Intervals are Wilson's.
    """
    rows = table3.reverse()
    names = [f"{short(model, LONGEST)} · {task}" for model, task in rows.select("model", "task").iter_rows()]
    places = np.arange(rows.height)
    before, after, difference = numbers(rows, "ImGT_compared", "ReGT_A", "change")
    lowest = numbers(rows, "ImGT_compared_low", "ReGT_A_low")
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(WIDTH, 1.3 + 0.34 * rows.height), layout="constrained")
        axes = figure.add_subplot()
        axes.hlines(places, before, after, color="0.6", linewidth=1.2, zorder=1)
        _draw_accuracies(axes, rows, "ImGT", "ImGT_compared", 0, -0.12)
        _draw_accuracies(axes, rows, "ReGT", "ReGT_A", 1, 0.12)
        name_lines(axes, names)
        scale_percent(axes, *lowest)
        for row, value in enumerate(difference):
            if not np.isnan(value):
                axes.annotate(
                    f"{value:+.2f}", (1, row), xycoords=("axes fraction", "data"), xytext=(4, 0),
                    textcoords="offset points", va="center", ha="left",
                )  # fmt: skip
        axes.set_xlabel(
            f"accuracy (%), n = {span(map(int, rows['n_compared'].drop_nulls()))}; right: change in points; thin lines: 95 % (Wilson)"
        )
        figure.legend(frameon=False, loc="outside upper center", ncols=2)
    return figure


def _draw_accuracies(axes: Axes, rows: pl.DataFrame, label_set: str, column: str, number: int, shift: float) -> None:
    """The accuracies under a label set, with intervals that stand a little beside their line."""
    places = np.arange(rows.height)
    value, reach = whiskers(rows, column)
    axes.errorbar(
        value,
        places,
        fmt=MARKERS[number],
        label=f"{label_set} ({short(rows[label_set.lower()][0] or '', LONGEST)})",
        color=COLOURS[number],
        markerfacecolor=COLOURS[number] if number else "white",
        markersize=6,
        zorder=3,
    )
    axes.errorbar(value, places + shift, xerr=reach, fmt="none", ecolor=COLOURS[number], elinewidth=0.7, zorder=2)
