"""Figures of others: how they are read, what is refused, and which models differ in one factor."""

import argparse

import pytest

from mllm_classify import make
from mllm_classify.config.outside import OutsideFigures
from mllm_classify.io.files import InputError
from mllm_classify.plan.across import benchmark_scores, existing
from mllm_classify.plan.values import factor_pairs, frequencies
from tests.config.given import CONSE, PICTURED, TIMM, loaded, whole

FURTHER = [{"dataset": PICTURED[0]}]


def given(folder, content, name="f.csv"):
    (folder / name).write_text(content)
    return OutsideFigures(file=name, label="L")


def test_names_are_read_without_case_and_sorted(folder):
    read = given(folder, "name,count,words\n Tabby Cat ,12,3.5\nant,0,\n").frequencies()
    assert read == [("ant", 0.0, None), ("tabby cat", 12.0, 3.5)]
    assert given(folder, "name,count\nant,1\n").frequencies() == [("ant", 1.0, None)]
    lines = '{"name": "ant", "count": 2, "words": null}\n'
    assert given(folder, lines, "f.jsonl").frequencies() == [("ant", 2.0, None)]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("name,number\nant,1\n", "f.csv: no column 'count'"),
        ("name,count\nant,1\nANT,2\n", "f.csv:3: 'ant' appears twice; give each name one line"),
        ("name,count\nant,\n", "f.csv:2: count: missing; a name that is never mentioned has 0"),
        ("name,count\nant,-1\n", "f.csv:2: count: '-1' is no number from 0"),
        ("name,count\nant,many\n", "f.csv:2: count: 'many' is no number from 0"),
        ("name,count,words\nant,1,nan\n", "f.csv:2: words: 'nan' is no number from 0"),
    ],
)
def test_what_is_no_frequency_is_named_with_its_place(folder, content, message):
    with pytest.raises(InputError) as caught:
        given(folder, content).frequencies()
    assert message in str(caught.value)


def test_scores_are_read_by_benchmark_and_model(folder):
    read = given(folder, "model,MMMU,OCRBench\nlite,-1.5,\nother,2,600\n").scores()
    assert read == {"MMMU": {"lite": -1.5, "other": 2.0}, "OCRBench": {"other": 600.0}}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("name,MMMU\nlite,1\n", "f.csv: no column 'model'"),
        ("model,MMMU\nlite,high\n", "f.csv:2: MMMU: 'high' is no number"),
        ("model,MMMU\nlite,1\nlite,2\n", "f.csv:3: 'lite' appears twice; give each model one line"),
    ],
)
def test_what_is_no_score_is_named_with_its_place(folder, content, message):
    with pytest.raises(InputError) as caught:
        given(folder, content).scores()
    assert message in str(caught.value)


def test_scores_are_those_of_models_by_their_labels_and_some_model_has_one(folder):
    (folder / "b.csv").write_text("model,MMMU\nlite,3\nelsewhere,9\n")
    tables = {"benchmarks": {"file": "b.csv", "label": "B"}}
    config = loaded(folder, whole(models=[TIMM, CONSE], tables=tables, datasets=FURTHER))
    assert benchmark_scores(config) == {"label": "B", "scores": {"MMMU": {"Lite": 3.0}}}
    (folder / "b.csv").write_text("model,MMMU\nelsewhere,9\n")
    with pytest.raises(InputError) as caught:
        benchmark_scores(config)
    assert str(caught.value) == "b.csv: has a score of none of the models, whose names are lite, conse"


def test_frequencies_are_those_of_the_file(folder):
    (folder / "f.csv").write_text("name,count\nant,1\n")
    config = loaded(folder, whole(tables={"exposure": {"file": "f.csv", "label": "Captions"}}))
    assert frequencies(config) == {"label": "Captions", "names": [("ant", 1.0, None)]}


FACTORS = [
    ({"llm": "B", "data": "1"}, {"llm": "A", "data": "1"}, [["llm", "A", "B", "conse", "lite"]]),
    ({"llm": "A", "data": "1"}, {"llm": "B", "data": "2"}, []),
    ({"llm": "A", "data": "1"}, {"llm": "B"}, []),
    ({"llm": "A"}, {"llm": "A"}, []),
    ({"llm": "A"}, {}, []),
]


@pytest.mark.parametrize(("one", "other", "pairs"), FACTORS)
def test_models_that_differ_in_one_factor_and_have_the_same_others_are_a_pair(folder, one, other, pairs):
    models = [TIMM | {"factors": one}, CONSE | {"factors": other}]
    assert factor_pairs(loaded(folder, whole(models=models))) == pairs
    assert factor_pairs(loaded(folder, whole(models=models[::-1]))) == pairs


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("hard_classes", "two models to compare (tables.compared)"),
        ("effective_robustness", "a data set that is shifted from another (datasets[].shifted_from)"),
        ("benchmarks", "scores on other benchmarks (tables.benchmarks)"),
    ],
)
def test_an_output_about_all_data_sets_that_a_configuration_has_not_is_refused(folder, name, words):
    for datasets, needed in ((FURTHER, words), ([], f"further data sets (datasets) and {words}")):
        config = loaded(folder, whole(models=[TIMM, CONSE], datasets=datasets))
        assert name not in existing(config)
        with pytest.raises(InputError) as caught:
            make.make(argparse.Namespace(outputs=[name], config="c.yaml", dataset=None), config)
        assert str(caught.value) == f"c.yaml: has no {name}, which needs {needed}: docs/studies.md"
