"""Reading the images that were registered, and only those."""

from typing import TYPE_CHECKING

import polars as pl

from mllm_classify.io import places
from mllm_classify.io.files import InputError, sha256
from mllm_classify.io.pictures import Look, decoded
from mllm_classify.io.reading import AS_PILLOW, Reading

if TYPE_CHECKING:
    from PIL import Image


def sharded(registered: pl.DataFrame, shard: int, shards: int, together: int = 1) -> pl.DataFrame:
    """The images of one of several shards (counted from 1), which take turns.

    So many images as are computed `together` stay together: a batch's sums depend on what is in it, in the last bits.
    """
    block = pl.int_range(pl.len()) // together
    return registered.filter(block % shards == shard - 1)


def looks(registered: pl.DataFrame) -> list[Look | None]:
    """How the registered pictures look; None where that is not known, or they cannot be decoded."""
    if not set(Look._fields) <= set(registered.columns):
        return [None] * len(registered)
    rows = registered.select(Look._fields).iter_rows()
    return [form and Look(form, width, height, tuple(traits)) for form, width, height, traits in rows]


class Images:
    """The registered images in their order, where their files lie, and how they are read."""

    def __init__(self, registered: pl.DataFrame, folder: str | None, reading: Reading = AS_PILLOW) -> None:
        self.ids: list[str] = registered["image_id"].to_list()
        self.digests: list[str] = registered["sha256"].to_list()
        self.looks = looks(registered)
        self.reading = reading
        self._files: list[str] = registered["file"].to_list()
        self._folder = folder

    def __len__(self) -> int:
        return len(self.ids)

    def exists(self, index: int) -> bool:
        """Whether the file is there in which one image lies."""
        return places.exists(self._files[index], self._folder)

    def told(self, index: int) -> str:
        """Which image it is, and where it lies, for messages."""
        return f"image {self.ids[index]!r}: {places.told(self._files[index], self._folder)}"

    def seen(self) -> list[str]:
        """What tells the pictures apart as models see them: a file's SHA-256, and what else is done to it."""
        renderings = [look.rendering(self.reading) if look else "" for look in self.looks]
        return [f"{digest} {it}".strip() for digest, it in zip(self.digests, renderings, strict=True)]

    def picture(self, index: int) -> "Image.Image":
        """One image, 8-bit RGB. Raises InputError as `read` does, or where it cannot be decoded."""
        content = self.read(index)
        try:
            return decoded(content, self.reading)
        except InputError as error:
            msg = f"{self.told(index)} {error}"
            raise InputError(msg) from None

    def read(self, index: int) -> bytes:
        """The bytes of one image.

        Raises InputError when the file is gone, or is no longer the one that the dataset stage saw.
        """
        try:
            content = places.read(self._files[index], self._folder)
        except OSError as error:
            msg = f"{self.told(index)} cannot be read ({error.strerror}); dataset.folder says where images are"
            raise InputError(msg) from None
        if (now := sha256(content)) != self.digests[index]:
            msg = (
                f"{self.told(index)} has changed since it was registered (SHA-256 {self.digests[index]} then, {now} now); restore "
                "it, or write its new SHA-256 into the manifest (dataset.images, column sha256)"
            )
            raise InputError(msg)
        return content
