"""Calibration of chat models: of likelihoods over all names, of the best alone, of answers in words, and of letters."""

import math
import random

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mllm_classify.choices.options import CHOICES
from mllm_classify.measures.chat_confidences import normalised
from mllm_classify.predict.rows import PREDICTIONS
from mllm_classify.score.score import SCORES
from mllm_classify.tables.calibration import calibration
from mllm_classify.tables.reliability import reliability
from tests.plain import chat_calibration
from tests.plain.files import records
from tests.plain.main_answers import Files
from tests.tables.random_studies import ENTRIES, MODELS_OF, NAMES, VARIANTS, lazy, make_study
from tests.tables.small import CLASSES, labelled
from tests.tables.studies import RESAMPLES, STUDY, rows

MODELS = pl.DataFrame({"model": ["a"], "label": ["Model A"], "family": ["MLLM"]})
LABELS = labelled(("i", 0, [0], "S+"), ("j", 1, [0], "S-"), ("k", 1, [], "N"))
NO_SCORES = pl.DataFrame(schema=SCORES)


def cells(*said):
    return pl.DataFrame([{"variant": "", "repeat": 0, "status": "ok"} | row for row in said], schema=PREDICTIONS)


def table(predictions, scores=NO_SCORES, choices=None):
    asked = {} if choices is None else {"choices": choices.lazy()}
    found = calibration({}, {"a": predictions.lazy()}, scores, asked, LABELS, CLASSES, MODELS, STUDY, RESAMPLES)
    return rows(found)


def test_likelihoods_of_all_names_are_normalised_over_names_which_their_classes_share():
    """Two classes are called missile. Scores are logarithms of 4, 2, 2 and 1: names of 4, 2 and 1, of which missile's 2 is
    shared."""
    ranked = {"task": "OW-likelihood", "class_ids": [0, 2, 3, 1], "scores": [math.log(it) for it in (4, 2, 2, 1)]}
    found = table(cells(*(ranked | {"image_id": it} for it in "ijk")))
    imgt = [row for row in found if row["label_set"] == "ImGT" and row["scores"] == "as given"]
    (row,) = imgt
    assert (row["model"], row["task"], row["n"], row["accuracy"]) == ("Model A", "OW-likelihood", "3", "33.33")
    assert float(row["confidence"]) == pytest.approx(100 * 4 / 7, abs=0.01)
    # of the right classes 4/7, 1/7 and 1/7
    assert float(row["class_NLL"]) == pytest.approx((math.log(7 / 4) + 2 * math.log(7)) / 3, abs=1e-4)
    assert [row["n"] for row in found if row["label_set"] == "ReGT"] == ["2"] * (len(found) // 2)


def test_where_names_were_left_out_the_confidence_lies_between_two_bounds():
    """Of cat and dog, 4 and 2; missile, once for its two classes, at most as dog up to the margin."""
    ranked = {"task": "CW-likelihood PMI", "class_ids": [0, 1], "scores": [math.log(4), math.log(2)]}
    found = table(cells(*(ranked | {"image_id": it} for it in "ij")))
    by = {row["scores"]: row for row in found if row["label_set"] == "ImGT"}
    assert by.keys() == {"at least", "at most"}
    assert float(by["at most"]["confidence"]) == pytest.approx(100 * 4 / 6, abs=0.01)
    assert float(by["at least"]["confidence"]) == pytest.approx(100 * 4 / (6 + 2 * math.exp(1e-3)), abs=0.01)
    assert {(row["class_NLL"], row["class_Brier"], row["temperature"]) for row in found} == {("", "", "")}


@given(st.lists(st.floats(-40, 0), min_size=4, max_size=4), st.integers(1, 4))
def test_the_bounds_hold_whatever_was_left_out(scores, top):
    """Of four classes, of which two have one name and so one score."""
    scores[3] = scores[2]
    order = sorted(range(4), key=lambda it: (-scores[it], it))

    def confidence(kept):
        ranked = {"image_id": "i", "task": "OW-likelihood", "class_ids": kept, "scores": [scores[it] for it in kept]}
        found = normalised(cells(ranked), CLASSES)
        return {name: frame["scores"][0][0] for name, frame in found}

    (whole,) = confidence(order).values()
    bounds = confidence(order[:top])
    if top == 4:
        assert bounds == {"as given": whole}
    else:
        assert bounds["at least"] <= whole + 1e-6
        assert whole <= bounds["at most"] + 1e-6


def test_no_ranking_is_no_row():
    failed = {"image_id": "i", "task": "OW-likelihood", "status": "error"}
    assert table(cells(failed)) == []
    ranked = {"image_id": "j", "task": "OW-likelihood", "class_ids": [0], "scores": [-1.0]}
    found = table(cells(failed, ranked))
    assert {(row["n"], row["n_errors"]) for row in found} == {("1", "1")}


def test_an_answer_is_as_sure_as_it_is_likely_under_every_scoring_and_those_without_are_left_out():
    said = cells(
        {"image_id": "i", "task": "CW", "text": "cat", "answer_logprob": math.log(0.9)},
        {"image_id": "j", "task": "CW", "text": "dog", "answer_logprob": math.log(0.5)},
        {"image_id": "k", "task": "CW", "text": "dog"},
        {"image_id": "i", "task": "CW", "variant": "hot", "text": "cat", "answer_logprob": -1.0},
    )
    scored = pl.DataFrame(
        [
            {"model": "a", "image_id": image, "task": "CW", "variant": variant, "repeat": 0, "scoring": scoring, "status": "ok",
             "imgt": right, "regt": right}
            for scoring, right in (("CW", False), ("CW+", True), ("CW inclusion", True))
            for image, variant in (("i", ""), ("j", ""), ("k", ""), ("i", "hot"))
        ],
        schema=SCORES,
    )  # fmt: skip
    found = [row for row in table(said, scored) if row["label_set"] == "ImGT"]
    assert {(row["task"], row["variant"], row["scores"]) for row in found} == {
        ("CW", "", "answers"),
        ("CW+", "", "answers"),
    }
    for row in found:
        assert (row["n"], row["n_errors"], row["confidence"]) == ("2", "1", "70.00")
        assert row["Brier"] == {"CW": f"{(0.81 + 0.25) / 2:.4f}", "CW+": f"{(0.01 + 0.25) / 2:.4f}"}[row["task"]]


def test_letters_rank_the_options_of_a_question():
    """Of three options the server says A 0.2 and C 0.6; B is unknown and counts as 0. D is no option."""
    said = cells(
        {"image_id": "i", "task": "MC", "variant": "classifier", "text": "C", "letters": [0.2, None, 0.6, 0.1]},
        {"image_id": "j", "task": "MC", "variant": "classifier", "text": "A", "letters": [0.5]},
        {"image_id": "k", "task": "MC", "variant": "classifier", "text": "A"},
    )
    options = pl.DataFrame(
        [{"image_id": it, "variant": "classifier", "repeat": 0, "options": [1, 2, 0]} for it in "ijk"], schema=CHOICES
    )
    (row,) = [it for it in table(said, choices=options) if it["label_set"] == "ImGT"]
    assert (row["task"], row["variant"], row["scores"], row["n"]) == ("MC", "classifier", "letters", "2")
    # C is class 0, the image's; A is class 1, the other's
    assert (row["accuracy"], row["confidence"]) == ("100.00", f"{100 * (0.75 + 1) / 2:.2f}")
    assert row["temperature"] == row["class_NLL"] == ""


def with_more(folder, seed):
    """The random study's model that ranks by likelihood: some of its rankings of all classes, its answers with probabilities."""
    rng = random.Random(seed)
    path = next(folder.glob("predictions/*/likely.parquet"))
    found = []
    for row in records(path):
        more = {}
        if row["task"].startswith("OW-likelihood"):
            scores = sorted((rng.choice([-1.0, -2.5, rng.uniform(-30, 0)]) for _ in NAMES), reverse=True)
            more = {"class_ids": rng.sample(range(len(NAMES)), len(NAMES)), "scores": scores}
        elif "likelihood" not in row["task"] and rng.random() < 0.9:
            more = {"answer_logprob": math.log(rng.choice([0.25, 0.5, rng.random()]))}
        found.append(row | more)
    pl.DataFrame(found, schema=PREDICTIONS).write_parquet(path)
    return records(path)


@pytest.mark.parametrize(("seed", "count", "second"), [(1, 12, True), (3, 60, True), (5, 40, False)])
def test_every_figure_equals_an_independent_computation(tmp_path, seed, count, second):
    study = STUDY._replace(regt="New labels" if second else None)
    scores, labels, classes = make_study(tmp_path, seed, count, second, one_way=False, several="wrong")
    said = with_more(tmp_path, seed)
    files = Files(tmp_path, ENTRIES, tmp_path / "pairs.csv", variants=VARIANTS)
    chat = lazy(tmp_path, "predictions", ["likely", "varied"])
    about = (labels, classes, MODELS_OF, study)
    found = [
        row for row in rows(calibration({}, chat, scores, {}, *about, RESAMPLES)) if row["scores"] != "temperature"
    ]
    known = {(row["task"], row["image_id"]): row["answer_logprob"] for row in said}
    expected = chat_calibration.likelihoods(files, "Likelihoods", said)
    expected += [row | {"model": "Likelihoods"} for row in chat_calibration.answers(files, "likely", known)]

    def key(row):
        return row["task"], row["label_set"], row["scores"]

    assert {row["scores"] for row in found} == {"as given", "at least", "at most", "answers"}
    assert len(found) == len(expected)
    for row, other in zip(sorted(found, key=key), sorted(expected, key=key), strict=True):
        whole = row["scores"] == "as given" and row["label_set"] == "ImGT"
        for name, number in other.pop("numbers").items():
            if name.startswith("class_") and not whole:
                assert row[name] == ""
                continue
            last_digit = 0.01 if name in ("confidence", "ECE", "ECE_mass", "AURC") else 0.0001
            if name != "ECE_mass":  # where the bounds of a bin lie between equal confidences, the last bit decides
                assert float(row[name]) == pytest.approx(number, abs=0.501 * last_digit), (name, key(row))
        assert {name: row[name] for name in other} == other
    bins = rows(reliability({}, chat, scores, {}, *about))
    for row in found:
        mine = [it for it in bins if key(it) == key(row) and it["bins"] == "equal width"]
        assert sum(int(it["n"]) for it in mine) == int(row["n"])
        error = sum(int(it["n"]) * abs(float(it["confidence"]) - float(it["accuracy"])) for it in mine) / int(row["n"])
        assert error == pytest.approx(float(row["ECE"]), abs=0.02)
