"""Images as batches: read, checked, decoded and transformed in worker processes."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import torch
from torch.utils.data import DataLoader, Dataset

from mllm_classify.io.files import InputError
from mllm_classify.loading.devices import Transform

if TYPE_CHECKING:
    from PIL import Image

Compute = Callable[[torch.Tensor], torch.Tensor]


class Readable(Protocol):
    """Encoded images by their place."""

    def picture(self, place: int, /) -> "Image.Image":
        """An image, 8-bit RGB. Raises InputError naming it where it cannot be had."""


class Batch(NamedTuple):
    places: list[int]
    tensor: torch.Tensor  # a row an image: what the transform returns
    problem: str = ""  # why there is no such batch


class _Item(NamedTuple):
    """One image, or why there is none. An exception would come out of a worker as a traceback."""

    place: int
    tensor: torch.Tensor
    problem: str = ""


class _Pictures(Dataset[_Item]):
    """A data set whose item is one image."""

    def __init__(self, images: Readable, transform: Transform) -> None:
        self.images, self.transform = images, transform

    def __getitem__(self, place: int) -> _Item:
        try:
            return _Item(place, self.transform(self.images.picture(place)))
        except InputError as error:
            return _Item(place, torch.empty(0), str(error))


def _collate(compute: Compute | None, items: list[_Item]) -> Batch:
    """A batch, or the problem of the first of its images that has one."""
    places = [item.place for item in items]
    if problem := next((item.problem for item in items if item.problem), ""):
        return Batch(places, torch.empty(0), problem)
    tensor = torch.stack([item.tensor for item in items])
    return Batch(places, compute(tensor) if compute else tensor)


def batches(
    images: Readable,
    transform: Transform,
    wanted: Iterable[Sequence[int]],
    *,
    workers: int,
    compute: Compute | None = None,
    pinned: bool = False,
) -> Iterator[Batch]:
    """Batches of the images at the `wanted` places, in this order, transformed.

    `transform` takes an RGB picture. The batches are the same for any number of worker processes; with 0 this process does
    their work. `compute` is applied to a batch's tensor where it was made, by one thread. `wanted` is asked for more as
    workers come to need it. Raises InputError naming image and file where one cannot be decoded, is gone, or has changed
    since it was registered.
    """
    loader: DataLoader[Any] = DataLoader(
        _Pictures(images, transform),
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
