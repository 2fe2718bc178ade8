import numpy as np
import pytest

from mllm_classify.measures.bootstrap import BLOCK, SEED, category_sums, resamples
from mllm_classify.measures.intervals import percentiles


def test_a_resample_is_decided_by_its_number_and_the_number_of_images():
    found = np.concatenate(list(resamples(7, 600)))
    assert found.shape == (600, 7)
    assert (found.sum(axis=1) == 7).all()
    for number in (0, 249, 250, 599):
        drawn = np.random.default_rng([SEED, number]).integers(0, 7, 7)
        assert found[number].tolist() == [np.count_nonzero(drawn == image) for image in range(7)]
    assert np.array_equal(np.concatenate(list(resamples(7, 300))), found[:300])
    assert all(len(block) <= BLOCK for block in resamples(7, 600))


@pytest.mark.parametrize("kinds", [3, 4])
def test_category_sums_are_a_loops(kinds):
    """With a category of no images too."""
    rng = np.random.default_rng(1)
    flags = rng.integers(0, 2, (40, 5)).astype(np.float32)
    categories = rng.integers(0, 3, 40)
    found = category_sums(resamples(40, 300), flags, categories, kinds)
    expected = np.zeros((300, kinds, 5))
    for number, weights in enumerate(np.concatenate(list(resamples(40, 300)))):
        for weight, row, category in zip(weights, flags, categories, strict=True):
            expected[number, category] += weight * row
    assert np.array_equal(found, expected)


@pytest.mark.parametrize(("share", "images"), [(0.5, 100), (0.8, 200)])
def test_the_bootstraps_interval_covers_a_known_share(share, images):
    """About 95 of 100 times; percentiles are a little too narrow at such sizes."""
    flags = (np.random.default_rng(2).random((images, 2000)) < share).astype(np.float32)
    blocks = resamples(images, 500)
    low, high = percentiles(category_sums(blocks, flags, np.zeros(images, int), 1)[:, 0] / images)
    assert 0.92 < ((low <= share) & (share <= high)).mean() < 0.97


def test_the_bootstraps_interval_covers_a_known_paired_difference():
    """Two label sets that disagree on 30 % of the images: 20 % for the second, 10 % for the first."""
    images, studies = 200, 1000
    drawn = np.random.default_rng(3).choice(4, (images, studies), p=[0.5, 0.2, 0.1, 0.2])
    first, second = np.isin(drawn, [0, 2]), np.isin(drawn, [0, 1])
    flags = np.concatenate([first, second], axis=1).astype(np.float32)
    sums = category_sums(resamples(images, 500), flags, np.zeros(images, int), 1)[:, 0]
    low, high = percentiles((sums[:, studies:] - sums[:, :studies]) / images)
    assert 0.92 < ((low <= 0.1) & (high >= 0.1)).mean() < 0.97
