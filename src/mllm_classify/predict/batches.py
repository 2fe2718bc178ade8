"""Images as batches on a device: read, checked, decoded and transformed in worker processes."""

import io
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, NamedTuple, Protocol

import torch
from PIL import Image, UnidentifiedImageError
from torch.utils.data import DataLoader, Dataset

from mllm_classify.files import InputError
from mllm_classify.predict.images import rgb

Transform = Callable[[Image.Image], torch.Tensor]


class Readable(Protocol):
    """Encoded images by their place."""

    def read(self, place: int, /) -> bytes:
        """The bytes of an image. Raises InputError where they cannot be had."""

    def told(self, place: int, /) -> str:
        """Which image it is, and where its file lies, for messages."""


class Batch(NamedTuple):
    places: list[int]  # of the images in the tensor
    tensor: torch.Tensor  # images x what the transform returns, on the device; without images where none can be decoded
    unreadable: list[int]  # places of images that cannot be decoded; `undecodable` says why


class _Item(NamedTuple):
    """One image, or why there is none. An exception would come out of a worker as a traceback."""

    place: int
    tensor: torch.Tensor | None
    problem: str = ""
    counted: bool = False


class _Loaded(NamedTuple):
    places: list[int]
    tensor: torch.Tensor
    unreadable: list[int]
    problem: str

    def pin_memory(self) -> "_Loaded":
        """What a DataLoader calls for CUDA devices: copies from pinned memory need not be waited for."""
        return self._replace(tensor=self.tensor.pin_memory())


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


def _collate(items: list[_Item]) -> _Loaded:
    """A batch, or the problem of the first of its images that is an error."""
    tensors = [item.tensor for item in items if item.tensor is not None]
    return _Loaded(
        [item.place for item in items if item.tensor is not None],
        torch.stack(tensors) if tensors else torch.empty(0),
        [item.place for item in items if item.counted],
        next((item.problem for item in items if item.problem and not item.counted), ""),
    )


def batches(
    images: Readable,
    transform: Transform,
    wanted: Iterable[Sequence[int]],
    *,
    workers: int,
    device: str | torch.device,
    corrupt: str = "error",
) -> Iterator[Batch]:
    """Batches of the images at the `wanted` places, in this order, transformed and on the device.

    `transform` takes an RGB picture. The batches are the same for any number of workers; with 0 this process does their
    work. `wanted` is asked for more as workers come to need it. Images that cannot be decoded are an error, or, where
    `corrupt` is "count", left out of their batch and listed. Raises InputError naming image and file where one cannot be
    decoded, is gone, or has changed since it was registered.
    """
    device = torch.device(device)
    loader: DataLoader[Any] = DataLoader(
        _Pictures(images, transform, corrupt),
        batch_sampler=wanted,  # type: ignore[arg-type]  # of which it is only asked for batches
        num_workers=workers,
        collate_fn=_collate,
        pin_memory=device.type == "cuda",
    )
    return _copied_ahead(_readable(loader), device) if device.type == "cuda" else _copied(_readable(loader), device)


def _readable(loader: "DataLoader[Any]") -> Iterator[_Loaded]:
    """Batches as they come from the workers, of which none has a problem."""
    loaded: Iterator[_Loaded] = iter(loader)
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


def _copied(loaded: Iterator[_Loaded], device: torch.device) -> Iterator[Batch]:
    for batch in loaded:
        yield Batch(batch.places, batch.tensor.to(device), batch.unreadable)


def _copied_ahead(loaded: Iterator[_Loaded], device: torch.device) -> Iterator[Batch]:
    """Each batch after the copy of the next one was started, on a stream of its own: it runs while the device computes."""
    stream = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]
    ready: tuple[Batch, torch.cuda.Event] | None = None
    for batch in loaded:
        with torch.cuda.stream(stream):
            tensor = batch.tensor.to(device, non_blocking=True)
            copied = stream.record_event()
        if ready is not None:
            yield _arrived(*ready)
        ready = Batch(batch.places, tensor, batch.unreadable), copied
    if ready is not None:
        yield _arrived(*ready)


def _arrived(batch: Batch, copied: "torch.cuda.Event") -> Batch:
    """A batch for which the current stream waits, and whose memory is not used anew before it is done with it."""
    current = torch.cuda.current_stream(batch.tensor.device)
    current.wait_event(copied)
    batch.tensor.record_stream(current)
    return batch
