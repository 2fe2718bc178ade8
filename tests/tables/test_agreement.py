import csv
import io

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from statsmodels.stats import inter_rater

from mllm_classify.dataset.labels import LABELS
from mllm_classify.io.keys import ANSWER, QUESTION
from mllm_classify.mapping.mapping import MAPPING
from mllm_classify.predict.rows import PREDICTIONS
from mllm_classify.score.score import predicted_by_text, score
from mllm_classify.tables.agreement import agreeing, agreement, fleiss_kappa, read
from mllm_classify.tables.render import as_markdown, write
from tests.tables.ways import DIFFERING, MODELS, STUDY, scored


def said(frame, texts, classes=None):
    """Scores with what was said, a word an image, and the class that it stands for, by default the same."""
    return frame.with_columns(
        text=pl.Series(texts.split()),
        predicted=pl.Series([[ord(sign)] for sign in (classes or texts).split()], dtype=pl.List(pl.Int32)),
    )


def table(frames, study=STUDY, count=100):
    answers = pl.concat(frames)
    predictions = answers.unique(ANSWER).partition_by("model", as_dict=True)
    chat = {name: frame.select(*QUESTION, "text").lazy() for (name,), frame in predictions.items()}
    return agreement(answers.drop("text"), chat, DIFFERING, MODELS, study, count)


def rows(*frames, study=STUDY):
    return list(csv.DictReader(io.StringIO(table(frames, study).rows.write_csv())))


def test_repeats_agree_to_the_letter_in_class_and_in_being_right():
    """Of four images, all three repeats say the same of two, mean the same of three, and are alike right on all.

    Pairs: of the third image one pair of three is the same text; of the fourth one pair of three, in text and class.
    Chance of a class: 6 of 12 are a, 3 b, 2 c, 1 d: (36 + 9 + 4 + 1) / 144. Pairs of classes: (3 + 1/3) / 4.
    """
    frames = [
        said(scored("CW", "1110", "1110", "hot", 0), "a b A c", "a b a c"),
        said(scored("CW", "1110", "1110", "hot", 1), "a b a c", "a b a c"),
        said(scored("CW", "1110", "1110", "hot", 2), "a b a d", "a b a d"),
    ]
    (row,) = rows(*frames)
    chance = 50 / 144
    assert row["class_kappa"] == f"{((3 + 1 / 3) / 4 - chance) / (1 - chance):.3f}"
    columns = ["model", "task", "variant", "differs", "n", "repeats", "n_unanswered", "text_all", "text_pairs", "class_all",
               "class_pairs", "ImGT_all", "ImGT_pairs", "ReGT_all", "ImGT_A", "ImGT_A_sd"]  # fmt: skip
    assert [row[name] for name in columns] == [
        "A", "CW", "hot", "put hot", "4", "3", "0", "50.00", "66.67", "75.00", "83.33", "100.00", "100.00", "100.00", "75.00",
        "0.00",
    ]  # fmt: skip
    assert 0 <= float(row["ImGT_A_low"]) <= 75 <= float(row["ImGT_A_high"]) <= 100


def test_an_image_that_one_repeat_has_no_answer_to_counts_for_accuracy_only():
    frames = [
        said(scored("OW", "110", "110", "hot", 0), "a b c"),
        said(scored("OW", "100", "100", "hot", 1, status="-x-"), "a x d"),
    ]
    (row,) = rows(*frames)
    assert [row[name] for name in ("n", "n_unanswered", "text_all", "ImGT_all", "ImGT_A")] == [
        "3", "1", "50.00", "100.00", "50.00",
    ]  # fmt: skip


def test_where_no_image_was_answered_in_every_repeat_there_is_no_agreement():
    frames = [said(scored("OW", "0", "0", "hot", repeat, status="x"), "x") for repeat in (0, 1)]
    (row,) = rows(*frames)
    assert {row[name] for name in ("text_all", "text_pairs", "class_all", "class_kappa", "ReGT_pairs")} == {""}
    assert (row["n_unanswered"], row["ImGT_A"]) == ("1", "0.00")


def test_only_what_is_asked_repeatedly_has_a_row():
    frames = [
        said(scored("CW", "10", "10"), "a b"),
        said(scored("CW", "10", "10", "cold"), "a b"),
        *(said(scored("CW inclusion", "10", "10", "hot", repeat), "a b") for repeat in (0, 1)),
        *(said(scored("CW", "10", "10", "hot", repeat), "a b") for repeat in (0, 1)),
        *(said(scored("CW+", "10", "10", "hot", repeat), "a b") for repeat in (0, 1)),
    ]
    assert [(row["task"], row["variant"]) for row in rows(*frames)] == [("CW+", "hot"), ("CW", "hot")]


def test_images_without_a_label_follow_the_rule_in_being_right_under_regt():
    frames = [
        said(scored("CW", "10", flags, "hot", repeat, categories="S+ N"), "a b")
        for repeat, flags in enumerate(["11", "01"])
    ]
    found = {
        rule: rows(*frames, study=STUDY._replace(n_images=rule))[0]["ReGT_all"] for rule in ("correct", "excluded")
    }
    assert found == {"correct": "50.00", "excluded": "0.00"}


RATINGS = st.integers(2, 4).flatmap(
    lambda repeats: st.lists(st.lists(st.integers(0, 3), min_size=repeats, max_size=repeats), min_size=1, max_size=8)
)


@given(RATINGS)
def test_kappa_is_statsmodels(ratings):
    values = pl.DataFrame(
        [{"image_id": str(place), "value": str(value)} for place, of in enumerate(ratings) for value in of]
    )
    found = fleiss_kappa(values)
    if len({value for of in ratings for value in of}) == 1:
        assert found is None
    else:
        assert found == pytest.approx(inter_rater.fleiss_kappa(inter_rater.aggregate_raters(ratings)[0]))


@given(RATINGS)
def test_all_agree_no_more_often_than_pairs_do(ratings):
    values = pl.DataFrame([{"image_id": place, "value": value} for place, of in enumerate(ratings) for value in of])
    every, pairs = agreeing(values)
    assert 0 <= every <= pairs + 1e-9 <= 100 + 1e-9
    assert agreeing(values.reverse()) == pytest.approx((every, pairs))


def test_an_answer_means_its_classes_under_every_scoring_of_its_task():
    """A name of two classes, an answer out of prompt, and an empty one."""
    classes = pl.DataFrame(
        {"class_id": [0, 1, 2], "same_name": [[0, 2], [1], [0, 2]]},
        schema={"class_id": pl.Int32, "same_name": pl.List(pl.Int32)},
    )
    cells = [("i", "missile", [0, 2], 0, True), ("j", "rocket", [], 1, False), ("k", "", [], None, False)]
    about = {"task": "CW", "variant": "hot", "repeat": 1}
    predictions = pl.DataFrame([{"image_id": i, "text": text, **about} for i, text, *_ in cells], schema=PREDICTIONS)
    mapping = pl.DataFrame(
        [
            {"image_id": i, "exact_classes": exact, "nearest_class": near, "in_prompt": listed, "status": "ok", **about}
            for i, _, exact, near, listed in cells
        ],
        schema=MAPPING,
    )
    labels = pl.DataFrame([{"image_id": i, "imgt": 0, "imgt_admissible": [0]} for i in "ijk"], schema=LABELS)
    scores = score("m", predicted_by_text(mapping, classes), labels, predictions)
    found = read(scores, {"m": predictions.lazy()})
    meant = {(row["scoring"], row["image_id"]): (row["text"], row["class"]) for row in found.to_dicts()}
    assert meant["CW", "i"] == meant["CW+", "i"] == ("missile", "0 2")
    assert (meant["CW", "j"], meant["CW+", "j"]) == (("rocket", ""), ("rocket", "1"))
    assert meant["CW", "k"] == meant["CW+", "k"] == ("", "")


def test_it_is_written_in_four_forms_that_say_what_repeats_differ_in(tmp_path):
    frames = [said(scored("OW", "10", "10", "hot", repeat), "a b") for repeat in (0, 1)]
    write(table(frames), tmp_path / "t.csv")
    assert {path.suffix for path in tmp_path.iterdir()} == {".csv", ".md", ".html", ".tex"}
    assert "| A | OW | hot | put hot | 2 | 2 | 100.00 | 100.00 |" in " ".join(as_markdown(table(frames)).split())
