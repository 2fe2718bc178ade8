import numpy as np
import pytest

from mllm_classify.figures.shifts import shifts
from tests.figures.drawn import ROBUSTNESS, drawn_texts


def test_a_panel_for_each_shift_with_every_model_and_a_line(tmp_path):
    figure = shifts(ROBUSTNESS)
    one, other = figure.axes
    assert [(axes.get_xlabel(), axes.get_ylabel()) for axes in (one, other)] == [("p (%)", "q (%)"), ("p (%)", "r (%)")]
    points = {
        line.get_label(): sorted(zip(line.get_xdata(), line.get_ydata(), strict=True)) for line in one.lines if line.get_marker() != "None"
    }  # fmt: skip
    half, high = 0.0, np.log(3)
    assert points["VLM"] == [pytest.approx((half, -high)), pytest.approx((high, half))]
    dashed, fit = (line for line in one.lines if line.get_marker() == "None")
    assert (dashed.get_xdata() == dashed.get_ydata()).all()
    # all three lie on it
    assert fit.get_ydata() == pytest.approx(fit.get_xdata() - high)
    shown = drawn_texts(figure, tmp_path)
    assert {"VLM", "MLLM", "farthest"} <= set(shown)
    assert len(other.lines) == 2  # one model has no line: dashes and its mark


def test_axes_name_percentages_at_their_logits():
    (axes, _) = shifts(ROBUSTNESS).axes
    for tick, label in zip(axes.get_xticks(), axes.get_xticklabels(), strict=True):
        assert 100 / (1 + np.exp(-tick)) == pytest.approx(float(label.get_text()))


def test_without_a_model_on_both_it_says_so(tmp_path):
    (text,) = drawn_texts(shifts(ROBUSTNESS.clear()), tmp_path)
    assert text == "no model has an accuracy on a data set and its base"
