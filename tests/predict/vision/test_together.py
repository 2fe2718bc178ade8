"""Several data sets with one load: what is computed before their predictions are asked for, and what is left to refuse."""

import numpy as np
import polars as pl
import pytest
import safetensors.torch
import timm as timm_library
import torch
from PIL import Image

from mllm_classify.config.vision import KnnModel, TimmModel
from mllm_classify.dataset.images import IMAGES
from mllm_classify.io.files import StoppedError, sha256
from mllm_classify.predict import knn, timm
from mllm_classify.predict.images import Images
from mllm_classify.predict.vision.together import prepare
from tests.predict.jobs import job

CLASSES = ["cat", "dog", "whale", "daisy"]
LOADING = "loading the weights"

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Pictures of two data sets, training images, and weights of a tiny network of four classes."""
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    for name in ("a", "b", "train"):
        (tmp_path / name).mkdir()
        for number in range(5):
            Image.fromarray(rng.integers(0, 255, (40, 40, 3), dtype=np.uint8)).save(tmp_path / name / f"{number}.png")
    (tmp_path / "train.csv").write_text("image_id,class\n" + "".join(f"{n}.png,{CLASSES[n % 4]}\n" for n in range(5)))
    torch.manual_seed(0)
    weights = timm_library.create_model("test_vit", num_classes=4).state_dict()
    safetensors.torch.save_file(weights, tmp_path / "w.safetensors")
    return tmp_path


def jobs(folder, entry, classes=(CLASSES, CLASSES)):
    """One of each data set, whose output lies in a folder of its name."""
    for name, of in zip("ab", classes, strict=True):
        rows = [
            {"image_id": str(n), "file": f"{n}.png", "sha256": sha256((folder / name / f"{n}.png").read_bytes())}
            for n in range(5)
        ]
        images = Images(pl.DataFrame(rows, schema=IMAGES), str(folder / name))
        listed = pl.DataFrame(
            {"class_id": range(len(of)), "name": of, "synset": pl.Series([None] * len(of), dtype=str)}
        )
        made = job(entry, images, listed, output=folder / f"out/{name}/m.parquet")
        made.dataset.name = name
        yield made


def classifier(**options):
    known = {"name": "m", "label": "M", "kind": "timm", "architecture": "test_vit", "weights": "w.safetensors"}
    return TimmModel(**known | {"batch_size": 2} | options)


def neighbours():
    known = {"name": "m", "label": "M", "kind": "knn", "architecture": "test_vit", "k": 3, "weights": "w.safetensors"}
    return KnnModel(**known, train={"folder": "train", "images": "train.csv"})


@pytest.mark.parametrize(
    ("kind", "entry", "compute"), [(timm, classifier, timm.predict), (knn, neighbours, knn.prepared)]
)
def test_weights_are_loaded_once_and_then_never(folder, monkeypatch, caplog, kind, entry, compute):
    if kind is timm:  # timm's head of 1,000 classes is not this one's
        monkeypatch.setattr(
            "mllm_classify.loading.timm._create", lambda _: timm_library.create_model("test_vit", num_classes=4)
        )
    else:
        safetensors.torch.save_file(timm_library.create_model("test_vit").state_dict(), "w.safetensors")
    caplog.set_level("INFO")
    alone = [kind.predict(it)[0] for it in jobs(folder, entry())]
    for left in [*folder.glob("out/*/.m*"), *folder.glob("features/*")]:
        for part in left.iterdir():
            part.unlink()
        left.rmdir()
    caplog.clear()
    prepare(jobs(folder, entry()), compute)
    assert caplog.text.count(LOADING) == 1
    assert [kind.predict(it)[0].equals(one) for it, one in zip(jobs(folder, entry()), alone, strict=True)] == [True] * 2
    assert caplog.text.count(LOADING) == 1


def test_what_is_wrong_with_one_data_set_is_left_to_its_own_job(folder, monkeypatch, caplog):
    monkeypatch.setattr(
        "mllm_classify.loading.timm._create", lambda _: timm_library.create_model("test_vit", num_classes=4)
    )
    caplog.set_level("INFO")
    prepare(jobs(folder, classifier(), (CLASSES[:3], CLASSES)), timm.predict)
    assert "a: architecture: test_vit has 4 classes, the data set 3" in caplog.text
    assert caplog.text.count(LOADING) == 1
    assert list(folder.glob("out/b/.m.parquet.parts-*/*.parquet"))
    assert not list(folder.glob("out/a/.m.parquet.parts-*/*.parquet"))


def test_weights_that_cannot_be_loaded_end_all_at_once(folder, caplog):
    caplog.set_level("INFO")
    with pytest.raises(StoppedError, match=r"gone\.safetensors not found"):
        prepare(jobs(folder, classifier(weights="gone.safetensors")), timm.predict)
    assert caplog.text.count(LOADING) == 1
