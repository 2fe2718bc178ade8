"""Accuracy of every model on every data set, in parallel coordinates."""

import matplotlib as mpl
import numpy as np
import polars as pl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from mllm_classify.figures.heatmap import LONGEST_DATASET
from mllm_classify.figures.style import COLOURS, LONGEST, MARKERS, STYLE, notice
from mllm_classify.io.text import short
from mllm_classify.tables.datasets import best_rows


def parallel(datasets: pl.DataFrame, dataset_labels: dict[str, str]) -> Figure:
    """ImGT accuracy in percent: an upright line for each data set, and a line of its own for each model.

    Data sets are in the order of their mean accuracy, the easiest first. Up to seven models have colours, marks and
    Wilson's intervals; of more, each family has a colour, and its best model by mean accuracy a strong line.
    """
    rows = best_rows(datasets, list(dataset_labels))
    if not rows.height:
        return notice("no model has an accuracy on any data set")
    means = dict(
        zip(dataset_labels, rows.select(pl.col(f"A_{name}").mean() for name in dataset_labels).row(0), strict=True)
    )
    order = sorted((name for name, mean in means.items() if mean is not None), key=lambda name: (-means[name], name))
    values = rows.select(f"A_{name}" for name in order).fill_null(np.nan).to_numpy()
    few = rows.height <= len(COLOURS)
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(max(5.6, 2.0 + 0.75 * len(order)), 4.8), layout="constrained")
        axes = figure.add_subplot()
        if few:
            _draw_each(axes, rows, values, order)
        else:
            _draw_families(axes, rows, values)
        for place in range(len(order)):
            axes.axvline(place, color="0.85", linewidth=0.8, zorder=0)
        labels = [short(dataset_labels[name], LONGEST_DATASET) for name in order]
        slanted = max(map(len, labels)) * len(labels) > 60
        axes.set_xticks(
            range(len(order)), labels, rotation=35 if slanted else 0, ha="right" if slanted else "center",
            rotation_mode="anchor",
        )  # fmt: skip
        axes.set_xlim(-0.25, len(order) - 0.75)
        axes.set_ylabel("ImGT accuracy (%)")
        axes.grid(axis="y", linewidth=0.3)
        figure.legend(frameon=False, loc="outside upper center", ncols=1 if len(order) < 6 else 2)
    return figure


def _draw_each(axes: Axes, rows: pl.DataFrame, values: np.ndarray, order: list[str]) -> None:
    bounds = [rows.select(f"A_{name}_{end}" for name in order).fill_null(np.nan).to_numpy() for end in ("low", "high")]
    for number, (model, task) in enumerate(rows.select("model", "task").iter_rows()):
        # beside each other, so that intervals do not hide one another
        places = np.arange(len(order)) + 0.04 * (number - (rows.height - 1) / 2)
        reach = np.stack([values[number] - bounds[0][number], bounds[1][number] - values[number]])
        axes.errorbar(
            places, values[number], np.abs(np.nan_to_num(reach)), color=COLOURS[number], marker=MARKERS[number],
            markersize=5, linewidth=1.2, elinewidth=0.8, label=f"{short(model, LONGEST)} ({task})",
        )  # fmt: skip


def _draw_families(axes: Axes, rows: pl.DataFrame, values: np.ndarray) -> None:
    families = sorted(rows["family"].unique())
    for number, family in enumerate(families):
        colour, marker = COLOURS[number % len(COLOURS)], MARKERS[number % len(MARKERS)]
        first, *others = np.flatnonzero(rows["family"] == family)
        for row in others:
            axes.plot(values[row], color=colour, linewidth=0.6, alpha=0.45, marker=marker, markersize=2.5)
        model = short(rows["model"][int(first)], LONGEST)
        name = f"{short(family, 24)} ({len(others) + 1}), best: {model}" if others else f"{short(family, 24)}: {model}"
        axes.plot(values[first], color=colour, linewidth=2, marker=marker, markersize=5, label=name, zorder=3)
