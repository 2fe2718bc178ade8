import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mllm_classify.dataset.classes import ClassList, numbered
from mllm_classify.tables.languages import OTHER, Answers, Names, languages, other_language
from tests.plain.languages import Name, Said
from tests.plain.languages import other_language as plainly
from tests.tables.small import labelled
from tests.tables.studies import MODELS, ONE_LABEL_SET, RESAMPLES, STUDY, images_of, rows, scored

ENGLISH, GERMAN, LATIN = ["espresso", "cat", "wall"], ["Espresso", "Katze", "Mauer"], ["espresso", "cattus", "murus"]
TEXTS = [*ENGLISH, *GERMAN, *LATIN, "thing", " Cat "]
ANGLES = {text.lower().strip(): 0.6 * place + 0.01 * place**2 for place, text in enumerate(dict.fromkeys(TEXTS))}
LABELS = labelled(("i", 0, [0], "S+"), ("j", 1, [1], "S+"), ("k", 2, [], "N"))
SCHEMA = {
    "image_id": pl.String,
    "task": pl.String,
    "variant": pl.String,
    "repeat": pl.Int32,
    "status": pl.String,
    "text": pl.String,
}


def vector(text):
    angle = ANGLES[text.lower().strip()]
    return [float(np.cos(angle)), float(np.sin(angle))]


def embedded(texts, **columns):
    vectors = pl.Series([vector(it) for it in texts], dtype=pl.Array(pl.Float32, 2))
    return pl.DataFrame({**columns, "embedding": vectors})


def names(listed):
    classes = numbered(ClassList(listed))
    return Names(classes, embedded(listed, class_id=classes["class_id"]))


def answers(own, *said):
    """Answers from image, task, text and, where it did not come, the status."""
    frame = pl.DataFrame(
        [(image, task, "", 0, status[0] if status else "ok", text) for image, task, text, *status in said],
        schema=SCHEMA, orient="row",
    )  # fmt: skip
    texts = sorted({text.strip() for text in frame["text"]} - {""})
    best = [max(sum(a * b for a, b in zip(vector(text), vector(name), strict=True)) for name in own) if text.strip() else None
            for text in frame["text"]]  # fmt: skip
    mapping = frame.drop("text").with_columns(similarity=pl.Series(best, dtype=pl.Float32))
    predictions = frame.drop("status")
    return Answers(predictions.lazy(), mapping.lazy(), embedded(texts, text=texts).lazy())


def found(own, others, *said):
    frame = other_language(answers(own, *said), names(own), [names(it) for it in others], LABELS)
    return {task: tuple(shares) for task, *shares in frame.select("task", *OTHER).iter_rows()}


def test_an_answer_is_in_another_language_by_its_name_alone():
    said = [
        ("i", "OW", "espresso"),
        ("j", "OW", " Cat "),
        ("k", "OW", "cat"),
        ("j", "CW", "Katze"),
        ("i", "CW", "cat", "error"),
    ]
    by_name = {task: shares[:2] for task, shares in found(GERMAN, [ENGLISH], *said).items()}
    # espresso is German, too; of the two that are English one is right; an error is no answer
    assert by_name["OW"] == (pytest.approx(200 / 3), pytest.approx(100 / 3))
    assert by_name["CW"] == (0, 0)


def test_it_is_nearer_to_a_name_of_another_language_or_not():
    (shares,) = found(GERMAN, [ENGLISH], ("i", "OW", "cat"), ("j", "OW", "Katze"), ("k", "OW", "Mauer")).values()
    assert shares[2] == pytest.approx(100 / 3)


def test_images_that_are_left_out_do_not_count():
    left_out = LABELS.with_columns(excluded=pl.when(pl.col("image_id") == "j").then(pl.lit("open")))
    frame = other_language(
        answers(GERMAN, ("i", "OW", "Katze"), ("j", "OW", "cat")), names(GERMAN), [names(ENGLISH)], left_out
    )
    assert frame["other_named"].to_list() == [0]


@given(
    st.lists(st.tuples(st.sampled_from("ijk"), st.sampled_from(["OW", "CW"]), st.sampled_from(TEXTS), st.booleans()), min_size=1, max_size=8),
    st.permutations([ENGLISH, GERMAN, LATIN]),
)  # fmt: skip
@settings(max_examples=60, deadline=None)
def test_as_plainly(said, lists):
    unique = {(image, task): (text, ok) for image, task, text, ok in said}
    own, *others = lists
    told = [(image, task, text, *([] if ok else ["error"])) for (image, task), (text, ok) in unique.items()]
    right = {"i": {0}, "j": {1}, "k": {2}}
    expected = plainly(
        [Said(task, text, ok, right[image], vector(text)) for (image, task), (text, ok) in unique.items()],
        [Name(it, vector(it)) for it in own],
        [[Name(it, vector(it)) for it in other] for other in others],
    )
    assert found(own, others, *told) == {task: pytest.approx(shares) for task, shares in expected.items()}


def made(scores, said=(), study=STUDY):
    """The table of scores by the names of data sets, the first of which is English, the others German."""
    listed = dict.fromkeys(scores, GERMAN) | {next(iter(scores)): ENGLISH}
    of = {name: answers(listed[name], *said) for name in scores}
    each = {name: names(it) for name, it in listed.items()}
    parts = {
        "scores": scores,
        "images": {name: images_of(frame) for name, frame in scores.items()},
        "models": dict.fromkeys(scores, MODELS),
        "study": dict.fromkeys(scores, study),
        "labels": dict.fromkeys(scores, LABELS),
        "classes": {name: it.classes for name, it in each.items()},
        "class_embeddings": {name: it.vectors for name, it in each.items()},
        "worded_predictions": {name: {"a": it.predictions} for name, it in of.items()},
        "mappings": {name: {"a": it.mapping} for name, it in of.items()},
        "answer_vectors": {name: {"a": it.vectors} for name, it in of.items()},
        "language_labels": {name: name.title() for name in scores},
    }
    return rows(languages(**parts, resamples=RESAMPLES))


SAID = [("0", "OW", "cat"), ("1", "OW", "Katze")]
SCORES = {
    "english": pl.concat([scored("a", "OW", "1110", "1110", "S+ S+ S+ S+"), scored("a", "CW", "1111", "1111", "S+ S+ S+ S+", oop="0000")]),
    "german": pl.concat([scored("a", "OW", "1100", "1001", "S+ S+ S+ S+"), scored("a", "CW", "1010", "1010", "S+ S+ S+ S+", oop="0101")]),
}  # fmt: skip


def test_each_language_stands_below_the_first_with_its_change():
    table = made(SCORES, SAID)
    shown = ("model", "task", "language", "ImGT_A", "ImGT_change", "ReGT_A", "ReGT_change", "OOP", "n")
    assert [[row[it] for it in shown] for row in table] == [
        ["Model A", "OW", "English", "75.00", "", "75.00", "", "", "4"],
        ["Model A", "OW", "German", "50.00", "-25.00", "50.00", "-25.00", "", "4"],
        ["Model A", "CW", "English", "100.00", "", "100.00", "", "0.00", "4"],
        ["Model A", "CW", "German", "50.00", "-50.00", "50.00", "-50.00", "50.00", "4"],
    ]
    for row in table:
        if row["language"] == "German":
            assert float(row["ImGT_change_low"]) <= float(row["ImGT_change"]) <= float(row["ImGT_change_high"])
        else:
            assert row["ImGT_change_low"] == row["ImGT_change_high"] == ""


def test_a_change_is_on_the_images_that_both_have():
    scores = SCORES | {"german": scored("a", "OW", "10", "10", "S+ S+")}
    images = images_of(SCORES["english"])
    (row,) = (it for it in made(scores | {"german": scores["german"]}, SAID) if it["language"] == "German")
    assert images.height == 4
    assert (row["n"], row["ImGT_A"], row["ImGT_change"]) == ("2", "50.00", "-50.00")


def test_equal_answers_change_nothing_to_the_last_resample():
    scores = {"english": SCORES["english"], "german": SCORES["english"]}
    found = [row for row in made(scores, SAID) if row["language"] == "German"]
    assert {row[f"ImGT_change{end}"] for row in found for end in ("", "_low", "_high")} == {"0.00"}


def test_without_a_second_label_set_its_columns_are_empty():
    scores = {name: scored("a", "OW", "110") for name in SCORES}
    table = made(scores, SAID, study=ONE_LABEL_SET)
    assert {row[it] for row in table for it in row if it.startswith("ReGT")} == {""}
