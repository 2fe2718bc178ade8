"""Figures: SVG for pages, PDF for papers."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import matplotlib as mpl
import numpy as np
import polars as pl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator
from scipy.cluster.hierarchy import ClusterNode, linkage, to_tree
from scipy.spatial.distance import squareform

from mllm_classify.choices import confusions
from mllm_classify.choices.confusions import Matrix
from mllm_classify.io.files import written
from mllm_classify.io.text import short

STYLE: Any = {
    "font.size": 8,
    "svg.fonttype": "none",  # text stays text
    "svg.hashsalt": "mllm-classify",  # the same figure, the same bytes
    "pdf.fonttype": 42,
    "text.parse_math": False,  # names are shown as they are
    "axes.spines.top": False,
    "axes.spines.right": False,
}
COLOURS = ["#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000"]
"""Told apart by the colour-blind (Okabe & Ito, 2008)."""
MARKERS = ["o", "s", "^", "D", "v", "P", "X"]
BLOCKS = 6
COLUMNS = 3
LARGEST = 8
"""Classes of a block."""
LONGEST = 42
"""Characters of a model's name."""
WIDTH = 7.6
"""Inches, of figures with a line for each model: two columns of a page."""
CATEGORIES = ["A", "S", "S+", "S-", "M", "M+", "M-", "N"]
TASKS = ["OW", "CW+", "CW", "CW-constrained"]
MOVES = {"higher under ReGT": (1, "-"), "lower": (-1, "--"), "same rank": (0, ":")}
"""How ranks move, with the sign of it and the line that shows it."""


def save(figure: Figure, path: Path) -> None:
    """Write `path` (.svg), and .pdf beside it."""
    for suffix, undated in {".svg": "Date", ".pdf": "CreationDate"}.items():
        with written(path.with_suffix(suffix)) as temporary, mpl.rc_context(STYLE):
            figure.savefig(temporary, format=suffix[1:], metadata={undated: None})


class Block(NamedTuple):
    """Classes that are taken for one another, and on how many images."""

    images: int
    classes: list[int]


def densest_blocks(counts: Matrix) -> list[Block]:
    """The groups of up to LARGEST classes with the most confusions for the square root of their size, none sharing a class.

    Groups come from average linkage, where two classes are the nearer the more of their images are confused. `counts`
    are of `confusions.counts`.
    """
    wrong = counts - np.diag(np.diag(counts))
    ids = np.flatnonzero(wrong.sum(axis=0) + wrong.sum(axis=1))
    if len(ids) < 2:
        return []
    wrong = wrong[np.ix_(ids, ids)]
    images = np.maximum(counts[ids].sum(axis=1), 1)
    nearness = wrong / images[:, None]
    distance = 2 - (nearness + nearness.T)
    np.fill_diagonal(distance, 0)
    tree = to_tree(linkage(squareform(distance, checks=False), "average"))
    found = [Block(int(wrong[np.ix_(group, group)].sum()), group) for group in _groups(tree)]
    taken: set[int] = set()
    chosen = []
    for block in sorted(found, key=lambda block: (-block.images / len(block.classes) ** 0.5, block.classes)):
        if block.images and not taken & set(block.classes):
            taken |= set(block.classes)
            chosen.append(Block(block.images, [int(ids[place]) for place in block.classes]))
    return chosen[:BLOCKS]


def _groups(tree: ClusterNode) -> Iterator[list[int]]:
    """The leaves of all branches of 2 to LARGEST leaves."""
    waiting = [tree]
    while waiting:
        node = waiting.pop()
        if not node.is_leaf():
            if node.get_count() <= LARGEST:
                yield node.pre_order()
            waiting += [node.get_left(), node.get_right()]


def confusion_blocks(found: pl.DataFrame, names: list[str], reference: str) -> Figure:
    """The densest blocks of a confusion matrix; a cell is the share of a row's images that were taken for the column."""
    counts = confusions.counts(found, len(names))
    blocks = densest_blocks(counts)
    wrong = int(counts.sum() - np.trace(counts))
    title = (
        f"Confusions of {reference}\n{wrong} of {int(counts.sum())} images taken for another class; the densest blocks"
    )
    with mpl.rc_context(STYLE):
        rows = -(-len(blocks) // COLUMNS)
        figure = Figure(figsize=(11, max(1.2, 0.7 + 3.2 * rows)), layout="constrained")
        figure.suptitle(title, fontsize=9)
        for place, block in enumerate(blocks):
            axes = figure.add_subplot(rows, COLUMNS, place + 1)
            part = counts[np.ix_(block.classes, block.classes)]
            share = 100 * part / np.maximum(counts[block.classes].sum(axis=1), 1)[:, None]
            axes.imshow(share, cmap="Blues", vmin=0, vmax=100)
            labels = [_label(names, class_id) for class_id in block.classes]
            axes.set_xticks(range(len(labels)), labels, rotation=40, ha="right", rotation_mode="anchor")
            axes.set_yticks(range(len(labels)), labels)
            axes.spines[:].set_visible(False)
            axes.tick_params(length=0)
            for (row, column), value in np.ndenumerate(share):
                if value:
                    axes.text(
                        column, row, f"{value:.0f}", ha="center", va="center", color="white" if value > 55 else "black"
                    )
        if blocks:
            figure.supylabel("label", fontsize=8)
            figure.supxlabel("taken for; % of the label's images", fontsize=8)
    return figure


def _label(names: list[str], class_id: int, longest: int = 26) -> str:
    """A class's name, cut if it is long; with its number where others have the same."""
    name = names[class_id]
    shown = short(name, longest)
    return shown if names.count(name) == 1 else f"{shown} ({class_id})"


def difficulty(rows: pl.DataFrame) -> Figure:
    """Accuracy by both label sets against the difficulty of the questions; `rows` are table6.csv as it is written.

    Only questions about the same labels are joined by a line: what may be answered is the same, what distracts is not.
    """
    variants = (
        rows.select("distractors", pl.col("difficulty", "options").cast(pl.Float64))
        .unique()
        .with_columns(labels=pl.col("distractors").str.replace(r" \+ (random|confEVA.*|\d+ \(CW\))$", ""))
        .sort("labels", "difficulty", "options", "distractors")
        .with_row_index("place")
    )
    ticks = [f"{name}\n{value:.1f} %" for name, value in variants.select("distractors", "difficulty").iter_rows()]
    models = rows["model"].unique(maintain_order=True).to_list()
    shown = [name for name in ("ImGT", "ReGT") if rows[f"{name}_A"].is_not_null().any()]
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(4.6 * len(shown), 4.2), layout="constrained")
        for panel, name in enumerate(shown):
            axes = figure.add_subplot(1, len(shown), panel + 1)
            for number, model in enumerate(models):
                one = rows.filter(pl.col("model") == model).join(variants, on="distractors").sort("place")
                for group, (_, part) in enumerate(one.group_by("labels", maintain_order=True)):
                    value, low, high = (
                        part[f"{name}_A{end}"].cast(pl.Float64).to_numpy() for end in ("", "_low", "_high")
                    )
                    axes.errorbar(
                        part["place"].to_numpy() + 0.4 * ((number + 0.5) / len(models) - 0.5),
                        value,
                        yerr=np.abs(np.nan_to_num([value - low, high - value])),
                        label=None if group or panel else short(model, LONGEST),
                        color=COLOURS[number % len(COLOURS)],
                        marker=MARKERS[number % len(MARKERS)],
                        markersize=5,
                        linewidth=1,
                        capsize=2,
                    )
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


def numbers(rows: pl.DataFrame, *names: str) -> list[np.ndarray]:
    """Columns of figures as they are written ("99.62"); NaN where there is none."""
    return [rows[name].cast(pl.Float64).fill_null(np.nan).to_numpy() for name in names]


def _whiskers(rows: pl.DataFrame, name: str) -> tuple[np.ndarray, np.ndarray]:
    """Figures, and how far their intervals reach below and above them (shape: 2 x rows)."""
    value, low, high = numbers(rows, name, f"{name}_low", f"{name}_high")
    return value, np.abs(np.nan_to_num(np.stack([value - low, high - value])))


def _lines(axes: Axes, names: list[str]) -> None:
    """A line of the figure for each name, from the top."""
    axes.set_yticks(range(len(names)), names)
    axes.set_ylim(len(names) - 0.4, -0.6)
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)


def _percent(axes: Axes, *shown: np.ndarray) -> None:
    """An axis from 0 to 100 %, or from where the figures begin if they leave most of it empty."""
    lowest = min((float(np.nanmin(values)) for values in shown if not np.isnan(values).all()), default=0.0)
    axes.set_xlim(max(0.0, lowest - 8) if lowest > 50 else -2, 102)
    axes.grid(axis="x", linewidth=0.3)


def _saying(text: str) -> Figure:
    """A figure where there is nothing to draw."""
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(WIDTH, 0.6))
        figure.text(0.5, 0.5, text, ha="center", va="center")
    return figure


def change(rows: pl.DataFrame) -> Figure:
    """What the second label set does to each model's accuracy (the paper's Fig. 3); `rows` are table3.csv as written.

    The best model under ImGT is at the top. Intervals are Wilson's.
    """
    rows = rows.reverse()
    names = [f"{short(model, LONGEST)} · {task}" for model, task in rows.select("model", "task").iter_rows()]
    places = np.arange(rows.height)
    (before, _), (after, _), difference = (
        _whiskers(rows, "ImGT_A"), _whiskers(rows, "ReGT_A"), numbers(rows, "change")[0],
    )  # fmt: skip
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(WIDTH, 1.3 + 0.34 * rows.height), layout="constrained")
        axes = figure.add_subplot()
        axes.hlines(places, before, after, color="0.6", linewidth=1.2, zorder=1)
        for number, (name, place) in enumerate({"ImGT": places - 0.12, "ReGT": places + 0.12}.items()):
            value, reach = _whiskers(rows, f"{name}_A")
            axes.errorbar(
                value,
                places,
                fmt=MARKERS[number],
                label=f"{name} ({short(rows[name.lower()][0] or '', LONGEST)})",
                color=COLOURS[number],
                markerfacecolor="white" if name == "ImGT" else COLOURS[number],
                markersize=6,
                zorder=3,
            )
            axes.errorbar(value, place, xerr=reach, fmt="none", ecolor=COLOURS[number], elinewidth=0.7, zorder=2)
        _lines(axes, names)
        _percent(axes, before, after)
        for row, value in enumerate(difference):
            if not np.isnan(value):
                axes.annotate(
                    f"{value:+.2f}", (1, row), xycoords=("axes fraction", "data"), xytext=(4, 0),
                    textcoords="offset points", va="center", ha="left",
                )  # fmt: skip
        axes.set_xlabel("accuracy (%); right: change in points; thin lines: 95 % (Wilson)")
        figure.legend(frameon=False, loc="outside upper center", ncols=2)
    return figure


def tasks(rows: pl.DataFrame) -> Figure:
    """Accuracy of models that answer in words under OW, CW+ and CW, by both label sets; `rows` are table4.csv as written."""
    if not rows.height:
        return _saying("no model answered in words")
    rows = rows.reverse()
    models = rows["model"].unique(maintain_order=True).to_list()
    shown = [name for name in ("ImGT", "ReGT") if rows[f"{name}_A"].is_not_null().any()]
    found = [task for task in TASKS if task in rows["task"]]
    with mpl.rc_context(STYLE):
        height = 1.3 + (0.2 + 0.16 * len(found)) * len(models)
        figure = Figure(figsize=(WIDTH, height), layout="constrained")
        for panel, name in enumerate(shown):
            axes = figure.add_subplot(1, len(shown), panel + 1)
            for number, task in enumerate(found):
                one = rows.filter(pl.col("task") == task)
                value, reach = _whiskers(one, f"{name}_A")
                place = np.array([models.index(model) for model in one["model"]]) + 0.6 * (
                    (number + 0.5) / len(found) - 0.5
                )
                axes.errorbar(
                    value,
                    place,
                    xerr=reach,
                    fmt=MARKERS[number],
                    label=None if panel else task,
                    color=COLOURS[number],
                    markersize=5,
                    elinewidth=0.7,
                )
            _lines(axes, [short(model, LONGEST) for model in models])
            if panel:
                axes.set_yticklabels([])
            _percent(axes, *(numbers(rows, f"{each}_A")[0] for each in shown))
            axes.set_title(f"{name} accuracy (%)", fontsize=9)
            axes.hlines(np.arange(len(models) - 1) + 0.5, *axes.get_xlim(), color="0.85", linewidth=0.5)
        figure.legend(frameon=False, loc="outside upper center", ncols=len(found))
        figure.supxlabel("lines: 95 % (Wilson)", fontsize=8)
    return figure


def oop(rows: pl.DataFrame) -> Figure:
    """Out-of-prompt rate by label category; `rows` are table5.csv as written. What has no image is blank."""
    if not rows.height:
        return _saying("no model was asked CW in words")
    values = np.stack(numbers(rows, *CATEGORIES), axis=1)
    sizes = [rows["n" if name == "A" else f"n_{name}"].unique() for name in CATEGORIES]
    labels = [
        name if len(size) != 1 or size[0] is None else f"{name}\n{size[0]}"
        for name, size in zip(CATEGORIES, sizes, strict=True)
    ]
    kept = [place for place in range(len(CATEGORIES)) if not np.isnan(values[:, place]).all()]
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(WIDTH, 1.1 + 0.3 * rows.height), layout="constrained")
        axes = figure.add_subplot()
        largest = max(float(np.nanmax(values)), 10.0)
        axes.imshow(values[:, kept], cmap="Blues", vmin=0, vmax=largest, aspect="auto")
        for (row, column), value in np.ndenumerate(values[:, kept]):
            if not np.isnan(value):
                colour = "white" if value > 0.55 * largest else "black"
                axes.text(column, row, f"{value:.1f}", ha="center", va="center", color=colour)
        _lines(axes, [short(model, LONGEST) for model in rows["model"]])
        axes.set_ylim(rows.height - 0.5, -0.5)
        axes.set_xticks(range(len(kept)), [labels[place] for place in kept])
        axes.xaxis.tick_top()
        axes.spines[:].set_visible(False)
        axes.tick_params(length=0)
        figure.supxlabel("out-of-prompt answers to CW (%), by label category and its number of images", fontsize=8)
    return figure


def coverage(rows: pl.DataFrame) -> Figure:
    """Risk against coverage of OOP answers, by similarity and by margin, a line of panels for each label set; `rows` are
    abstention.csv as written. Intervals are Wilson's.
    """
    if not rows.height:
        return _saying("no model answered CW out of prompt")
    models = rows["model"].unique(maintain_order=True).to_list()
    sets = rows["label_set"].unique(maintain_order=True).to_list()
    signals = rows["signal"].unique(maintain_order=True).to_list()
    # more models than colours have other markers in the second round
    styles: list[dict[str, Any]] = [
        {"color": COLOURS[number % len(COLOURS)],
         "marker": MARKERS[(number + number // len(COLOURS)) % len(MARKERS)], "markersize": 4}
        for number in range(len(models))
    ]  # fmt: skip
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(WIDTH, 0.9 + 2.5 * len(sets)), layout="constrained")
        for panel, (label_set, signal) in enumerate((one, other) for one in sets for other in signals):
            axes = figure.add_subplot(len(sets), len(signals), panel + 1)
            for model, style in zip(models, styles, strict=True):
                one = rows.filter(model=model, label_set=label_set, signal=signal)
                if not one.height:
                    continue
                value, reach = _whiskers(one, "risk")
                axes.errorbar(
                    numbers(one, "coverage")[0],
                    value,
                    yerr=reach,
                    label=f"AURC {one['aurc'][0]}",
                    linewidth=1,
                    elinewidth=0.5,
                    **style,
                )
            axes.set_xlim(0, 103)
            axes.set_ylim(-2, 102)
            axes.grid(linewidth=0.3)
            name = rows.filter(label_set=label_set)[label_set.lower()][0]
            axes.set_title(f"by {signal}, {label_set} ({short(name or '', 30)})", fontsize=9)
            # with many models it would hide them, and the table has it
            if len(models) <= len(COLOURS):
                axes.legend(frameon=False, fontsize=7, loc="best")
        handles = [Line2D([], [], **style) for style in styles]
        names = [short(model, LONGEST) for model in models]
        figure.legend(handles, names, frameon=False, loc="outside upper center", ncols=3)
        figure.supylabel("risk: wrong among the answers kept (%)", fontsize=8)
        figure.supxlabel("coverage: out-of-prompt answers kept (%); bars: 95 % (Wilson)", fontsize=8)
    return figure


def ranks(rows: pl.DataFrame) -> Figure:
    """Ranks under both label sets as a slope chart; `rows` are ranking.csv as written.

    Every model has a line of its own on both sides; ties share a rank and are bracketed. In brackets beside a rank: where
    95 % of the bootstrap's resamples put it.
    """
    rows = rows.filter(pl.all_horizontal(pl.col("ImGT_A_rank", "ReGT_A_rank").is_not_null()))
    if not rows.height:
        return _saying("no model has a rank under both label sets")
    sides = {name: _side(rows, name) for name in ("ImGT", "ReGT")}
    moves = numbers(rows, "ImGT_A_rank")[0] - numbers(rows, "ReGT_A_rank")[0]
    count = rows.height
    with mpl.rc_context(STYLE):
        # beside a middle of so many inches there is room for the longest text
        middle, margin = (
            1.7,
            0.5 + 0.063 * max(len(text) for side in sides.values() for text in side.texts),
        )
        figure = Figure(figsize=(middle + 2 * margin, 1.5 + 0.26 * count), layout="constrained")
        axes = figure.add_subplot()
        for number, (what, (sign, line)) in enumerate(MOVES.items()):
            label: str | None = f"{what} ({int((np.sign(moves) == sign).sum())})"
            for row in np.flatnonzero(np.sign(moves) == sign):
                ends = [side.places[row] for side in sides.values()]
                axes.plot(
                    [0, 1], ends, line, color=[*COLOURS[:2], "0.45"][number], marker=MARKERS[number], markersize=4,
                    linewidth=1.2, label=label,
                )  # fmt: skip
                label = None
        for x, (name, side) in enumerate(sides.items()):
            for place, text in zip(side.places, side.texts, strict=True):
                axes.annotate(
                    text, (x, place), xytext=(18 * (2 * x - 1), 0), textcoords="offset points", va="center",
                    ha="left" if x else "right",
                )  # fmt: skip
            for first, last in side.ties:
                axes.plot([1.08 * x - 0.04] * 2, [first - 0.3, last + 0.3], color="black", linewidth=1.5)
            said = rows[name.lower()][0]
            axes.text(x, -1, f"{name} ({short(said, 30)})" if said else name, ha="center", fontsize=9)
        axes.set_xlim(-margin / middle, 1 + margin / middle)
        axes.set_ylim(count - 0.4, -1.3)
        axes.axis("off")
        figure.supxlabel(_agreement(rows), fontsize=8)
        figure.legend(frameon=False, loc="outside upper center", ncols=3)
    return figure


class Side(NamedTuple):
    """One side of a slope chart: by row of the table a place from the top, and a text; the first and last place of ties."""

    places: list[int]
    texts: list[str]
    ties: list[tuple[int, int]]


def _side(rows: pl.DataFrame, name: str) -> Side:
    ranked, low, high = (
        rows[f"{name}_A_rank{end}"].cast(pl.Int64, strict=False).to_list() for end in ("", "_low", "_high")
    )
    other = rows["ReGT_A_rank" if name == "ImGT" else "ImGT_A_rank"].cast(pl.Int64).to_list()
    order = sorted(range(rows.height), key=lambda row: (ranked[row], other[row], row))
    groups = [[place for place, row in enumerate(order) if ranked[row] == rank] for rank in sorted(set(ranked))]
    texts = []
    for model, accuracy, rank, *ends in zip(rows["model"], rows[f"{name}_A"], ranked, low, high, strict=True):
        parts = [short(model, 34), f"{accuracy} %", f"{rank} [{_range(*ends)}]"]
        texts.append(" · ".join(parts if name == "ImGT" else reversed(parts)))
    places = [order.index(row) for row in range(rows.height)]
    return Side(places, texts, [(group[0], group[-1]) for group in groups if len(group) > 1])


def _range(low: int | None, high: int | None) -> str:
    return "?" if low is None or high is None else str(low) if low == high else f"{low} to {high}"


def _agreement(rows: pl.DataFrame) -> str:
    said = "model, accuracy, rank [95 % of resamples]; bars join ties"
    if rows["tau"][0] is None:
        return said
    tau, low, high = rows.select("tau", "tau_low", "tau_high").row(0)
    return f"{said}; Kendall's tau {tau}" + (f" ({low} to {high})" if low is not None and high is not None else "")


def costs(rows: pl.DataFrame) -> Figure:
    """Requests, tokens and dollars by model and task, all variants together; `rows` are usage.csv as written.

    Hatched: tokens of the prompt that came from a cache, and of the answer that were reasoning.
    """
    counted = ["requests", "prompt_tokens", "cached_tokens", "completion_tokens", "reasoning_tokens", "cost"]
    rows = rows.group_by("model", "task", maintain_order=True).agg(
        pl.when(pl.col(name).is_not_null().any()).then(pl.col(name).cast(pl.Float64).sum()) for name in counted
    )
    names = [f"{short(model, LONGEST)} · {task}" for model, task in rows.select("model", "task").iter_rows()]
    panels = {
        "requests": ("requests", None),
        "prompt_tokens": ("prompt tokens", "cached_tokens"),
        "completion_tokens": ("answer tokens", "reasoning_tokens"),
        "cost": ("dollars", None),
    }
    shown = {name: panel for name, panel in panels.items() if rows[name].is_not_null().any()}
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(max(WIDTH, 3.4 + 1.7 * len(shown)), 1.2 + 0.24 * rows.height), layout="constrained")
        for number, (name, (title, part)) in enumerate(shown.items()):
            axes = figure.add_subplot(1, len(shown), number + 1)
            values = numbers(rows, name)[0]
            bars = axes.barh(range(rows.height), np.nan_to_num(values), color=COLOURS[number], height=0.7)
            if part and rows[part].is_not_null().any():
                of = np.nan_to_num(numbers(rows, part)[0])
                axes.barh(
                    range(rows.height), of, color="none", edgecolor="white", hatch="////", height=0.7, linewidth=0
                )
            unknown = "no price" if name == "cost" else "not counted"
            told = [unknown if np.isnan(value) else _amount(value, name == "cost") for value in values]
            axes.bar_label(bars, told, padding=2, fontsize=7)
            axes.margins(x=0.45)
            axes.xaxis.set_major_locator(MaxNLocator(3))
            axes.ticklabel_format(axis="x", style="plain")
            axes.xaxis.set_major_formatter(lambda value, _: _amount(value, money=False))
            _lines(axes, names if not number else [""] * len(names))
            axes.set_title(title, fontsize=9)
        missing = [title for name, (title, _) in panels.items() if name not in shown]
        notes = ["hatched: from a cache, or reasoning"] if {"prompt_tokens", "completion_tokens"} & set(shown) else []
        notes += [f"not counted by any server, or without prices: {', '.join(missing)}"] if missing else []
        figure.supxlabel("; ".join(notes), fontsize=8)
    return figure


def _amount(value: float, money: bool) -> str:
    """A number as people say it: 950, 12.3 k, 4.0 M; dollars with cents."""
    if money:
        return f"{value:,.2f}"
    for size, sign in ((1e9, " G"), (1e6, " M"), (1e4, " k")):
        if value >= size:
            return f"{value / (1e3 if size == 1e4 else size):.1f}{sign}"
    return f"{value:g}"


def sensitivity(rows: pl.DataFrame) -> Figure:
    """What each other way of asking does to accuracy, by both label sets; `rows` are sensitivity.csv as written.

    A line for each model and variant, a mark for each task, filled where the corrected p is below 0.05.
    """
    rows = rows.filter(pl.col("ImGT_A_vs_main").is_not_null()).with_columns(
        variant=pl.when(pl.col("variant") == "main").then("task").otherwise("variant")
    )
    if not rows.height:
        return _saying("no model was asked the same images in two ways")
    lines = rows.select("model", "variant").unique(maintain_order=True).rows()
    several = rows["model"].n_unique() > 1
    names = [short(f"{short(model, 24)} · {variant}" if several else variant, LONGEST + 14) for model, variant in lines]
    shown = [name for name in ("ImGT", "ReGT") if rows[f"{name}_A_vs_main"].is_not_null().any()]
    found = [task for task in TASKS if task in rows["task"]]
    with mpl.rc_context(STYLE):
        height = 1.4 + (0.13 + 0.08 * len(found)) * len(lines)
        figure = Figure(figsize=(WIDTH, height), layout="constrained")
        axes = None
        for panel, name in enumerate(shown):
            axes = figure.add_subplot(1, len(shown), panel + 1, sharex=axes)
            axes.axvline(0, color="0.5", linewidth=0.8)
            for number, task in enumerate(found):
                one = rows.filter(pl.col("task") == task)
                value, reach = _whiskers(one, f"{name}_A_vs_main")
                clear = [p.startswith("<") or float(p) < 0.05 for p in one[f"{name}_A_p_holm"].fill_null("1")]
                place = np.array([lines.index(line) for line in one.select("model", "variant").rows()])
                place = place + 0.6 * ((number + 0.5) / len(found) - 0.5)
                axes.errorbar(
                    value, place, xerr=reach, fmt="none", ecolor=COLOURS[number], elinewidth=0.8,
                )  # fmt: skip
                for filled in (False, True):
                    kept = np.array(clear) == filled
                    axes.plot(
                        value[kept], place[kept], MARKERS[number], color=COLOURS[number], markersize=4.5,
                        markerfacecolor=COLOURS[number] if filled else "white",
                        label=None if panel or filled else task,
                    )  # fmt: skip
            _lines(axes, [""] * len(names) if panel else names)
            axes.grid(axis="x", linewidth=0.3)
            axes.set_title(f"{name} accuracy: change in points", fontsize=9)
        # of one model, the lines do not say which
        whose = None if several else short(lines[0][0], LONGEST)
        figure.legend(frameon=False, loc="outside upper center", ncols=len(found), title=whose, title_fontsize=9)
        figure.supxlabel(
            "against the main way on the same images; lines: 95 % (paired bootstrap); filled: p < 0.05, Holm-corrected",
            fontsize=8,
        )
    return figure


DRAWN: dict[str, Callable[[pl.DataFrame], Figure]] = {
    drawn.__name__: drawn for drawn in (difficulty, change, tasks, oop, coverage, ranks, costs)
}
"""Figures of one table each, by name."""
