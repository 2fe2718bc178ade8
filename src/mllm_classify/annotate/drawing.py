"""What annotators decided in the second pass, as drawings: the paper's Figures 5 and 7."""

from typing import TYPE_CHECKING, Any

import matplotlib as mpl
import numpy as np
import polars as pl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from mllm_classify.annotate.second_pass import OUTCOMES
from mllm_classify.figures.style import COLOURS, LONGEST, STYLE, WIDTH, name_lines, notice, numbers
from mllm_classify.io.text import short

if TYPE_CHECKING:
    from PIL import Image

SHOWN = 3
"""Images of an outcome in Figure 5."""
LINE = 30
"""Characters of a class's name below a picture."""
LOOKS: dict[str, Any] = {
    "preferred": {"color": COLOURS[1]},
    "kept": {"color": COLOURS[2]},
    "combined": {"color": COLOURS[5], "hatch": "///"},
    "other": {"color": "#B0B0B0"},
}
SAID = {
    "preferred": "preferred {}",
    "kept": "kept ReGT without {}",
    "combined": "combined ReGT and {}",
    "other": "other changes",
}
CORRECT, WRONG = COLOURS[2], COLOURS[1]


def parts(rows: pl.DataFrame) -> Figure:
    """What became of the tasks of each category, as shares of those that are decided (Figure 7).

    `rows` are those of the table of the second pass.
    """
    drawn = rows.cast(pl.String).filter(pl.col("decided").cast(pl.Int64) > 0)
    if drawn.is_empty():
        return notice("annotators have decided nothing yet")
    model = short(drawn["model"][0], LONGEST)
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(WIDTH, 1.0 + 0.42 * drawn.height), layout="constrained")
        axes = figure.add_subplot()
        left = np.zeros(drawn.height)
        for outcome, shares in zip(OUTCOMES, numbers(drawn, *OUTCOMES), strict=True):
            bars = axes.barh(range(drawn.height), shares, left=left, height=0.7, edgecolor="white",
                             label=SAID[outcome].format(model), **LOOKS[outcome])  # fmt: skip
            axes.bar_label(bars, [f"{it:.1f}" if it >= 5 else "" for it in shares], label_type="center", fontsize=7)
            left += shares
        name_lines(axes, [f"{row['category']} ({row['decided']})" for row in drawn.to_dicts()])
        axes.set_xlim(0, 100)
        axes.set_xlabel("decided tasks (%), by label category and their number")
        figure.legend(loc="outside upper center", ncols=2, frameon=False)
    return figure


def examples(
    key: pl.DataFrame,
    decided: pl.DataFrame,
    names: list[str],
    model: str,
    pictures: "dict[str, Image.Image]",
) -> Figure:
    """Images of each outcome but `other`, the first of the tasks: ReGT, the model's class, and the new labels (Figure 5).

    A label of the first pass or of the model is green where the new labels have it, else orange. Columns are outcomes.
    """
    shown = {
        outcome: rows
        for outcome in OUTCOMES
        if outcome != "other" and (rows := chosen(key, decided, outcome, pictures)).height
    }
    if not shown:
        return notice("annotators have decided nothing of which a picture is here")
    deep = max(rows.height for rows in shown.values())
    with mpl.rc_context({**STYLE, "font.size": 7}):
        figure = Figure(figsize=(2.6 * len(shown), 2.9 * deep + 0.3), layout="constrained")
        grid = figure.subplots(deep, len(shown), squeeze=False)
        for column, (outcome, rows) in enumerate(shown.items()):
            for line in range(deep):
                axes = grid[line][column]
                axes.set_axis_off()
                if line < rows.height:
                    _draw(axes, rows.row(line, named=True), names, short(model, LINE), pictures)
            grid[0][column].set_title(short(SAID[outcome].format(model), LONGEST), fontsize=8, weight="bold")
    return figure


def chosen(key: pl.DataFrame, decided: pl.DataFrame, outcome: str, pictures: "dict[str, Image.Image]") -> pl.DataFrame:
    """The first tasks of an outcome of which there is a picture, with what they were made of."""
    of = decided.filter(pl.col("state") == outcome).select("task", "labels")
    return key.join(of, on="task", how="inner", maintain_order="left").filter(pl.col("image_id").is_in([*pictures])).head(SHOWN)  # fmt: skip


def _draw(axes: Axes, row: dict[str, Any], names: list[str], model: str, pictures: "dict[str, Image.Image]") -> None:  # fmt: skip
    small = pictures[str(row["image_id"])].copy()
    small.thumbnail((480, 480))
    axes.imshow(np.asarray(small))
    lines = [(f"{row['image_id']}, {row['category']}", "black")]
    for who, classes in (("ReGT", row["regt"]), (model, row["predicted"]), ("new", row["labels"])):
        for class_id in classes or [None]:
            right = class_id in row["labels"] if class_id is not None else not row["labels"]
            colour = "black" if who == "new" else CORRECT if right else WRONG
            lines.append((f"{who}: {'(none)' if class_id is None else short(names[int(class_id)], LINE)}", colour))
    for number, (text, colour) in enumerate(lines):
        axes.annotate(short(text, LONGEST), (0, 0), (0, -10 - 9 * number), xycoords="axes fraction", textcoords="offset points",
                      color=colour, annotation_clip=False)  # fmt: skip
