"""What networks make of images: batches are computed while the next ones are decoded."""

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

import torch

from mllm_classify.io.arrays import FloatArray
from mllm_classify.loading.devices import Transform, autocast, threads
from mllm_classify.predict.vision.loader import Batch, Readable, batches

if TYPE_CHECKING:
    from mllm_classify.config.vision import Inference

COMPUTED_AT_ONCE = 2
"""Batches on an accelerator: it is given the next one while the results of one are fetched."""


class Network(NamedTuple):
    """A model on its device, and how it wants images."""

    device: torch.device
    transform: Transform
    forward: Callable[[torch.Tensor], torch.Tensor]  # images on the device to a row of numbers each


class Output(NamedTuple):
    places: list[int]  # of the images
    values: FloatArray  # images x the network's numbers, float32


def available(cpus: int) -> int:
    """The cores that a job may use, of those that its entry asks for."""
    return min(cpus, len(os.sched_getaffinity(0)))


def processes(configured: int, cpus: int, device: torch.device) -> int:
    """How many processes decode, and, on a CPU, compute; with 0, that of the job does.

    As many as the entry asks for; for 0, as many as there are cores, one less beside an accelerator, and at most 16, which
    is what one GPU needs.
    """
    if computes_itself(device):
        return configured or (cpus if cpus > 1 else 0)
    return configured or min(16, cpus - 1)


def computes_itself(device: torch.device) -> bool:
    """Whether the cores that decode are those that compute."""
    return device.type == "cpu"


def outputs(
    network: Network, images: Readable, inference: "Inference", cpus: int, wanted: Iterable[Sequence[int]]
) -> Iterator[Output]:
    """What a network makes of batches of images, in their order, with the `cpus` that the job's entry asks for.

    On a CPU each process computes the batches that it has decoded, in one thread: threads that share a batch wait for
    each other, and its last bits would depend on their number. Raises InputError as `batches` does, and where the device
    has no such precision.
    """
    device, precision = network.device, autocast(network.device, inference.precision)

    @torch.inference_mode()
    def compute(tensor: torch.Tensor) -> torch.Tensor:
        with precision():
            return network.forward(tensor).float().cpu()

    workers = processes(inference.workers, available(cpus), device)
    load = partial(batches, images, network.transform, wanted, workers=workers)
    with threads(1):
        if computes_itself(device):
            computed = load(compute=compute)
        elif device.type == "cuda":
            computed = in_order(compute, on_cuda(load(pinned=True), device))
        else:
            computed = in_order(compute, on_device(load(), device))
        for batch in computed:
            yield Output(batch.places, batch.tensor.numpy())


def in_order(compute: Callable[[torch.Tensor], torch.Tensor], loaded: Iterator[Batch]) -> Iterator[Batch]:
    """Batches with what is computed of them, in their order: some at once, and one more that waits."""

    def computed(batch: Batch) -> Batch:
        return batch._replace(tensor=compute(batch.tensor))

    waiting: deque[Future[Batch]] = deque()
    with ThreadPoolExecutor(COMPUTED_AT_ONCE) as pool:
        for batch in loaded:
            waiting.append(pool.submit(computed, batch))
            if len(waiting) > COMPUTED_AT_ONCE:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


def on_device(loaded: Iterator[Batch], device: torch.device) -> Iterator[Batch]:
    return (batch._replace(tensor=batch.tensor.to(device)) for batch in loaded)


def on_cuda(loaded: Iterator[Batch], device: torch.device) -> Iterator[Batch]:
    """Each batch after the copy of the next one was started, on a stream of its own: it runs while the device computes."""
    stream = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]
    ready: tuple[Batch, torch.cuda.Event] | None = None
    for batch in loaded:
        with torch.cuda.stream(stream):
            tensor = batch.tensor.to(device, non_blocking=True)
            copied = stream.record_event()
        if ready is not None:
            yield _arrived(*ready)
        ready = batch._replace(tensor=tensor), copied
    if ready is not None:
        yield _arrived(*ready)


def _arrived(batch: Batch, copied: "torch.cuda.Event") -> Batch:
    """A batch for which the current stream waits, and whose memory is not used anew before it is done with it."""
    current = torch.cuda.current_stream(batch.tensor.device)
    current.wait_event(copied)
    batch.tensor.record_stream(current)
    return batch
