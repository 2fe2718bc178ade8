import math
import random

import polars as pl
import pytest

from mllm_classify.choices.confusions import CONFUSIONS
from mllm_classify.choices.options import CHOICES
from mllm_classify.choices.variants import ALL, VARIANTS, lists_classes
from mllm_classify.dataset.labels import LABELS
from mllm_classify.io.files import PROJECT
from mllm_classify.io.records import read_csv
from mllm_classify.score.score import SCORES
from mllm_classify.tables.render import as_markdown
from mllm_classify.tables.table import Study
from mllm_classify.tables.table6 import over_repeats, questions, table6

MODELS = pl.DataFrame({"model": ["m"], "label": ["Model"], "family": ["MLLM"]})
STUDY = Study("data", "Old", "New", None, "names.txt (10)")
RANDOM, HARD = "ImGT + random", "ImGT + confEVA(ImGT)"
SIZES = {"S+": 316, "S-": 36, "M+": 221, "M-": 19, "N": 33}
"""Of the paper's 625 images."""
REPEATS = 31


def scores(*rows):
    """Scores of model m from (image, variant, repeat, right under ImGT, under ReGT, category, whether OOP)."""
    cells = [
        ("m", image, "MC", variant, repeat, "e", "MC", "ok", oop, imgt, regt, category, *[None] * 4)
        for image, variant, repeat, imgt, regt, category, oop in rows
    ]
    return pl.DataFrame(cells, schema=SCORES, orient="row")


def labels(*rows):
    """From (image, ImGT, ReGT or None, category)."""
    cells = [
        {"image_id": image, "imgt": imgt, "regt": regt, "imgt_admissible": [imgt], "regt_admissible": regt, "category": category}
        for image, imgt, regt, category in rows
    ]  # fmt: skip
    return pl.DataFrame(cells, schema=LABELS)


def choices(*rows):
    return pl.DataFrame(rows, schema=CHOICES, orient="row")


TEN = pl.DataFrame({"class_id": range(10)})
NO_CONFUSIONS = pl.DataFrame(schema=CONFUSIONS)


def table(found, labelled, chosen=None, resamples=50, study=STUDY):
    """Every question that `chosen` does not name has two options."""
    asked = found.select("image_id", "variant", "repeat").iter_rows()
    named = [] if chosen is None else [chosen]
    variants = [variant for frame in named for variant in frame["variant"]]
    plain = choices(*((*key, [0, 1], ["both", "random"]) for key in asked if key[1] not in variants))
    chosen = pl.concat([plain, *named])
    return table6(found, labelled, TEN, chosen, NO_CONFUSIONS, MODELS, study, resamples, "a classifier")


def test_means_and_intervals_are_over_repeats():
    """Three repeats of 50, 100 and 50 %: Student's factor for two degrees of freedom is 4.302653."""
    found = scores(
        *[("a", RANDOM, repeat, True, True, "S+", False) for repeat in range(3)],
        *[("b", RANDOM, repeat, repeat == 1, repeat < 1, "M-", repeat == 0) for repeat in range(3)],
    )
    (row,) = table(found, labels(("a", 0, [0], "S+"), ("b", 1, [2, 3], "M-"))).rows.to_dicts()
    half = 4.302653 * math.sqrt(2500 / 3) / math.sqrt(3)
    assert row["ImGT_A"] == "66.67"
    assert row["ImGT_A_ci95"] == f"{half:.2f}"
    assert (row["ReGT_A"], row["ReGT_A_ci95"]) == ("66.67", f"{half:.2f}")
    assert (row["ReGT_S+"], row["ReGT_S+_ci95"]) == ("100.00", "0.00")
    assert (row["ReGT_M"], row["ReGT_M-"], row["ReGT_M-_ci95"]) == ("33.33", "33.33", f"{2 * half:.2f}")
    assert row["ReGT_S-"] is row["ReGT_M+"] is row["ReGT_S-_ci95"] is None
    assert (row["OOP"], row["repeats"], row["n"], row["n_M-"], row["n_N"]) == ("16.67", 3, 2, 1, 0)
    # over the images one is always right, the other in a third of its answers
    assert (row["ImGT_A_low"], row["ImGT_A_high"]) == ("33.33", "100.00")


def test_one_repeat_has_no_interval_over_repeats_but_one_over_images():
    found = scores(("a", RANDOM, 0, True, True, "S+", False), ("b", RANDOM, 0, False, True, "N", True))
    of = table(found, labels(("a", 0, [0], "S+"), ("b", 1, [], "N")))
    (row,) = of.rows.to_dicts()
    assert {row[name] for name in row if name.endswith("_ci95")} == {None}
    assert (row["ImGT_A"], row["ImGT_A_low"], row["ImGT_A_high"]) == ("50.00", "0.00", "100.00")
    text = as_markdown(of)
    assert "0 ±" not in text
    assert "| 50.00 |" in " ".join(text.split())


def test_without_a_second_label_set_its_columns_are_empty():
    found = scores(*[("a", RANDOM, repeat, True, None, None, False) for repeat in range(2)])
    (row,) = table(found, labels(("a", 0, None, None)), study=STUDY._replace(regt=None)).rows.to_dicts()
    assert (row["ImGT_A"], row["ReGT_A"], row["ReGT_A_low"], row["n"], row["n_N"]) == (
        "100.00",
        None,
        None,
        1,
        None,
    )


def test_images_in_n_are_left_out_where_the_rule_says_so():
    found = scores(("a", RANDOM, 0, True, False, "S+", False), ("b", RANDOM, 0, True, True, "N", False))
    labelled = labels(("a", 0, [0], "S+"), ("b", 1, [], "N"))
    (row,) = table(found, labelled, study=STUDY._replace(n_images="excluded")).rows.to_dicts()
    assert (row["ImGT_A"], row["ReGT_A"]) == ("100.00", "0.00")


def test_the_effect_of_distractors_is_random_minus_theirs_on_the_same_images():
    """The same image is right with random distractors only: paired, the difference varies as its share does."""
    images = [f"i{number}" for number in range(40)]
    found = scores(
        *[(image, RANDOM, 0, number < 30, True, "S+", False) for number, image in enumerate(images)],
        *[(image, HARD, 0, number < 20, True, "S+", False) for number, image in enumerate(images)],
    )
    easy, hard = table(found, labels(*[(image, 0, [0], "S+") for image in images]), resamples=400).rows.to_dicts()
    assert (easy["random_minus_ImGT_A"], easy["random_minus_ImGT_A_low"]) == (None, None)
    assert (hard["random_minus_ImGT_A"], hard["random_minus_ReGT_A"]) == ("25.00", "0.00")
    low, high = float(hard["random_minus_ImGT_A_low"]), float(hard["random_minus_ImGT_A_high"])
    # a quarter of 40 images: plus minus 1.96 sqrt(.25 * .75 / 40), where unpaired it would be 1.5 times that
    assert low == pytest.approx(25 - 13.4, abs=2.6)
    assert high == pytest.approx(25 + 13.4, abs=2.6)


def test_questions_are_counted_by_the_origin_of_their_distractors():
    confusions = pl.DataFrame(
        [[0, 0, 5, 0.5, None], [0, 1, 3, 0.3, None], [0, 2, 2, 0.2, None], [3, 1, 4, 1.0, None]],
        schema=CONFUSIONS,
        orient="row",
    )
    chosen = choices(
        ("a", HARD, 0, [1, 0, 4, 2], ["confusion", "imgt", "fallback", "tie"]),
        ("b", HARD, 0, [3, 1, 5, 6], ["both", "confusion", "fallback", "fallback"]),
        ("a", "ReGT + confEVA(ReGT)", 0, [], []),
        ("b", "ReGT + confEVA(ReGT)", 0, [3, 1, 0, 7], ["regt", "confusion", "imgt", "fallback"]),
        ("a", ALL, 0, None, None),
        ("b", ALL, 0, None, None),
        ("a", ALL, 1, None, None),
        ("b", ALL, 1, None, None),
    )
    found = questions(chosen, confusions, labels(("a", 0, [0, 2], "M+"), ("b", 3, [], "N")), 10)
    assert found.drop("share_random").rows() == [
        # of class 0, half go to 1 and 2; of class 3, all go to 1
        (HARD, 4, pytest.approx(100 / 3), pytest.approx(50 / 3), 50, pytest.approx(75)),
        # both 3 and 0 are labels: the mean of 100 and 30
        ("ReGT + confEVA(ReGT)", 4, 50, 0, 50, pytest.approx(65)),
        # 2 is right for image a
        (ALL, 10, None, None, None, pytest.approx((30 + 100) / 2)),
    ]


def test_a_table_of_fallbacks_says_that_it_shows_no_effect():
    found = scores(("a", RANDOM, 0, True, True, "S+", False), ("a", HARD, 0, False, True, "S+", False))
    for kind, said in {"fallback": True, "confusion": False}.items():
        chosen = choices(("a", HARD, 0, [0, 1], ["both", kind]))
        text = as_markdown(table(found, labels(("a", 0, [0], "S+")), chosen))
        assert ("the effect says nothing about them" in text) == said


# Table 6 as printed

PAPER = [row for _, row in read_csv(str(PROJECT / "resources/published/table6.csv"))]
PARTS = {"S": ["S+", "S-"], "M": ["M+", "M-"]}
KNOWN = {("ImGT + confEVA(ImGT)", "ReGT_S+"): "93.88", ("ReGT + confEVA(ReGT)", "ReGT_S"): "92.44"}
"""What no whole number of correct answers gives, or not together with the other figures."""


def replayed(row):
    """Answers of 31 repeats with the counts that a row's percentages imply; which are right is drawn."""
    rng = random.Random(row["distractors"])

    def flags(percent, images):
        count = images * REPEATS
        right = round(float(percent) / 100 * count + 1e-6)
        drawn = [True] * right + [False] * (count - right)
        rng.shuffle(drawn)
        return drawn

    by_regt = [
        flag
        for category, size in SIZES.items()
        for flag in flags(100 if category == "N" else row[f"ReGT_{category}"], size)
    ]
    places = [
        (f"{category}{number}", repeat, category)
        for category, size in SIZES.items()
        for number in range(size)
        for repeat in range(REPEATS)
    ]
    return [
        (image, row["distractors"], repeat, imgt, regt, category, False)
        for (image, repeat, category), imgt, regt in zip(places, flags(row["ImGT_A"], 625), by_regt, strict=True)
    ]


@pytest.mark.parametrize("row", PAPER, ids=lambda row: row["distractors"])
def test_the_papers_means_come_out_of_its_counts(row):
    """S, M and A follow from their parts. Two figures of 48 do not: one is no multiple of 1/(31 x 316), and the other
    is 0.01 more than its parts give."""
    found = over_repeats(scores(*replayed(row)).with_columns(scoring="variant"), "correct").to_dicts()[0]
    names = [name for name in row if name not in ("model", "distractors") and not name.endswith("_ci95")]
    assert len(names) == 8
    differing = {name: f"{found[name]:.2f}" for name in names if f"{found[name]:.2f}" != f"{float(row[name]):.2f}"}
    assert differing == {name: value for (variant, name), value in KNOWN.items() if variant == row["distractors"]}
    assert {f"n_{category}": size for category, size in SIZES.items()}.items() <= found.items()
    assert (found["n"], found["repeats"]) == (625, 31)


def images_of(variant, name, size):
    """How many of 625 images are right on average, by the printed percentage, at least and at most."""
    (row,) = (row for row in PAPER if row["distractors"] == variant)
    return (float(row[name]) - 0.005) / 100 * size, (float(row[name]) + 0.005) / 100 * size


def test_where_regt_alone_is_named_its_option_is_no_even_draw_from_the_labels():
    """On S+ right under ReGT is right under ImGT. What else is right under ImGT are 24 images, of the 221 in M+ at most;
    of these an even draw would make ImGT the option on a third or more, and 70 % of them right."""
    every = images_of("ReGT + confEVA(ReGT)", "ImGT_A", 625)
    single = images_of("ReGT + confEVA(ReGT)", "ReGT_S+", SIZES["S+"])
    assert every[0] - single[1] > 24
    assert every[1] - single[0] < 24.3
    assert SIZES["M+"] / 3 * 0.7 > 24.3


def test_where_both_are_named_images_without_a_class_offer_imgt():
    """All that can be right under ImGT outside of N is less than what is right."""
    variant = "ImGT + ReGT + random"
    outside = sum(images_of(variant, f"ReGT_{category}", SIZES[category])[1] for category in ("S+", "M+"))
    outside += sum(
        SIZES[category] - images_of(variant, f"ReGT_{category}", SIZES[category])[0] for category in ("S-", "M-")
    )
    assert outside < images_of(variant, "ImGT_A", 625)[0] - 5


def test_variants_are_the_papers():
    assert [row["distractors"] for row in PAPER] == [*VARIANTS, ALL]
    assert [lists_classes(variant) for variant in (*VARIANTS, ALL, "CW first", "CW random", "MC random")] == [
        *[False] * 5, True, True, True, False
    ]  # fmt: skip
