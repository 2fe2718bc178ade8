import numpy as np
import polars as pl
import pytest

from mllm_classify.embed.concepts import concepts, embed_concepts


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ("The image shows a golden retriever on the grass.", ["golden retriever", "grass"]),
        ("two cups on a table", ["two cups", "table"]),
        ("Golden Retriever", ["golden retriever"]),
        ("It is a type of insect called ladybug.", ["insect", "ladybug"]),
        ("A Volkswagen beetle parked near an old stone bridge", ["volkswagen beetle", "old stone bridge"]),
        ("its tail, the tail, a tail", ["tail"]),
        ("an object in this photo", []),
        ("", []),
        ("!!!", []),
    ],
)
def test_noun_chunks_without_what_stands_before_them(answer, expected):
    assert concepts(answer) == expected


def test_each_concept_is_embedded_once_and_only_then_is_the_encoder_loaded():
    asked = []

    def encode(texts):
        asked.extend(texts)
        return np.array([[len(text), 1] for text in texts], dtype=np.float32)

    found = embed_concepts(lambda: encode, ["{}"], ["a cat", "the cat on a mat", "it"])
    assert asked == ["cat", "mat"]
    assert found.select("text", "concept").rows() == [
        ("a cat", "cat"),
        ("the cat on a mat", "cat"),
        ("the cat on a mat", "mat"),
    ]
    assert np.allclose(np.linalg.norm(found["embedding"].to_numpy(), axis=1), 1)
    none = embed_concepts(lambda: pytest.fail("loaded"), ["{}"], ["it"])
    assert none.height == 0
    assert none.columns == ["text", "concept", "embedding"]
    assert none.schema["embedding"] == pl.Array(pl.Float32, 1)
