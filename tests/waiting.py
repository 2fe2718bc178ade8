"""Waiting for other processes, however busy the machine is."""

import time
from collections.abc import Callable

PATIENCE = 1800
"""Seconds after which a test gives up: only what hangs takes so long."""


def wait_until(
    condition: Callable[[], object],
    what: str = "it did not happen in time",
    every: float = 0.005,
    seconds: float = PATIENCE,
) -> None:
    """`seconds` are fewer where what is waited for would happen some time even if the code were wrong."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, what
        time.sleep(every)
