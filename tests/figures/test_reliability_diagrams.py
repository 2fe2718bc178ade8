import polars as pl

from mllm_classify.figures.reliability_diagrams import reliability_diagrams
from tests.figures.drawn import drawn_texts, written

RELIABILITY = written(
    "model task variant label_set scores bins bin confidence accuracy accuracy_low accuracy_high n imgt regt",
    *((model, "CW", "", label_set, scores, "equal width", str(place), f"{place}0.00", f"{place + 2}0.00", "5.00", "95.00", "4", "old", "new")
      for model in ("one", "$b$ <s>") for label_set in ("ImGT", "ReGT") for scores in ("as given", "temperature") for place in (2, 5)),
    ("one", "CW", "", "ImGT", "as given", "equal mass", "1", "1.00", "99.00", "5.00", "95.00", "4", "old", "new"),
)  # fmt: skip


def test_a_panel_a_model_with_a_line_for_each_label_set_and_scores(tmp_path):
    cut = RELIABILITY.filter((pl.col("model") == "one") | (pl.col("scores") == "as given"))
    figure = reliability_diagrams(cut)
    assert [axes.get_title() for axes in figure.axes] == ["one", "$b$ <s>"]
    assert [len(axes.containers) for axes in figure.axes] == [4, 2]
    line, *_ = figure.axes[0].containers[0]
    assert (line.get_xdata().tolist(), line.get_ydata().tolist()) == ([20, 50], [40, 70])
    assert {"one", "$b$ <s>", "ImGT (old), as given", "ReGT (new), temperature"} <= set(drawn_texts(figure, tmp_path))


def test_a_chat_model_has_a_panel_for_each_scoring(tmp_path):
    likely = RELIABILITY.filter(pl.col("model") == "one").with_columns(task=pl.lit("MC"), variant=pl.lit("random"))
    figure = reliability_diagrams(pl.concat([RELIABILITY.with_columns(variant=None), likely], how="vertical_relaxed"))
    assert [axes.get_title() for axes in figure.axes] == ["one\nCW", "$b$ <s>\nCW", "one\nMC random"]


def test_without_a_model_that_gives_probabilities_the_figure_says_so(tmp_path):
    (only,) = drawn_texts(reliability_diagrams(RELIABILITY.clear()), tmp_path)
    assert only == "no model gave probabilities"
