import polars as pl

from mllm_classify.figures.difficulty import difficulty
from tests.figures.drawn import TABLE6, drawn_texts


def test_accuracy_is_drawn_against_difficulty_for_both_label_sets(tmp_path):
    figure = difficulty(TABLE6)
    assert [axes.get_title() for axes in figure.axes] == ["ImGT accuracy (%)", "ReGT accuracy (%)"]
    ticks = [label.get_text() for label in figure.axes[0].get_xticklabels()]
    assert ticks == ["ImGT + random\n0.5 %", "ImGT + 999 (CW)\n20.0 %", "ReGT + confEVA(ReGT)\n10.0 %"]
    drawn = [container[0].get_ydata().tolist() for container in figure.axes[0].containers]
    # only questions about the same labels are joined
    assert drawn == [[99.1, 70.1], [50.0], [60.0]]
    assert {"M", "<N>"} <= set(drawn_texts(figure, tmp_path))


def test_without_a_second_label_set_there_is_one_panel():
    nothing = [pl.lit(None, pl.String).alias(name) for name in ("ReGT_A", "ReGT_A_low", "ReGT_A_high")]
    assert len(difficulty(TABLE6.with_columns(nothing)).axes) == 1
