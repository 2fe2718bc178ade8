"""Conti et al.'s metrics beside their public definitions, on cases by hand."""

import polars as pl
import pytest
import torch

from mllm_classify.dataset.classes import ClassList, numbered
from mllm_classify.mapping.names import included
from mllm_classify.measures.similarity import similarities
from mllm_classify.predict.rows import PREDICTIONS
from tests.tables.small import labelled

IMAGES = labelled(("i", 0, [0], "S+"), ("j", 1, [0, 2], "M-"), ("k", 2, [], "N"))
UNIT = pl.Array(pl.Float32, 2)
CLASSES = pl.DataFrame(
    {"class_id": [0, 1, 2], "embedding": [[1, 0], [0, 1], [0.6, 0.8]]}, schema_overrides={"embedding": UNIT}
)
ANSWERS = pl.DataFrame(
    {"text": ["a cat", "dogs"], "embedding": [[0.8, 0.6], [0, -1]]}, schema_overrides={"embedding": UNIT}
)
CONCEPTS = pl.DataFrame(
    {"text": ["a cat", "dogs", "dogs"], "concept": ["cat", "dog", "s"], "embedding": [[0.6, 0.8], [1, 0], [-1, 0]]},
    schema_overrides={"embedding": UNIT},
)


def said(*texts, **more):
    cells = [
        {
            "image_id": image,
            "task": "OW",
            "variant": "",
            "repeat": 0,
            "text": text,
            "status": "error" if text is None else "ok",
        }
        | more
        for image, text in zip("ijk", texts, strict=True)
    ]
    return pl.DataFrame([{name: cell.get(name) for name in PREDICTIONS} for cell in cells], schema=PREDICTIONS)


def found(predictions, labels=IMAGES):
    rows = similarities(predictions, labels, CLASSES, ANSWERS, CONCEPTS).rows()
    return {
        (image, label_set): (pytest.approx(semantic), pytest.approx(concept))
        for image, label_set, semantic, concept in rows
    }


def test_by_hand():
    """The whole answer is a concept, too; of several labels the most similar counts; k has no second label."""
    assert found(said(" a cat ", "dogs", "dogs")) == {
        ("i", "ImGT"): (0.8, 0.8),
        ("i", "ReGT"): (0.8, 0.8),
        ("j", "ImGT"): (-1, 0),
        ("j", "ReGT"): (0, 1),
        ("k", "ImGT"): (-0.8, 0.6),
    }


def test_without_an_answer_it_is_0():
    assert set(map(str, found(said(None, "", "unknown")).values())) == {str((pytest.approx(0.0), pytest.approx(0.0)))}


@pytest.mark.parametrize("more", [{"task": "CW"}, {"variant": "v"}, {"repeat": 1}])
def test_only_open_world_answers_as_they_are_asked_first_count(more):
    assert found(said("a cat", "dogs", "dogs", **more)) == {}


def test_excluded_images_are_left_out():
    labels = IMAGES.with_columns(excluded=pl.when(pl.col("image_id") != "i").then(pl.lit("open")))
    assert {image for image, _ in found(said("a cat", "dogs", "dogs"), labels)} == {"i"}


def test_means_are_those_of_the_public_definitions():
    """semantic_similarity: the mean of the products of unit vectors; concept_semantic_similarity: of the highest one of each
    image's concepts, the answer among them."""
    texts = ["a cat", "dogs", "a cat"]
    references = torch.tensor(CLASSES["embedding"].to_list()).unsqueeze(1)
    whole = {text: torch.tensor(vector) for text, vector in ANSWERS.rows()}
    predicted = torch.stack([whole[text] for text in texts]).unsqueeze(2)
    semantic = torch.bmm(references, predicted).squeeze().mean().item()
    each = {text: [whole[text], *(torch.tensor(it[2]) for it in CONCEPTS.rows() if it[0] == text)] for text in texts}
    highest = [max((references[at, 0] @ it).item() for it in each[text]) for at, text in enumerate(texts)]
    table = similarities(said(*texts), IMAGES, CLASSES, ANSWERS, CONCEPTS).filter(pl.col("label_set") == "ImGT")
    assert table["semantic"].mean() == pytest.approx(semantic)
    assert table["concept"].mean() == pytest.approx(sum(highest) / 3)


@pytest.mark.parametrize(
    ("reference", "prediction"),
    [
        ("cat", "A cat on a mat"), ("Cat", "concatenate"), (" cat ", "cat"), ("cat", "dog"), ("tabby cat", "tabby-cat"),
        ("cat", ""), ("hot dog", "This is a Hot Dog."), ("cat", "CAT"), ("tiger", "tigers"), ("crane", "Crâne"),
    ],
)  # fmt: skip
def test_text_inclusion_is_that_of_the_public_definition(reference, prediction):
    """textual_inclusion: reference.lower().strip() in prediction.lower().strip()."""
    classes = numbered(ClassList(["other", reference]))
    key = prediction.lower().strip()
    table = dict(included(pl.Series([key]), classes).rows())
    assert (1 in table.get(key, [])) == (reference.lower().strip() in key)
