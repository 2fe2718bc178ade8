import polars as pl

from mllm_classify.figures.coverage import coverage
from tests.figures.drawn import ABSTENTION, drawn_texts


def test_coverage_has_a_panel_for_each_signal_and_label_set(tmp_path):
    figure = coverage(ABSTENTION.filter(~((pl.col("model") == "other") & (pl.col("label_set") == "ReGT"))))
    assert [axes.get_title() for axes in figure.axes] == [
        f"by {signal}, {name}" for name in ("ImGT (old)", "ReGT (new)") for signal in ("similarity", "margin")
    ]
    assert [len(axes.containers) for axes in figure.axes] == [2, 2, 1, 1]
    line, *_ = figure.axes[0].containers[1]
    assert (line.get_xdata().tolist(), line.get_ydata().tolist()) == ([50, 100], [7, 12])
    assert {"one", "other", "AURC 10.50", "AURC 11.50"} <= set(drawn_texts(figure, tmp_path))
