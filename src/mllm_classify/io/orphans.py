"""A job whose Snakemake was killed ends, too: nobody waits for it, and the next run would write the same files."""

import os
import signal
import threading
import time
from pathlib import PurePath

import psutil

INTERVAL = 1.0
"""Seconds between two looks."""


def end_without_snakemake() -> None:
    """Have this process get SIGTERM soon after a Snakemake that started it, or started its starter, is gone.

    A process that somebody else started is left alone.
    """
    if starters := _snakemakes():
        threading.Thread(target=_watch, args=(starters,), name="orphans", daemon=True).start()


def _snakemakes() -> list[psutil.Process]:
    """The processes of Snakemake from which this one descends."""
    try:
        return [
            it for it in psutil.Process().parents() if any(PurePath(word).name == "snakemake" for word in it.cmdline())
        ]
    except psutil.Error:  # gone while they are looked at, or another user's
        return []


def _watch(starters: list[psutil.Process]) -> None:
    while all(map(_lives, starters)):
        time.sleep(INTERVAL)
    os.kill(os.getpid(), signal.SIGTERM)


def _lives(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False
