"""What a file was really made with: recorded inside of predictions and embeddings, and gathered by the bundle.

Not a part of any lineage: a newer package or another GPU reruns nothing, but a reader of the figures can see it.
"""

import platform
import re
import subprocess
from functools import cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from importlib.metadata import Distribution

Environment = dict[str, Any]
FIELD = re.compile(r"^(Name|Version):[ \t]*(\S+)[ \t]*$", re.MULTILINE)
"""What is looked for in the header of a package's metadata: to parse the whole of it takes ten times as long."""


@cache
def environment() -> Environment:
    """Python of this process, its packages, the GPUs and their driver."""
    import importlib.metadata  # with a parser of mail: whoever only reads files does without

    packages = dict(map(_name_and_version, importlib.metadata.distributions()))
    return {
        "python": platform.python_version(),
        "platform": f"{platform.system()} {platform.machine()}",
        "gpus": _gpus(),
        "packages": dict(sorted(packages.items(), key=lambda item: item[0].lower())),
    }


def _name_and_version(distribution: "Distribution") -> tuple[str, str]:
    fields = dict(FIELD.findall((distribution.read_text("METADATA") or "").partition("\n\n")[0]))
    return fields.get("Name") or distribution.name, fields.get("Version") or distribution.version


def _gpus() -> list[str]:
    """Name, driver and memory of each NVIDIA GPU that this machine shows."""
    try:
        listed = subprocess.run(
            ["nvidia-smi", "--query-gpu=name,driver_version,memory.total", "--format=csv,noheader"],  # noqa: S607
            check=True, capture_output=True, text=True, timeout=60,
        )  # fmt: skip
    except (OSError, subprocess.SubprocessError):
        return []
    return listed.stdout.splitlines()
