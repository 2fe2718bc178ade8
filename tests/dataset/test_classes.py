import json

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from mllm_classify.config.dataset import ImagenetDataset, TableDataset
from mllm_classify.config.every_dataset import LabelSet
from mllm_classify.dataset.classes import CLASSES, Lookup, classes
from mllm_classify.io.files import InputError

NAMES = ["Missile", "cat, or dog", " missile", "7"]


def table(file):
    return TableDataset(source="table", name="d", label="D", classes=str(file), imgt=LabelSet(label="I", file="l.csv"))


def imagenet(**options):
    return ImagenetDataset(source="imagenet", name="d", label="D", **options)


def lookup(*names, synsets=None):
    schema = {"class_id": pl.Int32, "name": pl.String, "synset": pl.String}
    rows = zip(range(len(names)), names, synsets or [None] * len(names), strict=True)
    return Lookup(pl.DataFrame(list(rows), schema=schema, orient="row"))


def message(call, *arguments):
    with pytest.raises(InputError) as caught:
        call(*arguments)
    return str(caught.value)


@pytest.mark.parametrize(("file", "content"), [("c.txt", "Missile\ncat, or dog\n missile\n"),
                                               ("c.json", '["Missile", "cat, or dog", " missile"]')])  # fmt: skip
def test_ids_are_positions_and_equal_names_know_each_other(folder, file, content):
    (folder / file).write_text(content)
    expected = pl.DataFrame(
        {
            "class_id": [0, 1, 2],
            "name": ["Missile", "cat, or dog", "missile"],
            "synset": [None, None, None],
            "same_name": [[0, 2], [1], [0, 2]],
        },
        schema=CLASSES,
    )
    assert_frame_equal(classes(table(file)), expected)


@pytest.mark.parametrize(
    ("file", "content", "names"),
    [
        ("c.csv", "id,name,n\n0,espresso,7\n1, tea cup ,8\n", ["espresso", "tea cup"]),
        ("c.csv", 'name\n"cat, or dog"\n# cow\nyak\n', ["cat, or dog", "yak"]),
        ("c.txt", "# animals\r\ncat \r\n dog\r\n", ["cat", "dog"]),
        ("c.txt", "1 cent\n2 cent\n5 cent\n", ["1 cent", "2 cent", "5 cent"]),
        ("c.txt", "0\n1\n2\n", ["0", "1", "2"]),
        ("c.txt", "name\nName\n", ["name", "Name"]),
        ("c.txt", "a\x85b\n", None),
        ("c.json", '["#cat", " name\\n", "0 a"]', ["#cat", "name", "0 a"]),
        ("c.json", '["half \\ud83d", "\\ud83d\\ude00"]', ["half \N{REPLACEMENT CHARACTER}", "\N{GRINNING FACE}"]),
    ],
)
def test_a_class_list_is_read_as_what_it_is(folder, file, content, names):
    """No comment, head or break of a line makes a class, for all numbers behind it would mean another."""
    (folder / file).write_text(content, newline="")
    if names is None:
        assert "control character" in message(classes, table(file))
    else:
        assert classes(table(file))["name"].to_list() == names


@given(st.lists(st.text(st.characters(exclude_categories=["Cc", "Cs", "Zl", "Zp"])).filter(str.strip), min_size=1))
def test_names_stand_without_blanks_in_every_format(tmp_path_factory, names):
    path = tmp_path_factory.getbasetemp() / "padded.json"
    path.write_text(json.dumps([f" {name}\n\t" for name in names]))
    assert classes(table(path))["name"].to_list() == [name.strip() for name in names]


@given(st.lists(st.sampled_from(["cat", "Cat", " cat", "CAT ", "dog", "Dog", "cat dog", "catdog"]), min_size=1))
def test_classes_share_a_name_when_lower_case_and_stripping_make_them_equal(tmp_path_factory, names):
    path = tmp_path_factory.getbasetemp() / "classes.json"
    path.write_text(json.dumps(names))
    keys = [name.lower().strip() for name in names]
    assert classes(table(path))["same_name"].to_list() == [
        [other for other, second in enumerate(keys) if first == second] for first in keys
    ]


def test_imagenets_are_1000_of_which_two_pairs_share_a_name():
    frame = classes(imagenet())
    assert frame.schema == CLASSES
    assert frame["class_id"].to_list() == list(range(1000))
    shared = [ids for ids in frame["same_name"].to_list() if len(ids) > 1]
    assert shared == [[657, 744], [657, 744], [836, 837], [836, 837]]
    assert frame["name"][657] == "missile"
    assert frame["name"][638].count(",") > 0


def test_imagenets_synsets_are_sorted_and_each_once():
    frame = classes(imagenet())
    assert frame["synset"].to_list() == sorted(set(frame["synset"]))
    assert frame.row(356)[:3] == (356, "weasel", "n02441942")
    assert frame.row(0)[:3] == (0, "tench", "n01440764")
    assert frame.row(999)[:3] == (999, "toilet paper", "n15075141")


def test_names_may_be_written_with_underscores(folder):
    (folder / "c.txt").write_text("Great Dane\nbull_dog\nbull dog\na_b c\na b_c\n")
    lookup = Lookup(classes(table("c.txt")))
    written = ["great_dane", "Great Dane", "bull_dog", "bull dog", "a_b c", "a b_c"]
    assert [lookup.one("f", name) for name in written] == [0, 0, 1, 2, 3, 4]
    assert "is the name of several classes; write one of the ids [3, 4]" in message(lookup.one, "f", "a_b_c")


def test_other_names_of_imagenets_classes_keep_the_synsets(folder):
    (folder / "names.txt").write_text("".join(f"name {number}\n" for number in range(1000)))
    frame = classes(imagenet(names="names.txt"))
    assert frame["name"][293] == "name 293"
    assert frame["synset"].equals(classes(imagenet())["synset"])


@pytest.mark.parametrize("count", [999, 1001])
def test_imagenet_has_1000_names(folder, count):
    (folder / "names.txt").write_text("name\n" * count)
    assert message(classes, imagenet(names="names.txt")) == (
        f"names.txt: {count} names; package:timm/data/_info/imagenet_synsets.txt has synsets of 1000 classes"
    )


@pytest.mark.parametrize(
    ("file", "content", "expected"),
    [
        ("c.json", '{"0": "cat"}', "c.json: must be a JSON list of class names"),
        ("c.json", '["cat", 1]', "c.json: must be a JSON list of class names"),
        ("c.json", '["cat"', "c.json: not JSON ("),
        ("c.json", "[]", "c.json: no classes"),
        ("c.json", '["cat", " "]', "c.json: class 1 has no name"),
        ("c.txt", "cat\n\ndog\n", "c.txt: class 1 has no name"),
        ("c.txt", "", "c.txt: no classes"),
        ("c.json", '["cat", "a\\nb"]', "c.json: class 1: 'a\\nb' has a line break, a tab or another control character"),
        ("c.json", "[" * 5000 + "]" * 5000, "c.json: lists and objects nested more than 100 deep"),
        ("c.json", '["cat", ' + "9" * 5000 + "]", "c.json: a number has thousands of digits"),
        (
            "c.csv",
            "cat\ndog\n",
            "c.csv: no column 'name'; the header is 'cat'. A class list that ends in .csv is a table",
        ),
        ("c.csv", "id,name\n1,cat\n2,dog\n", "c.csv:2: id '1': must be 0, for classes are numbered from 0 in order"),
        ("c.csv", "class_id,name\n0,cat\n2,dog\n", "c.csv:3: class_id '2': must be 1"),
        ("c.txt", "id,name\n0,cat\n1,dog\n", "c.txt: numbers stand before the names, as in '0,cat'; a text file holds"),
        ("c.txt", "0: cat\n1: dog\n2: cow\n", "c.txt: numbers stand before the names, as in '1: dog'"),
        ("c.txt", "0 cat\n1 dog\n2 cow\n", "c.txt: numbers stand before the names, as in '1 dog'"),
        ("c.txt", "Class_Name\ncat\ndog\n", "c.txt: the first line, 'Class_Name', looks like the head of a column"),
        ("c.txt", "cat\tx\n", "c.txt: class 0: 'cat\\tx' has a line break, a tab or another control character"),
    ],
)
def test_a_broken_class_list_is_named(folder, file, content, expected):
    (folder / file).write_text(content)
    assert message(classes, table(file)).startswith(expected)


@pytest.mark.parametrize(
    ("written", "class_id"),
    [
        (0, 0), (3, 3), ("1", 1), (" 2 ", 2), ("cat, or dog", 1), (" CAT, or Dog ", 1), ("n00000002", 2),
        ("N00000003", 3),
    ],
)  # fmt: skip
def test_a_class_is_an_id_a_synset_or_a_name(written, class_id):
    found = lookup(*NAMES, synsets=[f"n0000000{number}" for number in range(4)])
    assert found.one("l.csv:2", written) == class_id


def test_a_name_that_is_a_number_is_the_name_where_it_is_text():
    found = lookup("0", "2", "1")
    assert [found.one("l.csv:2", written) for written in ("0", "1", "2")] == [0, 2, 1]
    assert [found.one("l.csv:2", written) for written in (0, 1, 2)] == [0, 1, 2]


@pytest.mark.parametrize("written", [-1, 4, "4", "-1", "1.0", "", "N", "cat", 1.0, True, False, None, [1], {}])
def test_what_is_no_class_is_named_with_its_place(written):
    assert message(lookup(*NAMES).one, "l.csv:2", written) == (
        f"l.csv:2: {written!r} is not a class: neither one of the 4 names nor an id from 0 to 3"
    )


def test_a_name_of_several_classes_is_refused_with_their_ids():
    assert message(lookup(*NAMES).one, "l.csv:2", "missile") == (
        "l.csv:2: 'missile' is the name of several classes; write one of the ids [0, 2]"
    )


@given(st.integers(0, 999), st.sampled_from(["id", "text", "synset"]))
def test_each_of_imagenets_classes_is_found_by_id_and_synset(class_id, way):
    written = {"id": class_id, "text": str(class_id), "synset": IMAGENET["synset"][class_id]}[way]
    assert Lookup(IMAGENET).one("l.csv:2", written) == class_id


IMAGENET = classes(imagenet())
