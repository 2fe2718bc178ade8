import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mllm_classify.measures.correlation import partial, spearman, spearman_interval
from tests.plain import correlation as plain

ROWS = st.lists(st.tuples(*[st.integers(0, 5)] * 3), min_size=1, max_size=9)


def nothing(value):
    return None if np.isnan(value) else pytest.approx(value, abs=1e-9)


@given(ROWS)
def test_an_independent_computation_gives_the_same(rows):
    x, y, z = (np.array(column, dtype=float) for column in zip(*rows, strict=True))
    found = [spearman(*pair) for pair in ((x, y), (x, z), (y, z))]
    assert [plain.spearman(list(a), list(b)) for a, b in ((x, y), (x, z), (y, z))] == [nothing(it) for it in found]
    assert plain.partial(list(x), list(y), list(z)) == nothing(partial(*found))
    for rho, without in ((found[0], 0), (partial(*found), 1)):
        low, high = spearman_interval(rho, len(rows), without)
        expected = plain.interval(None if np.isnan(rho) else rho, len(rows) - 3 - without)
        assert expected == (nothing(low), nothing(high))


def test_known_figures():
    x, y = np.array([1.0, 2, 3, 4, 5]), np.array([2.0, 1, 4, 3, 5])
    assert spearman(x, y) == pytest.approx(0.8)  # 1 - 6 x 4 / (5 x 24)
    assert spearman_interval(0.0, 103) == pytest.approx((-np.tanh(0.195996), np.tanh(0.195996)), abs=1e-6)
    assert spearman_interval(1.0, 10) == (1.0, 1.0)
    assert np.isnan(spearman_interval(0.5, 3)).all()
