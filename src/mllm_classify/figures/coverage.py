"""Risk against coverage of out-of-prompt answers."""

from typing import Any

import matplotlib as mpl
import polars as pl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from mllm_classify.figures.style import COLOURS, LONGEST, MARKERS, STYLE, WIDTH, notice, numbers, whiskers
from mllm_classify.io.text import short


def coverage(abstention: pl.DataFrame) -> Figure:
    """Risk against coverage of OOP answers, by similarity and by margin, a line of panels for each label set.

    `abstention` is abstention.csv as it is written. Intervals are Wilson's.
    """
    if not abstention.height:
        return notice("no model answered CW out of prompt")
    models = abstention["model"].unique(maintain_order=True).to_list()
    label_sets = abstention["label_set"].unique(maintain_order=True).to_list()
    signals = abstention["signal"].unique(maintain_order=True).to_list()
    styles = {model: _line_style(number) for number, model in enumerate(models)}
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(WIDTH, 0.9 + 2.5 * len(label_sets)), layout="constrained")
        for panel, (label_set, signal) in enumerate((one, other) for one in label_sets for other in signals):
            axes = figure.add_subplot(len(label_sets), len(signals), panel + 1)
            rows = abstention.filter(label_set=label_set)
            name = rows[label_set.lower()][0]
            axes.set_title(f"by {signal}, {label_set} ({short(name or '', 30)})", fontsize=9)
            _draw_models(axes, rows.filter(signal=signal), styles)
        handles = [Line2D([], [], **style) for style in styles.values()]
        names = [short(model, LONGEST) for model in models]
        figure.legend(handles, names, frameon=False, loc="outside upper center", ncols=3)
        figure.supylabel("risk: wrong among the answers kept (%)", fontsize=8)
        figure.supxlabel("coverage: out-of-prompt answers kept (%); bars: 95 % (Wilson)", fontsize=8)
    return figure


def _line_style(number: int) -> dict[str, Any]:
    """The look of a model's line. More models than colours have other markers in the second round."""
    marker = MARKERS[(number + number // len(COLOURS)) % len(MARKERS)]
    return {"color": COLOURS[number % len(COLOURS)], "marker": marker, "markersize": 4}


def _draw_models(axes: Axes, rows: pl.DataFrame, styles: dict[str, dict[str, Any]]) -> None:
    """A line of risk for each model that has any, and the area under it in the legend."""
    for model, style in styles.items():
        points = rows.filter(model=model)
        if not points.height:
            continue
        risk, reach = whiskers(points, "risk")
        axes.errorbar(
            numbers(points, "coverage")[0],
            risk,
            yerr=reach,
            label=f"AURC {points['aurc'][0]}",
            linewidth=1,
            elinewidth=0.5,
            **style,
        )
    axes.set_xlim(0, 103)
    axes.set_ylim(-2, 102)
    axes.grid(linewidth=0.3)
    # with many models it would hide them, and the table has it
    if len(styles) <= len(COLOURS):
        axes.legend(frameon=False, fontsize=7, loc="best")
