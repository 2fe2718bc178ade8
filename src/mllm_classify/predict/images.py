"""Reading the images that were registered, and only those; and how chat models are sent them."""

import base64
import io
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl
from PIL import Image

from mllm_classify.io.files import InputError, locate, sha256
from mllm_classify.io.pictures import rgb

if TYPE_CHECKING:
    from mllm_classify.config.chat import Picture

SENT_AS_THEY_ARE = {"JPEG": "image/jpeg", "PNG": "image/png", "WEBP": "image/webp"}
"""Formats that every OpenAI-compatible server reads."""
COLOURS = {"1", "L", "LA", "P", "RGB", "RGBA"}
"""Pillow's modes that every decoder shows alike; CMYK is not among them."""


def sharded(registered: pl.DataFrame, shard: int, shards: int, together: int = 1) -> pl.DataFrame:
    """The images of one of several shards (counted from 1), which take turns.

    So many images as are computed `together` stay together: a batch's sums depend on what is in it, in the last bits.
    """
    block = pl.int_range(pl.len()) // together
    return registered.filter(block % shards == shard - 1)


class Images:
    """The registered images in their order, and where their files lie."""

    def __init__(self, registered: pl.DataFrame, folder: str | None) -> None:
        self.ids: list[str] = registered["image_id"].to_list()
        self.digests: list[str] = registered["sha256"].to_list()
        self._files: list[str] = registered["file"].to_list()
        self._folder = folder

    def __len__(self) -> int:
        return len(self.ids)

    def path(self, index: int) -> Path:
        """Where the file of one image lies."""
        return locate(self._files[index], self._folder)

    def told(self, index: int) -> str:
        """Which image it is, and where its file lies, for messages."""
        return f"image {self.ids[index]!r}: {self.path(index).absolute()}"

    def read(self, index: int) -> bytes:
        """The bytes of one image.

        Raises InputError when the file is gone, or is no longer the one that the dataset stage saw.
        """
        try:
            content = self.path(index).read_bytes()
        except OSError as error:
            msg = f"{self.told(index)} cannot be read ({error.strerror}); dataset.folder says where images are"
            raise InputError(msg) from None
        if (found := sha256(content)) != self.digests[index]:
            msg = (
                f"{self.told(index)} has changed since it was registered (SHA-256 {self.digests[index]} then, {found} now); restore "
                "it, or write its new SHA-256 into the manifest (dataset.images, column sha256)"
            )
            raise InputError(msg)
        return content


def data_url(content: bytes, picture: "Picture") -> str:
    """An image as it is sent: its own bytes where servers read the format and the size allows.

    Another format or other colours go as PNG, 8-bit RGB; what is too large, in pixels or bytes, as JPEG of the stated
    size and quality.
    """
    with Image.open(io.BytesIO(content)) as image:
        media_type = SENT_AS_THEY_ARE.get(image.format or "") if image.mode in COLOURS else None
        too_long = picture.longest_side is not None and max(image.size) > picture.longest_side
        if media_type is None and not too_long:
            content, media_type = _encoded(image, "PNG"), "image/png"
        if too_long or len(content) > picture.max_bytes:
            if picture.longest_side is not None:
                image.thumbnail((picture.longest_side, picture.longest_side), Image.Resampling.LANCZOS)
            content, media_type = _encoded(image, "JPEG", quality=picture.quality, subsampling=0), "image/jpeg"
    return f"data:{media_type};base64,{base64.b64encode(content).decode()}"


def _encoded(image: Image.Image, form: str, **options: int) -> bytes:
    encoded = io.BytesIO()
    rgb(image).save(encoded, form, **options)
    return encoded.getvalue()
