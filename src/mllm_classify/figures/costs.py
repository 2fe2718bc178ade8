"""What chat models used: requests, tokens and dollars."""

import matplotlib as mpl
import numpy as np
import polars as pl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from mllm_classify.figures.style import COLOURS, LONGEST, STYLE, WIDTH, name_lines, numbers
from mllm_classify.io.text import short

COUNTS = ["requests", "prompt_tokens", "cached_tokens", "completion_tokens", "reasoning_tokens", "cost"]
PANELS = {
    "requests": ("requests", None),
    "prompt_tokens": ("prompt tokens", "cached_tokens"),
    "completion_tokens": ("answer tokens", "reasoning_tokens"),
    "cost": ("dollars", None),
}
"""By column of the table: the panel's title, and the column of which a hatched part of the bar shows the share."""


def costs(usage: pl.DataFrame) -> Figure:
    """Requests, tokens and dollars by model and task, all variants together; `usage` is usage.csv as it is written.

    Hatched: tokens of the prompt that came from a cache, and of the answer that were reasoning.
    """
    rows = usage.group_by("model", "task", maintain_order=True).agg(
        pl.when(pl.col(name).is_not_null().any()).then(pl.col(name).cast(pl.Float64).sum()) for name in COUNTS
    )
    names = [f"{short(model, LONGEST)} · {task}" for model, task in rows.select("model", "task").iter_rows()]
    shown = [name for name in PANELS if rows[name].is_not_null().any()]
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(max(WIDTH, 3.4 + 1.7 * len(shown)), 1.2 + 0.24 * rows.height), layout="constrained")
        for number, name in enumerate(shown):
            axes = figure.add_subplot(1, len(shown), number + 1)
            _draw_bars(axes, rows, name, COLOURS[number])
            name_lines(axes, [""] * len(names) if number else names)
            axes.set_title(PANELS[name][0], fontsize=9)
        figure.supxlabel(_notes(shown), fontsize=8)
    return figure


def _draw_bars(axes: Axes, rows: pl.DataFrame, name: str, colour: str) -> None:
    """A bar for each row, with its number, or that there is none."""
    _, part = PANELS[name]
    values = numbers(rows, name)[0]
    bars = axes.barh(range(rows.height), np.nan_to_num(values), color=colour, height=0.7)
    if part and rows[part].is_not_null().any():
        share = np.nan_to_num(numbers(rows, part)[0])
        axes.barh(range(rows.height), share, color="none", edgecolor="white", hatch="////", height=0.7, linewidth=0)
    unknown = "no price" if name == "cost" else "not counted"
    labels = [unknown if np.isnan(value) else _amount(value, money=name == "cost") for value in values]
    axes.bar_label(bars, labels, padding=2, fontsize=7)
    axes.margins(x=0.45)
    axes.xaxis.set_major_locator(MaxNLocator(3))
    axes.ticklabel_format(axis="x", style="plain")
    axes.xaxis.set_major_formatter(lambda value, _: _amount(value, money=False))


def _notes(shown: list[str]) -> str:
    """What hatches mean, and which panels there are not."""
    missing = [title for name, (title, _) in PANELS.items() if name not in shown]
    notes = ["hatched: from a cache, or reasoning"] if {"prompt_tokens", "completion_tokens"} & set(shown) else []
    notes += [f"not counted by any server, or without prices: {', '.join(missing)}"] if missing else []
    return "; ".join(notes)


def _amount(value: float, *, money: bool) -> str:
    """A number as people say it: 950, 12.3 k, 4.0 M; dollars with cents."""
    if money:
        return f"{value:,.2f}"
    for size, sign in ((1e9, " G"), (1e6, " M"), (1e4, " k")):
        if value >= size:
            return f"{value / (1e3 if size == 1e4 else size):.1f}{sign}"
    return f"{value:g}"
