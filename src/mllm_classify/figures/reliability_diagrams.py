"""Reliability diagrams: accuracy against confidence."""

import math

import matplotlib as mpl
import polars as pl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from mllm_classify.figures.style import COLOURS, STYLE, WIDTH, notice, numbers, whiskers
from mllm_classify.io.text import short
from mllm_classify.tasks import CW

ACROSS = 3
"""Panels beside each other."""
HOLLOW = {"temperature", "at least", "at most"}
LONGEST = 30
"""Characters of a panel's title."""


def reliability_diagrams(reliability: pl.DataFrame) -> Figure:
    """A panel a model and scoring: accuracy of each bin of equal width against its mean confidence, by label set, as the scores are
    (filled), and softened by a temperature or as bounds say (hollow). `reliability` is reliability.csv as it is written.
    """
    bins = reliability.filter(bins="equal width")
    if not bins.height:
        return notice("no model gave probabilities")
    panels = bins.select("model", "task", "variant").unique(maintain_order=True).rows()
    rankings = set(bins["task"]) == {CW.name}
    colours = dict(zip(bins["label_set"].unique(maintain_order=True), COLOURS, strict=False))
    lines = math.ceil(len(panels) / ACROSS)
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(WIDTH, 0.9 + 2.6 * lines), layout="constrained")
        for place, (model, task, variant) in enumerate(panels):
            axes = figure.add_subplot(lines, ACROSS, place + 1)
            said = short(model, LONGEST) if rankings else f"{short(model, LONGEST)}\n{task} {variant or ''}".rstrip()
            axes.set_title(said, fontsize=9)
            _draw(axes, bins.filter(model=model, task=task).filter(pl.col("variant").eq_missing(variant)), colours)
        handles, names = _legend(bins, colours)
        figure.legend(handles, names, frameon=False, loc="outside upper center", ncols=2)
        figure.supylabel("accuracy of the first class (%)", fontsize=8)
        figure.supxlabel("mean confidence of a bin (%); areas: numbers of images; bars: 95 % (Wilson)", fontsize=8)
    return figure


def _draw(axes: Axes, bins: pl.DataFrame, colours: dict[str, str]) -> None:
    axes.plot([0, 100], [0, 100], color="0.6", linewidth=0.8, zorder=0)
    for (label_set, scores), of in bins.group_by("label_set", "scores", maintain_order=True):
        colour, hollow = colours[str(label_set)], scores in HOLLOW
        confidence, count = numbers(of, "confidence", "n")
        accuracy, reach = whiskers(of, "accuracy")
        line = "--" if hollow else "-"
        axes.errorbar(confidence, accuracy, yerr=reach, color=colour, linestyle=line, linewidth=0.8, elinewidth=0.4)
        face = "white" if hollow else colour
        axes.scatter(confidence, accuracy, s=4 + 60 * count / count.sum(), color=face, edgecolor=colour, zorder=3)
    axes.set_xlim(-3, 103)
    axes.set_ylim(-3, 103)
    axes.set_aspect("equal")
    axes.grid(linewidth=0.3)


def _legend(bins: pl.DataFrame, colours: dict[str, str]) -> tuple[list[Line2D], list[str]]:
    handles, names = [], []
    for label_set, scores in bins.select("label_set", "scores").unique(maintain_order=True).iter_rows():
        colour, hollow = colours[label_set], scores in HOLLOW
        name = bins.filter(label_set=label_set)[label_set.lower()][0]
        handles.append(
            Line2D([], [], color=colour, marker="o", markersize=4, linestyle="--" if hollow else "-",
                   markerfacecolor="white" if hollow else colour)
        )  # fmt: skip
        names.append(f"{label_set} ({short(name or '', LONGEST)}), {scores}")
    return handles, names
