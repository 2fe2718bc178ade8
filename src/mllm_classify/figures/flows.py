"""Where earlier corrections of labels put images, and where the second label set does, as flows."""

import matplotlib as mpl
import polars as pl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import PathPatch, Rectangle
from matplotlib.path import Path as Outline

from mllm_classify.figures.style import COLOURS, LONGEST, STYLE, WIDTH, notice
from mllm_classify.io.text import short

CATEGORIES = ["N", "S+", "S-", "M+", "M-"]
COLOUR = dict(zip(CATEGORIES, ["#7F7F7F", *(COLOURS[number] for number in (2, 1, 0, 3))], strict=True))
GAP, BAR = 0.02, 0.06
"""Between categories, as a share of all images; width of a bar, of the figure's."""


def flows(corrections: pl.DataFrame) -> Figure:
    """Ribbons from the category under each earlier label set to that under the second; `corrections` is the table as written."""
    if not corrections.height:
        return notice("no image has an earlier label")
    sets = corrections["set"].unique(maintain_order=True).to_list()
    columns = min(2, len(sets))
    lines = -(-len(sets) // columns)
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(WIDTH, 2.7 * lines), layout="constrained")
        grid = figure.subplots(lines, columns, squeeze=False).flat
        for axes, name in zip(grid, sets, strict=False):
            rows = corrections.filter(pl.col("set") == name).select("before", "after", pl.col("n").cast(pl.Int64))
            _draw(axes, short(name, LONGEST), corrections["regt"][0], rows)
        for axes in figure.axes[len(sets) :]:
            axes.set_visible(False)
    return figure


def _draw(axes: Axes, name: str, second: str, rows: pl.DataFrame) -> None:
    total = int(rows["n"].sum())
    ends = {side: _stacked(rows, side, total) for side in ("before", "after")}
    for side, x in {"before": 0.0, "after": 1 - BAR}.items():
        for category, (start, size) in ends[side].items():
            axes.add_patch(Rectangle((x, start), BAR, size / total, color=COLOUR[category]))
            outside = {"before": (-0.02, "right"), "after": (1.02, "left")}[side]
            axes.text(
                outside[0], start + size / total / 2, f"{category} {size}", ha=outside[1], va="center", fontsize=7
            )
    place = {(side, category): start for side, found in ends.items() for category, (start, _) in found.items()}
    for before, after, count in rows.iter_rows():
        width = count / total
        one, other = place["before", before], place["after", after]
        axes.add_patch(PathPatch(_ribbon(one, other, width), facecolor=COLOUR[before], alpha=0.4, linewidth=0))
        place["before", before], place["after", after] = one + width, other + width
    axes.set_xlim(-0.3, 1.3)
    axes.set_ylim(1 + GAP * (len(CATEGORIES) - 1), 0)
    axes.set_axis_off()
    axes.set_title(f"{name} → {short(second, LONGEST)}", fontsize=8)


def _stacked(rows: pl.DataFrame, side: str, total: int) -> dict[str, tuple[float, int]]:
    """Where each category's bar begins, as a share of all images, and how many images it has, from the top."""
    sizes = dict(rows.group_by(side).agg(pl.col("n").sum()).iter_rows())
    found, start = {}, 0.0
    for category in CATEGORIES:
        if category in sizes:
            found[category] = (start, sizes[category])
            start += sizes[category] / total + GAP
    return found


def _ribbon(one: float, other: float, width: float) -> Outline:
    """From the left bar to the right one: two curves, and the bars' edges."""
    left, right, middle = BAR, 1 - BAR, 0.5
    points = [(left, one), (middle, one), (middle, other), (right, other),
              (right, other + width), (middle, other + width), (middle, one + width), (left, one + width), (left, one)]  # fmt: skip
    codes = [Outline.MOVETO, *[Outline.CURVE4] * 3, Outline.LINETO, *[Outline.CURVE4] * 3, Outline.CLOSEPOLY]
    return Outline(points, codes)
