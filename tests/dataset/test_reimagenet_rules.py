"""ReImageNet by the rules of its authors, and by those of the first paper."""

import random

import polars as pl
import pytest

from mllm_classify.dataset.equivalences import remarks
from mllm_classify.dataset.labels import numbers
from mllm_classify.score.score import score
from tests.dataset.given import LOOKUP, refusal
from tests.dataset.reimagenet import GROUPS, written
from tests.plain import reimagenet as plain

FIRST = {"missing": "error", "uncertain": "exclude", "categories": "raw"}
"""The rules of the first paper."""


@pytest.mark.parametrize(
    ("original", "found", "theirs", "first"),
    [
        (5, [-1], "N", None),
        (5, [-1, -1], "N", None),
        (5, [], "N", "N"),
        (5, [5, -1], "S+", "S+"),
        (5, [6, -1], "S-", "S-"),
        (836, [837], "S+", "S-"),
        (837, [836, 837], "S+", "M+"),
        (5, [836, 837], "S-", "M-"),
        (5, [836, 837, -1], "S-", "M-"),
        (836, [837, 5], "M+", "M-"),
        (21, [20, 22], "S+", "M-"),
        (657, [10], "S-", "S-"),
        (30, [30], "S+", "S+"),
        (5, [6, 7], "M-", "M-"),
        (5, [6, 7, 5], "M+", "M+"),
    ],
)
def test_categories_by_either_rule(folder, original, found, theirs, first):
    assert written(folder, [(original, found)])[0]["category"].to_list() == [theirs]
    of_first = written(folder, [(original, found)], **FIRST)[0]
    assert of_first["category"].to_list() == [first]
    assert of_first["excluded"].to_list() == ["uncertain" if first is None else None]


def test_uncertain_images_may_be_an_error_or_left_out_under_equivalence(folder):
    assert "1 labels are uncertain" in refusal(written, folder, [(5, [-1])], uncertain="error")
    found, _ = written(folder, [(836, [837]), (5, [-1])], uncertain="exclude")
    assert (found["category"].to_list(), found["excluded"].to_list()) == (["S+", None], [None, "uncertain"])


@pytest.mark.parametrize("overlapping", ["all", "last"])
def test_2000_images_are_labelled_and_answers_scored_as_a_plain_reading_of_the_rules_says(folder, overlapping):
    """Not sure, none, equivalents, classes in several groups, answers that name several classes."""
    rng = random.Random(0)
    among = [5, 6, 7, 10, 20, 21, 22, 30, 657, 744, 836, 837]
    records = [(rng.choice(among), rng.choices([*among, -1, -1], k=rng.randint(0, 5))) for _ in range(2000)]
    answers = [rng.sample(among, k=rng.randint(0, 3)) for _ in records]
    found, _ = written(folder, records, overlapping=overlapping)
    groups = list(GROUPS.values())
    expected = [
        {
            "category": plain.category(original, given, groups, overlapping),
            "n_labels": plain.number(given, groups, overlapping),
            "imgt": any(plain.same(original, it, groups, overlapping) for it in answer),
            "regt": plain.right(answer, given, groups, overlapping),
        }
        for (original, given), answer in zip(records, answers, strict=True)
    ]
    predicted = pl.DataFrame(
        {"image_id": found["image_id"], "predicted": pl.Series(answers, dtype=pl.List(pl.Int32))}
    ).with_columns(
        task=pl.lit("CW"), variant=pl.lit(""), repeat=pl.lit(0, pl.Int32), encoder=pl.lit(None, pl.String),
        scoring=pl.lit("CW"), oop=pl.lit(value=False), status=pl.lit("ok"), group=pl.lit(None, pl.Int32),
        finish_reason=pl.lit(None, pl.String),
    )  # fmt: skip
    scored = score("m", predicted, found)
    assert found["excluded"].null_count() == 2000
    assert found["category"].to_list() == [it["category"] for it in expected]
    assert found["n_labels"].to_list() == [it["n_labels"] for it in expected]
    assert scored["imgt"].to_list() == [it["imgt"] for it in expected]
    assert scored["regt"].to_list() == [it["regt"] for it in expected]
    assert {it["category"] for it in expected} == {"N", "S+", "S-", "M+", "M-"}


def test_a_class_in_several_groups_is_counted_with_what_that_changes(folder):
    """Predicted, 744 has the neighbours of its last group: 10, not 657. As a label it still admits both."""
    records = [(657, [5]), (744, [744]), (657, [744]), (5, [10, 744, 657]), (5, [6])]
    every, dataset = written(folder, records)
    last, _ = written(folder, records, overlapping="last")
    assert every["imgt_admissible"].to_list()[:2] == [[657, 744], [10, 657, 744]]
    assert last["imgt_admissible"].to_list()[:2] == [[657], [10, 657, 744]]
    assert every["category"].to_list() == ["S-", "S+", "S+", "M-", "S-"]
    assert last["category"].to_list() == ["S-", "S+", "S-", "M-", "S-"]
    assert every["overlapping"].to_list() == last["overlapping"].to_list() == [True, False, True, False, False]
    assert numbers(every)["changed by the other rule for classes in several groups (equivalences.overlapping)"] == "2"
    assert remarks(dataset.equivalences, LOOKUP) == [
        "5 entries of equivalent classes; classes in several groups: 744",
        "1 entries of hier_classes, which change nothing",
        "2 entries of image_overrides, which change nothing",
    ]
