import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.tables.studies import (
    ACCURACIES,
    IMAGE,
    SMALL,
    STUDY,
    from_images,
    long,
    rows_of,
    scored,
)


def test_accuracies_of_four_images():
    found = long(*SMALL)
    assert {
        key[2:]: (row["correct"], row["n"], round(row["accuracy"], 2))
        for key, row in found.items()
        if key[0] == "Vision"
    } == {
        ("ImGT", None, "A"): (3, 4, 75),
        ("ImGT", None, "S"): (1, 2, 50),
        ("ImGT", None, "S+"): (1, 2, 50),
        ("ImGT", None, "M"): (1, 1, 100),
        ("ImGT", None, "M-"): (1, 1, 100),
        ("ImGT", None, "N"): (1, 1, 100),
        ("ReGT", "correct", "A"): (2, 4, 50),
        ("ReGT", "excluded", "A"): (1, 3, 33.33),
        ("ReGT", "correct", "S"): (1, 2, 50),
        ("ReGT", "correct", "S+"): (1, 2, 50),
        ("ReGT", "correct", "M"): (0, 1, 0),
        ("ReGT", "correct", "M-"): (0, 1, 0),
        ("ImGT and ReGT", "correct", "A"): (2, 4, 50),
        ("ImGT and ReGT", "excluded", "A"): (1, 3, 33.33),
        ("change", "correct", "A"): (None, 4, -25),
        ("change", "excluded", "A"): (None, 3, -33.33),
    }
    assert {row["wilson_low"] for key, row in found.items() if key[2] == "change"} == {None}


def test_accuracies_do_not_depend_on_the_rule_of_the_study():
    assert long(*SMALL) == long(*SMALL, study=STUDY._replace(n_images="excluded"))


@given(st.lists(IMAGE, min_size=1, max_size=20))
@settings(max_examples=30)
def test_reals_accuracy_is_over_images_with_a_label(images):
    """Beyer et al. (2020): the share of images whose top prediction is among its labels; those without are left out."""
    found = long(from_images(images), resamples=2)
    right = [regt for name, _, regt in images if name != "N"]
    row = found.get(("Vision", "CW", "ReGT", "excluded", "A"))
    assert (row is None) == (not right)
    if row:
        assert (row["correct"], row["n"]) == (sum(right), len(right))
        assert row["accuracy"] == pytest.approx(100 * sum(right) / len(right))
        assert found["Vision", "CW", "ReGT", "correct", "A"]["accuracy"] >= row["accuracy"]


@given(st.lists(IMAGE, min_size=1, max_size=20))
@settings(max_examples=30)
def test_accuracy_over_all_images_is_the_weighted_mean_of_its_parts(images):
    found = long(from_images(images), resamples=2)
    for measure, rule, whole, parts in [
        ("ReGT", "correct", "S", ["S+", "S-"]),
        ("ReGT", "correct", "M", ["M+", "M-"]),
        ("ReGT", "correct", "A", ["S", "M", "N"]),
        ("ImGT", None, "A", ["S", "M", "N"]),
    ]:
        of_n = sum(name == "N" for name, *_ in images)
        of_parts = [
            {"n": of_n, "accuracy": 100.0}
            if (measure, part) == ("ReGT", "N")
            else found.get(("Vision", "CW", measure, rule, part), {"n": 0, "accuracy": 0.0})
            for part in parts
        ]
        total = sum(part["n"] for part in of_parts)
        row = found.get(("Vision", "CW", measure, rule, whole), {"n": 0, "accuracy": 0.0})
        assert row["n"] == total
        if total:
            mean = sum(part["n"] * part["accuracy"] for part in of_parts) / total
            assert row["accuracy"] == pytest.approx(mean)
            assert row["wilson_low"] - 1e-9 <= mean <= row["wilson_high"] + 1e-9


ANSWER = st.tuples(st.sampled_from(["S+", "S-", "M+", "M-", "N"]), *[st.booleans()] * 5)


@given(st.lists(ANSWER, min_size=1, max_size=20))
@settings(max_examples=30)
def test_cw_plus_is_at_least_cw_in_every_accuracy(images):
    """It differs from CW only where that is wrong."""
    categories = " ".join(image[0] for image in images)
    cw = [[str(int(image[place])) for image in images] for place in (1, 2)]
    plus = [[str(int(image[place] or image[place + 2])) for image in images] for place in (1, 2)]
    oop = "".join(str(int(image[5])) for image in images)
    frames = [
        scored("a", name, *map("".join, signs), categories, oop=oop) for name, signs in (("CW", cw), ("CW+", plus))
    ]
    found = long(*frames, resamples=2)
    for (model, task, *about), row in found.items():
        if task == "CW" and about[0] != "change":
            assert found[(model, "CW+", *about)]["accuracy"] >= row["accuracy"]
            assert found[(model, "CW+", *about)]["n"] == row["n"]
    both = {row["task"]: row for row in rows_of("table4", *frames)}
    for name in ACCURACIES[:-1]:
        assert (both["CW+"][name] == "") == (both["CW"][name] == "")
        if both["CW"][name]:
            assert float(both["CW+"][f"{name}_vs_CW"]) >= 0
