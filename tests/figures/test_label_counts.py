import polars as pl

from mllm_classify.figures.label_counts import label_counts
from tests.figures.drawn import drawn_texts

TABLE = pl.DataFrame(
    [("labels", "0", "3"), ("labels", "1", "40"), ("labels", "2 and more", "0"), ("boxes", "0", "17"), ("attribute", "Crowd", "99")],
    schema=["statistic", "value", "n"],
    orient="row",
)  # fmt: skip


def test_images_are_told_by_their_numbers_of_labels_and_boxes(tmp_path):
    figure = label_counts(TABLE)
    assert [[bar.get_height() for bar in axes.patches] for axes in figure.axes] == [[3, 40, 0], [17]]
    shown = drawn_texts(figure, tmp_path)
    assert {"labels of an image", "boxes of an image", "2+", "40", "17"} <= set(shown)
    assert "99" not in shown
