"""Presets of several data sets can be planned where the files that they name are there, and what they plan is what they are for."""

import pytest

from mllm_classify.config.load import load
from mllm_classify.io.files import PROJECT
from mllm_classify.plan.plan import plan

EACH = {"datasets", "heatmap", "parallel"}


@pytest.mark.parametrize(
    ("name", "datasets", "models", "outputs"),
    [
        ("liu2024", ["imagenet", "objectnet", "cub200", "food101"], 7, {"hard_classes"}),
        ("robustness", None, 9, {"effective_robustness", "shifts"}),
        (
            "conti2025",
            ["caltech101", "dtd", "eurosat", "fgvc-aircraft", "flowers102", "food101", "oxford-pets", "stanford-cars", "sun397", "ucf101"],
            12,
            {"hard_classes"},
        ),
    ],
)  # fmt: skip
def test_a_preset_plans_its_data_sets_and_what_is_said_of_all(folder, name, datasets, models, outputs):
    for file in ("imagenet-a", "imagenet-r", "objectnet"):
        (folder / f"{file}.txt").write_text("tench\n")
    made = plan(str(PROJECT / f"presets/{name}.yaml"))
    assert made.across.keys() == EACH | outputs | {"start", "report", "bundle"}
    assert datasets is None or list(made.outlines) == datasets
    assert all(len(outline.models) == models for outline in made.outlines.values())


def test_liu_is_asked_26_options_of_every_data_set_and_factors_make_pairs():
    studies = load(PROJECT / "presets/liu2024.yaml").studies.values()
    assert {(it.choices.n, it.choices.earlier.n, *it.choices.earlier.variants) for it in studies} == {
        (26, 26, "MC semantic")
    }
    assert {tuple(it.tables.compared) for it in studies} == {("llava-1.5-7b", "llava-onevision-7b")}
    made = plan(str(PROJECT / "presets/liu2024.yaml"))
    assert all({"factors", "protocols", "table6"} <= set(outline.outputs) for outline in made.outlines.values())


def test_every_shifted_set_of_the_preset_has_a_base_of_its_classes():
    config = load(PROJECT / "presets/robustness.yaml")
    bases = {it.dataset.name: it.shifted_from for it in config.datasets if it.shifted_from}
    assert bases == {
        "imagenet-v2": "imagenet",
        "imagenet-sketch": "imagenet",
        "imagenet-a": "imagenet-of-a",
        "imagenet-r": "imagenet-of-r",
        "objectnet": "imagenet-of-objectnet",
    }


def test_the_papers_preset_asks_all_that_earlier_work_asks():
    earlier = load(PROJECT / "presets/paper.yaml").choices.earlier
    assert (earlier.variants, earlier.n, earlier.classes) == (
        ["MC random", "MC semantic", "CW random", "CW first"],
        26,
        100,
    )
