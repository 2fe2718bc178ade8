import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mllm_classify.mapping.mapping import map_answers
from mllm_classify.mapping.names import enumerated
from tests.mapping.answers import CLASS_VECTORS, CLASSES, NAMES, SAME, embedded, mapped, predicted, variants_mapped

BLANKS = st.text("  \t\n\r\u00a0\u3000", max_size=3)


@given(st.sampled_from(NAMES), BLANKS, BLANKS, st.integers(0))
def test_an_answer_that_lower_case_and_stripping_make_a_class_name_is_in_prompt(name, before, after, case):
    letters = "".join(c.upper() if case >> i & 1 else c.lower() for i, c in enumerate(name.strip()))
    (row,) = mapped([("a", "CW", before + letters + after)], embedded()).to_dicts()
    assert row["in_prompt"] is True
    assert row["exact_classes"] == SAME[NAMES.index(name)]


@pytest.mark.parametrize("answer", ["a cat", "cat.", "cats", "ca", "c at", "cat dog", "cat|dog", "0", "", " ", "-"])
def test_nothing_more_lenient_is_in_prompt(answer):
    (row,) = mapped([("a", "CW", answer)], embedded()).to_dicts()
    assert row["in_prompt"] is False
    assert row["exact_classes"] == []


def test_names_within_an_answer_are_found_whatever_stands_around_them():
    """Parts of words too, and names within names, as the metric has it; the answer to a choice is not looked through."""
    classes = pl.DataFrame(
        {"class_id": range(4), "name": ["cat", "Bobcat", "a.c", "bobcat "], "same_name": [[0], [1, 3], [2], [1, 3]]},
        schema=CLASSES.schema,
    )
    rows = [
        ("a", "OW", "A BOBCAT, or abc"),
        ("b", "CW", "dog"),
        ("c", "OW", ""),
        ("d", "MC", "cat"),
        ("e", "CW", "x\na.cat"),
    ]
    found = mapped(rows, embedded(), classes)
    assert dict(found.select("image_id", "included_classes").rows()) == {
        "a": [0, 1, 3], "b": [], "c": [], "d": None, "e": [0, 2]
    }  # fmt: skip


FOODS = ["salt", "pepper", "salt and pepper", "lens cap, lens cover", "lens cap", "or", "pepper, ground", "Salt "]
KNOWN = {name.lower().strip(): [number] for number, name in enumerate(FOODS[:-1])} | {"salt": [0, 7]}


@pytest.mark.parametrize(
    ("answer", "numbers"),
    [
        ("pepper, lens cap", [[1], [4]]),
        ("pepper,lens cap", [[1], [4]]),
        ("pepper; salt", [[1], [0, 7]]),
        ("pepper / salt", [[1], [0, 7]]),
        ("pepper|salt", [[1], [0, 7]]),
        ("pepper & salt", [[1], [0, 7]]),
        ("pepper or salt", [[1], [0, 7]]),
        ("pepper and salt", [[1], [0, 7]]),
        ("pepper\nsalt", [[1], [0, 7]]),
        ("pepper\n\nsalt", [[1], [0, 7]]),
        ("pepper, salt, and lens cap", [[1], [0, 7], [4]]),
        ("pepper, salt or lens cap", [[1], [0, 7], [4]]),
        # names that hold separators are names, the longest first
        ("lens cap, lens cover, pepper", [[3], [1]]),
        ("salt and pepper, lens cap", [[2], [4]]),
        ("lens cap, salt and pepper", [[4], [2]]),
        ("lens cap, pepper", [[4], [1]]),
        ("or, salt", [[5], [0, 7]]),
        ("salt or or", [[0, 7], [5]]),
        # unless the rest makes no sense then
        ("salt and pepper, ground", [[0, 7], [6]]),
        # one name, or anything else beside them
        ("pepper", []),
        ("pepper, pepper", []),
        ("pepper, ", []),
        (", pepper", []),
        ("pepper, thyme", []),
        ("pepper, a salt", []),
        ("pepper, salt.", []),
        ("pepper salt", []),
        ("pepper\nthyme\nsalt", []),
        ("pepper\nbecause it is hot", []),
        ("either pepper or salt", []),
        ("pepper,, salt", []),
        ("", []),
        (",", []),
    ],
)
def test_lists_of_names_are_nothing_but_names_and_separators(answer, numbers):
    assert enumerated(answer, KNOWN) == numbers


@given(st.lists(st.sampled_from(["cat", "dog", "ox"]), min_size=1, max_size=40),
       st.sampled_from([", ", " or ", "\n", "; ", " and ", ", and "]))  # fmt: skip
def test_a_list_names_each_of_its_names_once_in_their_order(names, separator):
    known = {"cat": [0], "dog": [1], "ox": [2]}
    distinct = [known[name] for name in dict.fromkeys(names)]
    assert enumerated(separator.join(names), known) == (distinct if len(distinct) > 1 else [])
    assert enumerated(separator.join([*names, "thing"]), known) == []


@given(st.text("abc ,\nor&", max_size=30))
def test_what_a_list_names_stands_in_it(answer):
    known = {"a": [0], "b": [1], "a, b": [2], "or": [3], "c or": [4]}
    for (number,) in enumerated(answer, known):
        assert list(known)[number] in " ".join(answer.split())


def test_a_long_text_of_names_is_prose():
    assert enumerated(", ".join(["cat", "dog"] * 40), {"cat": [0], "dog": [1]}) == []


@pytest.mark.parametrize(
    ("several", "in_prompt", "classes"),
    [("wrong", False, []), ("first", True, [1, 3]), ("any", True, [1, 3, 0])],
)
@pytest.mark.parametrize("task", ["CW", "CW-constrained"])
def test_several_names_are_wrong_or_the_first_or_all_of_them(task, several, in_prompt, classes):
    rows = [("a", task, "", "Missile or cat"), ("b", task, "", "dog"), ("c", task, "", "dog, or a cat")]
    found = variants_mapped(rows, embedded(**{"Missile or cat": [0, 0, 1.0]}), several).to_dicts()
    assert [(row["status"], row["in_prompt"], row["exact_classes"]) for row in found] == [
        ("several", in_prompt, classes), ("ok", True, [2]), ("ok", False, []),
    ]  # fmt: skip
    # whatever it stands for, it goes through the embeddings too
    assert found[0]["nearest_class"] == 2
    assert found[0]["included_classes"] == [0, 1, 3]


@pytest.mark.parametrize("several", ["wrong", "first", "any"])
def test_several_names_are_nothing_special_in_the_open_world(several):
    (row,) = variants_mapped([("a", "OW", "", "cat, dog")], embedded(), several).to_dicts()
    assert (row["status"], row["in_prompt"], row["exact_classes"]) == ("ok", None, [])


def test_names_that_hold_a_separator_are_one_answer():
    names = ["lens cap, lens cover", "salt and pepper", "lens cap", "dog"]
    classes = CLASSES.with_columns(name=pl.Series(names), same_name=pl.Series([[0], [1], [2], [3]]))
    classes = classes.cast({"same_name": pl.List(pl.Int32)})
    answers = ["Lens cap, lens cover", "salt and pepper", "lens cap, lens cover; dog", "dog and salt and pepper"]
    rows = [(f"i{number}", "CW", text) for number, text in enumerate(answers)]
    found = map_answers(predicted(*rows), classes, CLASS_VECTORS, embedded(), "e", several="any")
    assert found.select("status", "exact_classes").rows() == [
        ("ok", [0]), ("ok", [1]), ("several", [0, 3]), ("several", [3, 1]),
    ]  # fmt: skip


def test_empty_answers_are_out_of_prompt_and_counted_apart():
    rows = [("a", "CW", "", ""), ("b", "CW", "", " \n"), ("c", "OW", "", ""), ("d", "CW-constrained", "", "")]
    found = variants_mapped(rows, embedded())
    assert found["status"].to_list() == ["empty"] * 4
    assert found["in_prompt"].to_list() == [False, False, None, False]
    assert found["nearest_class"].null_count() == 4


def test_ids_are_classes_where_a_variant_is_answered_by_id_and_nowhere_else():
    rows = [
        ("a", "CW", "ids", "2"),
        ("b", "CW", "ids", " 3\n"),
        ("c", "CW", "ids", "4"),
        ("d", "CW", "ids", "cat"),
        ("e", "CW", "ids", "1, 2"),
        ("f", "CW", "ids", "02"),
        ("g", "CW", "ids", "2."),
        ("h", "CW", "ids", ""),
        ("i", "CW", "", "2"),
        ("j", "CW", "names", "cat"),
    ]
    found = variants_mapped(rows, embedded(), ids=["ids"])
    assert [(row["image_id"], row["status"], row["in_prompt"], row["exact_classes"]) for row in found.to_dicts()] == [
        ("a", "ok", True, [2]), ("b", "ok", True, [1, 3]), ("c", "ok", False, []), ("d", "ok", False, []),
        ("e", "ok", False, []), ("f", "ok", False, []), ("g", "ok", False, []), ("h", "empty", False, []),
        ("i", "ok", False, []), ("j", "ok", True, [0]),
    ]  # fmt: skip


@pytest.mark.parametrize("several", ["first", "any"])
def test_names_are_no_answer_by_id_though_the_same_list_is_one_elsewhere(several):
    rows = [("a", "CW", "ids", "cat, dog"), ("a", "CW", "", "cat, dog")]
    found = variants_mapped(rows, embedded(), several, ["ids"])
    assert found["status"].to_list() == ["ok", "several"]
    assert found["in_prompt"].to_list() == [False, True]
