"""Small copies of the evaluated images, or what readers' own files are known by."""

import io
from typing import TYPE_CHECKING

import numpy as np
import polars as pl
from PIL import Image

from mllm_classify.io.files import InputError
from mllm_classify.predict.images import Images
from mllm_classify.report.explorer.data import Data

if TYPE_CHECKING:
    from mllm_classify.config.dataset import AnyDataset
    from mllm_classify.io.reading import Reading

MOST_PICTURES = 1000
"""Images of a data set whose thumbnails are in the page."""
MOST_PICTURE_BYTES = 16 * 2**20
FOLDERS = 2
"""Folders above a picture that tell files of one name apart."""
SIDE = 320
"""Pixels of a thumbnail's longer side."""


def thumbnails(images: Images, most: int = MOST_PICTURES, most_bytes: int = MOST_PICTURE_BYTES) -> list[bytes]:
    """Small JPEGs of all images, in their order; none where there are too many, or they are too large together.

    An image that cannot be decoded has no bytes. Raises InputError where a file has changed since it was registered.
    """
    if len(images) > most:
        return []
    jpegs = [thumbnail(images.read(index), images.reading) for index in range(len(images))]
    return jpegs if sum(map(len, jpegs)) <= most_bytes else []


def thumbnail(content: bytes, reading: "Reading") -> bytes:
    """A small JPEG without the file's metadata; empty where Pillow cannot decode it."""
    from mllm_classify.io.pictures import decoded

    try:
        picture = decoded(content, reading)
    except InputError:
        return b""
    picture.thumbnail((SIDE, SIDE), Image.Resampling.LANCZOS)
    encoded = io.BytesIO()
    picture.save(encoded, "JPEG", quality=80)
    return encoded.getvalue()


def with_pictures(data: Data, images: pl.DataFrame, pictures: dict[str, bytes]) -> Data:
    """The data with pictures, by image id. Where there are none, with what readers' own files are known by.

    That is the end of a file's path, and the first four bytes of its SHA-256, 0 where that is not known. `images` has
    columns image_id, file and sha256.
    """
    ids = data.columns["ids"]
    kept = [pictures.get(str(image_id), b"") for image_id in ids]
    if any(kept):
        ends = np.cumsum([0, *map(len, kept)]).astype(np.uint32)
        joined = np.frombuffer(b"".join(kept), dtype=np.uint8)
        return Data(data.facts, data.columns | {"picture_ends": ends, "pictures": joined})
    known = pl.DataFrame({"image_id": ids}).join(images, on="image_id", how="left", maintain_order="left")
    files = pl.coalesce("file", "image_id").str.split("/").list.tail(FOLDERS + 1).list.join("/")
    digests = known["sha256"].str.head(8).str.to_integer(base=16, dtype=pl.UInt32).fill_null(0)
    return Data(
        data.facts, data.columns | {"files": known.select(files).to_series().to_list(), "digests": digests.to_numpy()}
    )


def registered_pictures(images: pl.DataFrame, labels: pl.DataFrame, dataset: "AnyDataset") -> dict[str, bytes]:
    """Thumbnails of evaluated images by their ids, where there are files; none where a folder is not there.

    Raises InputError where a file has changed since it was registered.
    """
    evaluated = labels.filter(pl.col("excluded").is_null())["image_id"]
    files = images.filter(
        pl.col("file").is_not_null() & pl.col("problem").is_null() & pl.col("image_id").is_in(evaluated.implode())
    )
    pictures = Images(files, dataset.root, dataset.reading)
    if not len(pictures) or not pictures.exists(0):
        return {}
    return dict(zip(pictures.ids, thumbnails(pictures), strict=False))
