"""Images as batches of tensors on a device."""

import io
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple, Protocol

import torch
from PIL import Image


class Readable(Protocol):
    """Encoded images by their place."""

    def __len__(self) -> int: ...

    def read(self, index: int) -> bytes: ...


class Batch(NamedTuple):
    places: list[int]
    tensor: torch.Tensor  # on the device; a row a place
    unreadable: list[int]


def batches(
    images: Readable,
    transform: Callable[[Image.Image], Any],
    *,
    batch_size: int,
    workers: int,  # noqa: ARG001
    device: str,
    corrupt: str = "error",  # noqa: ARG001
    places: Sequence[int] | None = None,
) -> Iterator[Batch]:
    """The images at `places`, or all, in order."""
    wanted = list(range(len(images)) if places is None else places)
    for start in range(0, len(wanted), batch_size):
        taken = wanted[start : start + batch_size]
        pictures = (Image.open(io.BytesIO(images.read(place))).convert("RGB") for place in taken)
        yield Batch(taken, torch.stack([transform(picture) for picture in pictures]).to(device), [])
