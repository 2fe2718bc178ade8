"""Out-of-prompt rate by label category."""

import matplotlib as mpl
import numpy as np
import polars as pl
from matplotlib.figure import Figure

from mllm_classify.figures.style import LONGEST, STYLE, WIDTH, name_lines, notice, numbers
from mllm_classify.io.text import short

CATEGORIES = ["A", "S", "S+", "S-", "M", "M+", "M-", "N"]


def oop(table5: pl.DataFrame) -> Figure:
    """Out-of-prompt rate by label category; `table5` is table5.csv as it is written. What has no image is blank."""
    if not table5.height:
        return notice("no model was asked CW in words")
    values = np.stack(numbers(table5, *CATEGORIES), axis=1)
    filled = [column for column in range(len(CATEGORIES)) if not np.isnan(values[:, column]).all()]
    values = values[:, filled]
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(WIDTH, 1.1 + 0.3 * table5.height), layout="constrained")
        axes = figure.add_subplot()
        largest = max(float(np.nanmax(values)), 10.0)
        axes.imshow(values, cmap="Blues", vmin=0, vmax=largest, aspect="auto")
        for (row, column), value in np.ndenumerate(values):
            if not np.isnan(value):
                colour = "white" if value > 0.55 * largest else "black"
                axes.text(column, row, f"{value:.1f}", ha="center", va="center", color=colour)
        name_lines(axes, [short(model, LONGEST) for model in table5["model"]])
        axes.set_ylim(table5.height - 0.5, -0.5)
        axes.set_xticks(range(len(filled)), [_sized(table5, CATEGORIES[column]) for column in filled])
        axes.xaxis.tick_top()
        axes.spines[:].set_visible(False)
        axes.tick_params(length=0)
        figure.supxlabel("out-of-prompt answers to CW (%), by label category and its number of images", fontsize=8)
    return figure


def _sized(table5: pl.DataFrame, category: str) -> str:
    """A category, and its number of images if that is the same for all models."""
    sizes = table5["n" if category == "A" else f"n_{category}"].unique()
    return category if len(sizes) != 1 or sizes[0] is None else f"{category}\n{sizes[0]}"
