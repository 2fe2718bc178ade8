"""Answers that annotators label: the draw, the sheet, and what is read back."""

import csv
import io

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mllm_classify.annotate.answers import add_nearest, as_file, drawn, sheet, summary
from mllm_classify.config.answer_labels import COLUMNS, read_answer_labels
from mllm_classify.dataset.answer_labels import answer_key, answer_labels
from mllm_classify.io.files import InputError
from tests.tables.small import CLASSES


def said(*texts, task="OW", variant=""):
    schema = {"task": pl.String, "variant": pl.String, "text": pl.String}
    return pl.DataFrame({"task": task, "variant": variant, "text": texts}, schema=schema)


TEXTS = [f"answer {number}" for number in range(40)]


def test_a_larger_draw_or_another_model_keeps_what_was_drawn():
    few = drawn([said(*TEXTS)], CLASSES, 10, 3, no_names=False)
    assert len(few) == 10
    assert set(few) < set(drawn([said(*TEXTS)], CLASSES, 20, 3, no_names=False))
    assert set(drawn([said(*TEXTS[::-1]), said(*TEXTS[:5], task="CW")], CLASSES, 10, 3, no_names=False)) == set(few)
    assert set(drawn([said(*TEXTS)], CLASSES, 10, 4, no_names=False)) != set(few)
    more = drawn([said(*TEXTS), said("new", "newer")], CLASSES, 10, 3, no_names=False)
    assert len(set(more) - set(few)) <= 2


def test_answers_to_other_tasks_and_variants_empty_ones_and_class_names_may_be_left_out():
    frames = [said("Cat ", "a cat", "", "  "), said("option", task="MC"), said("hot", variant="warm"), said(None)]
    assert drawn(frames, CLASSES, 9, 0, no_names=False) == ["Cat", "a cat"]
    assert drawn(frames, CLASSES, 9, 0, no_names=True) == ["a cat"]
    with pytest.raises(InputError, match="no answers to draw from"):
        drawn([said("dog", "CAT")], CLASSES, 9, 0, no_names=True)


def test_a_sheet_tells_neither_who_answered_nor_how_near_a_class_is():
    candidates = {"kitten": set(), "=sum": set(), "sofa": set()}
    vectors = pl.DataFrame(
        {"text": ["kitten", "=sum", "other"], "embedding": [[1.0, 0.0], [0.0, 1.0], [1.0, 0.0]]},
        schema={"text": pl.String, "embedding": pl.Array(pl.Float32, 2)},
    )
    axes = [[1.0, 0.0], [0.6, 0.8], [0.0, 1.0], [0.0, 1.0]]
    schema = {"class_id": pl.Int32, "embedding": pl.Array(pl.Float32, 2)}
    classes = pl.DataFrame({"class_id": [3, 2, 1, 0], "embedding": axes[::-1]}, schema=schema)
    add_nearest(candidates, vectors, classes, CLASSES["name"].to_list(), 3)
    # the nearest to kitten is cat, the next dog: both stand in the order of the alphabet, of equal names one
    assert candidates == {"kitten": {"cat", "dog", "missile"}, "=sum": {"missile", "dog"}, "sofa": set()}
    one, other = (sheet({text: {"dog", "cat"} for text in TEXTS}, "Ann", "people", number, 0) for number in (1, 2))
    assert one.columns == ["answer", "candidates", "relation", "classes", "annotator", "kind", "pass"]
    assert set(one["candidates"]) == {"cat | dog"}
    assert sorted(one["answer"]) == sorted(other["answer"]) == sorted(TEXTS)
    assert one["answer"].to_list() != other["answer"].to_list()
    assert sheet(candidates, "Ann", "people", 1, 0)["answer"].sort()[0] == "'=sum"


def written(path, *rows):
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(COLUMNS)
        writer.writerows(rows)
    return str(path)


OK = ("kitten", "more specific", "cat", "Ann", "people", "1")


def test_sheets_become_one_file_and_what_is_not_labelled_is_left_out(tmp_path):
    first = written(
        tmp_path / "1.csv",
        OK,
        ("pet", "several", "dog | Cat", "Ann", "people", "1"),
        ("x", "", "", "Ann", "people", "1"),
    )
    second = written(
        tmp_path / "2.csv", ("kitten", "same", "cat", "Ann", "people", "2"), ("pet", "none", "", "Ann", "people", "2")
    )
    rows = read_answer_labels(first, second)
    assert len(rows) == 4
    frame = as_file(rows)
    again = tmp_path / "labels.csv"
    frame.write_csv(again, quote_style="non_numeric")
    assert read_answer_labels(str(again)) == rows
    labels = answer_labels(rows, CLASSES)
    assert dict(labels.filter(pl.col("labels") == "Ann, pass 1").select("answer", "possible").iter_rows()) == {
        "kitten": [0], "pet": [0, 1],
    }  # fmt: skip
    assert labels["meant"].to_list() == [[0], [0], [], []]
    assert summary(labels) == [
        "Ann, pass 1: 2 answers",
        "Ann, pass 2: 2 answers",
        "2 in all passes: 2 mean the same classes, 0 have the same relation",
    ]


def test_a_name_that_several_classes_have_means_all_of_them(tmp_path):
    labels = answer_labels(
        read_answer_labels(written(tmp_path / "l.csv", ("rocket", "same", "missile", "A", "model", "1"))), CLASSES
    )
    assert labels.select("meant", "human").rows() == [([2, 3], False)]


@pytest.mark.parametrize(
    ("row", "message"),
    [
        (("kitten", "equal", "cat", "Ann", "people", "1"), "l.csv:2: relation: 'equal': must be one of same, more specific"),
        (("kitten", "same", "cat", "Ann", "human", "1"), "l.csv:2: kind: 'human': must be one of people, model"),
        (("kitten", "same", "cat", "", "people", "1"), "l.csv:2: annotator: empty"),
        (("", "same", "cat", "Ann", "people", "1"), "l.csv:2: answer: empty"),
        (("kitten", "same", "cat", "Ann", "people", "0"), "l.csv:2: pass: '0': must be a number from 1"),
        (("kitten", "same", "cat", "Ann", "people", "²"), "l.csv:2: pass: '²': must be a number"),
        (("kitten", "same", "", "Ann", "people", "1"), "l.csv:2: classes: '': 'same' stands beside 1 or more classes"),
        (("kitten", "several", "cat", "Ann", "people", "1"), "l.csv:2: classes: 'cat': 'several' stands beside 2 or more"),
        (("kitten", "none", "cat", "Ann", "people", "1"), "l.csv:2: classes: 'cat': 'none' stands beside no class"),
    ],
)  # fmt: skip
def test_a_wrong_label_is_refused_with_its_place(tmp_path, row, message):
    with pytest.raises(InputError) as error:
        read_answer_labels(written(tmp_path / "l.csv", row))
    assert message in str(error.value)


def test_what_contradicts_itself_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"l.csv:3: answer: 'kitten' is labelled twice by Ann in pass 1; keep one row"):
        read_answer_labels(written(tmp_path / "l.csv", OK, OK))
    with pytest.raises(InputError, match=r"l.csv:3: kind: Ann is 'people' elsewhere; write one of both"):
        read_answer_labels(written(tmp_path / "l.csv", OK, ("pet", "none", "", "Ann", "model", "1")))
    with pytest.raises(InputError, match="no labels: relation is empty in every row"):
        read_answer_labels(written(tmp_path / "l.csv"))
    with pytest.raises(InputError, match=r"dataset.answer_labels: 'lynx', which 'kitten' shall mean, is no class"):
        answer_labels([["kitten", "same", ["lynx"], "Ann", "people", 1]], CLASSES)


@given(st.text(min_size=1).filter(str.strip))
def test_any_answer_comes_back_from_a_sheet(text):
    """Formulas, line ends, quotes, signs of comments: one row, under the key by which the table finds it."""
    content = sheet({text: set()}, "Ann", "people", 1, 0).write_csv(quote_style="non_numeric")
    assert content.splitlines()[1].startswith('"')
    (row,) = csv.DictReader(io.StringIO(content))
    assert row["answer"].strip() == answer_key(text)
    assert not row["answer"].startswith(("=", "+", "-", "@"))
