"""The rules that a label file's authors follow, as defaults and in words."""

import pytest

from mllm_classify.config.load import load
from mllm_classify.io.files import PROJECT
from mllm_classify.plan.values import about
from tests.config.given import CROPS, IMAGENET, RECORDED, loaded, refusal, whole

EQUIVALENCES = {"label": "E", "file": "e.json"}
AUTHORS = ("exclude", "N", "equivalent", "any", "intersection")
FIRST = ("error", "exclude", "raw", "wrong", "all")


def config(regt, **others):
    return {"dataset": IMAGENET | {"regt": {"label": "R", "file": "r"} | regt}, "models": [RECORDED]} | others


def rules(read):
    regt = read.dataset.regt
    return regt.missing, regt.uncertain, regt.categories, read.mapping.several, getattr(read.models[0], "images", None)


@pytest.mark.parametrize(
    ("format_", "expected"), [("reimagenet", AUTHORS), ("real", FIRST), ("table", FIRST), ("mustelidae", FIRST)]
)
def test_a_format_alone_brings_the_rules_of_its_authors(folder, format_, expected):
    """`table` is no format of ImageNet's alone, but may hold its labels."""
    assert rules(loaded(folder, config({"format": format_}))) == expected


def test_what_is_written_counts(folder):
    written = {"missing": "error", "uncertain": "exclude", "categories": "raw"}
    models = [RECORDED | {"images": "all"}, RECORDED | {"name": "other", "label": "Other"}]
    read = loaded(folder, config({"format": "reimagenet"} | written, mapping={"several": "wrong"}, models=models))
    assert rules(read) == FIRST
    assert read.models[1].images == "intersection"
    assert loaded(folder, config({"format": "reimagenet"}, mapping={})).mapping.several == "any"


def test_models_that_are_asked_have_no_rule_for_images(folder):
    timm = {"name": "t", "label": "T", "kind": "timm", "architecture": "a"}
    dataset = config({"format": "reimagenet"})["dataset"] | {"folder": "val"}
    assert loaded(folder, {"dataset": dataset, "models": [timm]}).models[0].kind == "timm"


@pytest.mark.parametrize("broken", [{"mapping": None}, {"mapping": ["any"]}, {"models": "none"}, {"models": [1, None]}])
def test_a_broken_section_is_still_named(folder, broken):
    assert refusal(folder, config({"format": "reimagenet"}) | broken).startswith(f"config.yaml: {next(iter(broken))}")


@pytest.mark.parametrize("format_", [["reimagenet"], {"reimagenet": 1}, None, 3])
def test_a_format_that_is_no_word_is_named(folder, format_):
    assert refusal(folder, config({"format": format_})).startswith("config.yaml: dataset.regt.format: ")


def test_tables_say_the_rules(folder):
    read = loaded(folder, config({"format": "reimagenet"}))
    assert about(read)["rules"] == (
        "uncertain: N, categories: equivalent labels count once, several classes named: any may be right, "
        "images: those that both have"
    )
    read = loaded(folder, whole("dataset", "equivalences", overlapping="last"))
    assert about(read)["rules"] == (
        "uncertain: left out, categories: labels as they are, class in several groups: the last counts, several classes "
        "named: wrong, images: all"
    )
    read = loaded(folder, whole("dataset", regt=None, equivalences=None))
    assert about(read)["rules"] == "several classes named: wrong, images: all"


def test_the_first_papers_preset_keeps_its_rules():
    read = load(PROJECT / "presets/paper.yaml")
    assert (read.dataset.regt.format, *rules(read)[:3], read.mapping.several) == ("reimagenet", *FIRST[:4])


def test_each_data_set_has_the_rules_of_its_own_labels(folder):
    """Those of a format reach its data set only, main or further; what is written holds for all."""
    real = IMAGENET | {"name": "real", "label": "Real", "regt": {"label": "R", "format": "real", "file": "r"}}
    theirs = IMAGENET | {"name": "re", "label": "Re", "regt": {"label": "R", "format": "reimagenet", "file": "r"}}
    for main, other in ((real, theirs), (theirs, real)):
        found = loaded(folder, {"dataset": main, "datasets": [{"dataset": other}], "models": [RECORDED]}).studies
        assert {name: rules(read) for name, read in found.items()} == {"real": FIRST, "re": AUTHORS}
        assert about(found["real"])["rules"] != about(found["re"])["rules"]
    written = {"mapping": {"several": "first"}, "models": [RECORDED | {"images": "all"}]}
    found = loaded(folder, {"dataset": real, "datasets": [{"dataset": theirs}]} | written).studies
    assert [rules(read)[3:] for read in found.values()] == [("first", "all")] * 2


def test_crops_have_the_rules_of_the_boxes_authors(folder):
    crops = CROPS | {"restricted": False}
    found = loaded(folder, {"dataset": IMAGENET, "datasets": [{"dataset": crops}], "models": [RECORDED]}).studies
    assert {name: (it.mapping.several, it.models[0].images) for name, it in found.items()} == {
        "i": ("wrong", "all"),
        "c": ("any", "intersection"),
    }
