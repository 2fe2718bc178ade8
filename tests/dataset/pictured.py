"""Data sets of every source that brings its labels along, made by the libraries of which they are the forms."""

import io
import json
import shutil
from pathlib import Path

import numpy as np
from PIL import Image

from mllm_classify.config.pictured import FolderDataset, HubDataset, TorchvisionDataset, WebDataset
from mllm_classify.dataset.images import class_list, images
from mllm_classify.io.files import locate

CIFAR10 = ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"]
COMMIT = "0123456789abcdef0123456789abcdef01234567"


def cifar10(count=20):
    """CIFAR-10's pictures inside of foolbox: name, bytes and class of each."""
    files = sorted(locate("package:foolbox/data").glob("cifar10_*.png"))[:count]
    return [(path.stem, path.read_bytes(), int(path.stem.rpartition("_")[2])) for path in files]


def encoded(colour, form="PNG", size=(8, 8)):
    content = io.BytesIO()
    Image.new("RGB", size, colour).save(content, form)
    return content.getvalue()


def folders(top, pictures, names=CIFAR10):
    """Class folders with pictures, and the data set of them."""
    for name, content, label in pictures:
        path = Path(top) / names[label] / f"{name}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return folder(top)


def folder(top, **more):
    return FolderDataset(source="folder", name="d", label="D", folder=str(top), **more)


def hub(**more):
    return HubDataset(
        **({"source": "hub", "name": "d", "label": "D", "repository": "me/pictures", "split": "test"} | more)
    )


def webdataset(top, **more):
    given = {"shards": "*.tar", "classes": "classes.txt"} | more
    return WebDataset(source="webdataset", name="d", label="D", folder=str(top), **given)


def torchvision(name, **more):
    return TorchvisionDataset(source="torchvision", name="d", label="D", set=name, **more)


def as_datasets(pictures, names=CIFAR10):
    """The pictures as a data set of the `datasets` library, whose image column holds their bytes."""
    import datasets

    features = datasets.Features({"img": datasets.Image(), "label": datasets.ClassLabel(names=list(names))})
    rows = {
        "img": [{"bytes": content, "path": f"{name}.png"} for name, content, _ in pictures],
        "label": [label for *_, label in pictures],
    }
    return datasets.Dataset.from_dict(rows, features=features)


def hub_cache(home, pictures, monkeypatch, *, shards=2, names=CIFAR10):
    """A cache of the hub's files with one data set of two Parquet files, as `hf download` lays it out."""
    monkeypatch.setenv("HF_HOME", str(home))
    top = Path(home) / "hub/datasets--me--pictures"
    data = top / f"snapshots/{COMMIT}/data"
    data.mkdir(parents=True)
    (top / "refs").mkdir()
    (top / "refs/main").write_text(COMMIT)
    whole = as_datasets(pictures, names)
    for number in range(shards):
        file = data / f"test-{number:05}-of-{shards:05}.parquet"
        whole.shard(shards, number, contiguous=True).to_parquet(str(file), batch_size=3)
    return data


def prepared_cache(home, pictures, monkeypatch):
    """A cache of the `datasets` library itself: Arrow files that it prepared."""
    import datasets

    monkeypatch.setenv("HF_HOME", str(home))
    source = Path(home) / "source/test.parquet"
    source.parent.mkdir(parents=True)
    as_datasets(pictures).to_parquet(str(source))
    loaded = datasets.load_dataset(
        "parquet", data_files={"test": str(source)}, cache_dir=str(Path(home) / "made"), split="test"
    )
    (file,) = {it["filename"] for it in loaded.cache_files}
    place = Path(home) / f"datasets/me___pictures/default/0.0.0/{COMMIT}"
    shutil.copytree(Path(file).parent, place)
    return place


def shards(top, pictures, each=8, **label):
    """Tar shards that WebDataset writes."""
    from webdataset import ShardWriter

    Path(top).mkdir(exist_ok=True)
    with ShardWriter(f"{top}/test-%03d.tar", maxcount=each, verbose=0) as writer:
        for name, content, number in pictures:
            said = {ending: make(number) for ending, make in label.items()} or {"cls": number}
            writer.write({"__key__": f"a/{name}", "png": content, **said})
    return sorted(Path(top).glob("*.tar"))


def as_json(number):
    return json.dumps({"label": CIFAR10[number], "other": 1}).encode()


def mnist(root, pictures=6):
    """MNIST's files as the library has them on disk: grey pictures of random noise."""
    raw = Path(root) / "MNIST/raw"
    raw.mkdir(parents=True)
    draw = np.random.default_rng(0)
    arrays = draw.integers(0, 256, (pictures, 28, 28), dtype=np.uint8)
    labels = np.arange(pictures, dtype=np.uint8)
    for part, count in {"t10k": pictures, "train": 1}.items():
        shape = b"".join(number.to_bytes(4, "big") for number in (2051, count, 28, 28))
        (raw / f"{part}-images-idx3-ubyte").write_bytes(shape + arrays[:count].tobytes())
        head = b"".join(number.to_bytes(4, "big") for number in (2049, count))
        (raw / f"{part}-labels-idx1-ubyte").write_bytes(head + labels[:count].tobytes())
    return arrays


def registered(dataset):
    """The classes and the images of a data set."""
    classes = class_list(dataset)
    return classes, images(dataset, classes)
