import polars as pl
import pytest

from mllm_classify.config.dataset import ImagenetDataset, TableDataset
from mllm_classify.config.every_dataset import LabelSet, SecondLabelSet
from mllm_classify.dataset.classes import Lookup
from mllm_classify.dataset.formats.table import labelled_images
from mllm_classify.dataset.label_files import original_labels, second_labels
from mllm_classify.dataset.readings import Reading
from tests.dataset.given import IMAGENET, LOOKUP, refusal, val, write_json, write_lines

NAMES = ["cat", "dog", "Missile", "laptop", "missile ", "notebook", "two, in one"]
FEW = Lookup(
    pl.DataFrame(
        {"class_id": range(7), "name": NAMES, "synset": [f"n{number}" for number in range(7)]},
        schema={"class_id": pl.Int32, "name": pl.String, "synset": pl.String},
    )
)


def table(imgt="l.csv"):
    return TableDataset(source="table", name="d", label="D", classes="c.txt", imgt=LabelSet(label="I", file=imgt))


def read_table(file):
    """The classes of a second label set in the project's own format."""
    found = second_labels(table(), SecondLabelSet(label="R", file=file), FEW, [])
    return {image_id: None if reading.classes is None else set(reading.classes) for image_id, reading in found.items()}


def read_imgt(file, dataset=None):
    found = original_labels(dataset or table(file), FEW)
    return {image_id: set(reading.classes) for image_id, reading in found.items()}


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
    assert refusal(read_table, file).endswith(": no classes; write N where no class applies")


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
    assert refusal(read_table, file).startswith(f"r.jsonl:2: {named} is not a class: neither one of the 7 names")


@pytest.mark.parametrize("label", [7, -1, 1.0, True, "7", "N", "0|1", [0], [], {}])
def test_imgt_is_one_class(folder, label):
    file = write_json(folder, {"a": 0, "b": label})
    assert refusal(read_imgt, file).startswith(f"r.json: 'b': {label!r} is not a class")


WORDS = ["N", "none", "nan", "null", "true", "1", "NA", "", "None"]


def named(names):
    schema = {"class_id": pl.Int32, "name": pl.String, "synset": pl.String}
    return Lookup(pl.DataFrame({"class_id": range(len(names)), "name": names, "synset": None}, schema=schema))


@pytest.mark.parametrize("ending", ENDINGS)
def test_a_word_that_means_nothing_elsewhere_is_a_class(folder, ending):
    """And empty text is no label, in whatever file it stands."""
    rows = [(str(number), name) for number, name in enumerate(WORDS)]
    expected = {str(number): {number} for number, name in enumerate(WORDS) if name and name != "None"}
    lookup = named([*WORDS[:7], "empty", "x"])
    single = original_labels(table(write_table(folder, ending, rows[:8], "class")), lookup)
    assert {image: set(it.classes) for image, it in single.items()} == expected
    regt = SecondLabelSet(label="R", file=write_table(folder, ending, rows, "classes"), none="None")
    expected["8"] = set()
    assert "is a class, and also the word for no class at all" in refusal(second_labels, table(), regt, lookup, [])
    regt = regt.model_copy(update={"none": "no class"})
    file = write_table(folder, ending, [*rows[:7], ("8", "no class")], "classes")
    several = second_labels(table(), regt.model_copy(update={"file": file}), lookup, [])
    assert {image: set(it.classes) for image, it in several.items()} == expected


@pytest.mark.parametrize(("none", "names"), [("N", ["a", "n "]), ("-1", ["-1"]), ("0", ["a"]), ("A", ["a", "a"])])
def test_what_stands_for_a_class_cannot_stand_for_none_of_them(folder, none, names):
    (folder / "r.csv").write_text("image_id,classes\nx,a\n")
    regt = SecondLabelSet(label="R", file="r.csv", none=none)
    assert refusal(second_labels, table(), regt, named(names), []) == (
        f"r.csv: {none!r} is a class, and also the word for no class at all; set dataset.regt.none to a word that is neither the name "
        "nor the number of a class"
    )


@pytest.mark.parametrize("ending", ["csv", "jsonl", "list.json", "parquet"])
def test_an_image_that_is_labelled_twice_is_refused(folder, ending):
    file = write_table(folder, ending, [("a", "0"), ("b", "1"), ("a", "0")], "classes")
    first, second = {
        "csv": (":2", ":4"),
        "jsonl": (":1", ":3"),
        "list.json": (": record 1", ": record 3"),
        "parquet": (": row 1", ": row 3"),
    }[ending]
    assert refusal(read_table, file) == f"{file}{second}: image 'a' is labelled at {file}{first} already"


def test_an_image_with_a_label_and_an_empty_one_is_labelled_twice(folder):
    (folder / "r.csv").write_text("image_id,classes\na,0\na,\n")
    assert "'a'" in refusal(read_table, "r.csv")


def test_a_doubled_key_is_refused(folder):
    (folder / "r.json").write_text('{"a": 0, "b": 1, "a": 0}')
    assert refusal(read_table, "r.json") == "r.json: 'a' appears twice"


@pytest.mark.parametrize("column", ["label", "class"])
def test_a_missing_column_is_named(folder, column):
    (folder / "r.csv").write_text(f"image_id,{column}\na,0\n")
    assert "no column 'classes'" in refusal(read_table, "r.csv")
    (folder / "r.csv").write_text("image_id,label\na,0\n")
    assert "no column 'class'" in refusal(read_imgt, "r.csv")


def test_an_image_id_is_text_or_a_number(folder):
    file = write_lines(folder, {"image_id": 7, "classes": 0}, {"image_id": "07", "classes": 1})
    assert read_table(file) == {"7": {0}, "07": {1}}
    assert labelled_images(file) == ["7", "07"]


@pytest.mark.parametrize("image_id", [None, True, 1.5, ["a"], {}])
def test_what_is_no_image_id_is_refused(folder, image_id):
    file = write_lines(folder, {"image_id": "a", "classes": 0}, {"image_id": image_id, "classes": 0})
    assert refusal(read_table, file).startswith("r.jsonl:2: ")


@pytest.mark.parametrize("ending", ENDINGS)
def test_the_images_of_a_file_are_all_of_its_records_in_order(folder, ending):
    file = write_table(folder, ending, [("b", "0"), ("a", None), ("c", "1")], "class")
    assert labelled_images(file) == ["b", "a", "c"]


@pytest.mark.parametrize("written", [val(7), f"{val(7)}.JPEG", f"n01440764/{val(7)}.JPEG", f"val/n01/{val(7)}.JPEG",
                                     f"{val(7)}_n01440764.JPEG", f"val/{val(7)}_n02441942", f"{val(7)}.jpeg"])  # fmt: skip
def test_an_image_of_imagenet_is_known_by_its_number(folder, written):
    (folder / "r.csv").write_text(f"image_id,class\n{written},1\n")
    dataset = ImagenetDataset(source="imagenet", name="i", label="I", imgt={"file": "r.csv"})
    assert read_imgt("r.csv", dataset) == {val(7): {1}}


def test_one_image_in_two_spellings_is_labelled_twice(folder):
    (folder / "r.csv").write_text(f"image_id,class\n{val(7)},1\nval/{val(7)}.JPEG,1\n")
    dataset = ImagenetDataset(source="imagenet", name="i", label="I", imgt={"file": "r.csv"})
    assert refusal(read_imgt, "r.csv", dataset) == f"r.csv:3: image {val(7)!r} is labelled at r.csv:2 already"


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
