import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mllm_classify.tables.factors import factors
from tests.plain.factors import gains as plainly
from tests.tables.studies import MODELS, ONE_LABEL_SET, RESAMPLES, STUDY, images_of, rows, scored

PAIR = ["llm", "Qwen2", "Vicuna", "v", "w"]


def made(*frames, pairs=(PAIR,), study=ONE_LABEL_SET):
    scores = pl.concat(frames)
    return rows(factors(scores, images_of(scores), MODELS, study, RESAMPLES, [list(pair) for pair in pairs]))


def test_two_models_that_differ_in_one_factor():
    (row,) = made(scored("v", "CW", "1100"), scored("w", "CW", "1110"))
    shown = (
        "factor",
        "value",
        "other_value",
        "task",
        "measure",
        "model",
        "other_model",
        "pairs",
        "n",
        "A",
        "other_A",
        "gain",
    )
    assert [row[name] for name in shown] == [
        "llm", "Qwen2", "Vicuna", "CW", "ImGT", "Vision", "Vision 2", "1", "4", "50.00", "75.00", "25.00",
    ]  # fmt: skip
    assert float(row["gain_low"]) <= 25 <= float(row["gain_high"])


def test_equal_answers_have_no_gain_in_any_resample():
    (row,) = made(scored("v", "CW", "0110"), scored("w", "CW", "0110"))
    assert (row["gain"], row["gain_low"], row["gain_high"]) == ("0.00", "0.00", "0.00")


def test_only_images_and_tasks_that_both_have_are_compared():
    frames = [
        scored("v", "CW", "110", images=["i0", "i1", "i2"]), scored("w", "CW", "01", images=["i2", "i3"]),
        scored("v", "OW", "11"),
    ]  # fmt: skip
    (row,) = made(*frames)
    assert (row["task"], row["n"], row["A"], row["other_A"]) == ("CW", "1", "0.00", "0.00")
    assert (row["gain_low"], row["gain_high"]) == ("", "")  # some resamples have no such image


def test_regt_leaves_images_without_a_label_out_where_the_rule_says_so():
    frames = [scored("v", "CW", "10", "01", "S+ N"), scored("w", "CW", "10", "11", "S+ N")]
    for rule, n, gain in (("correct", "2", "50.00"), ("excluded", "1", "100.00")):
        found = {row["measure"]: row for row in made(*frames, study=STUDY._replace(n_images=rule))}
        assert (found["ReGT"]["n"], found["ReGT"]["gain"]) == (n, gain)
        assert (found["ImGT"]["n"], found["ImGT"]["gain"]) == ("2", "0.00")


@st.composite
def answers(draw):
    """Flags of four models, each on some of up to eight images."""
    images = [f"i{number}" for number in range(draw(st.integers(1, 8)))]
    own = st.lists(st.sampled_from(images), min_size=1, unique=True)
    return {model: {image: draw(st.booleans()) for image in sorted(draw(own))} for model in "abvw"}


@given(answers())
@settings(max_examples=30, deadline=None)
def test_an_independent_computation_gives_the_same_figures(answers):
    frames = [
        scored(model, "CW", "".join("01"[right] for right in flags.values()), images=list(flags))
        for model, flags in answers.items()
    ]
    images = sorted({image for flags in answers.values() for image in flags})
    found = made(*frames, pairs=[["llm", "Qwen2", "Vicuna", "a", "b"], PAIR])
    expected = plainly(answers, images, [("a", "b"), ("v", "w")], RESAMPLES)
    labels = dict(MODELS.select("model", "label").iter_rows())
    assert len(found) == len(expected)
    for row, figures in zip(found, expected, strict=True):
        models = figures.pop("models")
        assert (row["model"], row["other_model"]) == (tuple(map(labels.get, models)) if models else ("", ""))
        for name, figure in figures.items():
            assert row[name] == "" if figure is None else float(row[name]) == pytest.approx(figure, abs=0.0051), name
