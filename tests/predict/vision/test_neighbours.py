import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.neighbors import KNeighborsClassifier

from mllm_classify.predict.vision.neighbours import nearest, shares

CLASSES = 7


def unit(generator, *shape):
    vectors = generator.standard_normal(shape)
    return torch.tensor(vectors / np.linalg.norm(vectors, axis=1, keepdims=True), dtype=torch.float32)


def cut(rows, sizes):
    """Rows in parts of these sizes, over and over."""
    parts, start = [], 0
    while start < len(rows):
        size = sizes[len(parts) % len(sizes)]
        parts.append(rows[start : start + size])
        start += size
    return parts


SIZES = st.lists(st.integers(1, 60), min_size=1, max_size=4)


@settings(max_examples=40)
@given(
    seed=st.integers(0, 2**31),
    k=st.integers(1, 20),
    count=st.integers(20, 120),
    parts=SIZES,
    query_block=st.integers(1, 30),
    row_block=st.integers(1, 70),
    temperature=st.sampled_from([0.07, 1.0, None]),
)
def test_votes_are_scikit_learns_for_blocks_and_parts_of_any_size(
    seed, k, count, parts, query_block, row_block, temperature
):
    generator = np.random.default_rng(seed)
    rows, queries = unit(generator, count, 16), unit(generator, 25, 16)
    labels = np.concatenate([np.arange(CLASSES), generator.integers(0, CLASSES, count - CLASSES)])
    cosines, places = nearest(queries, cut(rows, parts), k, query_block=query_block, row_block=row_block)
    found = shares(cosines.numpy(), labels[places.numpy()], CLASSES, temperature)
    weights = "uniform" if temperature is None else lambda distance: np.exp(-distance / temperature)
    known = KNeighborsClassifier(n_neighbors=k, metric="cosine", algorithm="brute", weights=weights)
    expected = known.fit(rows.numpy(), labels).predict_proba(queries.numpy())
    np.testing.assert_allclose(found, expected, atol=1e-4)
    clear = np.sort(expected, axis=1)[:, -1] - np.sort(expected, axis=1)[:, -2] > 1e-4
    assert (found.argmax(axis=1)[clear] == expected.argmax(axis=1)[clear]).all()
    if temperature is None:
        assert (found.argmax(axis=1) == known.predict(queries.numpy())).all()


@settings(max_examples=60)
@given(
    seed=st.integers(0, 2**31), k=st.integers(1, 12), parts=SIZES, query_block=st.integers(1, 9), row_block=st.integers(1, 40)
)  # fmt: skip
def test_of_equally_near_rows_the_lowest_come_first_for_blocks_and_parts_of_any_size(
    seed, k, parts, query_block, row_block
):
    """Few values, whose products are exact in any order, so that most cosines tie."""
    generator = np.random.default_rng(seed)
    rows = torch.tensor(generator.integers(-1, 2, (60, 3)), dtype=torch.float16)
    queries = torch.tensor(generator.integers(-1, 2, (8, 3)), dtype=torch.float32)
    exact = (queries @ rows.float().T).numpy()
    expected = np.argsort(-exact, axis=1, kind="stable")[:, :k]
    cosines, places = nearest(queries, cut(rows, parts), k, query_block=query_block, row_block=row_block)
    assert (places.numpy() == expected).all()
    assert (cosines.numpy() == np.take_along_axis(exact, expected, axis=1)).all()


def test_there_are_no_more_neighbours_than_rows():
    found = nearest(torch.eye(3), [torch.eye(3)[:2]], 5)
    assert [it.shape for it in found] == [(3, 2), (3, 2)]
    assert found[1][2].tolist() == [0, 1]


def test_votes_by_hand():
    """Cosines 1, 1 and 0 at temperature 1: weights e, e and 1; classes 2, 0 and 0."""
    cosines, classes = np.array([[1, 1, 0]], dtype=np.float32), np.array([[2, 0, 0]])
    e = np.exp(1)
    np.testing.assert_allclose(
        shares(cosines, classes, 3, 1.0), [[(e + 1) / (2 * e + 1), 0, e / (2 * e + 1)]], rtol=1e-6
    )
    np.testing.assert_allclose(shares(cosines, classes, 3, None), [[2 / 3, 0, 1 / 3]], rtol=1e-6)


def test_a_low_temperature_does_not_overflow():
    found = shares(np.array([[1, 0.5]], dtype=np.float32), np.array([[1, 0]]), 2, 1e-4)
    assert found.tolist() == [[0, 1]]
