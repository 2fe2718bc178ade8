"""The tasks' pictures, where Label Studio serves them."""

from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl

from mllm_classify.annotate.tasks import SUFFIXES, picture
from mllm_classify.io.files import written
from mllm_classify.io.pictures import seen
from mllm_classify.predict.images import Images

if TYPE_CHECKING:
    from mllm_classify.config.dataset import AnyDataset


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
