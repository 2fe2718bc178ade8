import numpy as np
import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from mllm_classify.judge.pairs import PAIRS, most_similar, pairs
from mllm_classify.mapping.nearest import nearest
from tests.judge.given import CLASS_EMBEDDINGS, CLASSES, VECTORS, answered, unit


def test_each_answer_of_any_model_stands_once_beside_the_classes_of_the_most_similar_names():
    one = answered(
        ("a", "OW", "cat", "ok"), ("b", "OW", " cat ", "ok"), ("c", "OW", "tea cup", "ok"), ("d", "OW", "", "empty"),
        ("e", "OW", None, "error"), ("a", "CW", "a sofa", "ok"), ("a", "MC", "mug", "ok"), exact=["tea cup"],
    )  # fmt: skip
    other = answered(
        ("a", "CW", "cat", "ok"), ("b", "CW", "retriever", "several"), ("c", "CW-constrained", "mug", "ok")
    )
    found = pairs([one, other], CLASSES, CLASS_EMBEDDINGS, 2)
    assert dict(found.schema) == PAIRS
    assert found.drop("similarity").rows() == [
        ("a sofa", 2, "studio couch, day bed", 1), ("a sofa", 3, "tea cup", 2),
        ("cat", 0, "tabby cat", 1), ("cat", 3, "tea cup", 2),
        ("retriever", 1, "golden retriever", 1), ("retriever", 0, "tabby cat", 2),
    ]  # fmt: skip
    np.testing.assert_allclose(found["similarity"][2], unit(VECTORS["cat"]) @ unit(VECTORS["tabby cat"]), rtol=1e-6)


def test_more_classes_than_there_are_names_are_all_of_them_and_nothing_judged_is_no_pair():
    found = pairs([answered(("a", "OW", "cat", "ok"))], CLASSES, CLASS_EMBEDDINGS, 99)
    assert sorted(found["class_id"]) == [0, 1, 2, 3]
    nothing = pairs([answered(("a", "OW", "tea cup", "ok"), exact=["tea cup"])], CLASSES, CLASS_EMBEDDINGS, 3)
    assert nothing.equals(pl.DataFrame(schema=PAIRS))
    assert pairs([], CLASSES, CLASS_EMBEDDINGS, 3).is_empty()


def test_of_labelled_images_their_own_classes_are_asked_about_too_once_and_not_where_the_answer_is_the_name():
    one = answered(
        ("a", "OW", "cat", "ok"), ("b", "OW", "tea cup", "ok"), ("c", "OW", "mug", "ok"), ("d", "CW", "retriever", "ok"),
        ("e", "OW", "cat", "ok"), ("f", "OW", None, "error"), exact=["tea cup"],
    )  # fmt: skip
    labels = pl.DataFrame(
        {"image_id": [*"abcdef"], "imgt": [4, 3, 2, 2, 1, 1], "regt": [[4, 1], [3, 2], None, [2], [1], [1]]},
        schema={"image_id": pl.String, "imgt": pl.Int32, "regt": pl.List(pl.Int32)},
    )
    near = pairs([one], CLASSES, CLASS_EMBEDDINGS, 1)
    found = pairs([one], CLASSES, CLASS_EMBEDDINGS, 1, labels)
    assert dict(found.schema) == PAIRS
    assert found.head(len(near)).equals(near)
    # of cat, class 4 has the name of the nearest; mug has its image's class near
    assert found.tail(-len(near)).rows() == [
        ("cat", 1, "golden retriever", None, None), ("mug", 2, "studio couch, day bed", None, None),
        ("tea cup", 2, "studio couch, day bed", None, None),
    ]  # fmt: skip


@given(st.integers(0, 2**32 - 1), st.integers(1, 9))
def test_the_first_is_the_class_that_the_mapping_finds_and_similarity_never_grows(seed, count):
    drawn = np.random.default_rng(seed)
    groups = drawn.integers(0, 6, 8)  # classes that share names share vectors
    same = [[int(it) for it in np.flatnonzero(groups == group)] for group in groups]
    each = {group: unit(drawn.integers(-2, 3, 4) + 1e-3) for group in set(groups.tolist())}
    classes = np.array([each[group] for group in groups])
    answers = np.array([unit(drawn.normal(size=4)) for _ in range(5)], np.float32)
    numbers, ids, similarities = most_similar(answers, classes, same, count)
    found = nearest(answers, classes, same)
    assert ids[:, 0].tolist() == found["nearest_class"].to_list()
    assert similarities[:, 0].tolist() == found["similarity"].to_list()
    assert (np.diff(similarities, axis=1) <= 0).all()
    assert ids.shape == (5, min(count, len(each)))
    assert all(len(set(row)) == len(row) for row in ids.tolist())
    assert numbers.tolist() == [number for number in range(5) for _ in range(ids.shape[1])]
