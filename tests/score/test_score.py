import polars as pl
import pytest
from polars.testing import assert_frame_equal

from mllm_classify.io.keys import QUESTION
from mllm_classify.judge.verdicts import JUDGEMENTS
from mllm_classify.predict.rows import PREDICTIONS
from mllm_classify.score.score import SCORES, predicted_by_ranking, predicted_by_text, score, scores
from mllm_classify.tasks import JUDGED, MAIN_SCORINGS, RANKED, SCORINGS, TASK, TASK_NAMES, TASK_OF
from tests.score.answers import CLASSES, answered, expert, judged, labels, mapping, rankings


def test_scores_of_answers_in_words():
    found = score(
        "m",
        answered(mapping(("a", "OW", [0], 2), ("a", "CW", [0], 2), ("b", "CW", [], 1)), CLASSES),
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
            "predicted": [[2], [0], [0], [], [0], [1, 3], [0], []],
            "group": None,
            "truncated": None,
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
            "predicted": [[2], [0]],
            "group": None,
            "truncated": None,
        },
        schema=SCORES,
    )
    assert_frame_equal(found, expected)


def test_an_empty_answer_is_wrong_everywhere_but_on_n():
    rows = [(image, task, [], None) for task in ("OW", "CW") for image in ("a", "n")]
    found = judged(answered(mapping(*rows), CLASSES), ("a", [0], [0], "S+"), ("n", [0], [], "N"))
    assert found == {(scoring, image): (False, image == "n") for scoring in ("OW", "CW", "CW+") for image in ("a", "n")}


def test_a_status_is_that_of_the_answer_under_every_scoring():
    statuses = ["ok", "empty", "several", "error"]
    rows = [(f"{status} {task}", task, [], 0, status) for task in ("OW", "CW") for status in statuses]
    labelled = labels(*((image, [0], [0], "S+") for image, *_ in rows))
    found = score("m", answered(mapping(*rows), CLASSES), labelled)
    assert found["status"].to_list() == found["image_id"].str.split(" ").list.first().to_list()
    assert found.height == 4 * 2 + 4 * 3


def test_a_constrained_answer_is_the_class_of_its_name_and_nothing_else():
    rows = [("a", "CW-constrained", [0], 2), ("b", "CW-constrained", [], 0), ("n", "CW-constrained", [], None)]
    labelled = [("a", [0], [2], "S-"), ("b", [0], [0], "S+"), ("n", [0], [], "N")]
    assert judged(answered(mapping(*rows), CLASSES), *labelled) == {
        ("CW-constrained", "a"): (True, False),
        ("CW-constrained", "b"): (False, False),
        ("CW-constrained", "n"): (False, True),
    }


def test_several_names_that_are_taken_are_right_as_any_of_them():
    rows = [("a", "CW", [0, 2], 4, "several"), ("b", "CW", [0, 2], 4, "several"), ("c", "CW", [], 4, "several")]
    labelled = [("a", [2], [0], "S-"), ("b", [4], [4], "S+"), ("c", [4], [0], "S-")]
    assert judged(answered(mapping(*rows), CLASSES), *labelled) == {
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
    assert set(judged(answered(mapping(*rows), CLASSES), *labelled).values()) == {(False, False)}
    ranked = predicted_by_ranking(rankings(("a", [0], "error"), ("n", None, "error")))
    assert set(judged(ranked, *labelled).values()) == {(False, False)}


@pytest.mark.parametrize("ids", [None, []])
def test_a_ranking_of_nothing_is_wrong_but_on_n(ids):
    found = judged(predicted_by_ranking(rankings(("a", ids), ("n", ids))), ("a", [0], [0], "S+"), ("n", [0], [], "N"))
    assert found == {("CW", "a"): (False, False), ("CW", "n"): (False, True)}


def test_rankings_with_empty_ones_among_them_are_answers_to_a_list_and_the_empty_ones_out_of_prompt():
    ranked = predicted_by_ranking(rankings(("a", []), ("b", [0]), ("c", None, "error")))
    assert ranked["oop"].to_list() == [True, False, None]
    assert predicted_by_ranking(rankings(("a", [1]), ("b", [0])))["oop"].to_list() == [None, None]


def test_a_shared_name_is_correct_as_any_of_its_classes():
    """Whether it was matched or nearest, and whichever of its classes the label is."""
    rows = [("a", "OW", [], 1), ("b", "OW", [], 1), ("a", "CW", [1, 3], 0), ("b", "CW", [], 1)]
    found = judged(answered(mapping(*rows), CLASSES), ("a", [3], [1], "S-"), ("b", [1], [3], "S-"))
    assert found == {
        ("OW", "a"): (True, True),
        ("OW", "b"): (True, True),
        ("CW", "a"): (True, True),
        ("CW", "b"): (False, False),
        ("CW+", "a"): (True, True),
        ("CW+", "b"): (True, True),
    }


def test_ow_has_no_shortcut_for_an_exact_match():
    found = judged(answered(mapping(("a", "OW", [0], 2)), CLASSES), ("a", [0], [2], "S-"))
    assert found == {("OW", "a"): (False, True)}


def test_cw_plus_prefers_the_exact_class_to_the_nearest():
    found = judged(answered(mapping(("a", "CW", [0], 2)), CLASSES), ("a", [0], [2], "S-"))
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
        answered(mapping(*rows), CLASSES),
        predicted_by_ranking(rankings(("a", [0]), ("b", [0]))),
    ):
        assert score("m", predicted, labelled)["image_id"].unique().to_list() == ["a"]


def test_images_that_a_model_has_not_are_not_scored_and_those_it_has_are():
    labelled = labels(("a", [0], [0], "S+"), ("b", [0], [0], "S+"))
    found = score("m", predicted_by_ranking(rankings(("b", [0]))), labelled)
    assert found.select("image_id", "imgt").rows() == [("b", True)]


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
    found = score("m", answered(answers, CLASSES), labelled)
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
    found = score("m", answered(answers, CLASSES), labels(("a", [0], [2], "S-"), ("b", [0], [3], "S-")))
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
    found = score("m", answered(unasked, CLASSES), labelled)
    assert found.select("scoring", "image_id", "oop", "imgt", "regt").rows() == [
        ("MC", "a", False, False, True),
        ("MC", "b", True, False, False),
        ("MC", "n", None, False, True),
        ("MC", "o", True, False, True),
    ]


def test_of_replies_there_are_their_groups_and_whether_they_were_cut_off_and_of_what_was_not_asked_nothing():
    """The same number in another task is another request."""
    asked = [("a", "OW", [], 2), ("a", "CW", [0], 2), ("b", "CW", [], 1), ("c", "CW", [], None, "error")]
    answers = mapping(*asked, ("n", "MC", [], None, "unasked"))
    replies = pl.DataFrame(
        [("a", "OW", "", 0, None, None), ("a", "CW", "", 0, 7, "length"), ("b", "CW", "", 0, 7, "stop"),
         ("c", "CW", "", 0, None, "length")],
        schema={name: SCORES[name] for name in (*QUESTION, "group")} | {"finish_reason": pl.String()},
        orient="row",
    )  # fmt: skip
    labelled = labels(*((it, [0], [0], "S+") for it in "abc"), ("n", [0], [], "N"))
    found = score("m", predicted_by_text(answers, CLASSES), labelled, replies)
    assert set(found.select("task", "image_id", "group", "truncated").rows()) == {
        ("OW", "a", None, None), ("CW", "a", 7, True), ("CW", "b", 7, False), ("CW", "c", None, False), ("MC", "n", None, None),
    }  # fmt: skip
    assert found.filter(scoring="CW+")["predicted"].to_list() == [[0], [1, 3], []]


def test_every_scoring_of_every_task_has_its_rows():
    answers = pl.concat([mapping(("a", task, [0], 2)) for task in TASK_NAMES if not TASK[task].ranked])
    none = pl.lit([], dtype=pl.List(pl.Int32))
    found = predicted_by_text(answers.with_columns(judged=none, described=none), CLASSES)
    assert sorted([*found["scoring"], *RANKED]) == sorted(scoring.name for scoring in SCORINGS)
    assert dict(found.select("scoring", "task").iter_rows()) | {name: TASK_OF[name] for name in RANKED} == TASK_OF
    assert MAIN_SCORINGS == ["OW", "CW+", "CW", "CW-constrained", "CW-likelihood", "OW-likelihood"]
    assert len(RANKED) == 8
    without, judged_only = predicted_by_text(answers, CLASSES), [*JUDGED, "OW LLM inclusion"]
    assert without.equals(found.filter(~pl.col("scoring").is_in(judged_only)).drop("judged", "described"))
    assert {*found["scoring"]} - {*without["scoring"]} == {*judged_only}


def test_rankings_by_likelihood_are_scored_by_their_first_class_beside_answers_in_words():
    labelled = labels(("a", [0], [0], "S+"), ("b", [0], [], "N"))
    texts = mapping(("a", "CW", [0], 2), ("b", "CW", [], 1)).lazy()
    rows = [("a", "CW", None, "ok"), ("b", "CW", None, "ok"), ("a", "CW-likelihood", [2, 0], "ok"), ("b", "CW-likelihood", None, "error"),
            ("a", "CW-likelihood PMI", [0, 2], "ok"), ("b", "CW-likelihood PMI", [1], "ok")]  # fmt: skip
    schema = {name: PREDICTIONS[name] for name in ("image_id", "task", "class_ids", "status")}
    others = {"variant": "", "repeat": 0, "group": None, "finish_reason": None}
    answers = pl.DataFrame(rows, schema=schema, orient="row").with_columns(
        pl.lit(value, PREDICTIONS[name]).alias(name) for name, value in others.items()
    )
    found = scores(labelled, CLASSES, {"m": texts}, {"m": answers.lazy()})
    likely = found.filter(pl.col("encoder").is_null())
    assert likely.select("image_id", "task", "scoring", "imgt", "regt", "oop", "predicted").rows() == [
        ("a", "CW-likelihood", "CW-likelihood", False, False, None, [2]),
        ("b", "CW-likelihood", "CW-likelihood", False, False, None, None),
        ("a", "CW-likelihood PMI", "CW-likelihood PMI", True, True, None, [0]),
        ("b", "CW-likelihood PMI", "CW-likelihood PMI", False, True, None, [1]),
    ]
    assert set(found.filter(pl.col("encoder").is_not_null())["task"]) == {"CW"}


def test_an_answer_that_names_no_class_stands_for_the_one_that_the_judge_accepts_or_for_none():
    """A name stands for its class, whatever a judge would say; errors and empty answers are never accepted."""
    said = {"a": ("mug ", [], 0), "b": ("thing", [], 1), "c": ("first", [0], 2), "d": (None, [], None, "error"),
            "e": ("", [], None, "empty"), "f": ("mug", [], 4)}  # fmt: skip
    rows = [(image, task, *of[1:]) for task in ("OW", "CW") for image, of in said.items()]
    replies = pl.DataFrame(
        [(image, task, "", 0, said[image][0], None, None) for image, task, *_ in rows],
        schema={name: SCORES[name] for name in QUESTION} | {"text": pl.String(), "group": pl.Int32(), "finish_reason": pl.String()},
        orient="row",
    ).with_columns(status=pl.lit("ok"), class_ids=pl.lit(None, pl.List(pl.Int32)))  # fmt: skip
    verdicts = [("mug", 4, 1, "sibling"), ("mug", 1, 2, "same"), ("mug", 2, 3, "same"), ("thing", 0, 1, "other"),
                ("first", 3, 1, "same")]  # fmt: skip
    judgements = pl.DataFrame(
        [{"answer": answer, "class_id": class_id, "rank": rank, "verdict": verdict, "repeat": 0}
         for answer, class_id, rank, verdict in verdicts],
        schema=JUDGEMENTS,
    )  # fmt: skip
    labelled = labels(*((image, [1], [3], "S-") for image in said))
    given = (labelled, CLASSES, {"m": mapping(*rows).lazy()}, {"m": replies.lazy()})
    found = scores(*given, judgements.lazy())
    by_image = {
        name: dict(found.filter(scoring=name).select("image_id", "predicted").iter_rows())
        for name in ("OW judged", "CW+ judged")
    }
    assert (
        by_image["OW judged"]
        == by_image["CW+ judged"]
        == {"a": [1, 3], "b": [], "c": [0], "d": [], "e": [], "f": [1, 3]}
    )
    assert found.filter(scoring="CW+ judged").select("imgt", "oop").rows() == [
        (True, True), (False, True), (False, False), (False, None), (False, True), (True, True),
    ]  # fmt: skip
    assert scores(*given).equals(found.filter(~pl.col("scoring").is_in(list(JUDGED))))


def test_inclusion_by_a_judge_is_whether_an_answer_names_a_class_of_its_image_or_a_kind_of_it():
    """Conti et al. (2025): their judge is shown the target. Here that pair is judged with all others, without being one."""
    said = {"a": ("mug", []), "b": ("thing", []), "c": ("first", [0]), "d": ("poodle", [])}
    replies = pl.DataFrame(
        [(image, "OW", "", 0, text, None, None) for image, (text, _) in said.items()],
        schema={name: SCORES[name] for name in QUESTION} | {"text": pl.String(), "group": pl.Int32(), "finish_reason": pl.String()},
        orient="row",
    ).with_columns(status=pl.lit("ok"), class_ids=pl.lit(None, pl.List(pl.Int32)))  # fmt: skip
    verdicts = [("mug", 1, 1, "sibling"), ("mug", 4, None, "same"), ("thing", 4, None, "more general"), ("first", 4, None, "other"),
                ("poodle", 2, 1, "more specific"), ("poodle", 4, None, "more specific")]  # fmt: skip
    judgements = pl.DataFrame(
        [{"answer": answer, "class_id": class_id, "rank": rank, "verdict": verdict, "repeat": 0}
         for answer, class_id, rank, verdict in verdicts],
        schema=JUDGEMENTS,
    )  # fmt: skip
    labelled = labels(*((image, [4], [2], "S-") for image in said))
    mapped = mapping(*((image, "OW", exact, 0) for image, (_, exact) in said.items()))
    given = (labelled, CLASSES, {"m": mapped.lazy()}, {"m": replies.lazy()}, judgements.lazy())
    found = scores(*given, inclusion=True)
    row = found.filter(scoring="OW LLM inclusion").select("image_id", "predicted", "imgt", "regt").rows()
    assert row == [
        ("a", [4], True, False),
        ("b", [], False, False),
        ("c", [0], False, False),
        ("d", [2, 4], True, True),
    ]
    # what is no nearest class is accepted by no judge
    assert found.filter(scoring="OW judged")["predicted"].to_list() == [[], [], [0], []]
    assert scores(*given).equals(found.filter(pl.col("scoring") != "OW LLM inclusion"))
