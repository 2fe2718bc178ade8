import json

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mllm_classify.config.dataset import ImagenetDataset, LabelSet, SecondLabelSet, TableDataset
from mllm_classify.dataset.classes import Lookup, classes
from mllm_classify.dataset.label_files import Reading, labelled_images, mustelidae, original_labels, second_labels
from mllm_classify.io.files import PROJECT, InputError

EXPERT = PROJECT.parent / "shared/real/mustelidae/356_357_358_359.json"
IMAGENET = ImagenetDataset(source="imagenet", name="i", label="I")
LOOKUP = Lookup(classes(IMAGENET))
NAMES = ["cat", "dog", "Missile", "laptop", "missile ", "notebook", "two, in one"]
FEW = Lookup(
    pl.DataFrame(
        {"class_id": range(7), "name": NAMES, "synset": [f"n{number}" for number in range(7)]},
        schema={"class_id": pl.Int32, "name": pl.String, "synset": pl.String},
    )
)


def val(number):
    return f"ILSVRC2012_val_{number:08d}"


def table(imgt="l.csv"):
    return TableDataset(source="table", name="d", label="D", classes="c.txt", imgt=LabelSet(label="I", file=imgt))


def read_table(file):
    """The classes of a second label set in the project's own format."""
    found = second_labels(table(), SecondLabelSet(label="R", file=file), FEW, [])
    return {image_id: None if reading.classes is None else set(reading.classes) for image_id, reading in found.items()}


def read_imgt(file, dataset=None):
    found = original_labels(dataset or table(file), FEW)
    return {image_id: set(reading.classes) for image_id, reading in found.items()}


def read(format_, file, ids=()):
    """A second label set of ImageNet."""
    return second_labels(IMAGENET, SecondLabelSet(label="R", file=file, format=format_), LOOKUP, ids)


def summary(found):
    return {image_id: (reading.classes, reading.original) for image_id, reading in found.items()}


def classes_of(found):
    return {image_id: reading.classes and set(reading.classes) for image_id, reading in found.items()}


def message(call, *arguments):
    with pytest.raises(InputError) as caught:
        call(*arguments)
    return str(caught.value)


def write_json(folder, content, file="r.json"):
    (folder / file).write_text(json.dumps(content))
    return file


def write_lines(folder, *records):
    (folder / "r.jsonl").write_text("".join(json.dumps(record) + "\n" for record in records))
    return "r.jsonl"


def write_table(folder, ending, rows, column):
    """Rows of image and label in a file of that ending."""
    file, records = f"r.{ending}", [{"image_id": image_id, column: label} for image_id, label in rows]
    match ending:
        case "csv":
            lines = [f'{image_id},"{"" if label is None else label}"\n' for image_id, label in rows]
            (folder / file).write_text(f"image_id,{column}\n{''.join(lines)}")
        case "jsonl":
            write_lines(folder, *records)
        case "list.json":
            write_json(folder, records, file)
        case "json":
            write_json(folder, dict(rows), file)
        case "parquet":
            pl.DataFrame(records).write_parquet(folder / file)
    return file


# the project's own format


ENDINGS = ["csv", "jsonl", "list.json", "json", "parquet"]


@pytest.mark.parametrize("ending", ENDINGS)
def test_imgt_by_name_id_and_synset(folder, ending):
    rows = [("c", "LAPTOP"), ("a", "0"), ("b", "n4"), ("d", "two, in one"), ("e", None), ("f", "")]
    file = write_table(folder, ending, rows, "class")
    assert read_imgt(file) == {"c": {3}, "a": {0}, "b": {4}, "d": {6}}


@pytest.mark.parametrize("ending", ["jsonl", "list.json", "json", "parquet"])
def test_imgt_by_number(folder, ending):
    assert read_imgt(write_table(folder, ending, [("a", 6), ("b", None), ("c", 0)], "class")) == {"a": {6}, "c": {0}}


@pytest.mark.parametrize("ending", ENDINGS)
def test_all_labels_as_text(folder, ending):
    rows = [("a", "dog|Cat"), ("b", "N"), ("c", "two, in one"), ("d", "n5 | 1"), ("e", None), ("f", ""), ("g", "2|2")]
    file = write_table(folder, ending, rows, "classes")
    assert read_table(file) == {"a": {0, 1}, "b": set(), "c": {6}, "d": {1, 5}, "g": {2}}


@pytest.mark.parametrize("ending", ["jsonl", "list.json", "json", "parquet"])
@pytest.mark.parametrize(
    ("labels", "expected"),
    [
        ([[0, 1], [6], None, [2, 2]], [{0, 1}, {6}, None, {2}]),
        ([["dog", "n0"], ["N"], None, ["5", "two, in one"]], [{0, 1}, set(), None, {5, 6}]),
        ([3, 0, None, 6], [{3}, {0}, None, {6}]),
    ],
)
def test_all_labels_as_lists_and_numbers(folder, ending, labels, expected):
    rows = list(zip("abcd", labels, strict=True))
    found = read_table(write_table(folder, ending, rows, "classes"))
    assert found == {image: ids for image, ids in zip("abcd", expected, strict=True) if ids is not None}


def test_each_reading_knows_its_place(folder):
    (folder / "r.csv").write_text("# note\nimage_id,classes\na,0\n\nb,N\n")
    assert second_labels(table(), SecondLabelSet(label="R", file="r.csv"), FEW, []) == {
        "a": Reading("r.csv:3", frozenset({0})),
        "b": Reading("r.csv:5", frozenset()),
    }


@pytest.mark.parametrize("ending", ["jsonl", "list.json", "json", "parquet"])
def test_an_empty_list_does_not_say_that_no_class_applies(folder, ending):
    file = write_table(folder, ending, [("a", [0]), ("b", [])], "classes")
    assert message(read_table, file).endswith(": no classes; write N where no class applies")


@pytest.mark.parametrize(
    ("label", "named"),
    [
        (7, "7"), (-1, "-1"), (1.0, "1.0"), (True, "True"), ("7", "'7'"), ("cats", "'cats'"), ("0|", "''"),
        ("0|N", "'N'"), ([0, "N"], "'N'"), ([0, 7], "7"), ([[0]], "[0]"), ([None], "None"), ({"a": 1}, "{'a': 1}"),
        (" ", "' '"), ([""], "''"),
    ],
)  # fmt: skip
def test_what_is_no_class_is_named_with_its_line(folder, label, named):
    file = write_lines(folder, {"image_id": "a", "classes": 0}, {"image_id": "b", "classes": label})
    assert message(read_table, file).startswith(f"r.jsonl:2: {named} is no class: neither one of the 7 names")


@pytest.mark.parametrize("label", [7, -1, 1.0, True, "7", "N", "0|1", [0], [], {}])
def test_imgt_is_one_class(folder, label):
    file = write_json(folder, {"a": 0, "b": label})
    assert message(read_imgt, file).startswith(f"r.json: 'b': {label!r} is no class")


@pytest.mark.parametrize("ending", ["csv", "jsonl", "list.json", "parquet"])
def test_an_image_that_is_labelled_twice_is_refused(folder, ending):
    file = write_table(folder, ending, [("a", "0"), ("b", "1"), ("a", "0")], "classes")
    first, second = {
        "csv": (":2", ":4"),
        "jsonl": (":1", ":3"),
        "list.json": (": record 1", ": record 3"),
        "parquet": (": row 1", ": row 3"),
    }[ending]
    assert message(read_table, file) == f"{file}{second}: image 'a' is labelled at {file}{first} already"


def test_an_image_with_a_label_and_an_empty_one_is_labelled_twice(folder):
    (folder / "r.csv").write_text("image_id,classes\na,0\na,\n")
    assert "'a'" in message(read_table, "r.csv")


def test_a_doubled_key_is_refused(folder):
    (folder / "r.json").write_text('{"a": 0, "b": 1, "a": 0}')
    assert message(read_table, "r.json") == "r.json: 'a' stands twice"


@pytest.mark.parametrize("column", ["label", "class"])
def test_a_missing_column_is_named(folder, column):
    (folder / "r.csv").write_text(f"image_id,{column}\na,0\n")
    assert "no column 'classes'" in message(read_table, "r.csv")
    (folder / "r.csv").write_text("image_id,label\na,0\n")
    assert "no column 'class'" in message(read_imgt, "r.csv")


def test_an_image_id_is_text_or_a_number(folder):
    file = write_lines(folder, {"image_id": 7, "classes": 0}, {"image_id": "07", "classes": 1})
    assert read_table(file) == {"7": {0}, "07": {1}}
    assert labelled_images(file) == ["7", "07"]


@pytest.mark.parametrize("image_id", [None, True, 1.5, ["a"], {}])
def test_what_is_no_image_id_is_refused(folder, image_id):
    file = write_lines(folder, {"image_id": "a", "classes": 0}, {"image_id": image_id, "classes": 0})
    assert message(read_table, file).startswith("r.jsonl:2: ")


@pytest.mark.parametrize("ending", ENDINGS)
def test_the_images_of_a_file_are_all_of_its_records_in_order(folder, ending):
    file = write_table(folder, ending, [("b", "0"), ("a", None), ("c", "1")], "class")
    assert labelled_images(file) == ["b", "a", "c"]


@pytest.mark.parametrize("written", [val(7), f"{val(7)}.JPEG", f"n01440764/{val(7)}.JPEG", f"val/n01/{val(7)}.JPEG"])
def test_an_image_of_imagenet_is_known_by_its_number(folder, written):
    (folder / "r.csv").write_text(f"image_id,class\n{written},1\n")
    dataset = ImagenetDataset(source="imagenet", name="i", label="I", imgt={"file": "r.csv"})
    assert read_imgt("r.csv", dataset) == {val(7): {1}}


def test_one_image_in_two_spellings_is_labelled_twice(folder):
    (folder / "r.csv").write_text(f"image_id,class\n{val(7)},1\nval/{val(7)}.JPEG,1\n")
    dataset = ImagenetDataset(source="imagenet", name="i", label="I", imgt={"file": "r.csv"})
    assert message(read_imgt, "r.csv", dataset) == f"r.csv:3: image {val(7)!r} is labelled at r.csv:2 already"


def test_imagenets_packaged_labels_are_50_of_each_class():
    found = original_labels(IMAGENET, LOOKUP)
    assert set(found) == {val(number) for number in range(1, 50_001)}
    counts = [0] * 1000
    for reading in found.values():
        (class_id,) = reading.classes
        counts[class_id] += 1
    assert counts == [50] * 1000
    assert found[val(1)].classes == {65}
    assert found[val(293)].classes == {0}


# ReaL


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
    assert message(read, "real", file, [val(1), val(2)]).startswith(f"r.json: list 1 ({val(2)}): ")
    assert "is no class" in message(read, "real", file, [val(1), val(2)])


@pytest.mark.parametrize("wrong", [None, 1.5, {}])
def test_an_entry_of_real_that_is_no_list_is_named(folder, wrong):
    file = write_json(folder, [[1], wrong])
    assert message(read, "real", file, [val(2)]) == (
        f"r.json: list 1 ({val(2)}): {wrong!r} is neither a class id nor a list of them"
    )


def test_an_image_without_a_list_is_named(folder):
    file = write_json(folder, [[1], [2]])
    assert message(read, "real", file, [val(2), val(3)]) == f"r.json: 2 lists, none for {val(3)!r}"
    assert message(read, "real", file, [val(0)]) == f"r.json: 2 lists, none for {val(0)!r}"


def test_real_labels_no_other_images(folder):
    file = write_json(folder, [[1]])
    assert message(read, "real", file, ["cat"]) == (
        "r.json: ReaL labels images by their number in ILSVRC2012_val_00000001, which 'cat' has not"
    )


@pytest.mark.parametrize("content", [{"a": [1]}, "a", 1])
def test_real_is_a_list(folder, content):
    assert message(read, "real", write_json(folder, content), [val(1)]) == (
        "r.json: must be a JSON list of lists of class ids"
    )


# ReImageNet


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
        val(9): Reading("r.jsonl:1", frozenset({2}), frozenset({1})),
        val(1): Reading("r.jsonl:3", frozenset(), frozenset({5})),
    }


def test_no_original_class_at_all_is_none(folder):
    assert summary(read("reimagenet", write_lines(folder, reannotated(7, [], [5])))) == {val(7): (None, None)}


@pytest.mark.parametrize(
    ("record", "expected"),
    [
        (
            reannotated(2, 1, [1000]),
            "r.jsonl:2: 1000 is no class: neither one of the 1000 names nor an id from 0 to 999",
        ),
        (reannotated(2, 1, [-2]), "r.jsonl:2: -2 is no class"),
        (reannotated(2, 1, -2), "r.jsonl:2: -2 is no class"),
        (reannotated(2, 1, [3, 1000, -1]), "r.jsonl:2: 1000 is no class"),
        (reannotated(2, 1000, [1]), "r.jsonl:2: 1000 is no class"),
        (reannotated(2, -1, [1]), "r.jsonl:2: -1 is no class"),
        (reannotated(2, None, [1000]), "r.jsonl:2: 1000 is no class"),
        (reannotated(2, 1, [True]), "r.jsonl:2: True is no class"),
        (reannotated(2, 1, [2.0]), "r.jsonl:2: 2.0 is no class"),
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
    assert message(read, "reimagenet", file).startswith(expected)


def test_a_file_that_is_not_reimagenets_is_refused(folder):
    assert message(read, "reimagenet", write_json(folder, {val(1): [1]})).startswith("r.json: ")


@given(st.lists(st.sampled_from([-1, 0, 1, 999]), max_size=4))
def test_not_sure_counts_only_where_nothing_else_does(tmp_path_factory, labels):
    path = tmp_path_factory.getbasetemp() / "reimagenet.jsonl"
    path.write_text(json.dumps(reannotated(1, 0, labels)))
    found = read("reimagenet", str(path))[val(1)].classes
    assert found == (None if labels and set(labels) == {-1} else set(labels) - {-1})


# the weasel family


def expert(old, new, kind, detail=""):
    return {"old_label": old, "new_label": new, "detailed_labels": detail, "label_type": kind}


def read_expert(file):
    return mustelidae(IMAGENET, file, LOOKUP)


@pytest.mark.parametrize("call", [read_expert, lambda file: read("mustelidae", file)])
def test_the_experts_labels(folder, call):
    file = write_json(
        folder,
        {
            f"{val(5)}.JPEG": expert(356, 357, "basic"),
            f"{val(4)}.JPEG": expert(357, [358, 359], "multilabel"),
            f"{val(3)}.JPEG": expert(358, None, "custom", "Tayra"),
            f"{val(2)}.JPEG": expert(359, None, "uncertain"),
            f"{val(1)}.JPEG": expert(None, [356], "multilabel"),
        },
    )
    found = call(file)
    assert summary(found) == {
        val(5): ({357}, {356}),
        val(4): ({358, 359}, {357}),
        val(3): (set(), {358}),
        val(2): (None, {359}),
        val(1): ({356}, None),
    }
    assert found[val(3)].place == f"r.json: '{val(3)}.JPEG'"


@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        (expert(356, None, "basic"), "new_label is null and label_type 'basic'; only custom and uncertain say what"),
        (expert(356, None, "multilabel"), "new_label is null and label_type 'multilabel'; only"),
        (expert(356, None, None), "new_label is null and label_type None; only"),
        (expert(356, 1000, "basic"), "1000 is no class"),
        (expert(356, [356, -1], "multilabel"), "-1 is no class"),
        (expert(356, "weasel", "basic"), "'weasel' is neither a class id nor a list of them"),
        (expert(1000, 356, "basic"), "1000 is no class"),
        ({"old_label": 356, "new_label": 356}, "must have old_label, new_label and label_type"),
        (356, "must have old_label, new_label and label_type"),
    ],
)
def test_a_broken_entry_of_the_expert_is_named(folder, entry, expected):
    file = write_json(folder, {f"{val(1)}.JPEG": entry})
    assert message(read_expert, file).startswith(f"r.json: '{val(1)}.JPEG': {expected}")


def test_an_image_that_the_expert_labelled_twice_is_refused(folder):
    entry = json.dumps(expert(356, 356, "basic"))
    (folder / "r.json").write_text(f'{{"{val(1)}.JPEG": {entry}, "{val(1)}.JPEG": {entry}}}')
    assert message(read_expert, "r.json") == f"r.json: '{val(1)}.JPEG' stands twice"
    write_json(folder, {f"{val(1)}.JPEG": expert(356, 356, "basic"), val(1): expert(356, 356, "basic")})
    assert message(read_expert, "r.json") == (
        f"r.json: '{val(1)}': image {val(1)!r} is labelled at r.json: '{val(1)}.JPEG' already"
    )


@pytest.mark.skipif(not EXPERT.exists(), reason="the expert's labels are not in ../shared/real")
def test_the_experts_real_labels():
    found = read_expert(str(EXPERT))
    originals = original_labels(IMAGENET, LOOKUP)
    assert len(found) == 200
    assert sum(reading.classes is None for reading in found.values()) == 27
    assert sum(reading.classes == frozenset() for reading in found.values()) == 8
    assert {
        image_id: classes for image_id, classes in classes_of(found).items() if image_id in MULTILABEL
    } == MULTILABEL
    assert all(reading.original == originals[image_id].classes for image_id, reading in found.items())


MULTILABEL = {val(24239): {356}, val(43742): {356}}
