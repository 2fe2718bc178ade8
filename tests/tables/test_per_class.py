import polars as pl

from mllm_classify.dataset.classes import CLASSES
from mllm_classify.dataset.labels import LABELS
from mllm_classify.tables.per_class import WRONG, per_class
from mllm_classify.tables.render import as_markdown
from tests.tables.studies import MODELS, ONE_LABEL_SET, STUDY, scored

NAMES = ["cup", "mug", "<b>dog|", "cat", "Cup "]
SAME = [[0, 4], [1], [2], [3], [0, 4]]


def classes():
    return pl.DataFrame(
        {"class_id": range(len(NAMES)), "name": NAMES, "synset": None, "same_name": SAME}, schema=CLASSES
    )


def labels(imgt):
    count = len(imgt)
    return pl.DataFrame(
        {"image_id": [f"i{number}" for number in range(count)], "imgt": imgt, "imgt_admissible": [[it] for it in imgt]},
        schema={name: LABELS[name] for name in ("image_id", "imgt", "imgt_admissible")},
    ).with_columns(excluded=pl.lit(None, pl.String))


def with_classes(scores, predicted):
    return scores.with_columns(pl.Series("predicted", predicted, dtype=pl.List(pl.Int32)))


RANKS = with_classes(scored("v", "CW", "1000", "1100", "S+ S- S- S+"), [[0], [1], [1], [2]])
WORDS = pl.concat(
    [
        with_classes(scored("a", scoring, flags, regt, "S+ S- S- S+", oop="0110"), predicted)
        for scoring, flags, regt, predicted in (
            ("CW+", "1001", "1101", [[0, 4], [1], [4], [3]]),
            ("CW", "1001", "1001", [[0, 4], [], [], [3]]),
        )
    ]
)
LABELLED = labels([0, 0, 0, 3])


def rows(scores, labelled=LABELLED, study=STUDY):
    return per_class(scores, labelled, classes(), MODELS, study).rows


def test_one_row_a_class_and_model_the_hardest_class_first():
    table = rows(pl.concat([RANKS, WORDS]))
    assert table.select("model", "task", "class_id", "class", "n", "ImGT", "ReGT", "OOP", "wrong").rows() == [
        ("Model A", "CW+", 0, "cup", 3, "33.33", "66.67", "66.67", "cup 1 | mug 1"),
        ("Vision", "CW", 0, "cup", 3, "33.33", "66.67", None, "mug 2"),
        ("Model A", "CW+", 3, "cat", 1, "100.00", "100.00", "0.00", ""),
        ("Vision", "CW", 3, "cat", 1, "0.00", "0.00", None, "<b>dog| 1"),
    ]
    assert table["ImGT_low"][0] == "6.15"
    assert table["ImGT_high"][0] == "79.23"


def test_images_of_all_classes_are_all_images_and_right_and_wrong_are_all():
    table = rows(RANKS).with_columns(pl.col("n").cast(pl.Int64), pl.col("ImGT").cast(pl.Float64))
    assert table["n"].sum() == 4
    right = (table["ImGT"] * table["n"] / 100).round()
    wrong = sum(int(part.rpartition(" ")[2]) for text in table["wrong"] for part in text.split(" | ") if part)
    assert right.sum() + wrong == 4


def test_no_more_than_some_wrong_answers_are_told_ties_by_class():
    scores = with_classes(scored("v", "CW", "00000", None, None), [[4], [2], [1], [3], [2]])
    (row,) = rows(scores, labels([0] * 5), ONE_LABEL_SET).select("wrong", "ReGT").rows()
    assert WRONG == 3
    assert row == ("<b>dog| 2 | cup 1 | mug 1", None)


def test_an_image_that_a_label_set_leaves_open_is_of_no_class():
    labelled = LABELLED.with_columns(excluded=pl.when(pl.col("image_id") == "i3").then(pl.lit("uncertain")))
    assert rows(RANKS, labelled)["class_id"].to_list() == [0]


def test_names_are_text():
    text = as_markdown(per_class(RANKS, LABELLED, classes(), MODELS, STUDY))
    assert r"\<b>dog\|" in text
