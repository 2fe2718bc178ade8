"""Texts as unit vectors: class names, and answers, through a text encoder and its templates."""

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from mllm_classify.io.arrays import FloatArray, normalised
from mllm_classify.io.files import InputError, read_text
from mllm_classify.io.text import shown

if TYPE_CHECKING:
    from mllm_classify.config.encoders import AnyEncoder

Encode = Callable[[list[str]], FloatArray]
"""A text encoder as a function from k texts to k x d, float32."""
LONGEST = 2000
"""Characters of an answer that are embedded: encoders read a few hundred tokens, whatever a model wrote."""


def class_schema(dimensions: int) -> dict[str, pl.DataType]:
    return {"class_id": pl.Int32(), "embedding": pl.Array(pl.Float32, dimensions)}


def answer_schema(dimensions: int) -> dict[str, pl.DataType]:
    return {"text": pl.String(), "embedding": pl.Array(pl.Float32, dimensions)}


def read_templates(name: str) -> list[str]:
    """Templates of a file: one a line, {} for the text; lines that begin with # are comments."""
    templates = [line for line in read_text(name).splitlines() if line.strip() and not line.startswith("#")]
    wrong = [template for template in templates if template.count("{}") != 1]
    if wrong or not templates:
        msg = f"{name}: {shown(wrong[0], 300)} must contain {{}} once" if wrong else f"{name}: no templates"
        raise InputError(msg)
    return templates


def class_templates(encoder: "AnyEncoder") -> list[str]:
    """An encoder's templates for class names, after its prompt for documents."""
    return [encoder.document_prompt + template for template in read_templates(encoder.templates)]


def answer_templates(encoder: "AnyEncoder") -> list[str]:
    """An encoder's templates for answers, after its prompt for queries: those of class names, or, where answers are bare, none."""
    templates = read_templates(encoder.templates) if encoder.answers == "templates" else ["{}"]
    return [encoder.query_prompt + template for template in templates]


def averaged(encode: Encode, texts: list[str], templates: list[str]) -> FloatArray:
    """One unit vector per text: each template's embedding normalised, then averaged, then normalised again.

    The usual prompt ensemble (Radford et al., 2021). `encode` maps k texts to k x d; returns len(texts) x d, float32.
    """
    each: list[FloatArray] = [
        normalised(encode([template.replace("{}", text) for text in texts])) for template in templates
    ]
    return normalised(np.mean(each, axis=0, dtype=np.float32))


def class_vectors(encode: Encode, templates: list[str], classes: pl.DataFrame) -> FloatArray:
    """Unit vectors of the class names (classes x d, float32). Classes of the same name have the same vector, to the bit."""
    firsts = classes["same_name"].list.first()
    distinct = classes.filter(pl.col("class_id") == firsts)
    vectors = averaged(encode, distinct["name"].to_list(), templates)
    places = {class_id: place for place, class_id in enumerate(distinct["class_id"])}
    return vectors[[places[first] for first in firsts]]


def embed_classes(encode: Encode, templates: list[str], classes: pl.DataFrame) -> pl.DataFrame:
    """Unit vectors of the class names, as `class_vectors` makes them."""
    vectors = class_vectors(encode, templates, classes)
    return pl.DataFrame({"class_id": classes["class_id"], "embedding": vectors}, schema=class_schema(vectors.shape[1]))


def embed_answers(encoder: Callable[[], Encode], templates: list[str], predictions: pl.DataFrame) -> pl.DataFrame:
    """Unit vectors of a model's distinct answers, stripped of blanks at both ends. Empty answers have none.

    `templates` are ["{}"] where answers are embedded bare. The encoder is loaded only where there is an answer.
    """
    return embed_texts(encoder, templates, distinct_answers(predictions))


def embed_texts(encoder: Callable[[], Encode], templates: list[str], texts: list[str]) -> pl.DataFrame:
    """Unit vectors of texts. The encoder is loaded only where there is one."""
    if not texts:
        return pl.DataFrame(schema=answer_schema(1))
    vectors = averaged(encoder(), [text[:LONGEST] for text in texts], templates)
    return pl.DataFrame({"text": texts, "embedding": vectors}, schema=answer_schema(vectors.shape[1]))


def distinct_answers(predictions: pl.DataFrame, task: str | None = None) -> list[str]:
    """Answers stripped of blanks, sorted: all, those in lists (`texts`) too, or the first ones to a task without a variant."""
    texts = predictions["text"]
    if task is None:
        texts = pl.concat([texts, predictions["texts"].explode()])
    else:
        texts = predictions.filter((pl.col("task") == task) & (pl.col("variant") == ""))["text"]
    texts = texts.drop_nulls().str.strip_chars()
    return texts.filter(texts != "").unique().sort().to_list()
