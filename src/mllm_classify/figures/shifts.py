"""Accuracy on shifted data sets against accuracy on their base."""

import matplotlib as mpl
import numpy as np
import polars as pl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from mllm_classify.figures.style import COLOURS, MARKERS, STYLE, notice, numbers
from mllm_classify.io.text import short
from mllm_classify.measures.lines import FEWEST, logit

TICKS = (0.1, 1, 2, 5, 10, 20, 30, 40, 50, 60, 70, 80, 90, 95, 98, 99, 99.9)
"""Percentages that an axis names."""
ACROSS = 3
"""Panels beside each other."""
NAMED = 5
"""Models of a panel that are named: those that are farthest from the line."""
ROOM = (0.45, 0.06)
"""The shares of a panel's width and height that a name takes."""
MOST_TICKS = 8


def shifts(effective_robustness: pl.DataFrame) -> Figure:
    """A panel for each base and shifted data set: ImGT accuracy of every model on both, on logit scales.

    `effective_robustness` is effective_robustness.csv as it is written. The line is least squares through all models;
    dashed is where nothing is lost.
    """
    rows = effective_robustness.filter(pl.col("measure") == "ImGT")
    pairs = rows.select("base", "dataset").unique().sort("base", "dataset").rows()
    if not pairs:
        return notice("no model has an accuracy on a data set and its base")
    families = sorted(rows["family"].unique())
    columns = min(ACROSS, len(pairs))
    lines = -(-len(pairs) // columns)
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(0.6 + 3.4 * columns, 0.7 + 3.2 * lines), layout="constrained")
        for number, (base, shifted) in enumerate(pairs):
            axes = figure.add_subplot(lines, columns, number + 1)
            _draw(axes, rows.filter(base=base, dataset=shifted), families)
            axes.set_xlabel(f"{short(base, 30)} (%)")
            axes.set_ylabel(f"{short(shifted, 30)} (%)")
        marks = {
            label: handle
            for axes in figure.axes
            for handle, label in zip(*axes.get_legend_handles_labels(), strict=True)
        }
        figure.legend(
            marks.values(), [short(label, 30) for label in marks], frameon=False, loc="outside upper center",
            ncols=min(len(marks), 2 * columns),
        )  # fmt: skip
    return figure


def _draw(axes: Axes, rows: pl.DataFrame, families: list[str]) -> None:
    base, shifted, n_base, n, distance = numbers(rows, "base_A", "A", "n_base", "n", "robustness")
    x, y = logit(base / 100, n_base), logit(shifted / 100, n)
    ends = np.array([min(x.min(), y.min()) - 0.3, max(x.max(), y.max()) + 0.3])
    axes.plot(ends, ends, color="0.6", linestyle="--", linewidth=0.8, zorder=0)
    if len(x) >= FEWEST and np.ptp(x) > 0:
        reach = np.array([x.min(), x.max()])
        axes.plot(reach, np.polyval(np.polyfit(x, y, 1), reach), color="0.3", linewidth=1, zorder=0)
    for number, family in enumerate(families):
        own = (rows["family"] == family).to_numpy()
        if own.any():
            axes.plot(
                x[own], y[own], MARKERS[number % len(MARKERS)], color=COLOURS[number % len(COLOURS)], markersize=4.5,
                label=family,
            )  # fmt: skip
    for axis, values in ((axes.xaxis, x), (axes.yaxis, y)):
        axis.set_ticks(*_ticks(values.min() - 0.3, values.max() + 0.3))
    axes.set_xlim(x.min() - 0.3, x.max() + 0.3)
    axes.set_ylim(y.min() - 0.3, y.max() + 0.3)
    axes.grid(linewidth=0.3)
    _name(axes, rows["model"].to_list(), np.stack([x, y], axis=1), np.abs(np.nan_to_num(distance)))


def _name(axes: Axes, names: list[str], places: np.ndarray, distances: np.ndarray) -> None:
    """Name the models that are farthest from the line, but for those whose name would cover another's."""
    low, high = np.array([axes.get_xlim(), axes.get_ylim()]).T
    shares = (places - low) / (high - low)
    named: list[np.ndarray] = []
    for row in np.argsort(-distances, kind="stable"):
        if len(named) < NAMED and all(np.any(np.abs(shares[row] - other) > ROOM) for other in named):
            named.append(shares[row])
            right = shares[row][0] > 0.5
            axes.annotate(
                short(names[row], 26), places[row], fontsize=6.5, textcoords="offset points",
                xytext=(-5 if right else 5, 3), ha="right" if right else "left",
            )  # fmt: skip


def _ticks(low: float, high: float) -> tuple[list[float], list[str]]:
    """Where an axis between two logits names percentages, and which: so many that their names have room."""
    for percents in (TICKS, range(1, 100)):
        places = logit(np.array(percents) / 100, np.full(len(percents), np.inf))
        kept = [row for row, place in enumerate(places) if low <= place <= high]
        if len(kept) > 2:
            break
    kept = kept[:: -(-len(kept) // MOST_TICKS) or 1]
    return [float(places[row]) for row in kept], [f"{percents[row]:g}" for row in kept]
