import numpy as np
import polars as pl

from mllm_classify.figures.parallel import parallel
from mllm_classify.figures.style import COLOURS
from tests.figures.drawn import DATASET_LABELS, DATASETS, drawn_texts


def lines(figure):
    """The lines of models, by their labels; each as the y of its points."""
    (axes,) = figure.axes
    return {container.get_label(): container.lines[0].get_ydata().tolist() for container in axes.containers}


def test_few_models_have_a_line_each_with_intervals_and_easy_data_sets_stand_first(tmp_path):
    figure = parallel(DATASETS, DATASET_LABELS)
    (axes,) = figure.axes
    # the mean of q is 75, that of p 63
    assert [label.get_text() for label in axes.get_xticklabels()] == ["Q", "Photographs"]
    found = lines(figure)
    assert found["$b$ <s> (CW+)"] == [90.0, 40.0]
    assert np.isnan(found["c (CW)"][0])
    assert found["c (CW)"][1] == 99.0
    bars = axes.containers[0].lines[2][0].get_segments()
    assert [sorted(float(y) for _, y in bar) for bar in bars] == [[80.0, 95.0], [30.0, 50.0]]
    assert {"$b$ <s> (CW+)", "a (CW)", "ImGT accuracy (%)"} <= set(drawn_texts(figure, tmp_path))


def test_of_many_models_the_best_of_each_family_is_named(tmp_path):
    base = DATASETS.filter(model="a", task="CW")
    many = pl.concat(
        [
            base.with_columns(pl.lit(f"m{number}").alias("model"), pl.lit(f"{30 + number}.00").alias("A_p"),
                              pl.lit(["VLM", "MLLM"][number % 2]).alias("family"))
            for number in range(8)
        ]
    )  # fmt: skip
    figure = parallel(many, DATASET_LABELS)
    (axes,) = figure.axes
    strong = [line for line in axes.lines if line.get_linewidth() == 2]
    assert [line.get_label() for line in strong] == ["MLLM (4), best: m7", "VLM (4), best: m6"]
    assert [line.get_color() for line in strong] == COLOURS[:2]
    assert {"MLLM (4), best: m7", "VLM (4), best: m6"} <= set(drawn_texts(figure, tmp_path))


def test_without_any_accuracy_it_says_so(tmp_path):
    (text,) = drawn_texts(parallel(DATASETS.clear(), DATASET_LABELS), tmp_path)
    assert text == "no model has an accuracy on any data set"
