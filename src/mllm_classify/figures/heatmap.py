"""Accuracy of every model on every data set, as a heat map."""

import matplotlib as mpl
import numpy as np
import polars as pl
from matplotlib.figure import Figure

from mllm_classify.figures.style import LONGEST, STYLE, name_lines, notice
from mllm_classify.io.text import short
from mllm_classify.tables.datasets import best_rows

LONGEST_DATASET = 26
"""Characters of a data set's label."""
COLOURS = mpl.colormaps["Blues"]
"""Of one hue: told apart by the colour-blind, and in print."""


def heatmap(datasets: pl.DataFrame, dataset_labels: dict[str, str]) -> Figure:
    """ImGT accuracy in percent, a line for each model and a column for each data set, and their mean where it has them all.

    `datasets` is datasets.csv as it is written; `dataset_labels` are the data sets' labels by name. Lines are as `best_rows`
    returns them.
    """
    rows = best_rows(datasets, list(dataset_labels))
    if not rows.height:
        return notice("no model has an accuracy on any data set")
    cells = rows.select(*(f"A_{name}" for name in dataset_labels), "macro").fill_null(np.nan).to_numpy()
    columns = [*(short(label, LONGEST_DATASET) for label in dataset_labels.values()), "Mean"]
    # the mean stands a little apart
    edges = np.append(np.arange(len(columns)), [len(columns) - 0.85, len(columns) + 0.15])
    drawn = np.insert(cells, len(columns) - 1, np.nan, axis=1)
    low, high = 10 * np.floor(np.nanmin(cells) / 10), 10 * np.ceil(np.nanmax(cells) / 10)
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(3.6 + 0.58 * len(columns), 1.6 + 0.2 * rows.height), layout="constrained")
        axes = figure.add_subplot()
        lines = np.arange(rows.height + 1) - 0.5
        axes.pcolormesh(
            edges, lines, np.ma.masked_invalid(drawn), cmap=COLOURS, vmin=low, vmax=max(high, low + 10),
            edgecolors="white", linewidth=0.6,
        )  # fmt: skip
        middles = np.append(np.arange(len(columns) - 1) + 0.5, len(columns) - 0.35)
        for line, values in enumerate(cells):
            for middle, value in zip(middles, values, strict=True):
                if not np.isnan(value):
                    share = (value - low) / max(high - low, 10)
                    axes.text(
                        middle, line, f"{value:.1f}", ha="center", va="center", fontsize=7,
                        color="white" if share > 0.6 else "black",
                    )  # fmt: skip
        name_lines(axes, [f"{short(model, LONGEST)} ({task})" for model, task in rows.select("model", "task").rows()])
        axes.set_ylim(rows.height - 0.5, -0.5)
        axes.xaxis.tick_top()
        axes.set_xticks(middles, columns, rotation=40, ha="left", rotation_mode="anchor")
        axes.tick_params(axis="x", length=0, pad=2)
        for side in ("top", "bottom"):
            axes.spines[side].set_visible(False)
        figure.supxlabel("ImGT accuracy (%); darker is higher; in brackets: the task", fontsize=8)
    return figure
