"""Data sets beside the main one: what is refused, and what the study of each alone is."""

import pytest

from tests.config.given import CONSE, ENGINE, PICTURED, RECORDED, TIMM, WHOLE, choosing, loaded, refusal, whole

FOLDER = PICTURED[0]
TABLE = {key: value for key, value in WHOLE["dataset"].items() if key != "images"}


def further(name="f", **values):
    """An entry of `datasets`."""
    return {"dataset": FOLDER | {"name": name, "label": name.upper()}} | values


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        (further("d"), "config.yaml: datasets[0].dataset.name: 'd' is also dataset.name; give each its own"),
        (further("D"), "datasets[0].dataset.name: 'D' is also dataset.name"),
        (further(dataset=FOLDER | {"label": "D"}), "datasets[0].dataset.label: 'D' is also dataset.label"),
        (further("predictions"), "datasets[0].dataset.name: 'predictions' would be a folder of results/"),
        (further("Mapping"), "datasets[0].dataset.name: 'Mapping' would be a folder of results/"),
        (further("table3.csv"), "datasets[0].dataset.name: 'table3.csv' would be a folder of results/"),
        (further(dataset=FOLDER | {"source": "foldr"}), "datasets[0].dataset.source: 'foldr' is no source of a data set"),
        (further(dataset={"name": "f"}), "datasets[0].dataset.source: missing; one of crops, folder, hub, imagenet"),
        (further(dataset=FOLDER | {"fodler": "x"}), "datasets[0].dataset.fodler: unknown key (value 'x')"),
        (further(dataset=FOLDER | {"synsets": "s"}), "datasets[0].dataset.synsets: 's' are those of a class list"),
        (further(choices={"n": 1, "reference": "lite"}), "datasets[0].choices.n: 1: input should be greater than"),
        (further(choices={"reference": "nobody"}), "datasets[0] (f): choices.reference: 'nobody' is not among the models"),
        (further(models=["lite", "nobody"]), "datasets[0].models: 'nobody' is not among the models, which are lite, conse"),
        (further(models=[]), "datasets[0].models: []: list should have at least 1 item"),
        (further(dataset=TABLE | {"name": "t", "label": "T", "images": "j.csv", "regt": None}, choices={"reference": "lite"}),
         "datasets[0] (t): choices.variants: 'ReGT + confEVA(ReGT)' needs a second label set"),
        (further(shifted_from="e"), "datasets[0].shifted_from: 'e' is none of the data sets, which are d, f"),
        (further(shifted_from="f"), "datasets[0].shifted_from: 'f' is this data set itself; name its base"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_named_with_its_place(folder, entry, message):
    assert message in refusal(folder, whole(datasets=[entry]))


def test_a_study_of_one_data_set_is_itself(folder):
    config = loaded(folder, WHOLE)
    assert config.studies == {"d": config}
    assert config.results == "results"


def test_each_data_set_has_a_study_of_its_own(folder):
    entries = [
        further("f", templates="f.txt"),
        further("g", models=["lite"], choices={"reference": "lite", "variants": ["ImGT + random"]}),
    ]
    config = loaded(folder, choosing() | {"datasets": entries})
    main, f, g = (config.study(name) for name in ("d", "f", "g"))
    assert [it.results for it in (main, f, g)] == ["results", "results/f", "results/g"]
    assert [it.dataset.name for it in (main, f, g)] == ["d", "f", "g"]
    assert [it.encoder.templates for it in (main, f, g)] == ["t.txt", "f.txt", "t.txt"]
    assert (main.choices.variants, f.choices, g.choices.variants) == (config.choices.variants, None, ["ImGT + random"])
    assert [model.name for model in f.models] == ["lite", "conse", "api"]  # the engine is asked MC only
    assert [model.name for model in g.models] == ["lite"]
    assert not any(it.datasets for it in (main, f, g))


def test_a_model_is_asked_options_where_there_are_some(folder):
    engine = ENGINE | {"tasks": ["CW", "MC"]}
    config = loaded(folder, choosing(models=[TIMM, CONSE, engine]) | {"datasets": [further()]})
    assert config.study("d").model("engine").tasks == ["CW", "MC"]
    assert config.study("f").model("engine").tasks == ["CW"]


def test_what_the_main_data_set_alone_has_is_not_the_others(folder):
    config = loaded(
        folder, whole(tables={"compared": ["lite", "conse"]}, datasets=[further(models=["lite"]), further("g")])
    )
    assert [it.tables.compared for it in config.studies.values()] == [["lite", "conse"], None, ["lite", "conse"]]


def test_a_data_set_that_no_probed_model_sees_has_no_probe(folder):
    probe = {"models": ["engine"], "descriptions": "d.csv"}
    config = loaded(
        folder, whole(models=[TIMM, ENGINE], probe=probe, datasets=[further(models=["lite"]), further("g")])
    )
    assert [it.probe and it.probe.models for it in config.studies.values()] == [["engine"], None, ["engine"]]


def test_the_main_study_does_not_know_of_others(folder):
    alone = loaded(folder, WHOLE)
    assert loaded(folder, whole(datasets=[further()])).study("d") == alone


def test_recorded_predictions_have_a_file_for_each_data_set(folder):
    config = loaded(folder, whole(models=[RECORDED | {"file": "gpt/{dataset}.csv"}], datasets=[further()]))
    assert [it.models[0].file for it in config.studies.values()] == ["gpt/d.csv", "gpt/f.csv"]
