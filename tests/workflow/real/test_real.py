"""Twelve real models on ImageNet's 50,000 validation images, against figures that others reported."""

import re
import sys

import polars as pl
import pytest

from tests.workflow.study import PROJECT, Study

PREDICTIONS = PROJECT.parent / "shared/real/imagenet_val_predictions"
PRESET = "presets/recorded-imagenet.yaml"

pytestmark = pytest.mark.skipif(not PREDICTIONS.is_dir(), reason=f"recorded predictions are not in {PREDICTIONS}")

IMGT = {
    "alexnet": "56.518",
    "squeezenet1_1": "58.178",
    "vgg16": "71.592",
    "resnet18": "69.758",
    "resnet50": "76.130",
    "resnet152": "78.312",
    "densenet161": "77.138",
    "inceptionv4": "80.082",
    "se_resnext101_32x4d": "80.236",
    "senet154": "81.304",
    "nasnetalarge": "82.506",
    "pnasnet5large": "82.736",
}
REAL = {
    "resnet50": ("82.958", "84.036"),
    "pnasnet5large": ("87.446", "88.240"),
    "alexnet": ("63.061", "65.398"),
}
"""Without the images to which no class applies, and with them as correct."""


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Study:
    """What docs/recorded.md says, as it stands."""
    study = Study(tmp_path_factory.mktemp("real") / "study")
    (study.folder / PREDICTIONS.name).symlink_to(PREDICTIONS)
    (block,) = re.findall(r"```python\n(.*?)```", (study.folder / "docs/recorded.md").read_text(), re.DOTALL)
    done = study.run(sys.executable, "-c", block)
    assert done.returncode == 0, done.stderr
    study.make("--configfile", PRESET)
    return study


def accuracies(study: Study, **row: str) -> dict[str, str]:
    """By model, with three decimals."""
    found = pl.read_parquet(study.folder / "results/accuracy.parquet").filter(**row, subset="A")
    return {name: f"{accuracy:.3f}" for name, accuracy in found.select("name", "accuracy").rows()}


def test_accuracy_under_imgt(study: Study) -> None:
    assert accuracies(study, measure="ImGT") == IMGT


def test_accuracy_under_real_by_both_rules(study: Study) -> None:
    rules = [accuracies(study, measure="ReGT", n_images=rule) for rule in ("excluded", "correct")]
    assert {name: tuple(found[name] for found in rules) for name in REAL} == REAL


def test_accuracy_of_five_under_real(study: Study) -> None:
    """By images in N as correct; what timm's evaluator of ReaL says of ResNet-50 without them is 95.469 %."""
    found = {(row["model"], row["k"]): row["ReGT_A"] for row in study.rows("top_k")}
    assert len(found) == 24
    wanted = {"AlexNet": "84.67", "ResNet-50": "95.76", "PNASNet-5-Large": "97.57"}
    assert {model: found[model, "5"] for model in wanted} == wanted
    right = 0.95469394 * (50_000 - 3163) + 3163
    assert found["ResNet-50", "5"] == f"{right / 500:.2f}"


def test_images_per_category(study: Study) -> None:
    counts, _ = study.rows("table2")
    wanted = {"A": "50000", "S+": "35716", "S-": "3678", "M+": "6448", "M-": "995", "N": "3163"}
    assert {category: counts[category] for category in wanted} == wanted


def test_suspects_have_another_label_by_real_as_often_as_the_guide_says(study: Study) -> None:
    """The models' disagreement alone, against labels that the ranking does not know."""
    guide = (PROJECT / "docs/label-noise.md").read_text()
    rows = study.rows("precision")
    assert len(rows) == 10
    assert {row["base"] for row in rows} == {"9.35", "15.67"}
    for row in rows:
        cells = [
            f"{int(row['first']):,}",
            f"{int(row['hits']):,}",
            row["precision"],
            row["base"],
            row["average_precision"],
        ]
        assert f"| {' | '.join(cells)} |" in guide
    ranks = [(row["rank"], row["votes"], row["models"]) for row in study.rows("suspects")]
    assert (len(ranks), ranks[0]) == (50_000, ("1", "12", "12"))


def test_gain_of_supervised_models(study: Study) -> None:
    (row,) = study.rows("gains")
    assert (row["paradigm"], row["models"], row["gain"]) == ("supervised", "12", "7.44")
    assert float(row["gain_low"]) == pytest.approx(7.19, abs=0.03)
    assert float(row["gain_high"]) == pytest.approx(7.71, abs=0.03)


def test_every_table_is_there_and_nothing_is_left_to_do(study: Study) -> None:
    assert len(study.rows("ranking")) == len(study.rows("table3")) == 12
    assert len(study.rows("mcnemar")) == 2 * 66
    assert study.scheduled("--configfile", PRESET) == set()
