import itertools

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mllm_classify.measures.clusters import Layout, interval, layouts, sign_flip_p, with_clusters
from mllm_classify.measures.paired import mcnemar
from tests.tables.ways import scored


def test_the_same_requests_in_all_repeats_are_one_layout_and_others_are_apart():
    def values(second):
        rows = [("a", 0, "a", 1), ("b", 0, "a", 0), ("c", 0, "c", -1)]
        rows += [(image, 1, cluster, 1) for image, cluster in zip("abc", second, strict=True)]
        schema = {"image_id": pl.String, "repeat": pl.Int32, "cluster": pl.String, "value": pl.Int64}
        found = layouts(pl.DataFrame(rows, schema=schema, orient="row"))
        return [(layout.sums.tolist(), layout.sizes.tolist()) for layout in found]

    assert values("aac") == [([3, 0], [4, 2])]
    assert values("abb") == [([1, -1], [2, 1]), ([1, 2], [1, 2])]


def test_clusters_are_named_by_their_first_image_in_every_repeat():
    frames = [
        scored("CW", "0000", None, "hot", repeat, groups=groups) for repeat, groups in enumerate(["1100", "2211"])
    ]
    assert [with_clusters(frame)["cluster"].to_list() for frame in frames] == [["i0", "i0", "i2", "i2"]] * 2
    assert with_clusters(pl.concat(frames))["cluster"].to_list() == ["i0", "i0", "i2", "i2"] * 2
    assert with_clusters(scored("CW", "000", None))["cluster"].to_list() == ["i0", "i1", "i2"]


def layout(sums, sizes=None):
    return Layout(np.array(sums), np.array(sizes or [1] * len(sums)))


SUMS = st.lists(st.integers(-4, 4), max_size=7)


@given(st.lists(SUMS, min_size=1, max_size=3))
def test_p_is_the_share_of_sign_patterns_that_reach_as_far(found):
    """As many as there are, one after the other; of several layouts, the mean over them."""
    reached = abs(sum(map(sum, found))) / len(found)
    shares = []
    for sums in found:
        patterns = list(itertools.product([1, -1], repeat=len(sums)))
        far = [abs(sum(sign * value for sign, value in zip(signs, sums, strict=True))) >= reached for signs in patterns]
        shares.append(sum(far) / len(patterns))
    assert sign_flip_p([layout(sums) for sums in found]) == pytest.approx(sum(shares) / len(shares), abs=1e-12)


@given(st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1, max_size=60))
@settings(max_examples=15)
def test_of_images_asked_about_alone_and_once_it_is_mcnemars_exact_test(pairs):
    flags = np.array(pairs, dtype=np.float32)
    expected = mcnemar(flags, np.ones_like(flags)).p[0]
    assert sign_flip_p([layout((flags[:, 0] - flags[:, 1]).astype(int))]) == pytest.approx(
        expected, rel=1e-9, abs=1e-14
    )


@given(st.lists(st.tuples(st.integers(-3, 3), st.integers(1, 3)), min_size=1, max_size=6), st.integers(1, 3))
@settings(max_examples=30)
def test_the_interval_lies_within_what_clusters_have_and_the_same_layout_again_changes_little(parts, times):
    sums, sizes = map(list, zip(*parts, strict=True))
    low, high = interval([layout(sums, sizes)] * times, 100)
    means = [value / size for value, size in parts]
    assert min(means) - 1e-6 <= low <= high <= max(means) + 1e-6
