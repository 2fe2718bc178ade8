import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest

from mllm_classify.measures.intervals import percentiles, wilson

COUNTS = st.integers(1, 400).flatmap(lambda total: st.tuples(st.integers(0, total), st.just(total)))


@given(st.lists(COUNTS, min_size=1, max_size=5))
def test_wilson_is_scipys(counts):
    low, high = wilson(*zip(*counts, strict=True))
    for place, (correct, total) in enumerate(counts):
        expected = binomtest(correct, total).proportion_ci(0.95, method="wilson")
        assert (low[place], high[place]) == pytest.approx((expected.low, expected.high), abs=1e-12)
        assert -1e-12 < low[place] < correct / total + 1e-12 < high[place] + 2e-12 < 1 + 3e-12


def test_wilson_of_no_images_is_no_interval():
    low, high = wilson([0, 3, 0], [0, 4, 5])
    assert np.isnan(low).tolist() == np.isnan(high).tolist() == [True, False, False]


def test_percentiles_are_interpolated():
    low, high = percentiles(np.stack([np.arange(101.0), np.arange(101.0)[::-1] * 2], axis=1))
    assert low.tolist() == pytest.approx([2.5, 5.0])
    assert high.tolist() == pytest.approx([97.5, 195.0])


def test_a_resample_without_a_value_leaves_no_interval():
    values = np.arange(200.0).reshape(100, 2)
    values[7, 1] = np.nan
    low, high = percentiles(values)
    assert np.isnan([low, high]).tolist() == [[False, True], [False, True]]
