import math

from tests.tables.studies import EVERY, MODELS, STUDY, rows_of, scored


def test_mcnemar_of_two_rows():
    """ReGT: a is right on three images more, p = 2 / 2^3; ImGT: 2 against 2."""
    found = rows_of(
        "mcnemar",
        scored("a", "OW", "11000", "11110", "S+ S+ M- M- N"),
        scored("v", "CW", "00110", "10000", "S+ S+ M- M- N"),
    )
    shown = (
        "measure",
        "model_a",
        "task_a",
        "model_b",
        "task_b",
        "n",
        "only_a",
        "only_b",
        "difference",
        "p",
        "p_holm",
        "tests",
    )
    assert [[row[name] for name in shown] for row in found] == [
        ["ImGT", "Model A", "OW", "Vision", "CW", "5", "2", "2", "0.00", "1", "1", "1"],
        ["ReGT", "Model A", "OW", "Vision", "CW", "5", "3", "0", "60.00", "0.25", "0.25", "1"],
    ]
    half = 100 * 1.959963984540054 * math.sqrt(3 - 9 / 5) / 5
    assert [found[1]["difference_low"], found[1]["difference_high"]] == [f"{60 - half:.2f}", f"{60 + half:.2f}"]


def test_mcnemar_is_on_common_images_and_holm_is_within_a_label_set():
    frames = [
        scored("v", "CW", "111111", "000000", "S+ " * 6),
        scored("w", "CW", "000000", "000000", "S+ " * 6),
        scored("b", "CW", "000", "111", "S+ " * 3, images=["i1", "i3", "i4"]),
    ]
    found = {(row["measure"], row["model_a"], row["model_b"]): row for row in rows_of("mcnemar", *frames)}
    assert {key: (row["n"], row["only_a"], row["only_b"], row["p"], row["p_holm"]) for key, row in found.items()} == {
        ("ImGT", "Model B", "Vision"): ("3", "0", "3", "0.25", "0.5"),
        ("ImGT", "Model B", "Vision 2"): ("3", "0", "0", "1", "1"),
        ("ImGT", "Vision", "Vision 2"): ("6", "6", "0", "0.0312", "0.0938"),
        ("ReGT", "Model B", "Vision"): ("3", "3", "0", "0.25", "0.75"),
        ("ReGT", "Model B", "Vision 2"): ("3", "3", "0", "0.25", "0.75"),
        ("ReGT", "Vision", "Vision 2"): ("6", "0", "0", "1", "1"),
    }
    assert {row["tests"] for row in found.values()} == {"3"}


def test_mcnemar_without_a_common_image_knows_no_difference():
    frames = [scored("v", "CW", "11", "11", "S+ S+"), scored("w", "CW", "00", "00", "S+ S+", images=["i7", "i8"])]
    for row in rows_of("mcnemar", *frames):
        assert [row[name] for name in ("n", "difference", "difference_low", "difference_high", "p")] == [
            "0",
            "",
            "",
            "",
            "1",
        ]


def test_mcnemar_leaves_images_without_a_label_out_where_the_rule_says_so():
    """On the second image of N an error made one of them wrong."""
    frames = [scored("v", "CW", "1111", "1011", "S+ S- N N"), scored("w", "CW", "1111", "1110", "S+ S- N N")]
    found = {
        n_images: [
            (row["measure"], row["n"], row["only_a"], row["only_b"])
            for row in rows_of("mcnemar", *frames, study=STUDY._replace(n_images=n_images))
        ]
        for n_images in ("correct", "excluded")
    }
    assert found == {
        "correct": [("ImGT", "4", "0", "0"), ("ReGT", "4", "1", "1")],
        "excluded": [("ImGT", "4", "0", "0"), ("ReGT", "2", "0", "1")],
    }


def test_mcnemar_of_one_row_is_a_header():
    frame = EVERY["mcnemar"](scored("v", "CW", "1", "1", "S+"), MODELS, STUDY)
    assert frame.height == 0
    assert frame.write_csv().startswith("measure,model_a,task_a,model_b,task_b,n,only_a,only_b,difference,")


def test_a_p_that_no_float_holds_is_not_0():
    count = 1100
    (row, _) = rows_of(
        "mcnemar",
        scored("v", "CW", "1" * count, "1" * count, "S+ " * count),
        scored("w", "CW", "0" * count, "0" * count, "S+ " * count),
    )
    assert row["p"] == row["p_holm"] == "<1e-300"
