import pytest

from mllm_classify.figures.class_differences import SHOWN, best_two, class_differences
from tests.figures.drawn import drawn_texts, written

COLUMNS = "model class_id class n ImGT ReGT"
ROWS = [
    ("one", "0", "cup", "3", "10.00", "50.00"), ("other", "0", "cup", "3", "90.00", "50.00"),
    ("one", "1", "dog $x$", "5", "80.00", None), ("other", "1", "dog $x$", "5", "80.00", None),
    ("one", "2", "cat", "7", "100.00", "100.00"), ("other", "2", "cat", "7", "0.00", "20.00"),
    ("third", "0", "cup", "3", "0.00", "0.00"), ("third", "1", "dog $x$", "5", "0.00", "0.00"),
    ("third", "2", "cat", "7", "0.00", "0.00"),
]  # fmt: skip
TABLE = written(COLUMNS, *ROWS)


def test_the_two_best_are_compared_where_none_are_chosen(tmp_path):
    assert best_two(TABLE) == ["one", "other"]
    shown = drawn_texts(class_differences(TABLE, None), tmp_path)
    assert [text for text in shown if text.endswith(")") and "(" in text and "%" not in text] == ["cat (7)", "cup (3)"]
    assert {"one", "other"} <= set(shown)
    assert "third" not in shown


def test_the_chosen_two_are_compared(tmp_path):
    shown = drawn_texts(class_differences(TABLE, ["third", "one"]), tmp_path)
    assert {"third", "one", "dog $x$ (5)"} <= set(shown)
    assert "other" not in shown


@pytest.mark.parametrize(
    ("rows", "said"),
    [(ROWS[:1], "there are no two models"), (ROWS[2:4], "both models are as accurate on every class")],
)
def test_it_says_where_there_is_nothing_to_draw(tmp_path, rows, said):
    assert said in drawn_texts(class_differences(written(COLUMNS, *rows), None), tmp_path)


def test_of_many_classes_those_of_the_largest_differences_are_drawn(tmp_path):
    rows = [
        (model, str(number), f"class {number}", "1", f"{number if model == 'one' else 0:.2f}", None)
        for number in range(2 * SHOWN)
        for model in ("one", "other")
    ]
    shown = [
        text for text in drawn_texts(class_differences(written(COLUMNS, *rows), None), tmp_path) if "class " in text
    ]
    assert shown == [f"class {number} (1)" for number in range(2 * SHOWN - 1, SHOWN - 1, -1)]
