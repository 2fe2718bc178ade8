"""A study as one archive that others can check: without images, weights and keys, and the same from the same results.

The archive's root is a checkout: the code, the configuration as `config.yaml`, the files that it names, `results/`, and
Snakemake's records of them. Unpacked, it has nothing left to do. It is an RO-Crate.
"""

import base64
import hashlib
import json
import mmap
import os
import shutil
import subprocess
import zipfile
from collections.abc import Iterable, Iterator
from io import BufferedReader, BytesIO
from pathlib import Path
from typing import Any

import polars as pl
import yaml
from pydantic import BaseModel

from mllm_classify import config as configuration
from mllm_classify import parquet
from mllm_classify.crate import CRATE, RECORDS, Entry, crate
from mllm_classify.environment import environment
from mllm_classify.files import PROJECT, InputError, locate, portable, written

SUMS = "SHA256SUMS"
ENVIRONMENT = "environment.json"
PACKAGED = "inputs"
"""Copies of what the configuration reads from installed packages."""
CODE = (
    *(".ci", ".gitignore", "LICENSE", "Makefile", "README.md", "Snakefile", "pyproject.toml", "requirements.lock"),
    *("requirements-dev.lock", "benchmarks", "docs", "envs", "presets", "profiles", "resources", "slurm", "src"),
    *("tests", "workflow"),
)
"""The project's own files. What else lies in a checkout is somebody's work, and may be pictures."""
TIME = (1980, 1, 1, 0, 0, 0)
"""Of every file in the archive: one, so that none is newer than what was made from it."""
COMPRESSED = (".parquet", ".zip", ".png")
README = """# A study, archived

All that its tables were made from, but pictures and weights. `SHA256SUMS` lists every file, `environment.json` the
versions that were used, `ro-crate-metadata.json` describes the archive for machines (RO-Crate, Workflow Run profile).

In a checkout of mllm-classify, `make verify-bundle BUNDLE=...` checks the sums, makes every table anew from the archived
answers, and compares. Unpacked over a fresh checkout (`make install`), `snakemake -n` has nothing to do, and a model that
is appended to `config.yaml` there runs alone.
"""

Source = bytes | Path
Contents = dict[str, Source]
"""What an archive holds, by the name in it."""


def contents(config_file: str, config: configuration.Config, results: Iterable[str]) -> Contents:
    """All that the archive of a study holds: these results, and what they were made from.

    Raises InputError where a file would give away a folder of this machine, or a key.
    """
    results = sorted(results)  # by name: Snakemake's order may vary
    named, text = archived_configuration(config_file, config)
    records, ended = _records(results)
    found: Contents = dict(_code()) | named | records | {name: Path(name) for name in results}
    found |= {
        "config.yaml": text,
        "README-bundle.md": README.encode(),
        ENVIRONMENT: _json(_made_with(results)),
    }
    _without_secrets(found, config)
    files = {name: Entry(_size(source), digest(source)) for name, source in found.items()}
    found[CRATE] = crate(config, files, results, ended)
    sums = {name: entry.sha256 for name, entry in files.items()} | {CRATE: digest(found[CRATE])}
    found[SUMS] = "".join(f"{sums[name]}  {name}\n" for name in sorted(sums)).encode()
    return found


def write(found: Contents, path: str | Path) -> None:
    """Write the archive: the same contents give the same bytes. Its comment is the SHA-256 of the list of sums."""
    with written(path) as temporary, zipfile.ZipFile(temporary, "w") as archive:
        for name, source in sorted(found.items()):
            entry = zipfile.ZipInfo(name, TIME)
            entry.create_system = 3  # Unix, wherever it is made
            entry.external_attr = 0o100644 << 16
            entry.compress_type = zipfile.ZIP_STORED if name.endswith(COMPRESSED) else zipfile.ZIP_DEFLATED
            with _open(source) as content, archive.open(entry, "w") as target:
                shutil.copyfileobj(content, target)
        archive.comment = digest(found[SUMS]).encode()


def digest(source: Source) -> str:
    """SHA-256 of a file or of bytes."""
    with _open(source) as content:
        return hashlib.file_digest(content, "sha256").hexdigest()


def _open(source: Source) -> BufferedReader | BytesIO:
    return source.open("rb") if isinstance(source, Path) else BytesIO(source)


def _size(source: Source) -> int:
    return source.stat().st_size if isinstance(source, Path) else len(source)


def _json(value: Any) -> bytes:
    return (json.dumps(value, indent=1, sort_keys=True) + "\n").encode()


def _git(*arguments: str) -> str:
    """What git says of the project; nothing where it is no checkout."""
    try:
        done = subprocess.run(["git", *arguments], cwd=PROJECT, check=True, capture_output=True, text=True)  # noqa: S603, S607
    except (OSError, subprocess.CalledProcessError):
        return ""
    return done.stdout.strip()


def _code() -> Iterator[tuple[str, Path]]:
    """The project's files: those that git tracks and, of code that is run, those that it does not yet."""
    listed = _git("ls-files", "-z", "--", *CODE) + _git(
        "ls-files", "-z", "--others", "--exclude-standard", "src", "workflow"
    )
    names = listed.split("\0")
    if not listed:
        files = (
            it for top in CODE for it in ((PROJECT / top).rglob("*") if (PROJECT / top).is_dir() else [PROJECT / top])
        )
        names = [it.relative_to(PROJECT).as_posix() for it in files]
    for name in names:
        path = PROJECT / name
        if (
            path.is_file()
            and "__pycache__" not in path.parts
            and not any(it.endswith(".egg-info") for it in path.parts)
        ):
            yield name, path


def archived_configuration(config_file: str, config: configuration.Config) -> tuple[Contents, bytes]:
    """The files that the configuration names, and its own text.

    Its text is as written, unless it holds paths of this machine: they become the archive's.
    """
    named: Contents = {}
    value = _archived(config, named)
    moved = value != _archived(config, {}, as_written=True)
    text = (
        yaml.safe_dump(value, sort_keys=False, allow_unicode=True).encode() if moved else Path(config_file).read_bytes()
    )
    return named, text


def _archived(section: BaseModel, named: Contents, *, as_written: bool = False) -> dict[str, Any]:
    """What a user wrote, with the archive's paths; the files that it names are added to `named`."""

    def value_of(value: Any) -> Any:
        match value:
            case BaseModel():
                return _archived(value, named, as_written=as_written)
            case list():
                return [value_of(item) for item in value]
            case dict():
                return {key: value_of(item) for key, item in value.items()}
            case str():
                return value if as_written else portable(value)
            case _:
                return value

    found = {}
    for key, field in type(section).model_fields.items():
        value = getattr(section, key)
        if isinstance(value, str) and any(
            mark is configuration.CONTENT or isinstance(mark, configuration.COLUMNS) for mark in field.metadata
        ):
            place = f"{PACKAGED}/{value.removeprefix('package:')}" if value.startswith("package:") else portable(value)
            named[place] = locate(value)
        if key in section.model_fields_set:
            found[key] = value if configuration.DISPLAY in field.metadata else value_of(value)
        elif isinstance(value, BaseModel):
            value_of(value)
    return found


def _records(results: Iterable[str]) -> tuple[Contents, float]:
    """Snakemake's records of results, with one time for all: that of the last, in seconds, which is also returned."""
    found = {}
    for name in results:
        path = f"{RECORDS}{base64.b64encode(name.encode()).decode()}"
        try:
            found[path] = json.loads(Path(path).read_bytes())
        except (OSError, ValueError) as error:
            msg = f"{path}: Snakemake's record of {name} cannot be read ({error}); remove {name} and make it again"
            raise InputError(msg) from None
    ended = max((record["endtime"] for record in found.values()), default=0.0)
    same = {"starttime": ended, "endtime": ended, "job_hash": 0, "external_jobid": None}
    return {path: _json(record | same) for path, record in found.items()}, ended


def _made_with(results: Iterable[str]) -> dict[str, Any]:
    """The code's commit, and the environments in which predictions, embeddings and this archive were made."""
    found = {name: parquet.environments(name) for name in results if name.endswith(".parquet")}
    distinct = sorted({json.dumps(it, sort_keys=True) for each in found.values() for it in each})
    return {
        "commit": _git("rev-parse", "HEAD"),
        "uncommitted": _git("status", "--porcelain", "--", *CODE).splitlines(),
        "archived with": environment(),
        "environments": [json.loads(it) for it in distinct],
        "made in": {
            name: [distinct.index(json.dumps(it, sort_keys=True)) for it in each]
            for name, each in found.items()
            if each
        },
    }


def _without_secrets(found: Contents, config: configuration.Config) -> None:
    """Raise InputError where a file holds a folder of this machine, or the value of a key's variable."""
    variables = {it.api_key_env for it in config.models if isinstance(it, configuration.ChatModel) and it.api_key_env}
    needles = {os.environ[name]: f"the value of ${name}" for name in sorted(variables) if os.environ.get(name)}
    folders = {Path.cwd(), PROJECT, Path.home()}
    needles |= {f"{folder}/": f"a folder of this machine ({folder})" for folder in folders if folder != Path("/")}
    problems = [
        f"{name}: holds {what}"
        for name, source in found.items()
        for needle, what in needles.items()
        if _holds(source, needle)
    ]
    if problems:
        msg = "\n".join(
            [*problems[:10], "a bundle is for others: take these out, name files relative to the working directory"]
        )
        raise InputError(msg)


def _holds(source: Source, needle: str) -> bool:
    """Whether a text occurs in a file, also in the columns of a compressed one."""
    if isinstance(source, bytes):
        return needle.encode() in source
    if source.suffix == ".parquet":
        columns = pl.col(pl.String)
        held = pl.read_parquet(source).select(columns.str.contains(needle, literal=True).any())
        return any(value for row in held.rows() for value in row)
    if not source.stat().st_size:
        return False
    with source.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        return content.find(needle.encode()) >= 0
