"""Accuracy against the difficulty of multiple-choice questions."""

import matplotlib as mpl
import polars as pl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from mllm_classify.figures.style import COLOURS, LONGEST, MARKERS, STYLE, beside, label_sets, whiskers
from mllm_classify.io.text import short


def difficulty(table6: pl.DataFrame) -> Figure:
    """Accuracy by both label sets against the difficulty of the questions; `table6` is table6.csv as it is written.

    Only questions about the same labels are joined by a line: what may be answered is the same, what distracts is not.
    """
    questions = _questions(table6)
    ticks = [f"{name}\n{value:.1f} %" for name, value in questions.select("distractors", "difficulty").iter_rows()]
    models = table6["model"].unique(maintain_order=True).to_list()
    shown = label_sets(table6, "_A")
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(4.6 * len(shown), 4.2), layout="constrained")
        for panel, name in enumerate(shown):
            axes = figure.add_subplot(1, len(shown), panel + 1)
            for number, model in enumerate(models):
                rows = table6.filter(pl.col("model") == model).join(questions, on="distractors").sort("place")
                _draw_model(axes, rows, f"{name}_A", number, len(models), None if panel else short(model, LONGEST))
            axes.set_title(f"{name} accuracy (%)", fontsize=9)
            axes.set_xticks(range(len(ticks)), ticks, rotation=40, ha="right", rotation_mode="anchor")
            axes.set_ylim(0, 102)
            axes.grid(axis="y", linewidth=0.3)
        figure.legend(frameon=False, loc="outside upper center", ncols=4)
        figure.supxlabel(
            "options, and how many percent of the label's images the reference takes for another option; bars: 95 % over images",
            fontsize=8,
        )
    return figure


def _questions(table6: pl.DataFrame) -> pl.DataFrame:
    """The kinds of questions: columns place (from the left), distractors, difficulty, options, labels."""
    return (
        table6.select("distractors", pl.col("difficulty", "options").cast(pl.Float64))
        .unique()
        .with_columns(labels=pl.col("distractors").str.replace(r" \+ (random|confEVA.*|\d+ \(CW\))$", ""))
        .sort("labels", "difficulty", "options", "distractors")
        .with_row_index("place")
    )


def _draw_model(axes: Axes, rows: pl.DataFrame, column: str, number: int, models: int, label: str | None) -> None:
    """A model's accuracies, one line for questions about the same labels; it is the model of this number of so many."""
    for group, (_, part) in enumerate(rows.group_by("labels", maintain_order=True)):
        value, reach = whiskers(part, column)
        axes.errorbar(
            part["place"].to_numpy() + beside(number, models, 0.4),
            value,
            yerr=reach,
            label=None if group else label,
            color=COLOURS[number % len(COLOURS)],
            marker=MARKERS[number % len(MARKERS)],
            markersize=5,
            linewidth=1,
            capsize=2,
        )
