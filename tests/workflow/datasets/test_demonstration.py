"""The demonstration over three data sets: photographs, and pictures of CIFAR-10 and CIFAR-100 inside a package."""

import csv
import re
from pathlib import Path

import pytest

from mllm_classify.io.files import PROJECT
from tests.workflow.study import Study

pytestmark = pytest.mark.study
CIFAR = {"cifar10": 10, "cifar100": 100}


def rows(path: Path) -> list[dict[str, str]]:
    lines = [line for line in path.read_text().splitlines() if not line.startswith("#")]
    return list(csv.DictReader(lines))


@pytest.mark.parametrize("name", CIFAR)
def test_labels_are_those_that_the_files_names_have(name: str) -> None:
    folder = PROJECT / "resources/cifar"
    names = [line for line in (folder / f"{name}-classes.txt").read_text().splitlines() if not line.startswith("#")]
    assert len(names) == CIFAR[name]
    labels = {row["image_id"]: row["class"] for row in rows(folder / f"{name}-labels.csv")}
    files = {row["image_id"]: row["file"] for row in rows(folder / f"{name}-images.csv")}
    assert len(files) == 20
    assert labels == {image: names[int(re.search(r"_(\d+)\.png$", file)[1])] for image, file in files.items()}


def test_three_data_sets_and_what_is_said_of_all(tmp_path: Path) -> None:
    study = Study(tmp_path / "study")
    targets = [f"results/{name}" for name in ("datasets.csv", "heatmap.svg", "factors.csv", "hard_classes.csv")]
    done = study.snakemake(*targets, "--configfile", "presets/demonstration_datasets.yaml")
    assert done.returncode == 0, done.stdout + done.stderr
    found = {(row["model"], row["task"]): row for row in study.rows("datasets") if row["measure"] == "ImGT"}
    chat = [found[f"conse-chat, Lite{size} (not an LLM)", task] for size in (0, 2) for task in ("OW", "CW", "CW+")]
    for row in chat:
        assert [row[f"n_{name}"] for name in ("photos", *CIFAR)] == ["30", "20", "20"]
        assert row["datasets"] == "3"
    lite = found["EfficientNet-Lite2", "CW"]
    assert (lite["n_photos"], lite["n_cifar10"], lite["macro"]) == ("30", "", "")
    # twenty pictures tell little, and the intervals say so
    for row in found.values():
        for name in CIFAR:
            if row[f"A_{name}"]:
                assert float(row[f"A_{name}_high"]) - float(row[f"A_{name}_low"]) > 10
    gains = study.rows("factors")
    assert {(row["factor"], row["value"], row["other_value"]) for row in gains} == {
        ("classifier", "EfficientNet-Lite0", "EfficientNet-Lite2")
    }
    assert {(row["task"], row["measure"]) for row in gains} == {
        (task, measure) for task in ("OW", "CW", "CW+") for measure in ("ImGT", "ReGT")
    }
    assert {row["dataset"] for row in study.rows("hard_classes")} == {"photos", *CIFAR}
    assert "CIFAR-100" in (study.folder / "results/heatmap.svg").read_text()
