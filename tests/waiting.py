"""Waiting for other processes, however busy the machine is."""

import time
from collections.abc import Callable

PATIENCE = 1800
"""Seconds after which a test gives up: only what hangs takes so long."""


def wait_until(condition: Callable[[], object], what: str = "it did not happen in time") -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, what
        time.sleep(0.005)
