from mllm_classify.figures.change import change
from tests.figures.drawn import TABLE3, drawn_texts


def test_the_change_is_drawn_from_one_accuracy_to_the_other_the_best_model_first(tmp_path):
    figure = change(TABLE3)
    (axes,) = figure.axes
    assert [label.get_text() for label in axes.get_yticklabels()] == ["$b$ <s> · OW", "worst · CW"]
    points = [line.get_xdata().tolist() for line in axes.lines if line.get_marker() in "os"]
    assert points == [[80, 60], [92.5, 55]]
    shown = drawn_texts(figure, tmp_path)
    assert axes.get_xlabel().startswith("accuracy (%), n = 40; ")
    assert {"+12.50", "-5.00", "$b$ <s> · OW", "ImGT (old)", "ReGT (new)"} <= set(shown)


def test_no_interval_is_cut_off_by_the_axis():
    figure = change(TABLE3)
    (axes,) = figure.axes
    reached = [x for lines in axes.collections for segment in lines.get_segments() for x in segment[:, 0]]
    assert reached
    assert axes.get_xlim()[0] < min(reached)
    assert max(reached) < axes.get_xlim()[1]
