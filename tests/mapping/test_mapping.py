import polars as pl
from hypothesis import given
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from mllm_classify.mapping.mapping import MAPPING, READ, map_answers, summary
from tests.mapping.answers import CLASS_VECTORS, CLASSES, embedded, mapped, predicted


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
            "ranked": None,
        },
        schema=MAPPING,
    )
    assert_frame_equal(found, expected)


def test_every_answer_of_a_list_is_read_as_if_it_were_the_only_one():
    lists = {"a": ["puss", "cat", ""], "c": ["cat, dog", "puss"]}
    single = [(image, "CW", text) for image, texts in lists.items() for text in texts]
    vectors = vectors_of([("", "", text, "") for text in ("cat", "puss")])
    rows = predicted(("a", "CW", "puss"), ("b", "CW", "cat"), ("c", "CW", "cat, dog"))
    rows = rows.with_columns(texts=pl.Series([lists["a"], None, lists["c"]]))
    found = map_answers(rows, CLASSES, CLASS_VECTORS, vectors, "e", several="any")
    alone = map_answers(predicted(*single), CLASSES, CLASS_VECTORS, vectors, "e", several="any")
    each = alone.select(read=pl.struct(READ.keys()))["read"].to_list()
    assert found["ranked"].to_list() == [each[:3], None, each[3:]]
    assert_frame_equal(
        found.drop("ranked"),
        map_answers(
            rows.with_columns(texts=pl.lit(None, pl.List(pl.String))),
            CLASSES,
            CLASS_VECTORS,
            vectors,
            "e",
            several="any",
        ).drop("ranked"),
    )


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


def test_the_summary_counts_answers_to_listed_classes_that_are_out_of_prompt():
    found = mapped([("a", "OW", "cat"), ("b", "CW", "cat"), ("c", "CW", "ox"), ("d", "CW", None, "error")], embedded())
    assert summary(found) == "4 answers; 1 of 2 answers to listed classes out of prompt"
