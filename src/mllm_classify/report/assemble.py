"""Snakemake's own report of files that are there: with captions, what made them, and how long that took."""

import shutil
import subprocess
import sys
from pathlib import Path

from mllm_classify.io.files import PROJECT, InputError
from mllm_classify.io.text import short


def assemble(files: list[str], config_file: str, path: Path) -> None:
    """Write `path` (.zip), the report of these outputs of the workflow. Runs no job.

    Raises InputError with the end of what Snakemake says where it cannot make one.
    """
    # the reporter looks at the ending, and names the folder in the archive like the file
    folder = path.with_name(f".{path.name}.tmp")
    folder.mkdir(parents=True, exist_ok=True)
    command = [
        *(sys.executable, "-m", "snakemake", *files, "--snakefile", str(PROJECT / "Snakefile")),
        *("--configfile", config_file, "--report", str(folder / path.name)),
    ]
    try:
        done = subprocess.run(command, check=False, capture_output=True, text=True)  # noqa: S603
        if done.returncode:
            said = " ".join(done.stderr.split())
            msg = f"{path}: Snakemake cannot make the report: {short(said[-400:], 400)}"
            raise InputError(msg)
        (folder / path.name).replace(path)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
