import matplotlib as mpl
import pytest

from mllm_classify.figures.heatmap import heatmap
from mllm_classify.tables.datasets import best_rows
from tests.figures.drawn import DATASET_LABELS, DATASETS, drawn_texts


def test_a_line_for_each_model_at_its_best_task_and_a_mean_where_it_has_every_data_set(tmp_path):
    rows = best_rows(DATASETS, list(DATASET_LABELS))
    assert rows.select("model", "task", "A_p", "A_q", "macro").rows() == [
        ("$b$ <s>", "CW+", 40.0, 90.0, 65.0),
        ("a", "CW", 50.0, 60.0, 55.0),
        ("c", "CW", 99.0, None, None),
    ]
    figure = heatmap(DATASETS, DATASET_LABELS)
    (axes,) = figure.axes
    assert [(text.get_text(), text.get_position()[1]) for text in axes.texts] == [
        ("40.0", 0), ("90.0", 0), ("65.0", 0), ("50.0", 1), ("60.0", 1), ("55.0", 1), ("99.0", 2),
    ]  # fmt: skip
    shown = drawn_texts(figure, tmp_path)
    assert {"$b$ <s> (CW+)", "a (CW)", "c (CW)", "Photographs", "Q", "Mean"} <= set(shown)


def test_a_higher_accuracy_is_darker():
    (axes,) = heatmap(DATASETS, DATASET_LABELS).axes
    (mesh,) = axes.collections
    shades = mesh.cmap(mesh.norm(mesh.get_array().compressed()))[:, :3].sum(axis=1)
    by_accuracy = sorted(zip(mesh.get_array().compressed(), shades, strict=True))
    assert [shade for _, shade in by_accuracy] == sorted(shades, reverse=True)
    assert mpl.colormaps["Blues"] == mesh.cmap


def test_without_any_accuracy_it_says_so(tmp_path):
    (text,) = drawn_texts(heatmap(DATASETS.filter(measure="nothing"), DATASET_LABELS), tmp_path)
    assert text == "no model has an accuracy on any data set"


@pytest.mark.parametrize("other", [DATASETS.reverse(), DATASETS.sample(fraction=1, shuffle=True, seed=1)])
def test_the_order_of_rows_changes_nothing(other):
    assert best_rows(other, ["p", "q"]).equals(
        best_rows(DATASETS, ["p", "q"]).select([*other.columns, "mean", "has", "place"])
    )
