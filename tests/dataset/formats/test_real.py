import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mllm_classify.dataset.readings import Reading
from tests.dataset.given import read, refusal, val, write_json


def test_list_i_of_real_is_of_file_i_plus_one(folder):
    file = write_json(folder, [[65], [970, 795], [], 5, [7, 7]])
    found = read("real", file, [val(number) for number in (5, 1, 2, 3, 4)])
    assert found == {
        val(5): Reading(f"r.json: list 4 ({val(5)})", frozenset({7})),
        val(1): Reading(f"r.json: list 0 ({val(1)})", frozenset({65})),
        val(2): Reading(f"r.json: list 1 ({val(2)})", frozenset({970, 795})),
        val(3): Reading(f"r.json: list 2 ({val(3)})", frozenset()),
        val(4): Reading(f"r.json: list 3 ({val(4)})", frozenset({5})),
    }


@given(st.lists(st.lists(st.integers(0, 999), max_size=4), min_size=1, max_size=30))
def test_real_is_read_as_it_was_written(tmp_path_factory, lists):
    path = tmp_path_factory.getbasetemp() / "real.json"
    path.write_text(json.dumps(lists))
    found = read("real", str(path), [val(number) for number in range(1, len(lists) + 1)])
    assert [reading.classes for reading in found.values()] == [set(ids) for ids in lists]


@pytest.mark.parametrize("wrong", [1000, -1, [3, 1000], [-1], [True], True, [1.0], [None], [[1]]])
def test_an_id_of_real_that_is_no_class_is_named(folder, wrong):
    file = write_json(folder, [[1], wrong])
    assert refusal(read, "real", file, [val(1), val(2)]).startswith(f"r.json: list 1 ({val(2)}): ")
    assert "is not a class" in refusal(read, "real", file, [val(1), val(2)])


@pytest.mark.parametrize("wrong", [None, 1.5, {}])
def test_an_entry_of_real_that_is_no_list_is_named(folder, wrong):
    file = write_json(folder, [[1], wrong])
    assert refusal(read, "real", file, [val(2)]) == (
        f"r.json: list 1 ({val(2)}): {wrong!r} is neither a class id nor a list of them"
    )


def test_an_image_without_a_list_is_named(folder):
    file = write_json(folder, [[1], [2]])
    assert refusal(read, "real", file, [val(2), val(3)]) == f"r.json: 2 lists, none for {val(3)!r}"
    assert refusal(read, "real", file, [val(0)]) == f"r.json: 2 lists, none for {val(0)!r}"


def test_real_labels_no_other_images(folder):
    file = write_json(folder, [[1]])
    assert refusal(read, "real", file, ["cat"]) == (
        "r.json: ReaL labels images by the number in their name (ILSVRC2012_val_00000001); 'cat' has none"
    )


@pytest.mark.parametrize("content", [{"a": [1]}, "a", 1])
def test_real_is_a_list(folder, content):
    assert refusal(read, "real", write_json(folder, content), [val(1)]) == (
        "r.json: must be a JSON list of lists of class ids"
    )
