import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binomtest, kendalltau
from statsmodels.stats.contingency_tables import mcnemar as reference

from mllm_classify.measures import statistics
from tests import plain

COUNTS = st.integers(1, 400).flatmap(lambda total: st.tuples(st.integers(0, total), st.just(total)))


@given(st.lists(COUNTS, min_size=1, max_size=5))
def test_wilson_is_scipys(counts):
    low, high = statistics.wilson(*zip(*counts, strict=True))
    for place, (correct, total) in enumerate(counts):
        expected = binomtest(correct, total).proportion_ci(0.95, method="wilson")
        assert (low[place], high[place]) == pytest.approx((expected.low, expected.high), abs=1e-12)
        assert -1e-12 < low[place] < correct / total + 1e-12 < high[place] + 2e-12 < 1 + 3e-12


def test_wilson_of_no_images_is_no_interval():
    low, high = statistics.wilson([0, 3, 0], [0, 4, 5])
    assert np.isnan(low).tolist() == np.isnan(high).tolist() == [True, False, False]


def test_percentiles_are_interpolated():
    low, high = statistics.percentiles(np.stack([np.arange(101.0), np.arange(101.0)[::-1] * 2], axis=1))
    assert low.tolist() == pytest.approx([2.5, 5.0])
    assert high.tolist() == pytest.approx([97.5, 195.0])


def test_a_resample_without_a_value_leaves_no_interval():
    values = np.arange(200.0).reshape(100, 2)
    values[7, 1] = np.nan
    low, high = statistics.percentiles(values)
    assert np.isnan([low, high]).tolist() == [[False, True], [False, True]]


def test_a_resample_is_decided_by_its_number_and_the_number_of_images():
    found = np.concatenate(list(statistics.resamples(7, 600)))
    assert found.shape == (600, 7)
    assert (found.sum(axis=1) == 7).all()
    for number in (0, 249, 250, 599):
        drawn = np.random.default_rng([statistics.SEED, number]).integers(0, 7, 7)
        assert found[number].tolist() == [np.count_nonzero(drawn == image) for image in range(7)]
    assert np.array_equal(np.concatenate(list(statistics.resamples(7, 300))), found[:300])
    assert all(len(block) <= statistics.BLOCK for block in statistics.resamples(7, 600))


@pytest.mark.parametrize("kinds", [3, 4])
def test_category_sums_are_a_loops(kinds):
    """With a category of no images too."""
    rng = np.random.default_rng(1)
    flags = rng.integers(0, 2, (40, 5)).astype(np.float32)
    categories = rng.integers(0, 3, 40)
    found = statistics.category_sums(statistics.resamples(40, 300), flags, categories, kinds)
    expected = np.zeros((300, kinds, 5))
    for number, weights in enumerate(np.concatenate(list(statistics.resamples(40, 300)))):
        for weight, row, category in zip(weights, flags, categories, strict=True):
            expected[number, category] += weight * row
    assert np.array_equal(found, expected)


@pytest.mark.parametrize(("share", "images"), [(0.5, 100), (0.8, 200)])
def test_the_bootstraps_interval_covers_a_known_share(share, images):
    """About 95 of 100 times; percentiles are a little too narrow at such sizes."""
    flags = (np.random.default_rng(2).random((images, 2000)) < share).astype(np.float32)
    blocks = statistics.resamples(images, 500)
    low, high = statistics.percentiles(statistics.category_sums(blocks, flags, np.zeros(images, int), 1)[:, 0] / images)
    assert 0.92 < ((low <= share) & (share <= high)).mean() < 0.97


def test_the_bootstraps_interval_covers_a_known_paired_difference():
    """Two label sets that disagree on 30 % of the images: 20 % for the second, 10 % for the first."""
    images, studies = 200, 1000
    drawn = np.random.default_rng(3).choice(4, (images, studies), p=[0.5, 0.2, 0.1, 0.2])
    first, second = np.isin(drawn, [0, 2]), np.isin(drawn, [0, 1])
    flags = np.concatenate([first, second], axis=1).astype(np.float32)
    sums = statistics.category_sums(statistics.resamples(images, 500), flags, np.zeros(images, int), 1)[:, 0]
    low, high = statistics.percentiles((sums[:, studies:] - sums[:, :studies]) / images)
    assert 0.92 < ((low <= 0.1) & (high >= 0.1)).mean() < 0.97


def test_ranks_are_dense_from_the_highest():
    values = np.array([[50.0, 75.0, 50.0, 10.0], [1.0, 1.0, 1.0, 1.0]])
    assert statistics.dense_ranks(values).tolist() == [[2, 1, 2, 3], [1, 1, 1, 1]]


def test_rank_intervals_are_ranks_that_occur():
    values = np.array([[2.0, 1.0]] * 97 + [[1.0, 2.0]] * 3)
    low, high = statistics.rank_intervals(values)
    assert (low.tolist(), high.tolist()) == ([1, 1], [2, 2])
    low, high = statistics.rank_intervals(np.array([[2.0, 1.0]] * 98 + [[1.0, 2.0]] * 2))
    assert (low.tolist(), high.tolist()) == ([1, 2], [1, 2])


VALUES = st.lists(st.tuples(st.integers(0, 6), st.integers(0, 6)), min_size=2, max_size=12)


@given(VALUES)
def test_tau_is_scipys_and_a_count_of_pairs(values):
    one, other = (np.array(column, float) for column in zip(*values, strict=True))
    found = statistics.tau(one, other)
    assert found == pytest.approx(kendalltau(one, other, variant="b").statistic, nan_ok=True)
    expected = plain.statistics.tau([(Fraction(a), Fraction(b)) for a, b in values])
    assert found == pytest.approx(math.nan if expected is None else expected, nan_ok=True)


def test_tau_of_equal_reversed_and_single_rankings():
    assert statistics.tau(np.array([1.0, 2, 3]), np.array([10.0, 20, 30])) == pytest.approx(1)
    assert statistics.tau(np.array([1.0, 2, 3]), np.array([3.0, 2, 1])) == pytest.approx(-1)
    assert statistics.tau(np.array([1.0, 2, 3, 4]), np.array([1.0, 3, 2, 4])) == pytest.approx(2 / 3)
    assert math.isnan(statistics.tau(np.array([1.0]), np.array([1.0])))
    assert math.isnan(statistics.tau(np.array([1.0, 1.0]), np.array([1.0, 2.0])))


def table(images, rows, seed, share=0.8):
    """Random flags of images x rows, and which of them are there; what is missing is 0."""
    rng = np.random.default_rng(seed)
    present = (rng.random((images, rows)) < share).astype(np.float32)
    return rng.integers(0, 2, (images, rows)).astype(np.float32) * present, present


@pytest.mark.parametrize(("images", "rows"), [(1, 2), (12, 4), (300, 5)])
def test_mcnemar_is_statsmodels_on_the_common_images(images, rows):
    flags, present = table(images, rows, images)
    found = statistics.mcnemar(flags, present)
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
    found = statistics.mcnemar(flags, np.ones_like(flags))
    assert found.p[0] == pytest.approx(float(plain.statistics.exact_p(only_first, only_second)), rel=1e-9)
    assert 0 < found.p[0] <= 1


def test_the_interval_of_a_difference_is_walds_for_pairs():
    """20 of 100 images only the first has right, 5 only the second: 0.15 -+ 1.96 sqrt(25 - 15^2 / 100) / 100."""
    flags = np.array([[1, 0]] * 20 + [[0, 1]] * 5 + [[1, 1]] * 30 + [[0, 0]] * 45, np.float32)
    found = statistics.mcnemar(flags, np.ones_like(flags))
    assert found.difference[0] == pytest.approx(0.15)
    assert found.high[0] - 0.15 == pytest.approx(1.959963984540054 * math.sqrt(22.75) / 100)
    assert 0.15 - found.low[0] == pytest.approx(1.959963984540054 * math.sqrt(22.75) / 100)


def test_rows_without_a_common_image_do_not_differ_measurably():
    flags = np.array([[1, 0], [0, 1]], np.float32)
    found = statistics.mcnemar(flags, flags)
    assert (found.images.tolist(), found.p.tolist()) == ([0], [1.0])
    assert np.isnan([found.difference, found.low, found.high]).all()


@pytest.mark.parametrize("rows", [0, 1])
def test_fewer_than_two_rows_are_no_pairs(rows):
    found = statistics.mcnemar(np.ones((5, rows), np.float32), np.ones((5, rows), np.float32))
    assert [len(values) for values in found] == [0] * len(found)


def test_holm_multiplies_the_smallest_p_by_all_tests_and_the_next_by_one_less():
    """Images that only one of two rows has right are 10, 7 and 3: p is 2/2^10, 2/2^7 and 2/2^3."""
    flags = np.zeros((10, 3), np.float32)
    flags[:7, 1] = 1
    flags[:10, 2] = 1
    found = statistics.mcnemar(flags, np.ones_like(flags))
    assert found.p.tolist() == pytest.approx([2 / 2**7, 2 / 2**10, 2 / 2**3])
    assert found.p_holm.tolist() == pytest.approx([2 * 2 / 2**7, 3 * 2 / 2**10, 2 / 2**3])


def test_holm_never_falls_and_never_exceeds_1():
    """p of 1/4, 1/4 and 1: the second smallest times 2 would be less than the smallest times 3."""
    flags = np.array([[0, 1, 1]] * 3, np.float32)
    found = statistics.mcnemar(flags, np.ones_like(flags))
    assert found.p.tolist() == pytest.approx([0.25, 0.25, 1])
    assert found.p_holm.tolist() == pytest.approx([0.75, 0.75, 1])


@given(st.integers(2, 6), st.integers(1, 40), st.integers(0, 1000))
@settings(max_examples=10)
def test_holm_is_a_step_down_by_hand(rows, images, seed):
    found = statistics.mcnemar(*table(images, rows, seed))
    pairs = zip(found.only_first.tolist(), found.only_second.tolist(), strict=True)
    expected = plain.statistics.holm([plain.statistics.exact_p(one, other) for one, other in pairs])
    assert found.p_holm.tolist() == pytest.approx([float(p) for p in expected], rel=1e-9)
    assert (found.p_holm >= found.p).all()
