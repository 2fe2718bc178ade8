import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mllm_classify.dataset.readings import Reading
from tests.dataset.given import read, refusal, summary, val, write_json, write_lines


def reannotated(number, original, labels, **others):
    name = f"{val(number)}.JPEG"
    return {
        "image_name": name,
        "file_path": f"val/{name}",
        "original_class": original,
        "reannotated_labels": labels,
        "bboxes": [],
    } | others


@pytest.mark.parametrize(
    ("original", "labels", "expected"),
    [
        ([3], [3], ({3}, {3})),
        ([3], [5, 3, 5], ({3, 5}, {3})),
        (3, 5, ({5}, {3})),
        ([3], [], (set(), {3})),
        ([3], [-1], (None, {3})),
        ([3], -1, (None, {3})),
        ([3], [-1, -1], (None, {3})),
        ([3], [5, -1], ({5}, {3})),
        ([3], [-1, 5, 999], ({5, 999}, {3})),
        ([3, 4], [4], ({4}, {3, 4})),
        (None, [5], (None, None)),
        (None, [], (None, None)),
        (None, [-1], (None, None)),
        (0, 0, ({0}, {0})),
    ],
)
def test_a_line_of_reimagenet(folder, original, labels, expected):
    file = write_lines(folder, reannotated(7, original, labels))
    assert summary(read("reimagenet", file)) == {val(7): expected}


def test_lines_of_reimagenet_are_of_the_image_that_they_name(folder):
    file = write_lines(folder, reannotated(9, 1, [2]), reannotated(3, 4, None), reannotated(1, 5, [], bboxes=None))
    assert read("reimagenet", file) == {
        val(9): Reading("r.jsonl:1", frozenset({2}), frozenset({1}), ()),
        val(1): Reading("r.jsonl:3", frozenset(), frozenset({5})),
    }


def test_no_original_class_at_all_is_none(folder):
    assert summary(read("reimagenet", write_lines(folder, reannotated(7, [], [5])))) == {val(7): (None, None)}


@pytest.mark.parametrize(
    ("record", "expected"),
    [
        (
            reannotated(2, 1, [1000]),
            "r.jsonl:2: 1000 is not a class: neither one of the 1000 names nor an id from 0 to 999",
        ),
        (reannotated(2, 1, [-2]), "r.jsonl:2: -2 is not a class"),
        (reannotated(2, 1, -2), "r.jsonl:2: -2 is not a class"),
        (reannotated(2, 1, [3, 1000, -1]), "r.jsonl:2: 1000 is not a class"),
        (reannotated(2, 1000, [1]), "r.jsonl:2: 1000 is not a class"),
        (reannotated(2, -1, [1]), "r.jsonl:2: -1 is not a class"),
        (reannotated(2, None, [1000]), "r.jsonl:2: 1000 is not a class"),
        (reannotated(2, 1, [True]), "r.jsonl:2: True is not a class"),
        (reannotated(2, 1, [2.0]), "r.jsonl:2: 2.0 is not a class"),
        (reannotated(2, 1, "3"), "r.jsonl:2: '3' is neither a class id nor a list of them"),
        (reannotated(2, "3", [3]), "r.jsonl:2: '3' is neither a class id nor a list of them"),
        (reannotated(2, 1, {"a": 3}), "r.jsonl:2: {'a': 3} is neither a class id nor a list of them"),
        (reannotated(1, 1, [1]), f"r.jsonl:2: image {val(1)!r} is labelled at r.jsonl:1 already"),
        (reannotated(1, 1, [2], image_name=val(1)), f"r.jsonl:2: image {val(1)!r} is labelled at r.jsonl:1 already"),
        (reannotated(1, 1, None), f"r.jsonl:2: image {val(1)!r} is labelled at r.jsonl:1 already"),
        ({"image_name": "a", "reannotated_labels": [1]}, "r.jsonl:2: a record with image_name, original_class, rean"),
        ([1], "r.jsonl:2: a record with image_name, original_class, reannotated_labels is needed, not [1]"),
    ],
)
def test_a_broken_line_of_reimagenet_is_named(folder, record, expected):
    file = write_lines(folder, reannotated(1, 1, [1]), record)
    assert refusal(read, "reimagenet", file).startswith(expected)


def test_a_file_that_is_not_reimagenets_is_refused(folder):
    assert refusal(read, "reimagenet", write_json(folder, {val(1): [1]})).startswith("r.json: ")


@given(st.lists(st.sampled_from([-1, 0, 1, 999]), max_size=4))
def test_not_sure_counts_only_where_nothing_else_does(tmp_path_factory, labels):
    path = tmp_path_factory.getbasetemp() / "reimagenet.jsonl"
    path.write_text(json.dumps(reannotated(1, 0, labels)))
    found = read("reimagenet", str(path))[val(1)].classes
    assert found == (None if labels and set(labels) == {-1} else set(labels) - {-1})
