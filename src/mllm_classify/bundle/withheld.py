"""What the archive of a study leaves out: files that may not be handed on, and results that tell of single images' labels.

Of such a file the archive has the SHA-256 only. Which results it reaches follows from the lineages; of these, files of the
stages have a row an image, and of tables and figures `outputs` says whether they tell of single labels. A figure of a few
images tells of them, too.
"""

import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

import polars as pl
from pydantic import BaseModel

from mllm_classify.config.marks import COLUMNS, CONTENT
from mllm_classify.config.models import RecordedModel
from mllm_classify.config.study import Config
from mllm_classify.io.files import InputError, locate, portable, read_bytes, sha256
from mllm_classify.io.records import read_json
from mllm_classify.measures.counting import COUNTED, SUBSETS
from mllm_classify.outputs import OUTPUTS, Output, parts
from mllm_classify.plan.files import PATTERNS, bundled_files
from mllm_classify.plan.lineage import Lineages

PACKAGED = "inputs"
"""Folder of copies of what the configuration reads from installed packages."""
WITHHELD = "withheld.json"
"""The list of what is left out: `files`, their SHA-256 by name, and `results`, why each is left out."""
FEWEST = 10
"""A table with a figure of fewer images is left out."""


def place(name: str) -> str:
    """Where a file that the configuration names lies in an archive."""
    return f"{PACKAGED}/{name.removeprefix('package:')}" if name.startswith("package:") else portable(name)


def restricted_files(section: BaseModel) -> dict[str, Path]:
    """The files that sections with `restricted: true` name, by their places in an archive."""
    found = {}
    for key, field in type(section).model_fields.items():
        value = getattr(section, key)
        named = any(mark is CONTENT or isinstance(mark, COLUMNS) for mark in field.metadata)
        if named and value is not None and getattr(section, "restricted", False):
            found[place(value)] = locate(value)
        for item in value.values() if isinstance(value, dict) else value if isinstance(value, list) else [value]:
            if isinstance(item, BaseModel):
                found |= restricted_files(item)
    return found


def withheld_results(config: Config) -> dict[str, str]:
    """The results that an archive leaves out, and why, in the order of `bundled_files`. Reads the tables of `results/`."""
    if not any(_sources(config)):
        return {}
    of = Lineages(config)
    reached = influenced(config, of)
    why: dict[str, str] = {}
    for it in bundled_files(of.outline):
        if it.job not in reached:
            continue
        if (output := OUTPUTS.get(it.job)) is None:
            why[it.path] = "has rows that follow from what is restricted"
        elif output.reveals:
            why[it.path] = "tells of single labels"
        elif few(output):
            why[it.path] = f"has a figure of fewer than {FEWEST} images"
    return why


def influenced(config: Config, of: Lineages) -> set[str]:
    """The jobs whose results follow from a restricted file, directly or by others."""
    reached = set(_sources(config))
    names = of.names()
    while more := {name for name in names if name not in reached and reached & {*of.job(name).inputs}}:
        reached |= more
    return reached


def _sources(config: Config) -> Iterator[str]:
    """The jobs that read restricted files."""
    dataset = config.dataset
    if dataset.restricted:
        yield "images"
    if any(
        it is not None and it.restricted
        for it in (dataset.imgt, dataset.regt, dataset.equivalences, *dataset.corrections)
    ):
        yield "labels"
    if dataset.hierarchy is not None and dataset.hierarchy.restricted:
        yield "hierarchy"
    if dataset.imgt.restricted and dataset.chosen_by_labels:
        yield "images"
    yield from (f"predict/{it.name}" for it in config.models if isinstance(it, RecordedModel) and it.restricted)


def few(output: Output) -> bool:
    """Whether a table, or one that a figure is drawn from, has a figure of fewer than FEWEST images, but of some."""
    if output.form == "figure":
        return any(few(OUTPUTS[name]) for name in parts(output) if name in OUTPUTS and name not in PATTERNS)
    path = output.files[0]
    rows = pl.read_parquet(path) if path.endswith(".parquet") else pl.read_csv(path, infer_schema=False)
    if "statistic" in rows.columns:
        rows = rows.filter(pl.col("statistic") == "count").select(pl.selectors.by_name(*SUBSETS, require_all=False))
    else:
        sizes = [it for it in rows.columns if it == "n" or (it.startswith("n_") and it not in {"n_images", *COUNTED})]
        rows = rows.select(sizes)
    numbers = rows.select(pl.all().cast(pl.Float64, strict=False))
    return any(0 < value < FEWEST for row in numbers.rows() for value in row if value is not None)


class LeftOut(NamedTuple):
    """What an archive says that it leaves out."""

    files: dict[str, str]
    """SHA-256s of files by their names in the archive."""
    results: dict[str, str]
    """Why each result is left out."""


def left_out(archived: Path) -> LeftOut:
    """What an unpacked archive leaves out; nothing where it has no list. Raises InputError where that is none."""
    if not (archived / WITHHELD).is_file():
        return LeftOut({}, {})
    content = read_json(str(archived / WITHHELD))
    parts = [content.get(key) if isinstance(content, dict) else None for key in LeftOut._fields]
    if not all(isinstance(part, dict) and all(isinstance(it, str) for it in part.values()) for part in parts):
        msg = f"{WITHHELD}: must have files, the SHA-256 of each, and results, why each is left out"
        raise InputError(msg)
    return LeftOut(content["files"], content["results"])


def put_back(archived: Path, left: LeftOut, given: Iterable[Path]) -> list[str]:
    """Copy files to where an unpacked archive leaves them out. Returns the names of those that are not given.

    Raises InputError where a given file is none of them.
    """
    names = {digest: name for name, digest in left.files.items()}
    for path in given:
        found = sha256(read_bytes(str(path)))
        if found not in names:
            msg = f"{path}: has the SHA-256 {found}, which is none of {WITHHELD}: {', '.join(sorted(names)) or 'it has none'}"
            raise InputError(msg)
        target = archived / names[found]
        if not target.resolve().is_relative_to(archived.resolve()) or target.exists():
            msg = f"{WITHHELD}: {names[found]!r} is in the archive already, or outside of it"
            raise InputError(msg)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, target)
    return sorted(
        name for name in left.files if not name.startswith(f"{PACKAGED}/") and not (archived / name).is_file()
    )
