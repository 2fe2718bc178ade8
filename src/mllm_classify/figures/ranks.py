"""Places of models under both label sets."""

from typing import NamedTuple

import matplotlib as mpl
import numpy as np
import polars as pl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from mllm_classify.figures.style import COLOURS, MARKERS, STYLE, notice, numbers
from mllm_classify.io.text import short, span

MOVES = {"higher under ReGT": (1, "-"), "lower": (-1, "--"), "same place": (0, ":")}
"""How places move, with the sign of it and the line that shows it."""
MIDDLE = 1.7
"""Inches between the two sides."""


class Side(NamedTuple):
    """One side of a slope chart: by row of the table a line from the top, and a text; the first and last line of ties."""

    lines: list[int]
    texts: list[str]
    ties: list[tuple[int, int]]


def ranks(ranking: pl.DataFrame) -> Figure:
    """Places under both label sets as a slope chart; `ranking` is ranking.csv as it is written.

    Every model has a line of its own on both sides; ties share a place and are bracketed. In brackets beside a place: where
    95 % of the bootstrap's resamples put the model.
    """
    rows = ranking.filter(pl.all_horizontal(pl.col("ImGT_A_place", "ReGT_A_place").is_not_null()))
    if not rows.height:
        return notice("no model has a place under both label sets")
    left, right = _side(rows, "ImGT"), _side(rows, "ReGT")
    imgt, regt = numbers(rows, "ImGT_A_place", "ReGT_A_place")
    # beside the middle there is room for the longest text
    margin = 0.5 + 0.063 * max(len(text) for side in (left, right) for text in side.texts)
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(MIDDLE + 2 * margin, 1.5 + 0.26 * rows.height), layout="constrained")
        axes = figure.add_subplot()
        _draw_moves(axes, np.sign(imgt - regt), left.lines, right.lines)
        for x, (name, side) in enumerate({"ImGT": left, "ReGT": right}.items()):
            _draw_side(axes, side, x)
            label_set = rows[name.lower()][0]
            axes.text(x, -1, f"{name} ({short(label_set, 30)})" if label_set else name, ha="center", fontsize=9)
        axes.set_xlim(-margin / MIDDLE, 1 + margin / MIDDLE)
        axes.set_ylim(rows.height - 0.4, -1.3)
        axes.axis("off")
        figure.supxlabel(_agreement(rows), fontsize=8)
        figure.legend(frameon=False, loc="outside upper center", ncols=3)
    return figure


def _draw_moves(axes: Axes, signs: np.ndarray, left: list[int], right: list[int]) -> None:
    """A line for each model from its height on the left to that on the right; `signs` say how its place moves."""
    for number, (move, (sign, line)) in enumerate(MOVES.items()):
        rows = np.flatnonzero(signs == sign)
        for nth, row in enumerate(rows):
            axes.plot(
                [0, 1],
                [left[row], right[row]],
                line,
                color=[*COLOURS[:2], "0.45"][number],
                marker=MARKERS[number],
                markersize=4,
                linewidth=1.2,
                label=None if nth else f"{move} ({len(rows)})",
            )


def _draw_side(axes: Axes, side: Side, x: int) -> None:
    """The texts of a side (x: 0 left, 1 right), and brackets around ties."""
    for height, text in zip(side.lines, side.texts, strict=True):
        axes.annotate(
            text, (x, height), xytext=(18 * (2 * x - 1), 0), textcoords="offset points", va="center",
            ha="left" if x else "right",
        )  # fmt: skip
    for first, last in side.ties:
        axes.plot([1.08 * x - 0.04] * 2, [first - 0.3, last + 0.3], color="black", linewidth=1.5)


def _side(rows: pl.DataFrame, name: str) -> Side:
    places, low, high = (
        rows[f"{name}_A_place{end}"].cast(pl.Int64, strict=False).to_list() for end in ("", "_low", "_high")
    )
    other = rows["ReGT_A_place" if name == "ImGT" else "ImGT_A_place"].cast(pl.Int64).to_list()
    order = sorted(range(rows.height), key=lambda row: (places[row], other[row], row))
    groups = [[line for line, row in enumerate(order) if places[row] == place] for place in sorted(set(places))]
    texts = []
    for model, accuracy, place, *ends in zip(rows["model"], rows[f"{name}_A"], places, low, high, strict=True):
        parts = [short(model, 34), f"{accuracy} %", f"{place} [{_range(*ends)}]"]
        texts.append(" · ".join(parts if name == "ImGT" else reversed(parts)))
    return Side(
        [order.index(row) for row in range(rows.height)],
        texts,
        [(group[0], group[-1]) for group in groups if len(group) > 1],
    )


def _range(low: int | None, high: int | None) -> str:
    return "?" if low is None or high is None else str(low) if low == high else f"{low} to {high}"


def _agreement(rows: pl.DataFrame) -> str:
    """What the figure shows, and how far both rankings agree, if that is known."""
    legend = f"model, accuracy, place [95 % of resamples]; bars join ties; n = {span(map(int, rows['n']))}"
    tau, low, high = rows.select("tau", "tau_low", "tau_high").row(0)
    if tau is None:
        return legend
    return f"{legend}; Kendall's tau {tau}" + (f" ({low} to {high})" if low is not None and high is not None else "")
