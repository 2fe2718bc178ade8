import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from statsmodels.stats.contingency_tables import mcnemar as reference
from statsmodels.stats.multitest import multipletests

from mllm_classify.measures.paired import holm, mcnemar
from tests import plain


def table(images, rows, seed, share=0.8):
    """Random flags of images x rows, and which of them are there; what is missing is 0."""
    rng = np.random.default_rng(seed)
    present = (rng.random((images, rows)) < share).astype(np.float32)
    return rng.integers(0, 2, (images, rows)).astype(np.float32) * present, present


@pytest.mark.parametrize(("images", "rows"), [(1, 2), (12, 4), (300, 5)])
def test_mcnemar_is_statsmodels_on_the_common_images(images, rows):
    flags, present = table(images, rows, images)
    found = mcnemar(flags, present)
    assert len(found.p) == rows * (rows - 1) // 2
    for place, (first, second) in enumerate(zip(found.first, found.second, strict=True)):
        assert first < second
        common = (present[:, first] * present[:, second]).astype(bool)
        one, other = flags[common, first], flags[common, second]
        counts = [[int(((one == a) & (other == b)).sum()) for b in (1, 0)] for a in (1, 0)]
        assert found.images[place] == common.sum()
        assert found.only_first[place] == counts[0][1]
        assert found.only_second[place] == counts[1][0]
        assert found.p[place] == pytest.approx(reference(np.array(counts), exact=True).pvalue, rel=1e-9)


@given(st.integers(0, 60), st.integers(0, 60))
@settings(max_examples=10)
def test_mcnemars_p_is_exact(only_first, only_second):
    one = [1.0] * only_first + [0.0] * only_second + [1.0]
    other = [0.0] * only_first + [1.0] * only_second + [1.0]
    flags = np.array([one, other], np.float32).T
    found = mcnemar(flags, np.ones_like(flags))
    assert found.p[0] == pytest.approx(float(plain.statistics.exact_p(only_first, only_second)), rel=1e-9)
    assert 0 < found.p[0] <= 1


def test_holm_multiplies_the_smallest_p_by_all_tests_and_the_next_by_one_less():
    """Images that only one of two rows has right are 10, 7 and 3: p is 2/2^10, 2/2^7 and 2/2^3."""
    flags = np.zeros((10, 3), np.float32)
    flags[:7, 1] = 1
    flags[:10, 2] = 1
    found = mcnemar(flags, np.ones_like(flags))
    assert found.p.tolist() == pytest.approx([2 / 2**7, 2 / 2**10, 2 / 2**3])
    assert found.p_holm.tolist() == pytest.approx([2 * 2 / 2**7, 3 * 2 / 2**10, 2 / 2**3])


@given(st.lists(st.sampled_from([1e-300, 1e-9, 0.01, 0.012, 0.25, 0.7, 1.0]) | st.floats(0, 1), max_size=12))
@settings(max_examples=10)  # each collects garbage
def test_holm_is_statsmodels(values):
    p = np.array(values, float)
    assert holm(p).tolist() == (multipletests(p, method="holm")[1].tolist() if values else [])


def test_holm_never_falls_and_never_exceeds_1():
    """p of 1/4, 1/4 and 1: the second smallest times 2 would be less than the smallest times 3."""
    flags = np.array([[0, 1, 1]] * 3, np.float32)
    found = mcnemar(flags, np.ones_like(flags))
    assert found.p.tolist() == pytest.approx([0.25, 0.25, 1])
    assert found.p_holm.tolist() == pytest.approx([0.75, 0.75, 1])


@given(st.integers(2, 6), st.integers(1, 40), st.integers(0, 1000))
@settings(max_examples=10)
def test_holm_is_a_step_down_by_hand(rows, images, seed):
    found = mcnemar(*table(images, rows, seed))
    pairs = zip(found.only_first.tolist(), found.only_second.tolist(), strict=True)
    expected = plain.statistics.holm([plain.statistics.exact_p(one, other) for one, other in pairs])
    assert found.p_holm.tolist() == pytest.approx([float(p) for p in expected], rel=1e-9)
    assert (found.p_holm >= found.p).all()


def test_the_interval_of_a_difference_is_walds_for_pairs():
    """20 of 100 images only the first has right, 5 only the second: 0.15 -+ 1.96 sqrt(25 - 15^2 / 100) / 100."""
    flags = np.array([[1, 0]] * 20 + [[0, 1]] * 5 + [[1, 1]] * 30 + [[0, 0]] * 45, np.float32)
    found = mcnemar(flags, np.ones_like(flags))
    assert found.difference[0] == pytest.approx(0.15)
    assert found.high[0] - 0.15 == pytest.approx(1.959963984540054 * math.sqrt(22.75) / 100)
    assert 0.15 - found.low[0] == pytest.approx(1.959963984540054 * math.sqrt(22.75) / 100)


def test_rows_without_a_common_image_do_not_differ_measurably():
    flags = np.array([[1, 0], [0, 1]], np.float32)
    found = mcnemar(flags, flags)
    assert (found.images.tolist(), found.p.tolist()) == ([0], [1.0])
    assert np.isnan([found.difference, found.low, found.high]).all()


@pytest.mark.parametrize("rows", [0, 1])
def test_fewer_than_two_rows_are_no_pairs(rows):
    found = mcnemar(np.ones((5, rows), np.float32), np.ones((5, rows), np.float32))
    assert [len(values) for values in found] == [0] * len(found)
