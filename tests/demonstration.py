"""The demonstration, run once for all tests: it takes five minutes of a processor."""

import fcntl
import hashlib
import shutil
from pathlib import Path

from tests.workflow.study import Study


def digest(study: Study) -> str:
    """Of everything that it is made from."""
    found = hashlib.sha256()
    for path in sorted(study.sources()):
        content = hashlib.sha256(path.read_bytes()).hexdigest()
        found.update(f"{path.relative_to(study.folder)} {content}\n".encode())
    return found.hexdigest()[:16]


def finished(kept: Path, folder: Path) -> Study:
    """The configuration as shipped, with all of its results, in `folder`, which a test may change.

    It is copied from `kept`, where it is made if the checkout has changed since. Processes that want it at the same
    time wait for the first.
    """
    fresh = Study(folder)
    study = fresh.at(kept / f"study-{digest(fresh)}")
    with (kept / "lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not study.folder.exists():
            for earlier in kept.glob("study-*"):
                shutil.rmtree(earlier)
            fresh.make("all", "results/annotate/tasks.json", "results/report.zip")
            fresh.copy(kept / f"{study.folder.name}.unfinished").folder.rename(study.folder)
            return fresh
        shutil.rmtree(folder)
        return study.copy(folder)
