import math
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mllm_classify.measures.counting import SUBSETS, fold
from tests import plain
from tests.tables.studies import ACCURACIES, IMAGE, ONE_LABEL_SET, STUDY, from_images, rows_of, scored, worded


def test_table_3_on_nine_images():
    frame = scored("v", "CW", "110100110", "101110010", "S+ S+ S- M+ M+ M- M- N N")
    (row,) = rows_of("table3", frame)
    expected = {
        "model": "Vision",
        "task": "CW",
        "family": "supervised",
        "ImGT_A": "55.56",
        "ReGT_A": "55.56",
        "ReGT_S": "66.67",
        "ReGT_S+": "50.00",
        "ReGT_S-": "100.00",
        "ReGT_M": "50.00",
        "ReGT_M+": "100.00",
        "ReGT_M-": "0.00",
        "ImGT_and_ReGT": "33.33",
        "change": "0.00",
        "ImGT_compared": "55.56",
        "n_compared": "9",
        "selection": "only task",
        "crossfit_task": "CW",
        "crossfit_ImGT_A": "55.56",
        "crossfit_ReGT_A": "55.56",
        "dataset": "data",
        "imgt": "Old labels",
        "regt": "New labels",
        "equivalences": "pairs.v1",
        "classes": "names.txt (10)",
        "n_images": "correct",
        "excluded": "0",
        "rules": "",
        "n": "9",
        "n_errors": "0",
        **{f"{name}_A_{case}": "55.56" for name in ("ImGT", "ReGT") for case in ("worst", "best")},
        **{f"{name}_rank": "1" for name in ACCURACIES},
        **dict(zip([f"n_{name}" for name in SUBSETS if name != "A"], "3214222", strict=True)),
    }
    assert {name: value for name, value in row.items() if not name.endswith(("_low", "_high"))} == expected


def test_rows_ascend_by_imgt_then_regt_then_name():
    frames = [
        scored("w", "CW", "0111", "1111", "S+ S+ S+ N"),
        scored("v", "CW", "1100", "1111", "S+ S+ S+ N"),
        worded("b", CWplus=("1100", "1101")),
        worded("a", OW=("0011", "0111")),
    ]
    found = rows_of("table3", *frames)
    assert [row["model"] for row in found] == ["Model A", "Model B", "Vision", "Vision 2"]
    assert [row["ImGT_A"] for row in found] == ["50.00", "50.00", "50.00", "75.00"]


def test_ranks_are_dense_per_column_from_the_highest():
    regt = {"a": "11100", "b": "00111", "v": "01110", "w": "11111"}
    frames = [
        scored(model, "CW", "1" * n + "0" * (5 - n), regt[model], "S+ S+ S+ M- M-") for n, model in enumerate(regt)
    ]
    found = {row["model"]: row for row in rows_of("table3", *frames)}
    ranks = {
        name: [found[label][f"{name}_rank"] for label in ("Model A", "Model B", "Vision", "Vision 2")]
        for name in ("ImGT_A", "ReGT_A", "ReGT_S", "ReGT_M", "ReGT_S-")
    }
    assert ranks == {
        "ImGT_A": ["4", "3", "2", "1"],
        "ReGT_A": ["2", "2", "2", "1"],
        "ReGT_S": ["1", "3", "2", "1"],
        "ReGT_M": ["3", "1", "2", "1"],
        "ReGT_S-": ["", "", "", ""],
    }


def test_equal_shares_of_unequal_counts_tie():
    found = rows_of(
        "table3", scored("v", "CW", "100", "100", "S+ S+ S+"), scored("w", "CW", "110000", "110000", "S+ " * 6)
    )
    assert [row["ImGT_A_rank"] for row in found] == ["1", "1"]


@pytest.mark.parametrize(
    ("ow", "cw_plus", "task"),
    [
        (("110", "000"), ("100", "111"), "OW"),
        (("100", "111"), ("110", "000"), "CW+"),
        (("100", "100"), ("010", "110"), "CW+"),
        (("100", "110"), ("010", "100"), "OW"),
        (("100", "010"), ("001", "100"), "OW"),
        (None, ("000", "000"), "CW+"),
        (("000", "000"), None, "OW"),
    ],
)
def test_table_3_shows_the_better_task_by_imgt_then_regt_then_ow(ow, cw_plus, task):
    found = {name: value for name, value in (("CWplus", cw_plus), ("OW", ow)) if value}
    plain_cw = {} if cw_plus is None else {"CW": ("111", "111")}
    (row,) = rows_of("table3", worded("a", **found, **plain_cw))
    assert row["task"] == task
    assert row["selection"] == "best ImGT_A of OW and CW+ on these same images (optimistic)"


def test_the_better_task_is_chosen_on_the_images_of_which_both_were_asked():
    """A pilot of CW on the first two images: there OW is right once, CW+ never; on all four OW is right once."""
    frames = [scored("a", "OW", "1000", "1000", "S+ " * 4), scored("a", "CW+", "00", "00", "S+ S+")]
    (row,) = rows_of("table3", *frames)
    assert (row["task"], row["ImGT_A"], row["n"]) == ("OW", "25.00", "4")
    frames = [scored("a", "OW", "1011", "1011", "S+ " * 4), scored("a", "CW+", "11", "11", "S+ S+")]
    (row,) = rows_of("table3", *frames)
    assert (row["task"], row["ImGT_A"], row["n"]) == ("CW+", "100.00", "2")


FIRST, SECOND = ["i1", "i3", "i5", "i8"], ["i0", "i2", "i4", "i6"]
"""Images of the two halves between which tasks are chosen."""


def crossfit(images, **imgt):
    frames = [
        scored("a", name.replace("plus", "+"), signs, signs, "S+ " * len(images), images=images)
        for name, signs in imgt.items()
    ]
    (row,) = rows_of("table3", *frames)
    return [row["crossfit_task"], row["crossfit_ImGT_A"], row["crossfit_ReGT_A"]]


def test_each_half_is_scored_by_the_task_that_is_best_on_the_other():
    images = [*FIRST, *SECOND]
    assert crossfit(images, OW="11100000", CWplus="00011110") == ["CW+ / OW", "12.50", "12.50"]
    assert crossfit(images, OW="00001110", CWplus="11110001") == ["OW / CW+", "12.50", "12.50"]
    assert crossfit(images, OW="11101110", CWplus="11001000") == ["OW", "75.00", "75.00"]
    assert crossfit(images, CWplus="11001000") == ["CW+", "37.50", "37.50"]


def test_a_tie_on_the_other_half_goes_to_ow():
    assert crossfit([*FIRST, *SECOND], CWplus="11110000", OW="00000000") == ["OW / CW+", "0.00", "0.00"]


@pytest.mark.parametrize("images", [FIRST, SECOND])
def test_without_another_half_there_is_no_cross_fit(images):
    assert crossfit(images, OW="1110", CWplus="1000") == ["", "", ""]


def test_errors_are_wrong_and_at_best_all_of_them_were_right():
    """Of nine images three are errors, one of them without a label; two more are right under each label set."""
    frame = scored("v", "CW", "100000010", "010000010", "S+ S+ S- M+ M+ M- M- N N", status="---x-x--x")
    (row,) = rows_of("table3", frame)
    shown = ("n_errors", "ImGT_A", "ImGT_A_worst", "ImGT_A_best", "ReGT_A", "ReGT_A_worst", "ReGT_A_best")
    assert [row[name] for name in shown] == ["3", "22.22", "22.22", "55.56", "22.22", "22.22", "55.56"]
    (row,) = rows_of("table3", frame, study=STUDY._replace(n_images="excluded"))
    # of the seven images with a label, one is right and two are errors
    assert [row[name] for name in shown] == ["3", "22.22", "22.22", "55.56", "14.29", "14.29", "42.86"]


def test_without_a_second_label_set_errors_have_no_range_under_it():
    (row,) = rows_of("table3", scored("v", "CW", "100", status="--x"), study=ONE_LABEL_SET)
    shown = ("n_errors", "ImGT_A_worst", "ImGT_A_best", "ReGT_A_worst", "ReGT_A_best")
    assert [row[name] for name in shown] == ["1", "33.33", "66.67", "", ""]


SIGNS = st.lists(
    st.tuples(st.sampled_from(["S+", "S-", "M+", "M-", "N"]), *[st.booleans()] * 3), min_size=1,
    max_size=20,
)  # fmt: skip


@given(SIGNS, st.sampled_from(["correct", "excluded"]))
@settings(max_examples=30)
def test_worst_is_what_is_shown_and_best_is_that_without_a_wrong_error(images, n_images):
    """Errors that are all right change the accuracy to the best."""
    status = "".join("-x"[image[3]] for image in images)
    categories = " ".join(image[0] for image in images)
    signs = ["".join("01"[image[place] and not image[3]] for image in images) for place in (1, 2)]
    forgiven = ["".join("01"[image[place] or image[3]] for image in images) for place in (1, 2)]
    study = STUDY._replace(n_images=n_images)
    (row,) = rows_of("table3", scored("v", "CW", *signs, categories, status=status), study=study)
    (best,) = rows_of("table3", scored("v", "CW", *forgiven, categories), study=study)
    for name in ("ImGT_A", "ReGT_A"):
        assert row[f"{name}_worst"] == row[name]
        assert row[f"{name}_best"] == best[name] == best[f"{name}_worst"] == best[f"{name}_best"]


@given(st.integers(1, 60).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
@settings(max_examples=25)
def test_intervals_are_wilsons(counts):
    correct, total = counts
    signs = "1" * correct + "0" * (total - correct)
    (row,) = rows_of("table3", scored("v", "CW", signs, signs, "S+ " * total))
    z = 1.9599639845400545
    p = correct / total
    middle = (p + z**2 / (2 * total)) / (1 + z**2 / total)
    half = z / (1 + z**2 / total) * math.sqrt(p * (1 - p) / total + z**2 / (4 * total**2))
    for name in ("ImGT_A", "ReGT_A", "ReGT_S+", "ImGT_and_ReGT"):
        assert float(row[f"{name}_low"]) == pytest.approx(100 * (middle - half), abs=0.00501)
        assert float(row[f"{name}_high"]) == pytest.approx(100 * (middle + half), abs=0.00501)
        assert 0 <= float(row[f"{name}_low"]) <= float(row[name]) <= float(row[f"{name}_high"]) <= 100


@given(st.lists(IMAGE, min_size=1, max_size=20), st.randoms())
@settings(max_examples=30)
def test_the_whole_is_the_sum_of_its_parts_in_any_order_of_images(images, order):
    (row,) = rows_of("table3", from_images(images))

    def correct(name, subset):
        return round(Fraction(row[name] or 0) * int(row["n" if subset == "A" else f"n_{subset}"]) / 100)

    assert correct("ReGT_S", "S") == correct("ReGT_S+", "S+") + correct("ReGT_S-", "S-")
    assert correct("ReGT_M", "M") == correct("ReGT_M+", "M+") + correct("ReGT_M-", "M-")
    assert correct("ReGT_A", "A") == correct("ReGT_S", "S") + correct("ReGT_M", "M") + int(row["n_N"])
    shuffled = from_images(images).sample(fraction=1, shuffle=True, seed=order.randrange(2**32))
    assert rows_of("table3", shuffled) == [row]


def test_excluded_images_without_a_label_are_in_no_accuracy_under_the_second_set():
    frame = scored("v", "CW", "110100110", "101110010", "S+ S+ S- M+ M+ M- M- N N")
    (row,) = rows_of("table3", frame, study=STUDY._replace(n_images="excluded"))
    shown = (
        "ImGT_A",
        "ReGT_A",
        "ReGT_S",
        "ReGT_M",
        "ImGT_and_ReGT",
        "ImGT_compared",
        "n_compared",
        "change",
        "crossfit_ReGT_A",
        "n",
        "n_N",
        "n_images",
    )
    assert [row[name] for name in shown] == [
        "55.56", "57.14", "66.67", "50.00", "28.57", "57.14", "7", "0.00", "57.14", "9", "2", "excluded",
    ]  # fmt: skip
    low, high = plain.statistics.wilson(4, 7)
    assert (row["ReGT_A_low"], row["ReGT_A_high"]) == (f"{low:.2f}", f"{high:.2f}")


def test_halves_are_fixed_by_the_images_ids():
    assert [fold(f"i{number}") for number in range(9)] == [1, 0, 1, 0, 1, 0, 1, 1, 0]
    assert {fold(image) for image in FIRST} == {0}
    assert {fold(image) for image in SECOND} == {1}
