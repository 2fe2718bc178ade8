"""The classes on which two models differ most."""

import matplotlib as mpl
import numpy as np
import polars as pl
from matplotlib.figure import Figure

from mllm_classify.figures.style import COLOURS, LONGEST, MARKERS, STYLE, WIDTH, label_sets, name_lines, notice
from mllm_classify.io.text import short

SHOWN = 24
"""Classes of the figure."""


def class_differences(per_class: pl.DataFrame, compared: list[str] | None) -> Figure:
    """ImGT accuracy of two models on the classes on which it differs most; `per_class` is per_class.csv as it is written.

    `compared` are the labels of both models; without them, the two that are best by the mean of their classes, the better
    first. Beside a class stands its number of images. Ties go to the class of more images, then to the lower id.
    """
    models = compared or best_two(per_class)
    if len(models) < 2:
        return notice("there are no two models")
    sides = [
        per_class.filter(model=model).select(
            "class_id", "class", pl.col("n").cast(pl.Int64), pl.col("ImGT", "ReGT").cast(pl.Float64)
        )
        for model in models
    ]
    both = (
        sides[0]
        .join(sides[1], on="class_id", suffix="_other")
        .with_columns(gap=pl.col("ImGT") - pl.col("ImGT_other"))
        .sort(pl.col("gap").abs(), "n", pl.col("class_id").cast(pl.Int64), descending=[True, True, False])
        .filter(pl.col("gap") != 0)
        .head(SHOWN)
        .sort("gap", pl.col("class_id").cast(pl.Int64), descending=[True, False])
    )
    if not both.height:
        return notice("both models are as accurate on every class")
    shown = label_sets(both, "")
    places = np.arange(both.height)
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(WIDTH, 1.3 + 0.22 * both.height), layout="constrained")
        for panel, label_set in enumerate(shown):
            axes = figure.add_subplot(1, len(shown), panel + 1)
            one, other = (both[name].fill_null(np.nan).to_numpy() for name in (label_set, f"{label_set}_other"))
            axes.hlines(places, one, other, color="0.7", linewidth=1.2, zorder=1)
            for number, (model, value) in enumerate(zip(models, (one, other), strict=True)):
                axes.plot(
                    value, places, MARKERS[number], color=COLOURS[number], markersize=7 - 3 * number,
                    label=None if panel else short(model, LONGEST),
                )  # fmt: skip
            names = [f"{name} ({n})" for name, n in both.select("class", "n").iter_rows()]
            name_lines(axes, [""] * both.height if panel else names)
            axes.set_xlim(-4, 104)
            axes.grid(axis="x", linewidth=0.3)
            axes.set_title(f"{label_set} accuracy (%)", fontsize=9)
        figure.legend(frameon=False, loc="outside upper center", ncols=2)
        figure.supxlabel("in brackets: images of the class", fontsize=8)
    return figure


def best_two(per_class: pl.DataFrame) -> list[str]:
    """The labels of the models with the highest mean of their classes' ImGT accuracies; ties by label."""
    means = per_class.group_by("model").agg(pl.col("ImGT").cast(pl.Float64).mean().round(9))
    return means.sort("ImGT", "model", descending=[True, False])["model"].head(2).to_list()
