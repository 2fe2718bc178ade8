import json
from itertools import combinations

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mllm_classify.config.dataset import ImagenetDataset
from mllm_classify.config.every_dataset import Equivalences
from mllm_classify.dataset.classes import Lookup, classes
from mllm_classify.dataset.equivalences import admissible, admits
from mllm_classify.io.files import InputError

SHIPPED = "resources/equivalences/imagenet.v1.csv"
NAMES = ["cat", "dog", "Missile", "laptop", "missile ", "notebook", "two, in one"]
FEW = Lookup(
    pl.DataFrame(
        {"class_id": range(7), "name": NAMES, "synset": [f"n{number}" for number in range(7)]},
        schema={"class_id": pl.Int32, "name": pl.String, "synset": pl.String},
    )
)
IDS = st.integers(0, 6)
GROUPS = st.lists(st.lists(IDS, min_size=2, max_size=4, unique=True), max_size=5)
LABELS = st.frozensets(IDS)


def read(file, one_way=False):
    return admits(Equivalences(label="E", file=str(file), one_way=one_way), FEW)


def rows(folder, *lines, one_way=False):
    """What each class admits, from rows without their header."""
    (folder / "e.csv").write_text("\n".join(["classes,admits,source", *lines]) + "\n")
    return {class_id: set(others) for class_id, others in read("e.csv", one_way).items()}


def groups(folder, content):
    (folder / "class_update_config.json").write_text(content if isinstance(content, str) else json.dumps(content))
    return {class_id: set(others) for class_id, others in read("class_update_config.json").items()}


def written(base, content):
    """A CSV of groups in a folder that a test's examples share."""
    path = base.getbasetemp() / "groups.csv"
    path.write_text("classes,admits,source\n" + "".join(f"{'|'.join(map(str, group))},,s\n" for group in content))
    return path


def message(call, *arguments, **options):
    with pytest.raises(InputError) as caught:
        call(*arguments, **options)
    return str(caught.value)


def test_without_the_section_no_class_admits_another():
    assert admits(None, FEW) == {}
    assert admissible(frozenset({3}), {}) == {3}


def test_a_group_is_all_its_pairs(folder):
    assert rows(folder, "0|1|3,,ours") == {0: {1, 3}, 1: {0, 3}, 3: {0, 1}}


def test_members_are_ids_names_and_synsets(folder):
    assert rows(folder, "LAPTOP | n5,,ours", '"two, in one|0",,ours') == {3: {5}, 5: {3}, 6: {0}, 0: {6}}


def test_groups_are_not_chained(folder):
    found = rows(folder, "0|1,,ours", "1|3,,ours")
    assert found == {0: {1}, 1: {0, 3}, 3: {1}}
    equal = {class_id: frozenset(others) for class_id, others in found.items()}
    assert admissible(frozenset({0}), equal) == {0, 1}
    assert admissible(frozenset({1}), equal) == {0, 1, 3}
    assert admissible(frozenset({0, 3}), equal) == {0, 1, 3}
    assert admissible(frozenset(), equal) == frozenset()


def test_a_pair_of_two_groups_counts_once(folder):
    assert rows(folder, "0|1,,ours", "1|0|3,,theirs") == {0: {1, 3}, 1: {0, 3}, 3: {0, 1}}


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        (["0,1,ours"], {0: {1}}),
        (["0|3,1|5,ours"], {0: {1, 5}, 3: {1, 5}}),
        (["0,1,ours", "1,3,ours"], {0: {1}, 1: {3}}),
        (["0|1,,ours", "1,3,ours"], {0: {1}, 1: {0, 3}}),
        (["0,1,ours", "1,0,ours"], {0: {1}, 1: {0}}),
    ],
)
def test_a_row_with_admits_holds_in_one_direction(folder, lines, expected):
    assert rows(folder, *lines, one_way=True) == expected


def test_rows_with_admits_do_not_count_unless_asked_for(folder):
    assert rows(folder, "0,1,ours", "3|5,,ours", "3|5,0,ours") == {3: {5}, 5: {3}}


@pytest.mark.parametrize("one_way", [False, True])
@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("0|1,,", "e.csv:3: no source; say who calls these classes equivalent, or why they are"),
        ("0,1,", "e.csv:3: no source; say who"),
        ("0|9,,ours", "e.csv:3: '9' is not a class: neither one of the 7 names nor an id from 0 to 6"),
        ("0|cats,,ours", "e.csv:3: 'cats' is not a class"),
        ("0|missile,,ours", "e.csv:3: 'missile' is the name of several classes; write one of the ids [2, 4]"),
        ("0,9,ours", "e.csv:3: '9' is not a class"),
        ("9,0,ours", "e.csv:3: '9' is not a class"),
        ("0|,,ours", "e.csv:3: '' is not a class"),
        (",1,ours", "e.csv:3: '' is not a class"),
        ("0,,ours", "e.csv:3: classes '0' is not a group; write at least two classes, with | between"),
        ("3|laptop,,ours", "e.csv:3: classes '3|laptop' is not a group"),
        ("0,1", "e.csv:3: 2 values under a header of 3: '0,1'"),
    ],
)
def test_a_broken_row_is_named(folder, line, expected, one_way):
    assert message(rows, folder, "0|1,,ours", line, one_way=one_way).startswith(expected)


@pytest.mark.parametrize("column", ["classes", "admits", "source"])
def test_a_missing_column_is_named(folder, column):
    header = ",".join(name for name in ("classes", "admits", "source") if name != column)
    (folder / "e.csv").write_text(f"{header}\n0|1,ours\n")
    assert message(read, "e.csv") == f"e.csv: no column {column!r}; the header is {header!r}"


def test_groups_of_reimagenet(folder):
    content = {"eq_classes": {"laptops": [3, 5], "missiles": [2, 4], "alone": [0], "none": []}, "renamed": {"1": "x"}}
    assert groups(folder, content) == {3: {5}, 5: {3}, 2: {4}, 4: {2}}


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (
            {"eq_classes": {"a": [3, 7]}},
            ": eq_classes 'a': 7 is not a class: neither one of the 7 names nor an id from 0",
        ),
        ({"eq_classes": {"a": [3, -1]}}, ": eq_classes 'a': -1 is not a class"),
        ({"eq_classes": {"a": [3, None]}}, ": eq_classes 'a': None is not a class"),
        ({"eq_classes": {"a": 3}}, ": must have eq_classes, an object from a group's name to a list of class ids"),
        ({"eq_classes": [[3, 5]]}, ": must have eq_classes"),
        ({"classes": {}}, ": must have eq_classes"),
        ([[3, 5]], ": must have eq_classes"),
        ('{"eq_classes": {"a": [3, 5], "a": [2, 4]}}', ": 'a' appears twice"),
        ("{", ": not JSON ("),
    ],
)
def test_broken_groups_of_reimagenet_are_named(folder, content, expected):
    assert message(groups, folder, content).startswith(f"class_update_config.json{expected}")


@given(GROUPS)
def test_groups_are_symmetric_and_no_class_is_more_than_one_group_away(tmp_path_factory, content):
    found = read(written(tmp_path_factory, content))
    for one in range(7):
        together = {other for group in content if one in group for other in group} - {one}
        assert found.get(one, frozenset()) == together
        assert all(one in found[other] for other in together)


@given(GROUPS, st.randoms())
def test_the_order_of_rows_and_members_changes_nothing(tmp_path_factory, content, random):
    before = read(written(tmp_path_factory, content))
    shuffled = [random.sample(group, len(group)) for group in random.sample(content, len(content))]
    assert read(written(tmp_path_factory, shuffled)) == before


@given(GROUPS, LABELS)
def test_admissible_are_the_labels_and_their_partners(tmp_path_factory, content, labels):
    result = admissible(labels, read(written(tmp_path_factory, content)))
    assert labels <= result
    assert result - labels == {other for group in content if labels & set(group) for other in group} - labels


@given(GROUPS, LABELS, LABELS)
def test_admissible_classes_of_more_labels_are_the_union(tmp_path_factory, content, one, other):
    equal = read(written(tmp_path_factory, content))
    assert admissible(one | other, equal) == admissible(one, equal) | admissible(other, equal)


def test_shipped_equivalences_cover_the_classes_of_one_name():
    frame = classes(ImagenetDataset(source="imagenet", name="i", label="I"))
    found = admits(Equivalences(label="E", file=SHIPPED), Lookup(frame))
    shared = {pair for ids in frame["same_name"].to_list() for pair in combinations(ids, 2)}
    assert len(shared) == 2
    assert [pair for pair in shared if pair[1] not in found[pair[0]] or pair[0] not in found[pair[1]]] == []
