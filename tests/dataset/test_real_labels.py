import json
import re
from collections import Counter

import polars as pl
import pytest

from mllm_classify.config.dataset import TableDataset
from mllm_classify.config.every_dataset import LabelSet
from mllm_classify.config.load import load
from mllm_classify.dataset.classes import classes as read_classes
from mllm_classify.dataset.images import images
from mllm_classify.dataset.labels import labels
from mllm_classify.io.files import PROJECT, read_csv, read_text
from tests.dataset.given import refusal

REAL = PROJECT.parent / "shared/real"


# data that is not the project's


@pytest.mark.skipif(not REAL.exists(), reason="GPT-4V's answers are not in ../shared/real")
def test_the_six_images_of_sun397_without_a_label(folder):
    source = [json.loads(line) for line in (REAL / "gpt4v_outputs/sun397.jsonl").read_text().splitlines()]
    records = [{"image_id": row["image"], "class": row["label"] and row["label"].replace("_", " ")} for row in source]
    (folder / "sun397.jsonl").write_text("".join(json.dumps(record) + "\n" for record in records))
    unlabelled = [row["image"] for row in source if row["label"] is None]
    assert len(unlabelled) == 6

    def read(missing):
        dataset = TableDataset(
            source="table",
            name="sun397",
            label="SUN397",
            classes=str(REAL / "gpt4v_outputs/sun397_classes.txt"),
            imgt=LabelSet(label="SUN397", file="sun397.jsonl", missing=missing),
        )
        classes = read_classes(dataset)
        return labels(images(dataset, classes), classes, dataset)

    assert refusal(read, "error").startswith(
        f"sun397.jsonl: no label for 6 of 19836 images: {', '.join(map(repr, unlabelled[:3]))} ..."
    )
    found = read("exclude")
    assert found["image_id"].to_list() == [row["image"] for row in source]
    left_out = found.filter(pl.col("excluded") == "no ImGT label")
    assert left_out["image_id"].to_list() == unlabelled
    assert left_out.select("imgt", "imgt_admissible").null_count().row(0) == (6, 6)
    assert found["excluded"].null_count() == found["imgt"].count() == 19_830


# what the project ships


@pytest.fixture(scope="module")
def shipped():
    """Names of the shipped classes, and the shipped labels by image."""
    dataset = load(PROJECT / "config.yaml").dataset
    classes = read_classes(dataset)
    manifest = pl.DataFrame([row for _, row in read_csv("resources/photos/images.csv")])
    return classes, manifest, labels(manifest, classes, dataset)


def test_shipped_imgt_labels_follow_their_recorded_rule(shipped):
    """The class number in the name of foolbox's files, and beside every number what it means."""
    classes, manifest, found = shipped
    numbers = {
        image: int(number)
        for image, file in manifest.select("image_id", "file").iter_rows()
        for number in re.findall(r"^package:foolbox/data/imagenet_\d+_(\d+)\.jpg$", file)
    }
    assert len(numbers) == 20
    imgt = dict(found.select("image_id", "imgt").iter_rows())
    assert {image: imgt[image] for image in numbers} == numbers
    said = {row["image_id"]: row["name"] for _, row in read_csv("resources/photos/imgt.csv")}
    assert {image: classes["name"][class_id] for image, class_id in imgt.items()} == said


def test_shipped_regt_header_says_the_true_counts(shipped):
    *_, found = shipped
    header = " ".join(
        line.lstrip("# ") for line in read_text("resources/photos/regt.csv").splitlines() if line.startswith("#")
    )
    said = re.findall(r"([SM][+-]|\bN) (\d+)(?: \(([a-z_, ]+)\))?", header)
    counts = Counter(found["category"])
    assert {name: int(count) for name, count, _ in said} == dict(counts)
    assert all(f"{name} is empty here" in header for name in {"S+", "S-", "M+", "M-", "N"} - set(counts))
    for name, _, ids in said:
        if ids:
            assert ids.split(", ") == found.filter(category=name)["image_id"].to_list()
