"""The tasks' pictures, where Label Studio serves them."""

from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl

from mllm_classify.annotate.tasks import SUFFIXES, picture
from mllm_classify.io.files import written
from mllm_classify.io.pictures import seen
from mllm_classify.predict.images import Images

if TYPE_CHECKING:
    from PIL import Image

    from mllm_classify.config.dataset import AnyDataset


def shown(key: pl.DataFrame, decided: pl.DataFrame, dataset: "AnyDataset") -> "dict[str, Image.Image]":
    """The pictures of decided tasks that are here, by image. Raises InputError where one is another than was registered."""
    known = key.filter(pl.col("task").is_in(decided.filter(pl.col("labels").is_not_null())["task"].implode()))
    images = Images(known, dataset.root, dataset.reading)
    return {image_id: images.picture(number) for number, image_id in enumerate(images.ids) if images.exists(number)}


def write(key: pl.DataFrame, dataset: "AnyDataset", target: Path) -> None:
    """Copy the picture of every task that is not there yet to `target`; what annotators see is what models get.

    Raises InputError where a picture is gone, or is another than was registered.
    """
    images = Images(key, dataset.root, dataset.reading)
    for number, (file, digest) in enumerate(key.select("file", "sha256").iter_rows()):
        path = target / picture(file, digest)
        if path.exists():
            continue
        content = images.read(number)
        look, shown = seen(content, dataset.reading)
        with written(path) as temporary:
            if Path(file).suffix.lower() in SUFFIXES and set(look.traits) <= {"palette"}:
                temporary.write_bytes(content)
            else:
                shown.save(temporary, "PNG")
