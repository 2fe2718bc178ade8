"""Registered images as batches on a device: read, checked, decoded and transformed in worker processes."""

import io
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import polars as pl
import torch
from PIL import Image, UnidentifiedImageError
from torch.utils.data import DataLoader, Dataset

from mllm_classify.arrays import FloatArray
from mllm_classify.files import InputError
from mllm_classify.predict.images import Images
from mllm_classify.predict.rows import error_rows, ranking_rows

Transform = Callable[[Image.Image], torch.Tensor]


class Batch(NamedTuple):
    places: list[int]  # of the images in the tensor, among the registered ones
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
    """Places as a data set whose item is one image."""

    def __init__(self, images: Images, transform: Transform, places: Sequence[int], corrupt: str) -> None:
        self.images, self.transform, self.places, self.corrupt = images, transform, places, corrupt

    def __len__(self) -> int:
        return len(self.places)

    def __getitem__(self, index: int) -> _Item:
        place = self.places[index]
        try:
            content = self.images.read(place)
        except InputError as error:
            return _Item(place, None, str(error))
        try:
            picture = decoded(content)
        except InputError as error:
            problem = f"image {self.images.ids[place]!r}: {self.images.path(place)} {error}"
            return _Item(place, None, problem, counted=self.corrupt == "count")
        return _Item(place, self.transform(picture))


def decoded(content: bytes) -> Image.Image:
    """The picture that a file holds, 8-bit RGB. Raises InputError where Pillow cannot read it to its end."""
    try:
        with Image.open(io.BytesIO(content)) as image:
            return image.convert("RGB")
    except UnidentifiedImageError:
        msg = "is not an image that Pillow can read"
    # what Pillow's plugins raise for what is torn or too large
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        msg = f"cannot be decoded ({error})"
    raise InputError(msg)


def undecodable(images: Images, place: int) -> str:
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


def split(asked: int, cpus: int, device: str | torch.device) -> tuple[int, int]:
    """How a job divides its cores: processes that decode, and threads of this one.

    As many processes as the entry asks for; for 0, beside an accelerator all cores but one, and at most 16, which is
    what one GPU needs. On a CPU a quarter of them: models take several times longer than decoding. No core is given
    twice: threads that wait for each other are far slower where others use their cores. With one core there is nothing
    to gain from another process.
    """
    on_cpu = torch.device(device).type == "cpu"
    ours = max(cpus // 4, 1) if on_cpu else 16
    workers = asked or min(ours, cpus - 1)
    return workers, max(cpus - workers, 1) if on_cpu else 1


def batches(
    images: Images,
    transform: Transform,
    *,
    batch_size: int,
    workers: int,
    device: str | torch.device,
    corrupt: str = "error",
    places: Sequence[int] | None = None,
) -> Iterator[Batch]:
    """The images at `places` (default: all) in this order, `batch_size` at a time, transformed and on the device.

    `transform` takes an RGB picture. The batches are the same for any number of workers; with 0 this process does their
    work. Images that cannot be decoded are an error, or, where `corrupt` is "count", left out of their batch and listed.
    Raises InputError naming image and file where one cannot be decoded, is gone, or has changed since it was registered.
    """
    device = torch.device(device)
    pictures = _Pictures(images, transform, range(len(images)) if places is None else places, corrupt)
    loader: DataLoader[Any] = DataLoader(
        pictures,
        batch_size=batch_size,
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


def ranked(batch: Batch, images: Images, scores: FloatArray, kept: int) -> pl.DataFrame:
    """Predictions of a batch: the `kept` classes of highest score (images x classes), the first of equal ones.

    An image that cannot be decoded has a row with an error instead.
    """
    best = np.argsort(-scores, axis=1, kind="stable")[:, :kept]
    rows = ranking_rows(
        [images.ids[place] for place in batch.places],
        best.tolist(),
        np.take_along_axis(scores, best, axis=1).tolist(),
    )
    if not batch.unreadable:
        return rows
    reasons = [undecodable(images, place) for place in batch.unreadable]
    failed = error_rows([images.ids[place] for place in batch.unreadable], reasons)
    order = np.argsort([*batch.places, *batch.unreadable])
    return pl.concat([rows, failed])[order]
