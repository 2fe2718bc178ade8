"""Data sets of the user's own files."""

from typing import TYPE_CHECKING

from mllm_classify.dataset.formats.table import labelled_images
from mllm_classify.dataset.sources.registered import Registered
from mllm_classify.io.files import read_csv

if TYPE_CHECKING:
    import polars as pl

    from mllm_classify.config.dataset import TableDataset


def registered(dataset: "TableDataset", _classes: "pl.DataFrame") -> list[Registered]:
    """The images of the manifest; without one, those of the ImGT file, whose ids are their files."""
    if dataset.images is not None:
        return [
            Registered(place, row["image_id"], row["file"], row.get("sha256", ""))
            for place, row in read_csv(dataset.images, "image_id", "file")
        ]
    file = dataset.imgt.file
    return [
        Registered(f"{file}: {image_id!r}", image_id, image_id if dataset.folder is not None else None, "")
        for image_id in labelled_images(file)
    ]
