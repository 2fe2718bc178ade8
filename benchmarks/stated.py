"""What a printed table states beside its figures."""

import platform
import subprocess
from pathlib import Path


def commit() -> str:
    """The commit that was measured; -dirty where something in it was changed."""
    command = ["git", "describe", "--always", "--dirty", "--exclude=*"]
    described = subprocess.run(command, cwd=Path(__file__).parent, check=False, capture_output=True, text=True)
    return described.stdout.strip() or "no commit"


def origin() -> str:
    """The commit, and the machine's kind, as one line."""
    return f"Commit {commit()}, {platform.machine()}, Python {platform.python_version()}"
