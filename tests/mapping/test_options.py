import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from mllm_classify.choices.options import CHOICES
from mllm_classify.mapping.mapping import map_answers
from mllm_classify.mapping.options import named_option
from tests.mapping.answers import CLASS_VECTORS, CLASSES, embedded, predicted

OPTIONS = ["aardvark", "b", "espresso", "or"]


@pytest.mark.parametrize(
    ("answer", "place"),
    [("A", 0), ("a", 0), (" a\n", 0), ("(C)", 2), ("D.", 3), ("c)", 2), ("C:", 2), ("C. espresso", 2), ("c) Espresso", 2),
     ("(c) espresso", 2), ("espresso", 2), ("Aardvark", 0)],
)  # fmt: skip
def test_a_letter_or_the_name_behind_it_names_an_option(answer, place):
    assert named_option(answer, OPTIONS, letters=True) == place


@pytest.mark.parametrize(
    "answer",
    ["", " ", ".", "()", "A or B", "A, B", "AB", "a aardvark", "aard", "Apple", "C. aardvark", "E", "the answer is A", "A\nB",
     "1", "ª", "c espresso", "(", "A.B", "espresso or aardvark", "**A**"],
)  # fmt: skip
def test_nothing_else_names_an_option(answer):
    """Least of all a letter that begins a word, an empty answer, or two letters."""
    assert named_option(answer, OPTIONS, letters=True) is None


def test_a_letter_that_is_the_name_of_another_option_names_none():
    """B is the second letter, and the name of an option: here it is both, at one place; there at two."""
    assert named_option("b", OPTIONS, letters=True) == 1
    assert named_option("b", ["b", "x"], letters=True) is None
    assert named_option("b", ["b", "x"], letters=False) == 0


def test_without_letters_only_names_are_understood():
    assert named_option("A", OPTIONS, letters=False) is None
    assert named_option("ESPRESSO ", OPTIONS, letters=False) == 2


@given(st.text(max_size=12))
def test_whatever_is_answered_names_an_option_or_none(answer):
    place = named_option(answer, OPTIONS, letters=True)
    assert place is None or answer.strip().lower()[:3] in {OPTIONS[place][:3], *_forms(place)}


def _forms(place):
    letter = "abcd"[place]
    return {
        letter,
        f"({letter}",
        f"({letter})",
        f"{letter}.",
        f"{letter}:",
        f"{letter})",
        f"{letter}. ",
        f"{letter}) ",
        f"{letter}: ",
    }


def test_answers_to_choices_are_options_and_unasked_questions_are_rows():
    """Of four questions one is not asked, and one has all classes as options."""
    choices = pl.DataFrame(
        {
            "image_id": ["a", "b", "c", "a"],
            "variant": ["few", "few", "few", "all"],
            "repeat": [0, 0, 0, 0],
            "options": [[2, 0], [1, 2], [], None],
        },
        schema={name: dtype for name, dtype in CHOICES.items() if name != "origins"},
    )
    answers = pl.DataFrame(
        [("a", "MC", "few", 0, "B", "ok", None), ("b", "MC", "few", 0, "cat", "ok", None),
         ("a", "MC", "all", 0, "CAT", "ok", None), ("b", "CW", "", 0, "cat", "ok", None)],
        schema=predicted().schema,
        orient="row",
    )  # fmt: skip
    found = map_answers(answers, CLASSES, CLASS_VECTORS, embedded(), "e", choices, answer="letter")
    assert found.select("image_id", "task", "variant", "status", "in_prompt", "exact_classes").rows() == [
        ("a", "MC", "few", "ok", True, [0]),
        # a class, but none of the options
        ("b", "MC", "few", "ok", False, []),
        ("a", "MC", "all", "ok", True, [0]),
        ("b", "CW", "", "ok", True, [0]),
    ]
    # in whatever order the classes stand
    reversed_ = map_answers(answers, CLASSES.reverse(), CLASS_VECTORS, embedded(), "e", choices, answer="letter")
    assert_frame_equal(reversed_, found)
    more = pl.concat([answers, answers[:1].with_columns(image_id=pl.lit("c"), task=pl.lit("CW"), variant=pl.lit(""))])
    found = map_answers(more, CLASSES, CLASS_VECTORS, embedded(), "e", choices, answer="letter")
    assert found.row(-1, named=True) == {
        "image_id": "c", "task": "MC", "variant": "few", "repeat": 0, "encoder": "e", "status": "unasked", "in_prompt": None,
        "exact_classes": [], "included_classes": None, "nearest_class": None, "similarity": None, "margin": None,
        "ranked": None,
    }  # fmt: skip
