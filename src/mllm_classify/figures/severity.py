"""Shares of answers that are right, too specific, too general, siblings, far, and unplaced, by model and task."""

import matplotlib as mpl
import numpy as np
import polars as pl
from matplotlib.figure import Figure

from mllm_classify.figures.style import LONGEST, STYLE, WIDTH, name_lines, notice, numbers
from mllm_classify.io.text import short

SHADES = {
    "right": ("right", "#0072B2"),
    "too_specific": ("too specific", "#56B4E9"),
    "too_general": ("too general", "#E69F00"),
    "sibling": ("sibling", "#F0E442"),
    "far": ("far", "#D55E00"),
    "unplaced": ("unplaced", "0.8"),
}
"""How each share is called and coloured (Okabe & Ito, 2008)."""


def severity(granularity: pl.DataFrame) -> Figure:
    """A line of stacked shares for each model, task and reading, a panel a label set; `granularity` is granularity.csv as written."""
    if not granularity.height:
        return notice("no answer to an image with a label")
    sets = granularity["label_set"].unique(maintain_order=True).sort().to_list()
    lines = granularity.select("model", "task", "reading").unique(maintain_order=True)
    names = [f"{short(model, LONGEST - 14)}, {task}, {reading}" for model, task, reading in lines.rows()]
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(WIDTH, 1.2 + 0.22 * len(names)), layout="constrained")
        for panel, name in enumerate(sets):
            axes = figure.add_subplot(1, len(sets), panel + 1)
            shown = lines.join(
                granularity.filter(pl.col("label_set") == name), on=lines.columns, how="left", maintain_order="left"
            )
            left = np.zeros(len(names))
            for share, (called, colour) in SHADES.items():
                (width,) = (np.nan_to_num(values) for values in numbers(shown, share))
                axes.barh(
                    range(len(names)), width, left=left, height=0.7, color=colour, label=None if panel else called
                )
                left = left + width
            name_lines(axes, names)
            if panel:
                axes.set_yticklabels([])
            axes.set_xlim(0, 100)
            axes.set_title(f"answers under {name} (%)", fontsize=9)
        figure.legend(frameon=False, loc="outside upper center", ncols=len(SHADES))
    return figure
