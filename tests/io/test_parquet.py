import polars as pl
import pytest
from polars.testing import assert_frame_equal

from mllm_classify.io import parquet
from mllm_classify.io.files import InputError

SCHEMA = {"name": pl.String(), "count": pl.Int32(), "ids": pl.List(pl.Int32)}


def message(path, *columns):
    with pytest.raises(InputError) as caught:
        parquet.read(path, *columns)
    return str(caught.value)


def test_what_is_written_has_the_columns_of_the_schema_in_order_and_type(tmp_path):
    frame = pl.DataFrame({"extra": [1.5, 2.5], "ids": [[1], []], "count": [1, 2], "name": ["a", None]})
    parquet.write(frame, SCHEMA, tmp_path / "folder/a.parquet")
    expected = pl.DataFrame({"name": ["a", None], "count": [1, 2], "ids": [[1], []]}, schema=SCHEMA)
    assert_frame_equal(parquet.read(tmp_path / "folder/a.parquet"), expected)
    assert_frame_equal(parquet.read(tmp_path / "folder/a.parquet", "ids", "name"), expected.select("ids", "name"))


def test_equal_frames_are_written_as_equal_bytes(tmp_path):
    for name in ("a", "b"):
        parquet.write(pl.DataFrame({"name": ["a"], "count": [1], "ids": [[1]]}), SCHEMA, tmp_path / name)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_what_a_file_was_made_with_is_in_it_once_and_in_one_order(tmp_path):
    frame = pl.DataFrame({"name": ["a"], "count": [1], "ids": [[1]]})
    one, other = {"python": "3.11.2", "gpus": []}, {"gpus": ["NVIDIA H200"], "python": "3.12.1"}
    parquet.write(frame, SCHEMA, tmp_path / "a", [other, one, dict(reversed(one.items()))])
    parquet.write(frame, SCHEMA, tmp_path / "b", [one, other])
    parquet.write(frame, SCHEMA, tmp_path / "c")
    assert parquet.environments(tmp_path / "a") == [other, one]
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    assert parquet.environments(tmp_path / "c") == []
    assert_frame_equal(parquet.read(tmp_path / "a"), parquet.read(tmp_path / "c"))


@pytest.mark.parametrize(
    "frame", [pl.DataFrame({"name": ["b"]}), pl.DataFrame({"name": "b", "count": "x", "ids": [[]]})]
)
def test_a_frame_that_does_not_fit_leaves_the_old_file(tmp_path, frame):
    path = tmp_path / "a.parquet"
    path.write_text("old")
    with pytest.raises(pl.exceptions.PolarsError):
        parquet.write(frame, SCHEMA, path)
    assert [(file.name, file.read_text()) for file in tmp_path.iterdir()] == [("a.parquet", "old")]


def test_an_absent_file_is_named(tmp_path):
    path = tmp_path / "a.parquet"
    assert message(path) == f"{path}: no such file; it is written by an earlier stage"


def test_an_absent_column_is_named(tmp_path):
    path = tmp_path / "a.parquet"
    pl.DataFrame({"name": ["a"]}).write_parquet(path)
    found = message(path, "name", "status")
    assert found.startswith(f"{path}: lacks a column (")
    assert "status" in found
    assert "\n" not in found


@pytest.mark.parametrize("kept", [0, 3, 100, -1])
def test_a_torn_file_is_named(tmp_path, kept):
    path = tmp_path / "a.parquet"
    pl.DataFrame({"name": ["a"] * 1000}).write_parquet(path)
    path.write_bytes(path.read_bytes()[:kept])
    found = message(path)
    assert found.startswith(f"{path}: not a complete Parquet file (")
    assert found.endswith("; remove it and run again")
    assert "\n" not in found
