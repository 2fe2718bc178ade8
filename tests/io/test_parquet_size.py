"""What a Parquet file says that it unpacks to, and what becomes of one that says too much."""

import contextlib
import io
import os

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mllm_classify.bundle import unpacking
from mllm_classify.io import parquet, parquet_size
from mllm_classify.io.borders import UnforeseenError, without_panics
from mllm_classify.io.files import InputError
from mllm_classify.io.limits import PARQUET_BYTES, PARQUET_ROWS, PARQUET_VALUES
from mllm_classify.io.parquet_size import NotParquetError, Size, excess, size
from mllm_classify.io.records import read_parquet
from tests.bundle.test_extract import bundled, problems


def written(frame, **options):
    file = io.BytesIO()
    frame.write_parquet(file, **options)
    return file


@given(
    st.lists(st.lists(st.integers(0, 9), max_size=5), max_size=30),
    st.sampled_from(["zstd", "snappy", "uncompressed"]),
    st.integers(1, 40),
)
def test_rows_and_values_are_counted_whatever_packs_them(lists, compression, group):
    """An empty list is a value that says so."""
    frame = pl.DataFrame({"n": range(len(lists)), "lists": lists}, schema={"n": pl.Int64, "lists": pl.List(pl.Int64)})
    found = size(written(frame, compression=compression, row_group_size=group))
    assert found[:2] == (len(lists), sum(max(1, len(it)) for it in lists))


def test_what_pages_unpack_to_is_counted():
    """Floats that are all different are their bytes."""
    frame = pl.DataFrame({"x": [n / 7 for n in range(10_000)]})
    assert 80_000 <= size(written(frame)).unpacked < 81_000


@pytest.mark.parametrize(
    ("found", "words"),
    [
        (Size(PARQUET_ROWS + 1, 0, 0), "100,000,001 rows, more than the 100,000,000 that are read"),
        (Size(1, PARQUET_VALUES + 1, 0), "1,000,000,001 values in a column, more than the 1,000,000,000 that are read"),
        (Size(1, 1, PARQUET_BYTES + 1), "4,294,967,297 bytes when it is unpacked, more than the 4,294,967,296 that"),
        (Size(PARQUET_ROWS, PARQUET_VALUES, PARQUET_BYTES), ""),
    ],
)
def test_what_is_more_than_is_read_is_said(monkeypatch, found, words):
    monkeypatch.setattr(parquet_size, "size", lambda _file: found)
    assert excess(io.BytesIO()).startswith(words)
    assert bool(excess(io.BytesIO())) == bool(words)


def test_a_kilobyte_that_says_it_has_a_list_of_a_million_is_refused_before_it_is_unpacked(tmp_path, monkeypatch):
    """One row. As a file of the user's, and in an archive."""
    monkeypatch.setattr(parquet_size, "PARQUET_VALUES", 500_000)
    monkeypatch.setattr(pl, "read_parquet", None)
    bomb = pl.DataFrame(
        {"image_id": ["a"], "class_id": [[7] * 10**6]}, schema_overrides={"class_id": pl.List(pl.Int32)}
    )
    file = tmp_path / "p.parquet"
    bomb.write_parquet(file)
    assert file.stat().st_size < 2000
    said = "1,000,000 values in a column, more than the 500,000 that are read"
    with pytest.raises(InputError) as caught:
        read_parquet(str(file))
    assert str(caught.value) == f"{file}: {said}"
    names = {"config.yaml": b"a: 1", "any name": file.read_bytes(), "results/torn.parquet": b"PAR1 PAR1", "empty": b""}
    assert problems(bundled(tmp_path / "b.zip", names), tmp_path / "out") == [
        f"any name: {said}",
        "results/torn.parquet: not a Parquet file (its records cannot be read: ValueError)",
    ]


@given(st.data())
def test_a_damaged_file_has_a_size_or_none(data):
    """Nor does it cost more than a moment: lists that are said to be endless end with the file."""
    content = bytearray(written(pl.DataFrame({"a": [[1, 2], [3]], "b": ["x", "y"]})).getvalue())
    place = data.draw(st.integers(0, len(content) - 1))
    content[place : place + data.draw(st.integers(0, 3))] = data.draw(st.binary(max_size=6))
    try:
        size_or_words = excess(io.BytesIO(bytes(content)))
    except (NotParquetError, RecursionError):
        return
    assert isinstance(size_or_words, str)


def test_a_list_of_files_that_is_too_long_is_not_read(tmp_path, monkeypatch):
    path = bundled(tmp_path / "b.zip", [f"{number:0200}" for number in range(100)])
    assert unpacking.unpacked(path, tmp_path / "out")[0] == []
    monkeypatch.setattr(unpacking, "BUNDLE_LIST_BYTES", 20_000)
    with pytest.raises(InputError) as caught:
        unpacking.unpacked(path, tmp_path / "again")
    message = str(caught.value)
    assert "its list of files has 2" in message
    assert message.endswith("bytes, more than the 20,000 that are read)")
    assert "\n" not in message


# what Rust writes to the terminal


@pytest.fixture
def torn(tmp_path, capfd):
    """A file of which polars' threads say on the terminal that they panicked."""
    path = tmp_path / "torn.parquet"
    pl.DataFrame({"name": ["a"] * 1000}).write_parquet(path)
    whole = path.read_bytes()
    for place in range(len(whole) - 8, 0, -1):
        path.write_bytes(whole[:place] + b"\x7e" + whole[place + 1 :])
        with contextlib.suppress(BaseException):
            pl.read_parquet(path)
        if "panicked" in capfd.readouterr().err:
            return path
    raise AssertionError


def test_a_panic_is_in_the_traceback_and_not_on_the_terminal(torn, capfd):
    for read in (read_parquet, parquet.read):
        with pytest.raises(InputError):
            read(str(torn))
        assert capfd.readouterr() == ("", "")


def test_what_is_written_to_the_terminal_stands_there_when_all_went_well(capfd):
    with without_panics():
        os.write(2, b"a warning\n")
    assert capfd.readouterr().err == "a warning\n"


def test_what_was_written_to_the_terminal_is_a_note_of_the_error(capfd):
    def panic():
        with without_panics():
            os.write(2, b"thread 'x' panicked\n")
            raise UnforeseenError

    with pytest.raises(UnforeseenError) as caught:
        panic()
    assert caught.value.__notes__ == ["thread 'x' panicked\n"]
    os.write(2, b"after it\n")
    assert capfd.readouterr().err == "after it\n"
