import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mllm_classify.measures.lines import expit, logit, others_line

NUMBER = st.floats(-4, 4, allow_subnormal=False)


def test_a_share_of_nothing_or_all_is_half_an_image_from_there():
    found = expit(logit(np.array([0.0, 0.25, 1.0]), np.array([4.0, 4.0, 4.0])))
    assert found.tolist() == pytest.approx([0.125, 0.25, 0.875])
    assert np.isnan(logit(np.array([np.nan]), np.array([0.0])))


def test_the_line_of_the_others_does_not_know_the_model():
    x, y = np.array([[0.0, 1.0, 2.0, 1.0]]), np.array([[1.0, 3.0, 5.0, 9.0]])
    # the first three lie on 2x + 1
    assert others_line(x, y)[0, 3] == pytest.approx(3.0)


@pytest.mark.parametrize(
    ("x", "y"),
    [([0.0, 1.0, 2.0], [0.0, 1.0, 2.0]), ([1.0, 1.0, 1.0, 1.0], [0.0, 1.0, 2.0, 3.0]), ([0.0], [1.0])],
)
def test_too_few_others_or_all_of_one_accuracy_have_no_line(x, y):
    assert np.isnan(others_line(np.array([x]), np.array([y]))).all()


@given(st.lists(st.tuples(NUMBER, NUMBER), min_size=4, max_size=8), NUMBER, st.floats(0.1, 3))
def test_a_model_on_the_others_line_is_on_it_and_one_that_is_lacking_changes_nothing(points, intercept, slope):
    x = np.array([[point for point, _ in points]])
    if np.ptp(x) < 0.1 or any(np.ptp(np.delete(x, place)) < 0.1 for place in range(x.size)):
        return
    y = intercept + slope * x
    assert others_line(x, y) == pytest.approx(y, abs=1e-6)
    with_nan = [np.append(values, [[np.nan]], axis=1) for values in (x, y)]
    found = others_line(*with_nan)
    assert found[0, :-1] == pytest.approx(others_line(x, y)[0])
    assert np.isnan(found[0, -1])
