import json

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mllm_classify.io.files import InputError
from mllm_classify.io.records import read_json, read_records

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | TEXT, lambda inner: st.lists(inner, max_size=3)
)


def refusal(*arguments):
    with pytest.raises(InputError) as caught:
        read_records(*arguments)
    return str(caught.value)


def test_csv_is_stripped_text_by_line(folder):
    (folder / "r.csv").write_text('# note\nimage_id, class\na , 1\n\n"b","two, in one "\n')
    assert read_records("r.csv", "image_id", "class") == [
        ("r.csv:3", {"image_id": "a", "class": "1"}),
        ("r.csv:5", {"image_id": "b", "class": "two, in one"}),
    ]


def test_a_value_of_a_csv_keeps_its_line_breaks(folder):
    (folder / "r.csv").write_text('image_id,text\na,"one\n# two\n\nthree"\nb,four\n')
    assert read_records("r.csv", "image_id", "text") == [
        ("r.csv:5", {"image_id": "a", "text": "one\n# two\n\nthree"}),
        ("r.csv:6", {"image_id": "b", "text": "four"}),
    ]


def test_json_lines_by_line(folder):
    (folder / "r.jsonl").write_text('{"image_id": "a", "classes": [1, 2]}\n\n  {"image_id": "b", "classes": null}\n')
    assert read_records("r.jsonl", "image_id", "classes") == [
        ("r.jsonl:1", {"image_id": "a", "classes": [1, 2]}),
        ("r.jsonl:3", {"image_id": "b", "classes": None}),
    ]


def test_a_json_list_by_number(folder):
    (folder / "r.json").write_text('[{"image_id": "a", "class": 1},\n {"image_id": "b", "class": "x"}]')
    assert read_records("r.json", "image_id", "class") == [
        ("r.json: record 1", {"image_id": "a", "class": 1}),
        ("r.json: record 2", {"image_id": "b", "class": "x"}),
    ]


def test_a_json_object_by_key(folder):
    (folder / "r.json").write_text('{"b": 1, "a": [2], "c": {"d": null}}')
    assert read_records("r.json", "image_id") == [
        ("r.json: 'b'", {"image_id": "b", "value": 1}),
        ("r.json: 'a'", {"image_id": "a", "value": [2]}),
        ("r.json: 'c'", {"image_id": "c", "value": {"d": None}}),
    ]


def test_parquet_by_row(folder):
    frame = pl.DataFrame(
        {"image_id": ["a", "b"], "class_id": [[1, 2], None]}, schema_overrides={"class_id": pl.List(pl.UInt16)}
    )
    frame.write_parquet(folder / "r.parquet")
    assert read_records("r.parquet", "image_id", "class_id") == [
        ("r.parquet: row 1", {"image_id": "a", "class_id": [1, 2]}),
        ("r.parquet: row 2", {"image_id": "b", "class_id": None}),
    ]


def test_the_ending_counts_in_any_case(folder):
    (folder / "R.CSV").write_text("image_id\na\n")
    (folder / "r.v1.JsonL").write_text('{"image_id": "a"}\n')
    assert read_records("R.CSV", "image_id") == [("R.CSV:2", {"image_id": "a"})]
    assert read_records("r.v1.JsonL", "image_id") == [("r.v1.JsonL:1", {"image_id": "a"})]


@pytest.mark.parametrize("ending", ["csv", "jsonl", "json", "parquet"])
def test_a_file_without_records_has_none(folder, ending):
    empty = {"csv": b"image_id\n", "jsonl": b"\n", "json": b"[]"}
    if ending == "parquet":
        pl.DataFrame(schema={"image_id": pl.String}).write_parquet(folder / "r.parquet")
    else:
        (folder / f"r.{ending}").write_bytes(empty[ending])
    assert read_records(f"r.{ending}", "image_id") == []


@given(st.lists(st.tuples(TEXT, VALUES)))
def test_what_was_written_as_json_lines_is_read(tmp_path_factory, pairs):
    path = tmp_path_factory.getbasetemp() / "written.jsonl"
    expected = [{"image_id": image_id, "value": value} for image_id, value in pairs]
    path.write_text("".join(json.dumps(record, ensure_ascii=False) + "\n" for record in expected), newline="")
    assert [record for _, record in read_records(str(path), "image_id", "value")] == expected


@given(st.lists(st.tuples(TEXT, st.none() | st.lists(st.integers(0, 2**31 - 1), max_size=3))))
def test_what_was_written_as_parquet_is_read(tmp_path_factory, pairs):
    path = tmp_path_factory.getbasetemp() / "written.parquet"
    schema = {"image_id": pl.String, "class_id": pl.List(pl.Int32)}
    pl.DataFrame(pairs, schema=schema, orient="row").write_parquet(path)
    expected = [{"image_id": image_id, "class_id": value} for image_id, value in pairs]
    assert [record for _, record in read_records(str(path), "image_id", "class_id")] == expected


@pytest.mark.parametrize(
    ("file", "content", "expected"),
    [
        ("r.txt", "a", "r.txt: must end in .csv, .json, .jsonl or .parquet, which say how it is read"),
        ("r", "a", "r: must end in .csv, .json, .jsonl or .parquet, which say how it is read"),
        ("r.csv", "image_id\na\n", "r.csv: no column 'class'; the header is 'image_id'"),
        ("r.csv", "image_id,class\na,1,2\n", "r.csv:2: 3 values under a header of 2: 'a,1,2'"),
        ("r.jsonl", '{"image_id": "a", "class": 1}\n{"image_id"\n', "r.jsonl:2: not JSON ("),
        (
            "r.jsonl",
            '{"image_id": "a", "class": 1}\n{"image_id": "b"}\n',
            "r.jsonl:2: a record with image_id, class is needed, not {'image_id': 'b'}",
        ),
        ("r.jsonl", '["a", 1]\n', "r.jsonl:1: a record with image_id, class is needed, not ['a', 1]"),
        ("r.jsonl", '{"image_id": "a", "class": 1, "class": 2}\n', "r.jsonl:1: 'class' appears twice"),
        ("r.json", '{"a": 1, "b": 2, "a": 1}', "r.json: 'a' appears twice"),
        ("r.json", '[{"image_id": "a", "class": 1}, {"class": 1}]',
         "r.json: record 2: a record with image_id, class is needed, not {'class': 1}"),
        ("r.json", '"a"', "r.json: must be a JSON list of records, or an object from image ids to labels"),
        ("r.json", '{"a": 1', "r.json: not JSON ("),
        ("r.json", "", "r.json: not JSON ("),
        ("r.parquet", "image_id,class\na,1\n", "r.parquet: not a Parquet file ("),
        ("r.parquet", "", "r.parquet: not a Parquet file ("),
    ],
)  # fmt: skip
def test_a_broken_file_is_named_with_its_place(folder, file, content, expected):
    (folder / file).write_text(content)
    assert refusal(file, "image_id", "class").startswith(expected)


def test_a_parquet_file_that_lacks_a_column_is_named(folder):
    pl.DataFrame({"image_id": ["a"]}).write_parquet(folder / "r.parquet")
    assert refusal("r.parquet", "image_id", "class") == "r.parquet: no column 'class'; it has 'image_id'"


def test_a_json_object_has_no_records_of_other_columns(folder):
    """The only field beside image_id is the value: whoever needs more must not look for it in vain."""
    (folder / "r.json").write_text('{"a": 1}')
    assert refusal("r.json", "image_id", "class_id").startswith("r.json: ")


@pytest.mark.parametrize("file", ["gone.csv", "gone.json", "gone.jsonl", "gone.parquet"])
def test_an_absent_file_is_named(folder, file):
    assert refusal(file, "image_id").startswith(f"{file}: cannot be read (No such file or directory); looked for ")


def test_a_long_record_is_cut(folder):
    (folder / "r.jsonl").write_text(json.dumps({"image_id": "x" * 500}))
    assert len(refusal("r.jsonl", "image_id", "class")) < 200


@given(VALUES)
def test_json_is_read_as_it_was_written(tmp_path_factory, value):
    path = tmp_path_factory.getbasetemp() / "written.json"
    path.write_text(json.dumps(value))
    assert read_json(str(path)) == value


def test_a_doubled_key_is_found_at_any_depth(folder):
    (folder / "r.json").write_text('{"a": [{"b": 1, "c": 2, "b": 1}]}')
    with pytest.raises(InputError, match=r"^r\.json: 'b' appears twice$"):
        read_json("r.json")
