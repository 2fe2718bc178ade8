"""A study as one archive that others can check: without images, weights and keys, and the same from the same results.

The archive's root is a checkout: the code, the configuration as `config.yaml`, the files that it names, `results/`, and
Snakemake's records of them. Unpacked, it has nothing left to do. It is an RO-Crate.
"""

import base64
import hashlib
import json
import mmap
import os
import re
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

from mllm_classify.bundle.crate import CRATE, RECORDS, Entry, crate
from mllm_classify.bundle.withheld import WITHHELD, place, recorded_of_each, restricted_files
from mllm_classify.config.further import PLACE
from mllm_classify.config.marks import COLUMNS, CONTENT, DISPLAY
from mllm_classify.config.study import Bundle, Config
from mllm_classify.io import parquet
from mllm_classify.io.environment import environment
from mllm_classify.io.files import MACHINE_PATH, PROJECT, InputError, locate, portable, written
from mllm_classify.plan.replaced import noted
from mllm_classify.plan.together import FOLDER as ASKED
from mllm_classify.tables.revealing import withheld_results

SUMS = "SHA256SUMS"
ENVIRONMENT = "environment.json"
CODE = (
    *(
        ".ci",
        ".gitignore",
        "CHANGELOG.md",
        "CITATION.cff",
        "CONTRIBUTING.md",
        "LICENSE",
        "Makefile",
        "README.md",
        "Snakefile",
        "pyproject.toml",
        "requirements.lock",
    ),
    *("requirements-dev.lock", "benchmarks", "docs", "envs", "presets", "profiles", "resources", "slurm", "src"),
    *("tests", "tools", "workflow"),
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
RESTRICTED = f"""
## What is left out

Some files may not be handed on: `{WITHHELD}` has the SHA-256 of each, and the results that are left out with them, because they
tell of single images. Whoever has the files checks the archive with `make verify-bundle BUNDLE=... RESTRICTED="FILE ..."`;
without them only the sums are checked, and tables cannot be made anew.
"""

Source = bytes | Path
Contents = dict[str, Source]
"""What an archive holds, by the name in it."""


def contents(config_file: str, config: Config, results: Iterable[str]) -> Contents:
    """All that the archive of a study holds: these results, and what they were made from.

    Raises InputError where a file would give away a folder of this machine, or a key.
    """
    restricted, left_out = restricted_files(config), withheld_results(config)
    results = sorted({*results} - {*left_out})  # by name: Snakemake's order may vary
    named, text, folders = archived_configuration(config_file, config)
    records, ended = _records(results)
    code: Contents = dict(_code())
    contents: Contents = code | named | records | {name: Path(name) for name in results}
    # a parameter of the images job: without it, that would be to be done
    contents |= {path.as_posix(): path for path in map(noted, config.studies) if path.exists()}
    contents |= {
        "config.yaml": text,
        "README-bundle.md": (README + (RESTRICTED if restricted or left_out else "")).encode(),
        ENVIRONMENT: _json(_made_with(results)),
    }
    if restricted or left_out:
        secret = {name: digest(source) for name, source in restricted.items()}
        contents = {name: source for name, source in contents.items() if digest(source) not in secret.values()}
        contents[WITHHELD] = _json({"files": secret, "results": left_out})
    _without_traces(contents, code, config, folders)
    files = {name: Entry(_size(source), digest(source)) for name, source in contents.items()}
    contents[CRATE] = crate(config, files, results, ended)
    sums = {name: entry.sha256 for name, entry in files.items()} | {CRATE: digest(contents[CRATE])}
    contents[SUMS] = "".join(f"{sums[name]}  {name}\n" for name in sorted(sums)).encode()
    return contents


def write(contents: Contents, path: str | Path) -> None:
    """Write the archive: the same contents give the same bytes. Its comment is the SHA-256 of the list of sums."""
    with written(path) as temporary, zipfile.ZipFile(temporary, "w") as archive:
        for name, source in sorted(contents.items()):
            entry = zipfile.ZipInfo(name, TIME)
            entry.create_system = 3  # Unix, wherever it is made
            entry.external_attr = 0o100644 << 16
            entry.compress_type = zipfile.ZIP_STORED if name.endswith(COMPRESSED) else zipfile.ZIP_DEFLATED
            with _open(source) as content, archive.open(entry, "w") as target:
                shutil.copyfileobj(content, target)
        archive.comment = digest(contents[SUMS]).encode()


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


def archived_configuration(config_file: str, config: Config) -> tuple[Contents, bytes, set[Path]]:
    """The files that the configuration names, its own text, and the folders of this machine that it named.

    Its text is as written, unless it holds paths of this machine: they become the archive's.
    """
    named: Contents = {}
    moved: dict[str, str] = {}
    value = _archived(config, named, moved)
    of_each: Contents = {it.place: it.path for it in recorded_of_each(config) if not it.restricted}
    named = {name: path for name, path in named.items() if PLACE not in name} | of_each
    text = Path(config_file).read_bytes()
    if moved:
        text = yaml.safe_dump(value, sort_keys=False, allow_unicode=True).encode()
    paths = {Path(path) for written in moved for path in MACHINE_PATH.findall(written)}
    return named, text, {path.expanduser().parent for path in paths}


def _archived(section: BaseModel, named: Contents, moved: dict[str, str]) -> dict[str, Any]:
    """What a user wrote, with the archive's paths.

    The files that it names are added to `named`, and to `moved` what it says of this machine.
    """
    rewritten = {}
    for key, field in type(section).model_fields.items():
        value = getattr(section, key)
        names = any(mark is CONTENT or isinstance(mark, COLUMNS) for mark in field.metadata)
        if isinstance(value, str) and names and not getattr(section, "restricted", False):
            named[place(value)] = locate(value)
        # a default names files, too
        inside = value if DISPLAY in field.metadata else _portable(value, named, moved)
        if key in section.model_fields_set:
            rewritten[key] = inside
    return rewritten


def _portable(value: Any, named: Contents, moved: dict[str, str]) -> Any:
    match value:
        case Bundle():
            return value.model_dump(exclude_unset=True)
        case BaseModel():
            return _archived(value, named, moved)
        case list():
            return [_portable(item, named, moved) for item in value]
        case dict():
            return {key: _portable(item, named, moved) for key, item in value.items()}
        case str() if (place := portable(value)) != value:
            moved[value] = place
            return place
        case _:
            return value


def _records(results: Iterable[str]) -> tuple[Contents, float]:
    """Snakemake's records of results, with one time for all: that of the last, in seconds, which is also returned."""
    records = {}
    for name in results:
        path = f"{RECORDS}{base64.b64encode(name.encode()).decode()}"
        try:
            records[path] = _without_marks(json.loads(Path(path).read_bytes()))
        except (OSError, ValueError) as error:
            msg = f"{path}: Snakemake's record of {name} cannot be read ({error}); remove {name} and make it again"
            raise InputError(msg) from None
    ended = max((record["endtime"] for record in records.values()), default=0.0)
    same = {"starttime": ended, "endtime": ended, "job_hash": 0, "external_jobid": None}
    return {path: _json(record | same) for path, record in records.items()}, ended


def _without_marks(record: dict[str, Any]) -> dict[str, Any]:
    """A record without the marks of jobs that asked about several data sets, as the archive has none."""
    marks = {path for path in record.get("input") or [] if path.startswith(f"{ASKED}/")}
    if not marks:
        return record
    sums = record.get("input_checksums") or {}
    return record | {
        "input": [path for path in record["input"] if path not in marks],
        "input_checksums": {path: found for path, found in sums.items() if path not in marks},
    }


def _made_with(results: Iterable[str]) -> dict[str, Any]:
    """The code's commit, and the environments in which predictions, embeddings and this archive were made."""
    environments = {name: parquet.environments(name) for name in results if name.endswith(".parquet")}
    distinct = sorted({json.dumps(it, sort_keys=True) for each in environments.values() for it in each})
    return {
        "commit": _git("rev-parse", "HEAD"),
        "uncommitted": _git("status", "--porcelain", "--", *CODE).splitlines(),
        "archived with": environment(),
        "environments": [json.loads(it) for it in distinct],
        "made in": {
            name: [distinct.index(json.dumps(it, sort_keys=True)) for it in each]
            for name, each in environments.items()
            if each
        },
    }


def _without_traces(contents: Contents, own: Contents, config: Config, folders: set[Path]) -> None:
    """Raise InputError where a file holds a folder of this machine, or the value of a key's variable.

    The project's own files may speak of folders that the configuration names.
    """
    entries = (*config.models, *config.every_encoder, *config.judges_given)
    variables = {getattr(it, "api_key_env", None) or "" for it in entries}
    keys = {re.escape(os.environ[name]): f"the value of ${name}" for name in sorted(variables) if os.environ.get(name)}
    everywhere = keys | _patterns({Path.cwd(), PROJECT, Path.home()})
    elsewhere = everywhere | _patterns(folders)
    problems = [
        f"{name}: holds {what}"
        for name, source in sorted(contents.items())
        for pattern, what in (everywhere if name in own else elsewhere).items()
        if _holds(source, pattern)
    ]
    if problems:
        advice = "a bundle is for others: name files relative to the working directory, and take the rest out"
        raise InputError("\n".join([*problems[:10], advice]))


def _patterns(folders: set[Path]) -> dict[str, str]:
    """What finds folders, but not ends of other paths; and what to say of each."""
    return {
        rf"(^|[^\w.-]){re.escape(str(folder))}/": f"a folder of this machine ({folder})"
        for folder in sorted(folders)
        if len(folder.parts) > 1
    }


def _holds(source: Source, pattern: str) -> bool:
    """Whether a text matches in a file, also in the columns of a compressed one."""
    if isinstance(source, Path) and source.suffix == ".parquet":
        columns = pl.col(pl.String)
        held = pl.read_parquet(source).select(columns.str.contains(pattern).any())
        return any(value for row in held.rows() for value in row)
    sought = re.compile(pattern.encode(), re.MULTILINE)
    if isinstance(source, bytes):
        return sought.search(source) is not None
    if not source.stat().st_size:
        return False
    with source.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        return sought.search(content) is not None
