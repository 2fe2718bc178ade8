import re

import polars as pl
import pytest

from mllm_classify.report.key_figures import CATEGORIES, added, headlines, label_noise, standings
from tests.report.summed import tables_of
from tests.tables.studies import ONE_LABEL_SET, random_frames, scored

NAMES = "S+ S+ S- M+ M- M- N N"
CHAT = [
    scored("a", "OW", "10000000", "10000011", NAMES),
    scored("a", "CW", "11000000", "11000000", NAMES, oop="00011111"),
    scored("a", "CW+", "11010000", "11011011", NAMES, oop="00011111"),
]
VISION = [scored("v", "CW", "11111100", "11000011", NAMES), scored("w", "CW", "00000000", "11110011", NAMES)]
TABLES = tables_of(*CHAT, *VISION)
MODELS = standings(TABLES["table3"], TABLES["ranking"])
NOISE = label_noise(TABLES["table2"])
WORDED = added(TABLES["table4"], TABLES["table5"], TABLES["mcnemar"], "ReGT")


def test_models_stand_in_the_order_of_regt_with_the_numbers_of_the_tables():
    shown = MODELS.select("model", "task", "ReGT_A", "ImGT_A", "change", "ImGT_A_place", "ReGT_A_place").rows()
    assert shown == [
        ("Model A", "CW+", "75.00", "37.50", "37.50", "2", "1"),
        ("Vision 2", "CW", "75.00", "0.00", "75.00", "3", "1"),
        ("Vision", "CW", "50.00", "75.00", "-25.00", "1", "3"),
    ]
    by_name = {row["model"]: row for row in TABLES["table3"].to_dicts()}
    for row in MODELS.to_dicts():
        table = by_name[row["model"]]
        assert row["ReGT_A_interval"] == f"{table['ReGT_A_low']} to {table['ReGT_A_high']}"
        assert row["change_interval"].count(" to ") == 1


def test_what_the_nearest_class_adds():
    """CW+ is right on three images on which CW is wrong under ReGT, of 8; McNemar's exact p of 3 to 0 is 1/4."""
    (row,) = WORDED.to_dicts()
    assert (row["model"], row["CW"], row["CW_plus"], row["gain"], row["oop"]) == (
        "Model A", "25.00", "75.00", "+50.00", "62.5",
    )  # fmt: skip
    low, high = map(float, row["gain_interval"].split(" to "))
    assert low < 50 < high
    assert (low + high) / 2 == pytest.approx(50)


@pytest.mark.parametrize("label_set", ["ImGT", "ReGT"])
@pytest.mark.parametrize("seed", range(4))
def test_the_gain_is_the_difference_of_the_accuracies_and_lies_in_its_interval(seed, label_set):
    tables = tables_of(*random_frames(seed, images=40))
    rows = added(tables["table4"], tables["table5"], tables["mcnemar"], label_set).to_dicts()
    assert len(rows) == 2
    for row in rows:
        assert float(row["gain"]) == pytest.approx(float(row["CW_plus"]) - float(row["CW"]), abs=0.0101)
        low, high = map(float, row["gain_interval"].split(" to "))
        assert low <= float(row["gain"]) <= high
    assert float(rows[0]["gain"]) >= float(rows[1]["gain"])


def test_labels_are_told_by_category():
    assert list(CATEGORIES) == NOISE["category"].to_list()
    assert NOISE["images"].to_list() == ["2", "1", "1", "2", "2"]
    assert NOISE["percent"].to_list() == ["25.0", "12.5", "12.5", "25.0", "25.0"]


def test_headlines_are_what_one_would_count_by_hand():
    found = {it.what: it for it in headlines(MODELS, NOISE, WORDED, TABLES["ranking"], TABLES["mcnemar"])}
    values = {what: it.value for what, it in found.items()}
    assert values == {
        "best accuracy under ReGT": "75.00 %",
        "pairs of models told apart": "0 of 3",
        # S- and M- of the six that have a label
        "of labelled images have an ImGT label that ReGT rejects": "50.0 %",
        "points from ImGT to ReGT": "-25.00 to +75.00",
        "models change place under ReGT": "3 of 3",
        "points from CW to CW+ under ReGT": "+50.00",
        "of answers out of prompt": "62.5 %",
    }
    assert found["best accuracy under ReGT"].meaning.startswith("Model A and 1 more with the same accuracy; ")
    assert (
        "3 of 6 images; 2 more show no class"
        in found["of labelled images have an ImGT label that ReGT rejects"].meaning
    )
    assert "least for Vision, most for Vision 2" in found["points from ImGT to ReGT"].meaning


def test_pairs_that_differ_are_counted():
    """On 40 images, one model right everywhere and another nowhere; a third is as the first."""
    names = "S+ " * 40
    tables = tables_of(
        *(scored(model, "CW", sign * 40, sign * 40, names) for model, sign in zip("vwa", "101", strict=True))
    )
    told = headlines(
        standings(tables["table3"], tables["ranking"]), label_noise(tables["table2"]), pl.DataFrame(),
        tables["ranking"], tables["mcnemar"],
    )  # fmt: skip
    assert next(it.value for it in told if it.what == "pairs of models told apart") == "2 of 3"


def test_with_one_label_set_nothing_is_said_of_another():
    frames = [frame.with_columns(regt=pl.lit(None, pl.Boolean), category=pl.lit(None, pl.String)) for frame in CHAT]
    tables = tables_of(*frames, study=ONE_LABEL_SET)
    models = standings(tables["table3"], tables["ranking"])
    noise = label_noise(tables["table2"])
    worded = added(tables["table4"], tables["table5"], tables["mcnemar"], "ImGT")
    told = headlines(models, noise, worded, tables["ranking"], tables["mcnemar"])
    assert noise.height == 0
    assert [it.what for it in told] == [
        "best accuracy under ImGT", "points from CW to CW+ under ImGT", "of answers out of prompt",
    ]  # fmt: skip
    assert not any(re.search("ReGT|None|null", f"{it.what} {it.meaning}") for it in told)


def test_without_a_model_that_answers_in_words_there_is_no_gain():
    tables = tables_of(*VISION)
    worded = added(tables["table4"], tables["table5"], tables["mcnemar"], "ReGT")
    assert worded.height == 0
    told = headlines(
        standings(tables["table3"], tables["ranking"]), label_noise(tables["table2"]), worded, tables["ranking"],
        tables["mcnemar"],
    )  # fmt: skip
    assert not any("CW+" in it.what for it in told)
