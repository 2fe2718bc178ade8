"""Accuracy of models that answer in words, by task."""

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
    beside,
    label_sets,
    name_lines,
    notice,
    numbers,
    scale_percent,
    whiskers,
)
from mllm_classify.io.text import short
from mllm_classify.tasks import MAIN_SCORINGS


def tasks(table4: pl.DataFrame) -> Figure:
    """Accuracy under OW, CW+ and CW, by both label sets; `table4` is table4.csv as it is written."""
    if not table4.height:
        return notice("no model answered in words")
    rows = table4.reverse()
    models = rows["model"].unique(maintain_order=True).to_list()
    shown = label_sets(rows, "_A")
    scorings = [scoring for scoring in MAIN_SCORINGS if scoring in rows["task"]]
    with mpl.rc_context(STYLE):
        height = 1.3 + (0.2 + 0.16 * len(scorings)) * len(models)
        figure = Figure(figsize=(WIDTH, height), layout="constrained")
        for panel, name in enumerate(shown):
            axes = figure.add_subplot(1, len(shown), panel + 1)
            _draw_scorings(axes, rows, f"{name}_A", models, scorings, labelled=not panel)
            name_lines(axes, [short(model, LONGEST) for model in models])
            if panel:
                axes.set_yticklabels([])
            scale_percent(axes, *numbers(rows, *(f"{each}_A_low" for each in shown)))
            axes.set_title(f"{name} accuracy (%)", fontsize=9)
            axes.hlines(np.arange(len(models) - 1) + 0.5, *axes.get_xlim(), color="0.85", linewidth=0.5)
        figure.legend(frameon=False, loc="outside upper center", ncols=len(scorings))
        figure.supxlabel("lines: 95 % (Wilson)", fontsize=8)
    return figure


def _draw_scorings(
    axes: Axes, rows: pl.DataFrame, column: str, models: list[str], scorings: list[str], *, labelled: bool
) -> None:
    """A mark for each model and scoring; those of a model share its line."""
    for number, scoring in enumerate(scorings):
        scored = rows.filter(pl.col("task") == scoring)
        value, reach = whiskers(scored, column)
        lines = np.array([models.index(model) for model in scored["model"]])
        axes.errorbar(
            value,
            lines + beside(number, len(scorings), 0.6),
            xerr=reach,
            fmt=MARKERS[number],
            label=scoring if labelled else None,
            color=COLOURS[number],
            markersize=5,
            elinewidth=0.7,
        )
