"""Files in which pictures lie, for tests/fuzzed.py: each with a plain reading of what may come of it."""

import io
import tarfile

import polars as pl

from mllm_classify.config.pictured import HubDataset, WebDataset
from mllm_classify.dataset.images import images
from mllm_classify.dataset.sources.naming import read_mapping
from mllm_classify.io import columns, places, tar
from tests.dataset.pictured import encoded
from tests.fuzz import Reader

COLOURS = ("red", "green", "blue")
PICTURES = [encoded(colour) for colour in COLOURS]
CLASSES = pl.DataFrame(
    {"class_id": range(3), "name": COLOURS, "synset": None},
    schema={"class_id": pl.Int32, "name": pl.String, "synset": pl.String},
)


def shard():
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w") as archive:
        for number, picture in enumerate(PICTURES):
            for name, data in ((f"{number}.png", picture), (f"{number}.cls", str(number).encode())):
                info = tarfile.TarInfo(name)
                info.size = len(data)
                archive.addfile(info, io.BytesIO(data))
    return content.getvalue()


def _forget():
    """Files that are written within the clock's grain of each other look the same to caches."""
    tar._members.cache_clear()
    columns._forget()


def from_shard(path):
    _forget()
    given = {"folder": str(path.parent), "shards": path.name, "classes": "c.txt", "corrupt": "count"}
    dataset = WebDataset(source="webdataset", name="d", label="D", **given)
    return _read(images(dataset, CLASSES), path)


def from_columns(path):
    _forget()
    dataset = HubDataset(source="hub", name="d", label="D", repository="a/b", split="test", folder=str(path.parent),
                         classes="c.txt", image="image", labels="label", corrupt="count")  # fmt: skip
    return _read(images(dataset, CLASSES), path)


def _read(registered, path):
    rows = registered.select("image_id", "file", "own_label").iter_rows()
    return [(image_id, places.read(file, str(path.parent)), label) for image_id, file, label in rows]


def right_shard(content, found):
    """Where no header is damaged, the members are those of tarfile."""
    with tarfile.open(fileobj=io.BytesIO(content), mode="r:") as archive:
        plain = {it.name: archive.extractfile(it).read() for it in archive.getmembers() if it.isreg()}
    by_key = {name.removesuffix(".png"): it for name, it in plain.items() if name.endswith(".png")}
    return {(image_id, it) for image_id, it, _ in found} <= set(by_key.items()) and all(
        label == int(plain[f"{image_id}.cls"]) for image_id, _, label in found
    )


def right_columns(_content, found):
    """Nothing in a Parquet file says that a byte of a picture is another: the rows are pictures with classes of the list."""
    return all(isinstance(content, bytes) and label in (None, 0, 1, 2) for _, content, label in found)


def parquet():
    content = io.BytesIO()
    pl.DataFrame({"image": [{"bytes": it, "path": None} for it in PICTURES], "label": [0, 1, 2]}).write_parquet(content)
    return content.getvalue()


def arrow():
    import pyarrow as pa

    table = pa.table({"image": [{"bytes": it, "path": None} for it in PICTURES], "label": [0, 1, 2]})
    content = io.BytesIO()
    with pa.ipc.new_stream(content, table.schema) as writer:
        writer.write_table(table)
    return content.getvalue()


def right_names(content, names):
    text = content.decode("utf-8-sig")
    lines = [line.split(None, 1) for line in text.split("\n") if line.strip()]
    return {key: name.strip() for key, name in lines} == names and len(lines) == len(names)


def readers():
    return {
        "shard": Reader("s.tar", shard(), from_shard, right_shard),
        "pictures.parquet": Reader("test.parquet", parquet(), from_columns, right_columns, foreign=True),
        "pictures.arrow": Reader("test.arrow", arrow(), from_columns, right_columns, foreign=True),
        "names of folders": Reader("n.txt", b"n01 a cat\nn02 a dog, or not\nx y\n", lambda it: read_mapping(str(it)), right_names),
    }  # fmt: skip
