import polars as pl

from mllm_classify.figures.tasks import tasks
from tests.figures.drawn import TABLE4, drawn_texts


def test_tasks_have_marks_of_their_own(tmp_path):
    figure = tasks(TABLE4)
    imgt, regt = figure.axes
    assert [label.get_text() for label in imgt.get_yticklabels()] == ["other", "one"]
    assert [container[0].get_xdata().tolist() for container in imgt.containers] == [[50, 10], [70, 30], [60, 20]]
    assert regt.containers[0][0].get_xdata().tolist() == [51, 11]
    assert len({container[0].get_marker() for container in imgt.containers}) == 3
    assert {"OW", "CW+", "CW", "ImGT accuracy (%)"} <= set(drawn_texts(figure, tmp_path))


def test_tasks_without_a_second_label_set_are_one_panel():
    assert len(tasks(TABLE4.with_columns(pl.lit(None, pl.String).alias("ReGT_A"))).axes) == 1
