"""Accuracy from the prompt alone, and how often each class is said, of scores told by strings of 0 and 1."""

import math

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mllm_classify.measures.priors import said
from mllm_classify.tables.class_priors import class_priors
from mllm_classify.tables.priors import priors
from tests.tables.ways import MODELS, STUDY, scored

CLASSES = pl.DataFrame({"class_id": [0, 1, 2], "name": ["cat", "dog", "pen"]}, schema_overrides={"class_id": pl.Int32})
BLIND = [["a", "hot", "no image"]]


def saying(frame, *classes):
    return frame.with_columns(predicted=pl.Series(classes, dtype=pl.List(pl.Int32)))


def row_of(*frames, study=STUDY):
    (row,) = priors(pl.concat(frames), CLASSES, BLIND, MODELS, study, 100).rows.to_dicts()
    return row


def test_what_the_image_adds_and_what_is_left_when_the_prior_is_taken_off():
    """From the prompt alone 1 of 4 and 2 of 4, on average 37.5 %; with the image 3 of 4: 60 % of what was left."""
    row = row_of(
        saying(scored("CW", "1110", "1111"), [0], [1], [2], [1]),
        saying(scored("CW", "1000", "0000", "hot", 0), [0], [0], [0], [0]),
        saying(scored("CW", "1100", "0000", "hot", 1), [0], [1], [1], []),
    )
    assert (row["shown"], row["n"], row["repeats"]) == ("no image", 4, 2)
    assert [row[f"ImGT_{it}"] for it in ("A", "main", "gain", "corrected")] == ["37.50", "75.00", "37.50", "60.00"]
    assert [row[f"ReGT_{it}"] for it in ("A", "main", "gain", "corrected")] == ["0.00", "100.00", "100.00", "100.00"]
    assert (row["n_said"], row["most"], row["most_share"], row["none"]) == (2, "cat", "71.43", "12.50")
    entropy = -(5 / 7 * math.log2(5 / 7) + 2 / 7 * math.log2(2 / 7))
    assert (row["entropy"], row["perplexity"]) == (f"{entropy:.2f}", f"{2**entropy:.2f}")


def test_where_the_prompt_alone_says_all_nothing_is_left_to_correct():
    row = row_of(saying(scored("CW", "11", "11"), [0], [0]), saying(scored("CW", "11", "11", "hot"), [0], [0]))
    assert (row["ImGT_A"], row["ImGT_gain"], row["ImGT_corrected"], row["ImGT_corrected_low"]) == (
        "100.00", "0.00", None, None,
    )  # fmt: skip
    assert (row["most_share"], row["entropy"], row["perplexity"]) == ("100.00", "0.00", "1.00")


def test_answers_that_stand_for_no_class_have_no_prior():
    row = row_of(
        saying(scored("CW", "11", "11"), [0], [0]),
        saying(scored("CW", "00", "00", "hot", status="xe"), [0], []),
    )
    assert (row["none"], row["n_said"], row["most"], row["perplexity"]) == ("100.00", 0, None, None)


def test_the_shares_of_classes_stand_beside_those_with_the_image():
    frames = [
        saying(scored("CW", "11", "11"), [0], [1]),
        saying(scored("CW", "10", "11", "hot"), [2], [0, 2]),
    ]
    table = class_priors(pl.concat(frames), CLASSES, BLIND, MODELS, STUDY)
    assert table.select("class_id", "class", "share", "with_image").rows() == [
        (2, "pen", "75.0000", "0.0000"), (0, "cat", "25.0000", "50.0000"), (1, "dog", "0.0000", "50.0000"),
    ]  # fmt: skip


def test_a_study_in_which_nobody_was_asked_so_has_empty_tables():
    frame = saying(scored("CW", "11", "11"), [0], [1])
    assert priors(frame, CLASSES, BLIND, MODELS, STUDY, 100).rows.height == 0
    assert class_priors(frame, CLASSES, BLIND, MODELS, STUDY).height == 0


@given(st.lists(st.lists(st.integers(0, 2), max_size=3, unique=True), min_size=1, max_size=20))
def test_shares_of_classes_sum_to_one_and_no_order_of_answers_counts(answers):
    frame = saying(scored("CW", "1" * len(answers), None), *answers)
    found = said(frame, ["model"])
    backwards = said(frame.reverse(), ["model"])
    assert found["class_id"].to_list() == backwards["class_id"].to_list()
    assert found["share"].to_list() == pytest.approx(backwards["share"].to_list())
    assert found["share"].sum() == pytest.approx(1 if any(answers) else 0)
