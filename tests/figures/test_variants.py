import polars as pl

from mllm_classify.figures.style import MARKERS
from mllm_classify.figures.variants import variants
from tests.figures.drawn import SENSITIVITY, drawn_texts


def test_every_difference_has_its_mark_filled_where_it_is_told_from_none(tmp_path):
    figure = variants(SENSITIVITY)
    assert [axes.get_title() for axes in figure.axes] == [f"{n} accuracy: change in points" for n in ("ImGT", "ReGT")]
    marks = [line for line in figure.axes[0].lines if line.get_marker() in MARKERS]
    shown = sorted(
        (x, round(y), line.get_markerfacecolor() != "white")
        for line in marks
        for x, y in zip(*line.get_data(), strict=True)
    )
    assert shown == [(-30.0, 0, True), (0.0, 2, False), (1.0, 1, False), (5.0, 0, True)]
    lines = {"M · hot", "M · CW-constrained", "$N$ · hot", "CW+", "CW", "CW-constrained"}
    assert lines <= set(drawn_texts(figure, tmp_path))


def test_of_one_model_variants_have_its_lines_to_themselves_and_of_none_it_says_so(tmp_path):
    of_one = variants(SENSITIVITY.filter(pl.col("model") == "M"))
    assert {"hot", "CW-constrained"} <= set(drawn_texts(of_one, tmp_path))
    of_none = variants(SENSITIVITY.head(1))
    assert drawn_texts(of_none, tmp_path) == ["no model was asked the same images in two ways"]


def test_without_a_second_label_set_there_is_one_panel():
    names = [name for name in SENSITIVITY.columns if "ReGT" in name]
    one_label_set = SENSITIVITY.with_columns(pl.lit(None, pl.String).alias(name) for name in names)
    assert len(variants(one_label_set).axes) == 1
