import math

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from mllm_classify.choices.options import CHOICES
from mllm_classify.mapping.answers import BLOCK, MAPPING, enumerated, map_answers, named_option, nearest
from mllm_classify.predict.chat.questions import MultipleChoice

NAMES = ["cat", "Missile", "dog", "missile "]
SAME = [[0], [1, 3], [2], [1, 3]]
VECTORS = [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0], [0.0, 1.0, 0.0]]
CLASSES = pl.DataFrame(
    {"class_id": range(4), "name": NAMES, "same_name": SAME},
    schema={"class_id": pl.Int32, "name": pl.String, "same_name": pl.List(pl.Int32)},
)
CLASS_VECTORS = pl.DataFrame(
    {"class_id": range(4), "embedding": VECTORS}, schema={"class_id": pl.Int32, "embedding": pl.Array(pl.Float32, 3)}
)
BLANKS = st.text("  \t\n\r\u00a0\u3000", max_size=3)


def embedded(**vectors):
    """Embeddings of answers."""
    schema = {"text": pl.String, "embedding": pl.Array(pl.Float32, 3)}
    return pl.DataFrame({"text": list(vectors), "embedding": list(vectors.values())}, schema=schema)


def predicted(*answers):
    """Predictions from (image, task, text) or (image, task, text, status)."""
    rows = [(image, task, "", 0, text, *(status or ["ok"])) for image, task, text, *status in answers]
    schema = {"image_id": pl.String, "task": pl.String, "variant": pl.String, "repeat": pl.Int32, "text": pl.String}
    return pl.DataFrame(rows, schema=schema | {"status": pl.String}, orient="row")


def mapped(answers, vectors, classes=CLASSES, class_vectors=CLASS_VECTORS):
    return map_answers(predicted(*answers), classes, class_vectors, vectors, "e")


def test_answers_become_classes_exactly_and_by_the_nearest():
    found = mapped(
        [
            ("a", "OW", " Puss "),
            ("b", "OW", ""),
            ("a", "CW", "puss"),
            ("b", "CW", "DOG\n"),
            ("c", "CW", "  "),
            ("d", "CW", None, "error"),
        ],
        embedded(Puss=[0.8, 0.6, 0], puss=[0, 0.6, 0.8], DOG=[0, 0, 1]),
    )
    expected = pl.DataFrame(
        {
            "image_id": ["a", "b", "a", "b", "c", "d"],
            "task": ["OW", "OW", "CW", "CW", "CW", "CW"],
            "variant": "",
            "repeat": 0,
            "encoder": "e",
            "status": ["ok", "empty", "ok", "ok", "empty", "error"],
            "in_prompt": [None, None, False, True, False, None],
            "exact_classes": [[], [], [], [2], [], []],
            "included_classes": [[], [], [], [2], [], []],
            "nearest_class": [0, None, 2, 2, None, None],
            "similarity": [0.8, None, 0.8, 1.0, None, None],
            "margin": [0.2, None, 0.2, 1.0, None, None],
        },
        schema=MAPPING,
    )
    assert_frame_equal(found, expected)


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


@pytest.mark.parametrize("task", ["OW", "CW"])
def test_the_nearest_class_knows_no_exact_match(task):
    """An answer that is a class name goes where its embedding goes."""
    (row,) = mapped([("a", task, "cat")], embedded(cat=[0, 0.6, 0.8])).to_dicts()
    assert row["nearest_class"] == 2
    assert row["exact_classes"] == [0]


@pytest.mark.parametrize("answer", ["MISSILE", "rocket"])
def test_a_shared_name_is_all_its_classes_exactly_and_its_first_when_nearest(answer):
    (row,) = mapped([("a", "CW", answer)], embedded(**{answer: [0.6, 0.8, 0]})).to_dicts()
    assert row["exact_classes"] == ([1, 3] if answer == "MISSILE" else [])
    assert row["nearest_class"] == 1
    assert row["margin"] == pytest.approx(0.2)


def test_a_shared_name_is_its_first_class_whichever_embedding_is_nearer():
    """Names that differ in case may have different vectors."""
    vectors = CLASS_VECTORS.with_columns(
        pl.Series("embedding", [*VECTORS[:3], [0.0, 0.8, 0.6]], pl.Array(pl.Float32, 3))
    )
    (row,) = mapped([("a", "OW", "x")], embedded(x=[0, 0.8, 0.6]), class_vectors=vectors).to_dicts()
    assert row["nearest_class"] == 1
    assert (row["similarity"], row["margin"]) == (pytest.approx(1), pytest.approx(0.4))


def test_of_equally_near_classes_the_lowest_wins():
    (row,) = mapped([("a", "OW", "x")], embedded(x=[0.5, 0, 0.5])).to_dicts()
    assert (row["nearest_class"], row["margin"]) == (0, 0)


def test_answers_beyond_one_block_are_all_compared():
    count = BLOCK + 3
    angles = np.arange(count) % 7
    answers = np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)
    classes = answers[:7]
    found = nearest(answers, classes, [[i] for i in range(7)])
    assert found["nearest_class"].to_list() == angles.tolist()
    assert found["similarity"].to_numpy() == pytest.approx(np.ones(count), abs=1e-6)


def test_without_another_name_the_margin_is_infinite():
    one = np.ones((1, 1), dtype=np.float32)
    assert nearest(one, one, [[0]]).row(0) == (0, 1, math.inf)


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


def variants_mapped(rows, vectors, several="wrong", ids=()):
    """Mapping of (image, task, variant, text)."""
    frame = pl.DataFrame(
        [(image, task, variant, 0, text, "ok") for image, task, variant, text in rows],
        schema=predicted().schema,
        orient="row",
    )
    return map_answers(frame, CLASSES, CLASS_VECTORS, vectors, "e", None, several, frozenset(ids))


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
    found = map_answers(predicted(*rows), classes, CLASS_VECTORS, embedded(), "e", None, "any")
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
        [("a", "MC", "few", 0, "B", "ok"), ("b", "MC", "few", 0, "cat", "ok"), ("a", "MC", "all", 0, "CAT", "ok"),
         ("b", "CW", "", 0, "cat", "ok")],
        schema=predicted().schema,
        orient="row",
    )  # fmt: skip
    found = map_answers(answers, CLASSES, CLASS_VECTORS, embedded(), "e", MultipleChoice(choices, "letter"))
    assert found.select("image_id", "task", "variant", "status", "in_prompt", "exact_classes").rows() == [
        ("a", "MC", "few", "ok", True, [0]),
        # a class, but none of the options
        ("b", "MC", "few", "ok", False, []),
        ("a", "MC", "all", "ok", True, [0]),
        ("b", "CW", "", "ok", True, [0]),
    ]
    # in whatever order the classes stand
    reversed_ = map_answers(
        answers, CLASSES.reverse(), CLASS_VECTORS, embedded(), "e", MultipleChoice(choices, "letter")
    )
    assert_frame_equal(reversed_, found)
    more = pl.concat([answers, answers[:1].with_columns(image_id=pl.lit("c"), task=pl.lit("CW"), variant=pl.lit(""))])
    found = map_answers(more, CLASSES, CLASS_VECTORS, embedded(), "e", MultipleChoice(choices, "letter"))
    assert found.row(-1, named=True) == {
        "image_id": "c", "task": "MC", "variant": "few", "repeat": 0, "encoder": "e", "status": "unasked", "in_prompt": None,
        "exact_classes": [], "included_classes": None, "nearest_class": None, "similarity": None, "margin": None,
    }  # fmt: skip


TEXTS = {"cat": [0, 0, 1], "missile": [0, 1, 0], "puss": [1, 0, 0], "rocket": [1, 2, 0], "x": [2, 0, 1], "": None}
ANSWERS = st.lists(
    st.tuples(st.sampled_from(["OW", "CW"]), st.sampled_from(list(TEXTS)), st.sampled_from(["ok", "error"])), max_size=8
)


def numbered(answers):
    return [(f"i{number}", *answer) for number, answer in enumerate(answers)]


def vectors_of(answers):
    """What the embed stage would have written: each distinct answer once, in sorted order."""
    texts = sorted({text for _, _, text, _ in answers} - {""})
    return embedded(**{text: TEXTS[text] for text in texts})


@given(ANSWERS, st.tuples(st.sampled_from(["OW", "CW"]), st.sampled_from(list(TEXTS)), st.just("ok")))
def test_an_appended_image_changes_no_other_row(answers, another):
    before, after = numbered(answers), numbered([*answers, another])
    found = mapped(after, vectors_of(after))
    assert_frame_equal(found.head(len(before)), mapped(before, vectors_of(before)))
    assert found.height == len(after)


@given(ANSWERS.flatmap(lambda answers: st.tuples(st.just(numbered(answers)), st.permutations(numbered(answers)))),
       st.permutations(range(4)), st.randoms())  # fmt: skip
def test_the_order_of_images_and_classes_changes_no_row(answers, order, random):
    before, shuffled = answers
    vectors = vectors_of(before)
    rows = list(range(vectors.height))
    random.shuffle(rows)
    found = mapped(shuffled, vectors[rows], CLASSES[list(order)], CLASS_VECTORS[list(reversed(order))])
    assert_frame_equal(found.sort("image_id"), mapped(before, vectors).sort("image_id"))


@given(ANSWERS)
def test_each_answer_has_one_row_and_what_is_empty_has_no_nearest_class(answers):
    rows = numbered(answers)
    found = mapped(rows, vectors_of(rows))
    assert found["image_id"].to_list() == [image for image, *_ in rows]
    assert found.schema == MAPPING
    for (_, task, text, status), row in zip(rows, found.to_dicts(), strict=True):
        assert (row["nearest_class"] is None) == (text == "")
        assert (row["in_prompt"] is None) == (task == "OW" or status == "error")
