"""Other supported versions of Python that this machine has."""

import shutil
import subprocess
import sys
from pathlib import Path


def other_pythons() -> list[str]:
    """One interpreter of every other supported version that this machine has, on PATH or under pyenv."""
    versions = {"3.11", "3.12", "3.13"} - {".".join(str(part) for part in sys.version_info[:2])}
    installed = Path.home() / ".pyenv/versions"
    found = []
    for version in sorted(versions):
        candidates = [shutil.which(f"python{version}"), *installed.glob(f"{version}.*/bin/python3")]
        found += [str(path) for path in candidates if path and works(path)][:1]
    return found


def works(python: str | Path) -> bool:
    """Not every python3.x on PATH is one: a version manager's may only say that it has none."""
    return subprocess.run([python, "-c", ""], check=False, capture_output=True).returncode == 0
