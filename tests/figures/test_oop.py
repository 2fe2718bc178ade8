from mllm_classify.figures.oop import oop
from tests.figures.drawn import TABLE5, drawn_texts


def test_the_out_of_prompt_rate_is_told_where_there_are_images(tmp_path):
    figure = oop(TABLE5)
    assert [label.get_text() for label in figure.axes[0].get_xticklabels()] == ["A\n8", "S\n4", "S-\n1"]
    assert {"12.5", "100.0", "25.0", "50.0", "m", "other"} <= set(drawn_texts(figure, tmp_path))
