import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from mllm_classify.dataset.labels import LABELS
from mllm_classify.mapping.mapping import MAPPING
from mllm_classify.score.score import SCORES, predicted_by_ranking, predicted_by_text, score

SAME = [[0], [1, 3], [2], [1, 3], [4]]
CLASSES = pl.DataFrame(
    {"class_id": range(5), "same_name": SAME}, schema={"class_id": pl.Int32, "same_name": pl.List(pl.Int32)}
)


def labels(*rows):
    """Labels from (image, admissible under ImGT, admissible under ReGT, category), or with more columns by name."""
    cells = [
        {
            "image_id": image,
            "imgt": imgt[0],
            "regt": regt,
            "imgt_admissible": imgt,
            "regt_admissible": regt,
            "category": category,
            **(more[0] if more else {}),
        }
        for image, imgt, regt, category, *more in rows
    ]
    return pl.DataFrame(cells, schema=LABELS)


def mapping(*rows):
    """Mapping from (image, task, exact classes, nearest class) or with a status behind."""
    cells = [
        {
            "image_id": image,
            "task": task,
            "variant": "",
            "repeat": 0,
            "encoder": "e",
            "status": (status or ["ok"])[0],
            "in_prompt": None if task == "OW" or status == ["error"] else bool(exact),
            "exact_classes": exact,
            "included_classes": exact,
            "nearest_class": nearest,
        }
        for image, task, exact, nearest, *status in rows
    ]
    return pl.DataFrame(cells, schema=MAPPING)


def rankings(*rows):
    """Predictions of a model that ranks classes, from (image, ranking) or with a status behind."""
    cells = [(image, "CW", "", 0, ids, *(status or ["ok"])) for image, ids, *status in rows]
    schema = {"image_id": pl.String, "task": pl.String, "variant": pl.String, "repeat": pl.Int32}
    return pl.DataFrame(cells, schema=schema | {"class_ids": pl.List(pl.Int32), "status": pl.String}, orient="row")


def judged(predicted, *labelled):
    """Per scoring and image: whether it is correct under ImGT and under ReGT."""
    found = score("m", predicted, labels(*labelled)).filter(~pl.col("scoring").str.contains("inclusion"))
    return {(row["scoring"], row["image_id"]): (row["imgt"], row["regt"]) for row in found.to_dicts()}


def test_scores_of_answers_in_words():
    found = score(
        "m",
        predicted_by_text(mapping(("a", "OW", [0], 2), ("a", "CW", [0], 2), ("b", "CW", [], 1)), CLASSES),
        labels(("a", [0], [2], "S-"), ("b", [3], [0, 3], "M+")),
    )
    expected = pl.DataFrame(
        {
            "model": "m",
            "image_id": ["a", "a", "a", "b", "a", "b", "a", "b"],
            "task": ["OW", "OW", "CW", "CW", "CW", "CW", "CW", "CW"],
            "variant": "",
            "repeat": 0,
            "encoder": "e",
            "scoring": ["OW", "OW inclusion", "CW", "CW", "CW+", "CW+", "CW inclusion", "CW inclusion"],
            "status": "ok",
            "oop": [None, None, False, True, False, True, False, True],
            "imgt": [False, True, True, False, True, True, True, False],
            "regt": [True, False, False, False, False, True, False, False],
            "category": ["S-", "S-", "S-", "M+", "S-", "M+", "S-", "M+"],
            "expert": None,
        },
        schema=SCORES,
    )
    assert_frame_equal(found, expected)


def test_scores_of_rankings_take_the_first():
    found = score(
        "m",
        predicted_by_ranking(rankings(("a", [2, 0]), ("b", [0, 1]))),
        labels(("a", [0], [2], "S-"), ("b", [0], [], "N")),
    )
    expected = pl.DataFrame(
        {
            "model": "m",
            "image_id": ["a", "b"],
            "task": "CW",
            "variant": "",
            "repeat": 0,
            "encoder": None,
            "scoring": "CW",
            "status": "ok",
            "oop": None,
            "imgt": [False, True],
            "regt": [True, True],
            "category": ["S-", "N"],
            "expert": None,
        },
        schema=SCORES,
    )
    assert_frame_equal(found, expected)


def test_an_empty_answer_is_wrong_everywhere_but_on_n():
    rows = [(image, task, [], None) for task in ("OW", "CW") for image in ("a", "n")]
    found = judged(predicted_by_text(mapping(*rows), CLASSES), ("a", [0], [0], "S+"), ("n", [0], [], "N"))
    assert found == {(scoring, image): (False, image == "n") for scoring in ("OW", "CW", "CW+") for image in ("a", "n")}


def test_a_status_is_that_of_the_answer_under_every_scoring():
    statuses = ["ok", "empty", "several", "error"]
    rows = [(f"{status} {task}", task, [], 0, status) for task in ("OW", "CW") for status in statuses]
    labelled = labels(*((image, [0], [0], "S+") for image, *_ in rows))
    found = score("m", predicted_by_text(mapping(*rows), CLASSES), labelled)
    assert found["status"].to_list() == found["image_id"].str.split(" ").list.first().to_list()
    assert found.height == 4 * 2 + 4 * 3


def test_a_constrained_answer_is_the_class_of_its_name_and_nothing_else():
    rows = [("a", "CW-constrained", [0], 2), ("b", "CW-constrained", [], 0), ("n", "CW-constrained", [], None)]
    labelled = [("a", [0], [2], "S-"), ("b", [0], [0], "S+"), ("n", [0], [], "N")]
    assert judged(predicted_by_text(mapping(*rows), CLASSES), *labelled) == {
        ("CW-constrained", "a"): (True, False),
        ("CW-constrained", "b"): (False, False),
        ("CW-constrained", "n"): (False, True),
    }


def test_several_names_that_are_taken_are_right_as_any_of_them():
    rows = [("a", "CW", [0, 2], 4, "several"), ("b", "CW", [0, 2], 4, "several"), ("c", "CW", [], 4, "several")]
    labelled = [("a", [2], [0], "S-"), ("b", [4], [4], "S+"), ("c", [4], [0], "S-")]
    assert judged(predicted_by_text(mapping(*rows), CLASSES), *labelled) == {
        ("CW", "a"): (True, True),
        ("CW", "b"): (False, False),
        ("CW", "c"): (False, False),
        ("CW+", "a"): (True, True),
        ("CW+", "b"): (False, False),
        ("CW+", "c"): (True, False),
    }


def test_an_error_is_wrong_everywhere_on_n_too():
    """Whatever came with the error."""
    rows = [(image, task, [0], 0, "error") for task in ("OW", "CW") for image in ("a", "n")]
    labelled = [("a", [0], [0], "S+"), ("n", [0], [], "N")]
    assert set(judged(predicted_by_text(mapping(*rows), CLASSES), *labelled).values()) == {(False, False)}
    ranked = predicted_by_ranking(rankings(("a", [0], "error"), ("n", None, "error")))
    assert set(judged(ranked, *labelled).values()) == {(False, False)}


@pytest.mark.parametrize("ids", [None, []])
def test_a_ranking_of_nothing_is_wrong_but_on_n(ids):
    found = judged(predicted_by_ranking(rankings(("a", ids), ("n", ids))), ("a", [0], [0], "S+"), ("n", [0], [], "N"))
    assert found == {("CW", "a"): (False, False), ("CW", "n"): (False, True)}


def test_a_shared_name_is_correct_as_any_of_its_classes():
    """Whether it was matched or nearest, and whichever of its classes the label is."""
    rows = [("a", "OW", [], 1), ("b", "OW", [], 1), ("a", "CW", [1, 3], 0), ("b", "CW", [], 1)]
    found = judged(predicted_by_text(mapping(*rows), CLASSES), ("a", [3], [1], "S-"), ("b", [1], [3], "S-"))
    assert found == {
        ("OW", "a"): (True, True),
        ("OW", "b"): (True, True),
        ("CW", "a"): (True, True),
        ("CW", "b"): (False, False),
        ("CW+", "a"): (True, True),
        ("CW+", "b"): (True, True),
    }


def test_ow_has_no_shortcut_for_an_exact_match():
    found = judged(predicted_by_text(mapping(("a", "OW", [0], 2)), CLASSES), ("a", [0], [2], "S-"))
    assert found == {("OW", "a"): (False, True)}


def test_cw_plus_prefers_the_exact_class_to_the_nearest():
    found = judged(predicted_by_text(mapping(("a", "CW", [0], 2)), CLASSES), ("a", [0], [2], "S-"))
    assert found == {("CW", "a"): (True, False), ("CW+", "a"): (True, False)}


def test_without_a_second_label_set_regt_is_null_and_imgt_is_not():
    found = score(
        "m",
        predicted_by_ranking(rankings(("a", [0]), ("b", [1]))),
        labels(("a", [0], None, None), ("b", [0], None, None)),
    )
    assert found.select("imgt", "regt", "category").rows() == [(True, None, None), (False, None, None)]


@pytest.mark.parametrize("reason", ["uncertain", "no ReGT label", "no ImGT label"])
def test_an_image_that_a_label_set_leaves_open_is_not_scored(reason):
    labelled = labels(("a", [0], [0], "S+"), ("b", [0], None, None, {"excluded": reason, "expert": [0]}))
    rows = [(image, task, [0], 0) for task in ("OW", "CW") for image in ("a", "b")]
    for predicted in (
        predicted_by_text(mapping(*rows), CLASSES),
        predicted_by_ranking(rankings(("a", [0]), ("b", [0]))),
    ):
        assert score("m", predicted, labelled)["image_id"].unique().to_list() == ["a"]


def test_images_that_a_model_has_not_are_not_scored_and_those_it_has_are():
    labelled = labels(("a", [0], [0], "S+"), ("b", [0], [0], "S+"))
    found = score("m", predicted_by_ranking(rankings(("b", [0]))), labelled)
    assert found.select("image_id", "imgt").rows() == [("b", True)]


def expert(ids, admissible=None):
    return {"expert": ids, "expert_admissible": ids if admissible is None else admissible}


def test_expert_labels_are_judged_as_regt_is_and_null_elsewhere():
    """None of its labels, one that it admits, no class applies, an error where no class applies, and no expert."""
    labelled = labels(
        ("a", [0], [0], "S+", expert([2])),
        ("b", [0], [2], "S-", expert([2], [0, 2])),
        ("c", [0], [2], "S-", expert([])),
        ("d", [0], [2], "S-", expert([])),
        ("e", [0], [2], "S-"),
    )
    ranked = rankings(("a", [0]), ("b", [0]), ("c", [0]), ("d", [0], "error"), ("e", [0]))
    found = score("m", predicted_by_ranking(ranked), labelled)
    assert dict(found.select("image_id", "expert").rows()) == {"a": False, "b": True, "c": True, "d": False, "e": None}
    answers = mapping(("a", "CW", [], 2), ("c", "CW", [], None), ("e", "CW", [0], 0))
    found = score("m", predicted_by_text(answers, CLASSES), labelled)
    assert found.filter(pl.col("scoring").is_in(["CW", "CW+"])).select("scoring", "image_id", "expert").rows() == [
        ("CW", "a", False),
        ("CW", "c", True),
        ("CW", "e", None),
        ("CW+", "a", True),
        ("CW+", "c", True),
        ("CW+", "e", None),
    ]


def test_without_a_second_label_set_expert_labels_count_all_the_same():
    labelled = labels(("a", [0], None, None, expert([2])), ("b", [0], None, None, expert([])))
    found = score("m", predicted_by_ranking(rankings(("a", [2]), ("b", [1]))), labelled)
    assert found.select("imgt", "regt", "expert").rows() == [(False, None, True), (False, None, True)]


def test_what_a_label_admits_decides_and_not_the_label():
    """Equivalences may admit a class under one label set only: an image's ReGT can have other labels."""
    labelled = [("a", [0, 2], [1], "S-"), ("b", [0], [1, 2], "M-")]
    found = judged(predicted_by_ranking(rankings(("a", [2]), ("b", [2]))), *labelled)
    assert found == {("CW", "a"): (True, False), ("CW", "b"): (False, True)}


def test_by_inclusion_any_class_that_an_answer_names_makes_it_right():
    answers = mapping(("a", "OW", [], 4), ("b", "CW", [], 4)).with_columns(
        included_classes=pl.Series([[0, 2], [2]], dtype=pl.List(pl.Int32))
    )
    found = score("m", predicted_by_text(answers, CLASSES), labels(("a", [0], [2], "S-"), ("b", [0], [3], "S-")))
    assert found.filter(pl.col("scoring").str.contains("inclusion")).select(
        "scoring", "imgt", "regt", "oop"
    ).rows() == [
        ("OW inclusion", True, True, None),
        ("CW inclusion", False, False, True),
    ]


def test_multiple_choice_is_judged_by_the_option_and_unasked_questions_by_regt():
    """No option would be right under ReGT on an image without a class: every answer to it is."""
    answers = mapping(("a", "MC", [2], 0), ("b", "MC", [], 2), ("n", "MC", [], None, "unasked"), ("o", "MC", [], 1))
    unasked = answers.with_columns(in_prompt=pl.when(pl.col("status") == "ok").then("in_prompt"))
    labelled = labels(("a", [0], [2], "S-"), ("b", [2], [2], "S+"), ("n", [0], [], "N"), ("o", [0], [], "N"))
    found = score("m", predicted_by_text(unasked, CLASSES), labelled)
    assert found.select("scoring", "image_id", "oop", "imgt", "regt").rows() == [
        ("MC", "a", False, False, True),
        ("MC", "b", True, False, False),
        ("MC", "n", None, False, True),
        ("MC", "o", True, False, True),
    ]


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
    return score("m", predicted_by_text(mapping(*rows), CLASSES), labels(*labelled))


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
    found = score("m", predicted_by_text(mapping(*rows), CLASSES.reverse()), labels(*labelled))
    assert_frame_equal(found.sort("scoring", "image_id"), scored(study).sort("scoring", "image_id"))
