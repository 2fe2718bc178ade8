"""Images as batches: read, checked, decoded and transformed in worker processes."""

import io
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from typing import Any, NamedTuple, Protocol

import torch
from PIL import Image, UnidentifiedImageError
from torch.utils.data import DataLoader, Dataset

from mllm_classify.files import InputError
from mllm_classify.predict.images import rgb

Transform = Callable[[Image.Image], torch.Tensor]
Compute = Callable[[torch.Tensor], torch.Tensor]


class Readable(Protocol):
    """Encoded images by their place."""

    def read(self, place: int, /) -> bytes:
        """The bytes of an image. Raises InputError where they cannot be had."""

    def told(self, place: int, /) -> str:
        """Which image it is, and where its file lies, for messages."""


class Batch(NamedTuple):
    places: list[int]  # of the images that could be decoded
    tensor: torch.Tensor  # those images x what the transform returns
    unreadable: list[int]  # places of images that cannot be decoded; `undecodable` says why
    problem: str = ""  # why there is no such batch

    def pin_memory(self) -> "Batch":
        """What a DataLoader calls for CUDA devices: copies from pinned memory need not be waited for."""
        return self._replace(tensor=self.tensor.pin_memory())


class _Item(NamedTuple):
    """One image, or why there is none. An exception would come out of a worker as a traceback."""

    place: int
    tensor: torch.Tensor | None
    problem: str = ""
    counted: bool = False


class _Pictures(Dataset[_Item]):
    """A data set whose item is one image."""

    def __init__(self, images: Readable, transform: Transform, corrupt: str) -> None:
        self.images, self.transform, self.corrupt = images, transform, corrupt

    def __getitem__(self, place: int) -> _Item:
        try:
            content = self.images.read(place)
        except InputError as error:
            return _Item(place, None, str(error))
        try:
            picture = decoded(content)
        except InputError as error:
            return _Item(place, None, f"{self.images.told(place)} {error}", counted=self.corrupt == "count")
        return _Item(place, self.transform(picture))


def decoded(content: bytes) -> Image.Image:
    """The picture that a file holds, 8-bit RGB. Raises InputError where Pillow cannot read it to its end."""
    try:
        with Image.open(io.BytesIO(content)) as image:
            return rgb(image)
    except UnidentifiedImageError:
        msg = "is not an image that Pillow can read"
    # what Pillow's plugins raise for what is torn or too large
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        msg = f"cannot be decoded ({error})"
    raise InputError(msg)


def undecodable(images: Readable, place: int) -> str:
    """Why an image cannot be decoded. It is decoded anew: there are few of them."""
    try:
        decoded(images.read(place))
    except InputError as error:
        return str(error)
    return "could not be decoded"


def _collate(compute: Compute | None, items: list[_Item]) -> Batch:
    """A batch, or the problem of the first of its images that is an error."""
    tensors = [item.tensor for item in items if item.tensor is not None]
    problem = next((item.problem for item in items if item.problem and not item.counted), "")
    tensor = torch.stack(tensors) if tensors and not problem else torch.empty(0)
    return Batch(
        [item.place for item in items if item.tensor is not None],
        compute(tensor) if compute and len(tensor) else tensor,
        [item.place for item in items if item.counted],
        problem,
    )


def batches(
    images: Readable,
    transform: Transform,
    wanted: Iterable[Sequence[int]],
    *,
    workers: int,
    corrupt: str = "error",
    compute: Compute | None = None,
    pinned: bool = False,
) -> Iterator[Batch]:
    """Batches of the images at the `wanted` places, in this order, transformed.

    `transform` takes an RGB picture. The batches are the same for any number of worker processes; with 0 this process does
    their work. `compute` is applied to a batch's tensor where it was made, by one thread. `wanted` is asked for more as
    workers come to need it. Images that cannot be decoded are an error, or, where `corrupt` is "count", left out of their
    batch and listed. Raises InputError naming image and file where one cannot be decoded, is gone, or has changed since it
    was registered.
    """
    loader: DataLoader[Any] = DataLoader(
        _Pictures(images, transform, corrupt),
        batch_sampler=wanted,  # type: ignore[arg-type]  # of which it is only asked for batches
        num_workers=workers,
        collate_fn=partial(_collate, compute),
        pin_memory=pinned,
    )
    loaded: Iterator[Batch] = iter(loader)
    while True:
        try:
            batch = next(loaded)
        except StopIteration:
            return
        except RuntimeError as error:
            if "DataLoader worker" not in str(error):
                raise
            msg = (
                f"a process that decodes images was killed ({str(error).splitlines()[0]}); it may lack main memory, or "
                "shared memory (/dev/shm): set workers or batch_size lower"
            )
            raise InputError(msg) from None
        if batch.problem:
            raise InputError(batch.problem)
        yield batch
