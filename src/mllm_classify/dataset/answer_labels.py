"""Labels of answers, with their classes as ids."""

from collections.abc import Iterable, Sequence
from typing import Any

import polars as pl

from mllm_classify.io.files import InputError
from mllm_classify.io.text import cell, shown

MEANING = ("same", "more specific")
"""Relations by which an answer means a class: giving it that class is right."""
ANSWER_LABELS: dict[str, pl.DataType] = {
    "answer": pl.String(),  # as `answer_key` writes it
    "labels": pl.String(),  # who, in which pass
    "human": pl.Boolean(),
    "relation": pl.String(),
    "meant": pl.List(pl.Int32),  # the classes that the answer means, and all of their names; often empty
    "possible": pl.List(pl.Int32),  # these, and those that it may mean, or is a general word for
}


def answer_key(text: str) -> str:
    """An answer as label files have it: in one line, safe for spreadsheets."""
    return cell(text.strip()).strip()


def answer_labels(rows: Iterable[Sequence[Any]], classes: pl.DataFrame) -> pl.DataFrame:
    """Labels with the columns of ANSWER_LABELS, in the order of `rows`, which are as `read_answer_labels` returns them.

    Raises InputError where a class is not on the list.
    """
    known = {name.strip().lower(): same_name for name, same_name in classes.select("name", "same_name").iter_rows()}
    found = []
    for answer, relation, names, annotator, kind, number in rows:
        if unknown := [name for name in names if name.lower() not in known]:
            msg = f"dataset.answer_labels: {shown(unknown[0])}, which {shown(answer)} shall mean, is no class of the list; write a class's name"
            raise InputError(msg)
        possible = sorted({class_id for name in names for class_id in known[name.lower()]})
        meant = possible if relation in MEANING else []
        found.append((answer, f"{annotator}, pass {number}", kind == "people", relation, meant, possible))
    return pl.DataFrame(found, schema=ANSWER_LABELS, orient="row")
