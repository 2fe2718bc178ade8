import polars as pl
from hypothesis import given
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from mllm_classify.score.score import score
from tests.score.answers import CLASSES, SAME, answered, expert, labels, mapping

IDS = st.integers(0, 4)
ROW = st.tuples(
    st.sampled_from(["OW", "CW"]),
    st.sampled_from([[], *SAME]),
    st.none() | st.sampled_from([0, 1, 2, 4]),
    st.sampled_from(["ok", "ok", "ok", "error"]),
)
LABEL = st.tuples(st.lists(IDS, min_size=1, unique=True), st.lists(IDS, unique=True))
STUDY = st.lists(st.tuples(ROW, LABEL), min_size=1, max_size=8)


def scored(study):
    """Scores of a study in which image number i is called ii."""
    rows = [(f"i{image}", *row) for image, (row, _) in enumerate(study)]
    labelled = [(f"i{image}", *label, "?", expert(label[1])) for image, (_, label) in enumerate(study)]
    return score("m", answered(mapping(*rows), CLASSES), labels(*labelled))


@given(STUDY)
def test_cw_plus_is_correct_wherever_cw_is(study):
    """Hence its accuracy is at least CW's on every subset of images, under both label sets."""
    rows = {(row["scoring"], row["image_id"]): row for row in scored(study).to_dicts()}
    for (scoring, image), row in rows.items():
        if scoring == "CW":
            other = rows["CW+", image]
            assert row["imgt"] <= other["imgt"]
            assert row["regt"] <= other["regt"]
            assert row["oop"] == other["oop"]


@given(STUDY)
def test_in_prompt_answers_score_the_same_under_cw_and_cw_plus(study):
    found = scored(study).filter(oop=False).sort("image_id")
    keys = ["image_id", "imgt", "regt"]
    assert_frame_equal(found.filter(scoring="CW").select(keys), found.filter(scoring="CW+").select(keys))


@given(STUDY)
def test_on_n_everything_is_correct_under_regt_but_errors(study):
    for row in scored(study).to_dicts():
        (_, _, _, status), (_, regt) = study[int(row["image_id"][1:])]
        if not regt:
            assert row["regt"] == (status == "ok")


@given(STUDY)
def test_equal_expert_and_second_labels_are_scored_alike(study):
    found = scored(study)
    assert found["expert"].equals(found["regt"], check_names=False)


@given(STUDY)
def test_each_row_is_scored_once_per_scoring_and_never_null(study):
    found = scored(study)
    tasks = [row[0] for row, _ in study]
    assert found["scoring"].value_counts().sort("scoring").rows() == [
        (scoring, tasks.count(scoring[:2]))
        for scoring in ("CW", "CW inclusion", "CW+", "OW", "OW inclusion")
        if scoring[:2] in tasks
    ]
    assert found.select("imgt", "regt").null_count().row(0) == (0, 0)


@given(STUDY, st.tuples(ROW, LABEL))
def test_an_appended_image_changes_no_other_row(study, another):
    found = scored([*study, another]).filter(pl.col("image_id") != f"i{len(study)}")
    assert_frame_equal(found, scored(study))


@given(STUDY, st.randoms())
def test_the_order_of_images_classes_and_labels_changes_no_row(study, random):
    rows = [(f"i{image}", *row) for image, (row, _) in enumerate(study)]
    labelled = [(f"i{image}", *label, "?", expert(label[1])) for image, (_, label) in enumerate(study)]
    for each in (rows, labelled):
        random.shuffle(each)
    found = score("m", answered(mapping(*rows), CLASSES.reverse()), labels(*labelled))
    assert_frame_equal(found.sort("scoring", "image_id"), scored(study).sort("scoring", "image_id"))
