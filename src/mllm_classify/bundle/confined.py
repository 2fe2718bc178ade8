"""Work on an archive's data, in folders that hold nothing else of it.

Python, Snakemake, matplotlib and others run or obey files that they find in a working directory. An archive's folder is
therefore none. What is checked lies in two folders: `work` is the working directory, with `config.yaml` and what models
answered, at places that the project chooses; `files` has the files that the configuration names, at places that the
archive chooses, and no process runs there. Processes run this checkout's code, with few variables of the environment.
"""

import os
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterable, Iterator
from functools import cache
from importlib.metadata import packages_distributions
from pathlib import Path, PurePosixPath

from pydantic import BaseModel

from mllm_classify.config.encoders import Encoder, OpenClipEncoder
from mllm_classify.config.marks import COLUMNS, CONTENT
from mllm_classify.config.study import Config
from mllm_classify.io.files import FILES, PROJECT, locate, portable

VARIABLES = re.compile(
    "HOME|USER|LOGNAME|PATH|LD_LIBRARY_PATH|DYLD_LIBRARY_PATH|TMPDIR|TZ|LANG|LC_[A-Z]+|XDG_CACHE_HOME|TORCH_HOME|"
    "HF_HOME|HF_HUB_CACHE|SENTENCE_TRANSFORMERS_HOME"
)
"""The variables that processes keep: where programs, libraries and caches are, and the language. None holds a key."""


def is_inside(name: str) -> bool:
    """Whether a name stays in the folder that it is relative to, on every system."""
    path = PurePosixPath(name)
    return bool(path.parts) and not (path.is_absolute() or ".." in path.parts or "\\" in name or ":" in path.parts[0])


def named(config: Config) -> set[str]:
    """The files that a configuration names, defaults among them, for every data set."""
    return {name for study in config.studies.values() for name in _named(study)}


def _named(section: BaseModel) -> Iterator[str]:
    for key, field in type(section).model_fields.items():
        value = getattr(section, key)
        if any(mark is CONTENT or isinstance(mark, COLUMNS) for mark in field.metadata):
            yield from [value] if value is not None else []
            continue
        inside = value.values() if isinstance(value, dict) else value if isinstance(value, list) else [value]
        for item in inside:
            if isinstance(item, BaseModel):
                yield from _named(item)


def unfit(config: Config, archived: set[str]) -> Iterator[str]:
    """What a configuration names that is neither of the archive nor of a package that the project uses, a line each.

    `archived` are the archive's files, as paths are written without need of `.` and doubled `/`.
    """
    for name in sorted(named(config)):
        if name.startswith("package:"):
            yield from _unfit_package(name)
        elif not is_inside(name) or str(PurePosixPath(name)) not in archived:
            yield f"config.yaml: {_shown(name)}: no file of the archive"


def unfit_weights(config: Config, archived: set[str]) -> Iterator[str]:
    """Encoders whose weights are neither of the hub nor of a package that the project uses, a line each."""
    for encoder in config.every_encoder:
        match encoder:
            case Encoder():
                weights = [encoder.path]
            case OpenClipEncoder():
                weights = [encoder.model, encoder.pretrained or ""]
            case _:
                continue
        for name in filter(None, weights):
            inside = f"{PurePosixPath(name)}/"
            if name.startswith("package:"):
                yield from _unfit_package(name)
            elif portable(name) != name or any(f"{it}/".startswith(inside) for it in archived):
                yield f"config.yaml: encoder {encoder.name}: {_shown(name)}: weights must be the hub's, or a package's"


def _unfit_package(name: str) -> Iterator[str]:
    package, _, inside = name.removeprefix("package:").partition("/")
    if package not in packages() or not is_inside(inside):
        yield f"config.yaml: {_shown(name)}: in no package that this project uses"


def _shown(name: str) -> str:
    return ascii(name)[:100]


@cache
def packages() -> frozenset[str]:
    """What the distributions that the project depends on install, as it is imported."""
    needed = tomllib.loads((PROJECT / "pyproject.toml").read_text())["project"]["dependencies"]
    known = {_plain(re.split(r"[^\w.-]", requirement)[0]) for requirement in needed}
    return frozenset(
        package for package, of in packages_distributions().items() if any(_plain(it) in known for it in of)
    )


def _plain(distribution: str) -> str:
    return re.sub(r"[-_.]+", "-", distribution).lower()


def lay_out(archived: Path, folder: Path, config: Config, results: Iterable[str]) -> Path:
    """Copy the configuration, these results and the files that it names. Returns the working directory."""
    work = folder / "work"
    for name in ("config.yaml", *results):
        _copy(archived / name, work / name)
    for name in named(config):
        if not name.startswith("package:"):
            _copy(archived / name, folder / "files" / name)
    return work


def _copy(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source, target)


def run(work: Path, module: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a module of this environment in a folder that `lay_out` made, without GPUs, hubs of models, or keys."""
    environment = {name: value for name, value in os.environ.items() if VARIABLES.fullmatch(name)}
    environment |= {
        FILES: str(work.with_name("files")),
        "CUDA_VISIBLE_DEVICES": "",
        "HF_HUB_OFFLINE": "1",
        "PYTHONPATH": str(PROJECT / "src"),
        "PYTHONSAFEPATH": "1",  # for jobs, too: `python -m` has the working directory first otherwise
        "MATPLOTLIBRC": str(locate("package:matplotlib/mpl-data/matplotlibrc")),
    }
    return subprocess.run(  # noqa: S603
        [sys.executable, "-m", module, *arguments],
        cwd=work, env=environment, check=False, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip


def snakemake(work: Path, targets: list[str], rules: tuple[str, ...]) -> subprocess.CompletedProcess[str]:
    """Run rules of this checkout's workflow there, and no profile."""
    return run(
        work, "snakemake", *targets, "--snakefile", str(PROJECT / "Snakefile"), "--directory", str(work),
        "--profile", "none", "--workflow-profile", "none", "--cores", str(os.cpu_count() or 1),
        "--rerun-triggers", "mtime", "--quiet", "--allowed-rules", *rules,
    )  # fmt: skip
