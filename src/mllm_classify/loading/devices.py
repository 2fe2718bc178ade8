"""What models compute on: devices, precisions and threads of torch; and what they are shown."""

import ctypes
import warnings
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import partial

import torch
from PIL import Image

from mllm_classify.io.files import InputError

Transform = Callable[[Image.Image], torch.Tensor]
"""What makes a model's input of an RGB picture."""

PRECISIONS = {"bf16": torch.bfloat16, "fp16": torch.float16}
M_TRIM_THRESHOLD, M_MMAP_MAX, M_ARENA_MAX = -1, -4, -8  # of glibc's malloc.h


def usable_device(name: str) -> torch.device:
    """A device by torch's name, set up for it. Raises InputError where there is no such device here."""
    try:
        device = torch.device(name)
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        msg = f"device: {name!r} cannot be used here ({str(error).splitlines()[0][:200]})"
        raise InputError(msg) from None
    if device.type == "cuda":
        # fp32 is 32 bits; who wants speed has the other precisions
        torch.backends.cudnn.allow_tf32 = False
    elif device.type == "cpu":
        _keep_memory()
    return device


def _keep_memory() -> None:
    """Have the C library keep freed memory for the next layer, of all threads in one place.

    glibc returns large blocks to the system, which fills each new one with zeros, and smaller ones for each thread: on a
    CPU that costs convolutional networks as much time as their arithmetic. Other C libraries have no such call.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(M_MMAP_MAX, 0)
        mallopt(M_TRIM_THRESHOLD, 2**31 - 1)
        mallopt(M_ARENA_MAX, 1)


def autocast(device: torch.device, precision: str) -> Callable[[], AbstractContextManager[None]]:
    """What makes contexts in which models compute in this precision: one for each use, as threads share none.

    Raises InputError where the device does not have it.
    """
    if precision == "fp32":
        return nullcontext
    context = partial(torch.autocast, device.type, PRECISIONS[precision])
    reason = "torch has no mixed precision for it"
    if torch.amp.is_autocast_available(device.type):
        try:
            with warnings.catch_warnings(action="error"):  # with a warning, torch would go on in fp32
                context()
        except (RuntimeError, UserWarning) as error:
            reason = str(error).splitlines()[0]
        else:
            return context
    msg = f"precision: {precision} is not available on device {str(device)!r} ({reason}); use fp32, or another device"
    raise InputError(msg)


@contextmanager
def threads(count: int) -> Iterator[None]:
    """Inside, torch computes each operation on so many threads."""
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)
