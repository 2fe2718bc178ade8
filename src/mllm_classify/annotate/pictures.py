"""The tasks' pictures, where Label Studio serves them."""

from pathlib import Path

import polars as pl

from mllm_classify.annotate.tasks import SUFFIXES, picture
from mllm_classify.io.files import written
from mllm_classify.io.pictures import decoded
from mllm_classify.predict.images import Images


def write(key: pl.DataFrame, folder: str | None, target: Path) -> None:
    """Copy the picture of every task that is not there yet to `target`; what browsers may not show becomes PNG.

    Raises InputError where a picture is gone, or is another than was registered.
    """
    images = Images(key, folder)
    for number, (file, digest) in enumerate(key.select("file", "sha256").iter_rows()):
        path = target / picture(file, digest)
        if path.exists():
            continue
        content = images.read(number)
        with written(path) as temporary:
            if Path(file).suffix.lower() in SUFFIXES:
                temporary.write_bytes(content)
            else:
                decoded(content).save(temporary, "PNG")
