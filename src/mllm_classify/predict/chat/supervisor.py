"""Runs a command until it ends, or until standard input does, and leaves no process of it behind.

The job holds the other end of standard input. However the job goes, killed outright included, the end is seen here.
"""

import contextlib
import ctypes
import os
import select
import signal
import subprocess
import sys

import psutil

STOP_TIMEOUT = 10.0
"""Seconds that processes have to end after SIGTERM."""
POLL = 0.1


def adopt_orphans() -> None:
    """Have Linux make this process the parent of descendants whose own parent has ended, so that none is lost."""
    if sys.platform == "linux":
        pr_set_child_subreaper = 36
        ctypes.CDLL(None).prctl(pr_set_child_subreaper, 1)


def end_descendants() -> None:
    for signum in (signal.SIGTERM, signal.SIGKILL):
        family = psutil.Process().children(recursive=True)
        for member in family:
            with contextlib.suppress(psutil.NoSuchProcess):
                member.send_signal(signum)
        psutil.wait_procs(family, timeout=STOP_TIMEOUT)


def main() -> int:
    signal.signal(signal.SIGTERM, lambda signum, _: sys.exit(128 + signum))
    adopt_orphans()
    try:
        process = subprocess.Popen(sys.argv[1:], stdin=subprocess.DEVNULL, start_new_session=True)  # noqa: S603
    except OSError as error:
        print(f"{sys.argv[1]}: cannot be started ({error.strerror})", flush=True)
        return 126
    try:
        while process.poll() is None:
            ended, _, _ = select.select([sys.stdin], [], [], POLL)
            if ended and not os.read(sys.stdin.fileno(), 1):
                break
    finally:
        end_descendants()
    status = process.wait()
    return status if status >= 0 else 128 - status


if __name__ == "__main__":
    sys.exit(main())
