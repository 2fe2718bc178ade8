import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import kendalltau

from mllm_classify.measures.ranks import dense_ranks, place_intervals, tau
from tests import plain


def test_ranks_are_dense_from_the_highest():
    values = np.array([[50.0, 75.0, 50.0, 10.0], [1.0, 1.0, 1.0, 1.0]])
    assert dense_ranks(values).tolist() == [[2, 1, 2, 3], [1, 1, 1, 1]]


def test_place_intervals_are_places_that_occur():
    values = np.array([[2.0, 1.0]] * 97 + [[1.0, 2.0]] * 3)
    low, high = place_intervals(values)
    assert (low.tolist(), high.tolist()) == ([1, 1], [2, 2])
    low, high = place_intervals(np.array([[2.0, 1.0]] * 98 + [[1.0, 2.0]] * 2))
    assert (low.tolist(), high.tolist()) == ([1, 2], [1, 2])


@given(st.lists(st.lists(st.integers(0, 3), min_size=4, max_size=4), min_size=1, max_size=8))
def test_ties_above_a_clear_last_do_not_lift_it(resampled):
    """It is behind all others in every resample, whatever these do among themselves."""
    values = np.array([[*(10.0 + value for value in row), 1.0] for row in resampled])
    low, high = place_intervals(values)
    assert (low[-1], high[-1]) == (5, 5)
    ranks = [plain.statistics.competition_ranks(list(map(Fraction, row))) for row in values.tolist()]
    for place, of_row in enumerate(map(sorted, zip(*ranks, strict=True))):
        ends = [of_row[math.ceil(share * len(ranks)) - 1] for share in (0.025, 0.975)]
        assert [low[place], high[place]] == ends


VALUES = st.lists(st.tuples(st.integers(0, 6), st.integers(0, 6)), min_size=2, max_size=12)


@given(VALUES)
def test_tau_is_scipys_and_a_count_of_pairs(values):
    one, other = (np.array(column, float) for column in zip(*values, strict=True))
    found = tau(one, other)
    assert found == pytest.approx(kendalltau(one, other, variant="b").statistic, nan_ok=True)
    expected = plain.statistics.tau([(Fraction(a), Fraction(b)) for a, b in values])
    assert found == pytest.approx(math.nan if expected is None else expected, nan_ok=True)


def test_tau_of_equal_reversed_and_single_rankings():
    assert tau(np.array([1.0, 2, 3]), np.array([10.0, 20, 30])) == pytest.approx(1)
    assert tau(np.array([1.0, 2, 3]), np.array([3.0, 2, 1])) == pytest.approx(-1)
    assert tau(np.array([1.0, 2, 3, 4]), np.array([1.0, 3, 2, 4])) == pytest.approx(2 / 3)
    assert math.isnan(tau(np.array([1.0]), np.array([1.0])))
    assert math.isnan(tau(np.array([1.0, 1.0]), np.array([1.0, 2.0])))
