"""Answers that others recorded as null, or as longer than csv's default allows."""

import pytest

from mllm_classify.predict.rows import PREDICTIONS
from tests.predict.test_recorded import ENDINGS, ranked, read, refusal, said, write


@pytest.mark.parametrize("ending", ["parquet", "jsonl"])
def test_a_null_answer_is_an_error_of_the_file_or_of_the_model(folder, ending):
    file = write(folder, ending, said(("a", None), ("b", ""), ("c", "cat")))
    refused = refusal(file, "text")
    assert "1 of 3 rows do not give an image_id and its text" in refused
    assert "`nulls: count` counts nulls as requests that failed" in refused
    rows = read(file, "text", nulls="count")
    assert rows.columns == list(PREDICTIONS)
    assert rows.select("image_id", "text", "status", "error").rows() == [
        ("a", None, "error", f"null in {file}"),
        ("b", "", "ok", None),
        ("c", "cat", "ok", None),
    ]


@pytest.mark.parametrize("ending", ENDINGS)
def test_a_null_ranking_counts_likewise(folder, ending):
    file = write(folder, ending, ranked(("a", [3, 1]), ("b", None), ("c", [0, 2])))
    assert "1 of 3 rows do not give an image_id and its class_id" in refusal(file)
    rows = read(file, nulls="count")
    assert rows.select("class_ids", "status").rows() == [([3, 1], "ok"), (None, "error"), ([0, 2], "ok")]


def test_only_nulls_are_counted(folder):
    file = write(folder, "jsonl", ranked(("a", [10]), ("b", None), ("c", [0])))
    assert "1 of 3 rows do not" in refusal(file, nulls="count")
    assert "a number of thousands" not in refusal(write(folder, "csv", ranked(("a", "9" * 5000), ("b", 1), ("c", 2))))


@pytest.mark.parametrize("ending", ENDINGS)
def test_an_answer_has_any_length(folder, ending):
    """A model that repeats itself to the end of its limit."""
    long = "a cup of, " * 30_000
    assert read(write(folder, ending, said(("a", long), ("b", "x"), ("c", "y"))), "text")["text"][0] in (
        long,
        long.strip(),
    )


def test_half_of_a_pair_of_characters_is_a_character_of_the_answer(folder):
    (folder / "p.jsonl").write_text(
        '{"image_id": "a", "text": "caf\\ud83d"}\n{"image_id": "b", "text": ["\\uDE00x"]}\n'
    )
    assert read("p.jsonl", "text", ids="ab")["text"].to_list() == [
        "caf\N{REPLACEMENT CHARACTER}",
        "\N{REPLACEMENT CHARACTER}x",
    ]
