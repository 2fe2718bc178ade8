"""A study as one archive that others can check: made deterministically, as an RO-Crate, without images and weights.

The archive's root is a checkout: the code, the configuration as `config.yaml`, its label, class and prediction files,
`results/`, and Snakemake's records of them. Unpacked, it has nothing left to do.
"""

import base64
import hashlib
import importlib.metadata
import json
import os
import platform
import re
import subprocess
import zipfile
from collections.abc import Iterable, Iterator
from pathlib import Path, PurePosixPath
from typing import Any

import yaml
from pydantic import BaseModel
from rocrate.model import ContextEntity
from rocrate.rocrate import ROCrate

from mllm_classify import config as configuration
from mllm_classify.files import PROJECT, InputError, read_bytes, sha256, written

SUMS = "SHA256SUMS"
CRATE = "ro-crate-metadata.json"
ENVIRONMENT = "environment.json"
INPUTS = "inputs"
"""Files that lie elsewhere on the machine, or in installed packages."""
LEFT_OUT = "results/bundle.zip"
TIME = (1980, 1, 1, 0, 0, 0)
"""Of every file in the archive: one, so that none is newer than what was made from it."""
PROFILES = {
    "https://w3id.org/ro/wfrun/process/0.5": "Process Run Crate",
    "https://w3id.org/ro/wfrun/workflow/0.5": "Workflow Run Crate",
    "https://w3id.org/workflowhub/workflow-ro-crate/1.0": "Workflow RO-Crate",
}

Contents = dict[str, bytes]
"""Of an archive, by the name in it."""


def contents(config_file: str, config: configuration.Config) -> Contents:
    """Everything that the archive of the study in the working directory holds.

    Raises InputError where a file would give away a folder of this machine, or a key.
    """
    found = dict(_code())
    inputs, text = _configuration(config_file, config)
    found |= inputs
    found["config.yaml"] = text
    results = dict(_results())
    found |= results | dict(_records(results))
    commit = _git("rev-parse", "HEAD")
    changed = _git("status", "--porcelain", "--untracked-files=no")
    found[ENVIRONMENT] = _json(environment() | {"commit": commit, "uncommitted": changed.splitlines()})
    found["README-bundle.md"] = README.encode()
    _without_secrets(found, config)
    found[CRATE] = _crate(found, config)
    found[SUMS] = "".join(f"{sha256(content)}  {name}\n" for name, content in sorted(found.items())).encode()
    return found


README = """# A study, archived

Everything that its tables were made from, but images and weights. `SHA256SUMS` lists every file, `environment.json` the
versions that were used, `ro-crate-metadata.json` describes it for machines (RO-Crate, Workflow Run profile).

In a checkout of mllm-classify, `make verify-bundle BUNDLE=...` checks the sums, makes every table anew from the archived
answers, and compares. Unpacked over a fresh checkout, `snakemake -n` has nothing to do, and a model that is appended
there runs alone.
"""


def write(found: Contents, path: str | Path) -> None:
    """Write the archive: the same contents give the same bytes."""
    with written(path) as temporary, zipfile.ZipFile(temporary, "w") as archive:
        for name, content in sorted(found.items()):
            entry = zipfile.ZipInfo(name, TIME)
            entry.external_attr = 0o644 << 16
            entry.create_system = 3
            stored = name.endswith((".parquet", ".zip", ".png"))
            archive.writestr(entry, content, zipfile.ZIP_STORED if stored else zipfile.ZIP_DEFLATED)


def _git(*arguments: str) -> str:
    """What git says of the project; nothing where it is no checkout."""
    try:
        done = subprocess.run(["git", *arguments], cwd=PROJECT, check=True, capture_output=True, text=True)  # noqa: S603, S607
    except (OSError, subprocess.CalledProcessError):
        return ""
    return done.stdout.strip()


def _code() -> Iterator[tuple[str, bytes]]:
    """The project's files: those that git tracks, else all but what is made."""
    tracked = _git("ls-files", "-z").split("\0")
    if tracked == [""]:
        made = {"results", "journal", "logs", ".snakemake", ".venv", ".git"}
        files = (path.relative_to(PROJECT) for path in PROJECT.rglob("*") if path.is_file())
        tracked = [
            path.as_posix() for path in files if path.parts[0] not in made and not {"__pycache__"} & set(path.parts)
        ]
    for name in tracked:
        if (PROJECT / name).is_file() and name != "config.yaml":
            yield name, (PROJECT / name).read_bytes()


def _configuration(config_file: str, config: configuration.Config) -> tuple[Contents, bytes]:
    """The files that the configuration names, and its text with the places that they have in the archive."""
    original = Path(config_file).read_bytes()
    found: Contents = {}
    moved: dict[str, str] = {}
    for name in sorted(_named_files(config)):
        content = read_bytes(name)
        place = _place(name, content)
        found[place] = content
        if place != name and not name.startswith("package:"):
            moved[name] = place
    if config.dataset.folder is not None and not _is_inside(config.dataset.folder):
        moved[config.dataset.folder] = "images"
    if not moved:
        return found, original
    return found, yaml.safe_dump(
        _replaced(yaml.safe_load(original), moved), sort_keys=False, allow_unicode=True
    ).encode()


def _named_files(section: BaseModel) -> Iterator[str]:
    """Files whose content counts, at any depth of the configuration."""
    for key, field in type(section).model_fields.items():
        value = getattr(section, key)
        counts = configuration.CONTENT in field.metadata or any(
            isinstance(mark, configuration.COLUMNS) for mark in field.metadata
        )
        if counts and value is not None:
            yield value
        for item in value if isinstance(value, list) else value.values() if isinstance(value, dict) else [value]:
            if isinstance(item, BaseModel):
                yield from _named_files(item)


def _is_inside(name: str) -> bool:
    return not Path(name).is_absolute() and ".." not in Path(name).parts


def _place(name: str, content: bytes) -> str:
    """Where a file lies in the archive: where it is named, or, from elsewhere, under inputs/."""
    if name.startswith("package:"):
        return f"{INPUTS}/package/{name.removeprefix('package:')}"
    return PurePosixPath(name).as_posix() if _is_inside(name) else f"{INPUTS}/{sha256(content)[:8]}/{Path(name).name}"


def _replaced(value: Any, moved: dict[str, str]) -> Any:
    if isinstance(value, dict):
        return {key: _replaced(item, moved) for key, item in value.items()}
    if isinstance(value, list):
        return [_replaced(item, moved) for item in value]
    return moved.get(value, value) if isinstance(value, str) else value


def _results() -> Iterator[tuple[str, bytes]]:
    for path in sorted(Path("results").rglob("*")):
        if path.is_file() and path.as_posix() != LEFT_OUT and not path.name.startswith("."):
            yield path.as_posix(), path.read_bytes()


def _records(results: Iterable[str]) -> Iterator[tuple[str, bytes]]:
    """Snakemake's records of these files, without what differs between two runs of the same."""
    for name in results:
        path = Path(".snakemake/metadata") / base64.b64encode(name.encode()).decode()
        if path.is_file():
            record = json.loads(path.read_bytes())
            yield path.as_posix(), _json(record | {"starttime": 0, "endtime": 0, "job_hash": 0, "external_jobid": None})


def environment() -> dict[str, Any]:
    """What the tables were made with."""
    try:
        gpus = subprocess.run(
            ["nvidia-smi", "--query-gpu=name,driver_version,memory.total", "--format=csv,noheader"],  # noqa: S607
            check=True, capture_output=True, text=True,
        ).stdout.splitlines()  # fmt: skip
    except (OSError, subprocess.CalledProcessError):
        gpus = []
    packages = {dist.metadata["Name"]: dist.version for dist in importlib.metadata.distributions()}
    return {
        "python": platform.python_version(),
        "platform": f"{platform.system()} {platform.machine()}",
        "gpus": gpus,
        "packages": dict(sorted(packages.items(), key=lambda item: item[0].lower())),
    }


def _json(value: Any) -> bytes:
    return (json.dumps(value, indent=1, sort_keys=True) + "\n").encode()


def _without_secrets(found: Contents, config: configuration.Config) -> None:
    """Raise InputError where a file holds a folder of this machine, or the value of a key's variable."""
    variables = [it.api_key_env for it in config.models if isinstance(it, configuration.ChatModel) and it.api_key_env]
    secrets = {os.environ[name]: f"the value of ${name}" for name in variables if os.environ.get(name)}
    folders = {str(Path.cwd()), str(PROJECT), str(Path.home())} - {"/", "/root"}
    needles = {secret.encode(): what for secret, what in secrets.items()}
    needles |= {folder.encode(): f"a folder of this machine ({folder})" for folder in folders}
    for name, content in found.items():
        for needle, what in needles.items():
            if needle in content:
                msg = f"{name}: holds {what}; name files relative to the working directory, and take it out of answers"
                raise InputError(msg)


def _crate(found: Contents, config: configuration.Config) -> bytes:
    """RO-Crate metadata by the Workflow Run profile: what was run, on what, and what came out."""
    crate = ROCrate(version="1.1")
    crate.name = f"mllm-classify: {config.dataset.label}"
    crate.description = "Multimodal LLMs and other models evaluated as image classifiers: answers, labels and tables."
    crate.root_dataset["datePublished"] = _git("log", "-1", "--format=%cs") or "1980-01-01"
    profiles = [
        crate.add(ContextEntity(crate, url, {"@type": "CreativeWork", "name": name, "version": url.rsplit("/", 1)[1]}))
        for url, name in PROFILES.items()
    ]
    crate.root_dataset["conformsTo"] = profiles
    entities = {}
    for name, content in sorted(found.items()):
        about = {"contentSize": str(len(content)), "sha256": hashlib.sha256(content).hexdigest()}
        if name == "Snakefile":
            entities[name] = crate.add_workflow(
                None, name, main=True, lang="snakemake", properties=about | {"name": "mllm-classify"}
            )
        else:
            entities[name] = crate.add_file(None, name, properties=about | {"name": name})
    results = [entity for name, entity in entities.items() if re.fullmatch(r"results/[^/]+\.(csv|parquet)", name)]
    made = {name for name in entities if name.startswith(("results/", ".snakemake/"))}
    inputs = [entities[name] for name in ("config.yaml",)] + [
        entity for name, entity in entities.items() if name.startswith((INPUTS, "resources/")) and name not in made
    ]
    crate.add_action(
        entities["Snakefile"],
        identifier="#run",
        object=inputs,
        result=results,
        properties={"name": "Making the tables", "actionStatus": {"@id": "http://schema.org/CompletedActionStatus"}},
    )
    return _json(crate.metadata.generate())
