"""What other ways of asking do to accuracy."""

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
    whiskers,
)
from mllm_classify.io.text import short
from mllm_classify.tasks import MAIN_SCORINGS

Line = tuple[str, str]
"""A model and a variant."""


def variants(sensitivity: pl.DataFrame) -> Figure:
    """What each other way of asking does to accuracy, by both label sets; `sensitivity` is sensitivity.csv as it is written.

    A line for each model and variant, a mark for each task, filled where the corrected p is below 0.05.
    """
    rows = sensitivity.filter(pl.col("ImGT_A_vs_main").is_not_null()).with_columns(
        variant=pl.when(pl.col("variant") == "main").then("task").otherwise("variant")
    )
    if not rows.height:
        return notice("no model was asked the same images in two ways")
    lines: list[Line] = rows.select("model", "variant").unique(maintain_order=True).rows()
    several = rows["model"].n_unique() > 1
    names = [short(f"{short(model, 24)} · {variant}" if several else variant, LONGEST + 14) for model, variant in lines]
    shown = label_sets(rows, "_A_vs_main")
    scorings = [scoring for scoring in MAIN_SCORINGS if scoring in rows["task"]]
    with mpl.rc_context(STYLE):
        height = 1.4 + (0.13 + 0.08 * len(scorings)) * len(lines)
        figure = Figure(figsize=(WIDTH, height), layout="constrained")
        axes = None
        for panel, name in enumerate(shown):
            axes = figure.add_subplot(1, len(shown), panel + 1, sharex=axes)
            axes.axvline(0, color="0.5", linewidth=0.8)
            for number, scoring in enumerate(scorings):
                scored = rows.filter(pl.col("task") == scoring)
                places = np.array([lines.index(line) for line in scored.select("model", "variant").rows()])
                places = places + beside(number, len(scorings), 0.6)
                _draw_differences(axes, scored, f"{name}_A", places, number, None if panel else scoring)
            name_lines(axes, [""] * len(names) if panel else names)
            axes.grid(axis="x", linewidth=0.3)
            axes.set_title(f"{name} accuracy: change in points", fontsize=9)
        # of one model, the lines do not say which
        model = None if several else short(lines[0][0], LONGEST)
        figure.legend(frameon=False, loc="outside upper center", ncols=len(scorings), title=model, title_fontsize=9)
        figure.supxlabel(
            "against the main way on the same images; lines: 95 % (paired bootstrap); filled: p < 0.05, Holm-corrected",
            fontsize=8,
        )
    return figure


def _draw_differences(
    axes: Axes, rows: pl.DataFrame, measure: str, places: np.ndarray, number: int, label: str | None
) -> None:
    """A scoring's differences at these places from the top; it has the colour and the mark of this number."""
    value, reach = whiskers(rows, f"{measure}_vs_main")
    significant = np.array(
        [p.startswith("<") or float(p) < 0.05 for p in rows[f"{measure}_p_holm"].fill_null("1")], dtype=np.bool_
    )
    axes.errorbar(value, places, xerr=reach, fmt="none", ecolor=COLOURS[number], elinewidth=0.8)
    for filled in (False, True):
        kept = significant == filled
        axes.plot(
            value[kept],
            places[kept],
            MARKERS[number],
            color=COLOURS[number],
            markersize=4.5,
            markerfacecolor=COLOURS[number] if filled else "white",
            label=None if filled else label,
        )
