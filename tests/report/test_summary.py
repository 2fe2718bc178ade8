"""The screen that `make table3` ends with, made of small tables written by hand."""

import polars as pl
import pytest

from mllm_classify.report.summary import NEXT, NOTE, WIDTH, summary

COLUMNS = "model task ImGT_A ImGT_A_low ImGT_A_high ReGT_A ReGT_A_low ReGT_A_high change ImGT_A_rank ReGT_A_rank"
NARROW = ("Narrow", "CW+", "40.00", "35.00", "45.00", "50.00", "45.00", "55.00", "10.00", "2", "2")
WIDE = ("Wide", "CW", "60.00", "20.00", "90.00", "55.50", "15.00", "85.00", "-4.50", "1", "1")


def frame(columns: str, *rows: tuple) -> pl.DataFrame:
    """A table as its CSV file is read: text."""
    return pl.DataFrame(rows, schema=dict.fromkeys(columns.split(), pl.String), orient="row")


def table3(*rows: tuple, regt: str | None = "all", n: str = "20") -> pl.DataFrame:
    said = {"dataset": "Pictures", "imgt": "one", "regt": regt, "n": n}
    return frame(COLUMNS, *rows).with_columns(pl.lit(it, pl.String).alias(name) for name, it in said.items())


def table4(*rows: tuple) -> pl.DataFrame:
    return frame("model task ImGT_A ReGT_A", *rows)


def table5(*rows: tuple) -> pl.DataFrame:
    return frame("model A", *rows)


CW = (("Narrow", "OW", "39.00", "41.00"), ("Narrow", "CW+", "40.00", "50.00"), ("Narrow", "CW", "30.00", "42.00"))


def sentences(screen: str) -> list[str]:
    """What it says, each sentence in one line."""
    said = screen.partition("What this says\n")[2].partition("\n\n")[0]
    return [" ".join(it.split()) for it in said.removeprefix("- ").split("\n- ")]


def test_the_whole_screen() -> None:
    screen = summary(table3(NARROW, WIDE), table4(*CW), table5(("Narrow", "12.5")))
    assert screen.splitlines()[:7] == [
        "Table 3. Accuracy (%) of every model at its best task",
        "Pictures; ImGT: one; ReGT: all; n = 20",
        "",
        "Model    Task      ImGT         95 % CI    ReGT         95 % CI    Change    OOP",
        "-------  ------  ------  --------------  ------  --------------  --------  -----",
        "Narrow   CW+      40.00  35.00 to 45.00   50.00  45.00 to 55.00    +10.00   12.5",
        "Wide     CW       60.00  20.00 to 90.00   55.50  15.00 to 85.00     -4.50",
    ]
    assert " ".join(screen.split("\n\n")[2].split()) == NOTE
    assert sentences(screen) == [
        "ReGT instead of ImGT changes accuracy by -4.50 to +10.00 points, and the models keep their order.",
        (
            "Narrow answers 12.5 % of the closed-world questions with words that are not on the class list. With these counted "
            "as wrong (CW), its ReGT accuracy is 42.00 %; with each mapped to the nearest class (CW+), 50.00 %."
        ),
        "All 95 % intervals under ReGT overlap: 20 images hardly tell these models apart.",
    ]
    assert all(what in screen and why in screen for what, why in NEXT)


def test_intervals_that_do_not_overlap_are_counted() -> None:
    apart = ("Low", "CW", "1.00", "0.00", "2.00", "3.00", "2.00", "14.99", "2.00", "3", "3")
    touching = ("Touching", "CW", "1.00", "0.00", "2.00", "3.00", "2.00", "15.00", "2.00", "3", "3")
    assert sentences(summary(table3(apart, NARROW, WIDE), table4(), table5()))[-1] == (
        "In 2 of 3 pairs of models the 95 % intervals under ReGT do not overlap."
    )
    assert "1 of 3 pairs" in sentences(summary(table3(touching, NARROW, WIDE), table4(), table5()))[-1]


def test_another_order_is_said() -> None:
    swapped = [(*row[:-1], rank) for row, rank in zip((NARROW, WIDE), "12", strict=True)]
    assert sentences(summary(table3(*swapped), table4(), table5()))[0].endswith(
        "and it changes the order of the models."
    )


def test_of_several_models_that_answer_in_words_the_one_with_most_out_of_prompt_answers_is_told() -> None:
    rows = (*CW, ("Wide", "CW", "1.00", "2.00"), ("Wide", "CW+", "3.00", "4.00"))
    said = sentences(summary(table3(NARROW, WIDE), table4(*rows), table5(("Wide", "9.5"), ("Narrow", "12.5"))))
    assert said[1].startswith("Narrow answers 12.5 %")
    said = sentences(summary(table3(NARROW, WIDE), table4(*rows), table5(("Narrow", "9.5"), ("Wide", "12.5"))))
    assert said[1].startswith("Wide answers 12.5 %")
    assert said[1].endswith("accuracy is 2.00 %; with each mapped to the nearest class (CW+), 4.00 %.")


def test_without_second_labels_and_words_there_is_only_what_can_be_said() -> None:
    rows = [(*row[:5], None, None, None, None, row[-2], None) for row in (NARROW, WIDE)]
    screen = summary(table3(*rows, regt=None), table4(), table5())
    assert "ReGT: none" in screen
    assert sentences(screen) == ["All 95 % intervals under ImGT overlap: 20 images hardly tell these models apart."]


def test_one_model_alone_is_compared_with_nothing() -> None:
    assert sentences(summary(table3(WIDE), table4(), table5())) == [
        "ReGT instead of ImGT changes the model's accuracy by -4.50 points."
    ]


@pytest.mark.parametrize("name", ["m" * 300, "\x1b[31m" * 40, "x\n" * 90])
def test_no_name_makes_a_line_longer_than_a_terminal_or_is_obeyed_by_it(name: str) -> None:
    rows = (name, *NARROW[1:])
    screen = summary(table3(rows, WIDE), table4((name, *CW[1][1:]), (name, *CW[2][1:])), table5((name, "12.5")))
    assert max(map(len, screen.splitlines())) <= WIDTH
    assert screen.replace("\n", "").isprintable()
    assert "12.5" in screen.split("\n\n")[1]
