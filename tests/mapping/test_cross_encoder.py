"""A cross-encoder that decides among the nearest classes: here with random weights, for none comes with a package."""

import numpy as np
import polars as pl
import pytest

from mllm_classify.config.encoders import Reranker
from mllm_classify.io.files import InputError
from mllm_classify.mapping.cross_encoder import cross_encoder, rerank
from mllm_classify.mapping.mapping import map_answers
from mllm_classify.mapping.nearest import nearest_classes
from mllm_classify.mapping.reranked import RERANKED, reranked_classes
from mllm_classify.predict.rows import PREDICTIONS
from tests.cross_encoders import random_cross_encoder
from tests.tables.small import CLASSES

VECTOR = pl.Array(pl.Float32, 3)
AXES = [[1.0, 0.0, 0.0], [0.8, 0.6, 0.0], [0.0, 1.0, 0.0], [0.0, 1.0, 0.0]]
"""Of cat, dog, and two classes called missile."""
CLASS_VECTORS = pl.DataFrame(
    {"class_id": range(4), "embedding": AXES}, schema={"class_id": pl.Int32, "embedding": VECTOR}
)
ANSWERS = pl.DataFrame(
    {"text": ["kitten", "rocket"], "embedding": [[1.0, 0.0, 0.0], [0.0, 0.8, 0.6]]},
    schema={"text": pl.String, "embedding": VECTOR},
)


def fitting(**scores):
    """A model that gives a pair the score under its answer and name, and else none."""
    return lambda: lambda pairs: np.array([scores.get("_".join(pair), 0) for pair in pairs], dtype=np.float32)


def test_the_nearest_names_are_put_once_and_the_best_of_them_counts():
    frame = rerank(fitting(kitten_dog=2.5, kitten_missile=9, rocket_missile=1), 2, ANSWERS, CLASS_VECTORS, CLASSES)
    assert frame.rows() == [("kitten", 0, 0.0), ("kitten", 1, 2.5), ("rocket", 2, 1.0), ("rocket", 1, 0.0)]
    assert reranked_classes(frame).rows() == [("kitten", 1, 2.5, 2.5), ("rocket", 2, 1.0, 1.0)]


def test_of_equal_scores_the_lowest_class_counts_and_one_name_has_no_rival():
    frame = rerank(fitting(), 2, ANSWERS, CLASS_VECTORS, CLASSES)
    assert reranked_classes(frame).select("text", "nearest_class", "margin").rows() == [
        ("kitten", 0, 0.0),
        ("rocket", 1, 0.0),
    ]
    alone = frame.filter(pl.col("class_id") == 1)
    assert reranked_classes(alone)["margin"].to_list() == [float("inf")] * 2


def test_without_an_answer_no_model_is_loaded():
    def never():
        raise AssertionError

    assert rerank(never, 2, ANSWERS.clear(), CLASS_VECTORS, CLASSES).schema == RERANKED


def test_answers_are_mapped_to_what_it_says_and_exact_names_stay():
    """Under the name of the encoder: OW goes to the dog, CW keeps the exact name, and an empty answer has no class."""
    about = {"variant": "", "repeat": 0, "status": "ok"}
    rows = [about | {"image_id": str(n), "task": task, "text": text}
            for n, (task, text) in enumerate([("OW", "kitten"), ("CW", "kitten"), ("CW", ""), ("CW", "rocket")])]  # fmt: skip
    predictions = pl.DataFrame(rows, schema={name: PREDICTIONS[name] for name in
        ("image_id", "task", "variant", "repeat", "text", "texts", "status")})  # fmt: skip
    frame = rerank(fitting(kitten_dog=3, rocket_missile=1), 3, ANSWERS, CLASS_VECTORS, CLASSES)
    mapped = map_answers(predictions, CLASSES, CLASS_VECTORS, ANSWERS, "e", reranked=frame)
    assert mapped["nearest_class"].to_list() == [1, 1, None, 2]
    assert mapped["similarity"].to_list() == [3, 3, None, 1]
    plainly = map_answers(predictions, CLASSES, CLASS_VECTORS, ANSWERS, "e")
    assert plainly["nearest_class"].to_list() == [0, 0, None, 2]
    assert plainly.drop("nearest_class", "similarity", "margin").equals(
        mapped.drop("nearest_class", "similarity", "margin")
    )


def test_scores_are_the_models_own_whatever_stands_beside_them(tmp_path):
    """The logit of each pair alone, through a sigmoid: neither the batch nor padding changes it."""
    import torch
    from transformers import AutoTokenizer, BertForSequenceClassification

    folder = random_cross_encoder(tmp_path)
    fit = cross_encoder(Reranker(path=folder, batch_size=3))
    pairs = [
        (text, name)
        for text in ("kitten", "a small rocket on a launch pad", "=x")
        for name in ("cat", "dog", "missile")
    ]
    found = fit(pairs)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = BertForSequenceClassification.from_pretrained(folder).eval()
    with torch.no_grad():
        expected = [torch.sigmoid(model(**tokenizer(*pair, return_tensors="pt")).logits)[0, 0].item() for pair in pairs]
    assert len(set(expected)) == len(expected)
    assert found == pytest.approx(expected, abs=1e-5)
    frame = rerank(lambda: fit, 2, ANSWERS, CLASS_VECTORS, CLASSES)
    best = reranked_classes(frame)
    near = nearest_classes(ANSWERS, CLASS_VECTORS, CLASSES)
    assert set(frame.filter(pl.col("text") == "kitten")["class_id"]) == {0, 1}
    assert best["text"].to_list() == near["text"].to_list()


def test_a_model_with_several_scores_a_pair_is_refused(tmp_path):
    fit = cross_encoder(Reranker(path=random_cross_encoder(tmp_path, scores=3)))
    with pytest.raises(InputError, match="gives 3 scores a pair; name a cross-encoder that gives one"):
        fit([("kitten", "cat"), ("rocket", "dog")])
