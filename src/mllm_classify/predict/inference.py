"""What networks make of images: batches are computed while the next ones are decoded."""

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch

from mllm_classify.arrays import FloatArray
from mllm_classify.devices import autocast, threads
from mllm_classify.predict.batches import Batch, Readable, Transform, batches

if TYPE_CHECKING:
    from mllm_classify.config import Inference


class Network(NamedTuple):
    """A model on its device, and how it wants images."""

    device: torch.device
    transform: Transform
    forward: Callable[[torch.Tensor], torch.Tensor]  # images on the device to a row of numbers each


class Output(NamedTuple):
    places: list[int]  # of the images that have a row
    values: FloatArray  # images x the network's numbers, float32
    unreadable: list[int]  # places of images that cannot be decoded


def available(cpus: int) -> int:
    """The cores that a job may use, of those that its entry asks for."""
    return min(cpus, len(os.sched_getaffinity(0)))


def split(asked: int, cpus: int, device: torch.device) -> tuple[int, int]:
    """Processes that decode, and batches that are computed at once.

    As many processes as the entry asks for; for 0, beside an accelerator all cores but one, and at most 16, which is what
    one GPU needs. On a CPU one for four cores: models take several times longer than decoding. There each core computes
    a batch of its own, in one thread: threads that share a batch wait for each other, and its last bits would depend on
    their number. An accelerator is given its next batch while the results of one are fetched.
    """
    if device.type == "cpu":
        return asked or min(max(cpus // 4, 1), cpus - 1), cpus
    return asked or min(16, cpus - 1), 2


def outputs(
    network: Network, images: Readable, inference: "Inference", cpus: int, wanted: Iterable[Sequence[int]]
) -> Iterator[Output]:
    """What a network makes of batches of images, in their order, with the `cpus` that the job's entry asks for.

    Raises InputError as `batches` does, and where the device has no such precision.
    """
    precision = autocast(network.device, inference.precision)
    workers, at_once = split(inference.workers, available(cpus), network.device)

    @torch.inference_mode()
    def computed(batch: Batch) -> Output:
        if not batch.places:
            return Output([], np.empty((0, 0), dtype=np.float32), batch.unreadable)
        with precision():
            values = network.forward(batch.tensor)
        return Output(batch.places, values.float().cpu().numpy(), batch.unreadable)

    loaded = batches(
        images, network.transform, wanted, workers=workers, device=network.device, corrupt=inference.corrupt
    )
    with threads(1 if network.device.type == "cpu" else torch.get_num_threads()):
        yield from in_order(computed, loaded, at_once)


def in_order(compute: Callable[[Batch], Output], loaded: Iterator[Batch], at_once: int) -> Iterator[Output]:
    """Outputs of batches in their order, of which so many are computed at once, and one more waits."""
    waiting: deque[Future[Output]] = deque()
    with ThreadPoolExecutor(at_once) as pool:
        for batch in loaded:
            waiting.append(pool.submit(compute, batch))
            if len(waiting) > at_once:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
