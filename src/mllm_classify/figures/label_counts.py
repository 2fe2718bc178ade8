"""How many labels and boxes images have."""

import matplotlib as mpl
import polars as pl
from matplotlib.figure import Figure

from mllm_classify.figures.style import COLOURS, STYLE, WIDTH

SHOWN = ("labels", "boxes")


def label_counts(labels_per_image: pl.DataFrame) -> Figure:
    """Images by their number of labels, and of boxes; `labels_per_image` is the table as it is written."""
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(WIDTH, 2.4), layout="constrained")
        for place, (axes, statistic) in enumerate(zip(figure.subplots(1, 2, sharey=True), SHOWN, strict=True)):
            rows = labels_per_image.filter(pl.col("statistic") == statistic)
            counts = rows["n"].cast(pl.Int64).to_list()
            bars = axes.bar(range(rows.height), counts, color=COLOURS[place])
            axes.bar_label(bars, [str(count) if count else "" for count in counts], fontsize=6)
            ticks = [value.replace(" and more", "+") for value in rows["value"]]
            axes.set_xticks(range(rows.height), ticks)
            axes.set_xlabel(f"{statistic} of an image")
        figure.supylabel("images", fontsize=8)
    return figure
