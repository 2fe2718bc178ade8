"""Answers that annotators label: which are drawn, and what stands beside them on the sheet."""

from collections.abc import Iterable
from typing import get_args

import numpy as np
import polars as pl

from mllm_classify.config.answer_labels import COLUMNS, SEPARATOR, AnswerLabel
from mllm_classify.dataset.answer_labels import answer_key
from mllm_classify.embed.texts import distinct_answers
from mllm_classify.io.files import InputError, sha256
from mllm_classify.io.text import cell
from mllm_classify.mapping.names import normalise
from mllm_classify.tasks import FreeTask


def drawn(
    predictions: Iterable[pl.DataFrame], classes: pl.DataFrame, count: int, seed: int, *, no_names: bool
) -> list[str]:
    """`count` of the distinct answers to OW and CW, or all where there are fewer, sorted.

    `predictions` are of the models that answer in words. Whether an answer is drawn depends on the seed and its words only, so
    that more of them, or of another model, keep those that are labelled. With `no_names`, of answers that are no class name.

    Raises InputError where there is none.
    """
    texts = {text for frame in predictions for task in get_args(FreeTask) for text in distinct_answers(frame, task)}
    if no_names:
        names = set(classes.select(normalise("name"))["name"])
        texts = {text for text in texts if text.lower().strip() not in names}
    if not texts:
        msg = "no answers to draw from: no model answers in words, or each answer is a class name"
        raise InputError(msg)
    return sorted(sorted(texts, key=lambda text: _place(seed, text))[:count])


def _place(*parts: object) -> str:
    return sha256(":".join(["answers", *map(str, parts)]).encode())


def add_nearest(
    candidates: dict[str, set[str]],
    embedded: pl.DataFrame,
    class_embeddings: pl.DataFrame,
    names: list[str],
    count: int,
) -> None:
    """Add to the candidates of each answer the names of the `count` classes nearest to it.

    `embedded` are a model's answers, and `class_embeddings` the classes, as the embed stage writes them.
    """
    wanted = embedded.filter(pl.col("text").is_in(list(candidates)))
    if wanted.is_empty():
        return
    vectors = class_embeddings.sort("class_id")["embedding"].to_numpy()
    cosines = wanted["embedding"].to_numpy().astype(np.float64) @ vectors.T.astype(np.float64)
    order = np.argsort(-cosines, axis=1, kind="stable")[:, :count]
    for text, row in zip(wanted["text"], order, strict=True):
        candidates[text] |= {names[class_id] for class_id in row}


def sheet(candidates: dict[str, set[str]], annotator: str, kind: str, number: int, seed: int) -> pl.DataFrame:
    """A row an answer, for one annotator and pass: what is to be filled in is empty.

    Candidates are in the order of the alphabet: neither how near they are nor who answered shows. Each pass has an order of
    its own.
    """
    order = sorted(candidates, key=lambda text: _place(seed, number, text))
    return pl.DataFrame(
        {
            "answer": [answer_key(text) for text in order],
            "candidates": [cell(SEPARATOR.join(sorted(candidates[text], key=str.lower))) for text in order],
            "relation": "",
            "classes": "",
            "annotator": annotator,
            "kind": kind,
            "pass": number,
        }
    ).unique("answer", keep="first", maintain_order=True)


def as_file(rows: list[AnswerLabel]) -> pl.DataFrame:
    """Labels as `read_answer_labels` reads them, in their order."""
    cells = [(it.answer, it.relation, SEPARATOR.join(it.classes), it.annotator, it.kind, it.number) for it in rows]
    return pl.DataFrame(cells, schema=dict.fromkeys(COLUMNS[:-1], pl.String) | {COLUMNS[-1]: pl.Int64}, orient="row")


def summary(labels: pl.DataFrame) -> list[str]:
    """How many answers each pass labels, and of how many of them all say the same, in words."""
    passes = labels.group_by("labels").len().sort("labels")
    lines = [f"{name}: {count} answers" for name, count in passes.iter_rows()]
    if passes.height > 1:
        of = labels.group_by("answer").agg(pl.len(), *(pl.col(it).n_unique().alias(it) for it in ("relation", "meant")))
        common = of.filter(pl.col("len") == passes.height)
        same = {it: common.filter(pl.col(it) == 1).height for it in ("relation", "meant")}
        lines.append(
            f"{common.height} in all passes: {same['meant']} mean the same classes, {same['relation']} have the same relation"
        )
    return lines
