"""Small copies of the evaluated images, or what readers' own files are known by."""

import io
from collections.abc import Sequence
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
SIDES = (960, 640, 320)
"""Pixels of a copy's longer side: the first at which all are not too large together."""


def thumbnails(images: Images, most: int = MOST_PICTURES, most_bytes: int = MOST_PICTURE_BYTES) -> list[bytes]:
    """JPEGs of all images, in their order, of one of SIDES; none where there are too many, or they are too large together.

    An image that cannot be decoded has no bytes. Raises InputError where a file has changed since it was registered.
    """
    if len(images) > most:
        return []
    sizes = list(SIDES)
    copies: list[list[bytes]] = []
    for index in range(len(images)):
        copies.append(thumbnails_of(images.read(index), images.reading, sizes))
        while sizes and sum(len(each[0]) for each in copies) > most_bytes:
            sizes.pop(0)
            copies = [each[1:] for each in copies]
        if not sizes:
            return []
    return [each[0] for each in copies]


def thumbnails_of(content: bytes, reading: "Reading", sizes: Sequence[int]) -> list[bytes]:
    """JPEGs without the file's metadata, by the pixels of their longer side; empty where Pillow cannot decode it."""
    from mllm_classify.io.pictures import decoded

    try:
        picture = decoded(content, reading)
    except InputError:
        return [b""] * len(sizes)
    return [_jpeg(picture, size) for size in sizes]


def _jpeg(picture: Image.Image, size: int) -> bytes:
    small = picture.copy()
    small.thumbnail((size, size), Image.Resampling.LANCZOS)
    encoded = io.BytesIO()
    small.save(encoded, "JPEG", quality=80)
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
