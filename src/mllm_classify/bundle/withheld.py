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

from mllm_classify.config.further import PLACE, RESULTS
from mllm_classify.config.marks import COLUMNS, CONTENT
from mllm_classify.config.models import RecordedModel
from mllm_classify.config.study import Config
from mllm_classify.io.files import InputError, locate, portable, read_bytes, sha256
from mllm_classify.io.records import read_json
from mllm_classify.measures.counting import COUNTED, SUBSETS
from mllm_classify.outputs import OUTPUTS, Output, parts
from mllm_classify.outputs_across import ACROSS
from mllm_classify.plan.across import before, existing, files_of_each
from mllm_classify.plan.files import PATTERNS, bundled_files, written
from mllm_classify.plan.lineage import Lineages
from mllm_classify.plan.outline import outline

PACKAGED = "inputs"
"""Folder of copies of what the configuration reads from installed packages."""
WITHHELD = "withheld.json"
"""The list of what is left out: `files`, their SHA-256 by name, and `results`, why each is left out."""
FEWEST = 10
"""A table with a figure of fewer images is left out."""


def place(name: str) -> str:
    """Where a file that the configuration names lies in an archive."""
    return f"{PACKAGED}/{name.removeprefix('package:')}" if name.startswith("package:") else portable(name)


class OfDataset(NamedTuple):
    """A file of recorded predictions of which there is one for each data set."""

    place: str
    """In an archive."""
    path: Path
    restricted: bool


def recorded_of_each(config: Config) -> Iterator[OfDataset]:
    """The files of recorded predictions whose names hold that of a data set."""
    for model in config.models:
        if isinstance(model, RecordedModel) and PLACE in model.file:
            for name, study in config.studies.items():
                if model.name in {it.name for it in study.models}:
                    archived = place(model.file).replace(PLACE, name)
                    yield OfDataset(archived, locate(model.file.replace(PLACE, name)), model.restricted)


def restricted_files(config: Config) -> dict[str, Path]:
    """The files that sections with `restricted: true` name, by their places in an archive."""
    named = {name: path for name, path in _restricted(config).items() if PLACE not in name}
    return named | {it.place: it.path for it in recorded_of_each(config) if it.restricted}


def _restricted(section: BaseModel) -> dict[str, Path]:
    found = {}
    for key, field in type(section).model_fields.items():
        value = getattr(section, key)
        named = any(mark is CONTENT or isinstance(mark, COLUMNS) for mark in field.metadata)
        if named and value is not None and getattr(section, "restricted", False):
            found[place(value)] = locate(value)
        for item in value.values() if isinstance(value, dict) else value if isinstance(value, list) else [value]:
            if isinstance(item, BaseModel):
                found |= _restricted(item)
    return found


def withheld_results(config: Config) -> dict[str, str]:
    """The results that an archive leaves out, and why, data set by data set. Reads the tables of `results/`."""
    why: dict[str, str] = {}
    reached: dict[str, set[str]] = {}
    for name, study in config.studies.items():
        if not any(_sources(study)):
            continue
        of = Lineages(study)
        reached[name] = influenced(study, of)
        for it in bundled_files(of.outline):
            if it.job not in reached[name]:
                continue
            if (output := OUTPUTS.get(it.job)) is None:
                why[it.path] = "has rows that follow from what is restricted"
            elif said := _telling(output, study.results):
                why[it.path] = said
    outlines = {name: outline(config.study(name)) for name in reached}
    following: set[str] = set()
    for name in existing(config):
        output = ACROSS[name]
        if following.intersection(before(output)) or any(
            it.job in reached[dataset] for dataset, of in outlines.items() for it in files_of_each(output, of)
        ):
            following.add(name)
            if said := _telling(output, config.results):
                why |= dict.fromkeys(written(outline(config), output), said)
    return why


def _telling(output: Output, results: str) -> str:
    """Why a table or figure that follows from what is restricted is left out; nothing where it is not."""
    if output.reveals:
        return "tells of single labels"
    return f"has a figure of fewer than {FEWEST} images" if few(output, results) else ""


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
    if dataset.imgt.restricted and dataset.chosen_by_labels:
        yield "images"
    yield from (f"predict/{it.name}" for it in config.models if isinstance(it, RecordedModel) and it.restricted)


def few(output: Output, results: str = RESULTS) -> bool:
    """Whether a table, or one that a figure is drawn from, has a figure of fewer than FEWEST images, but of some."""
    if output.form == "figure":
        tables = {**OUTPUTS, **ACROSS}
        return any(few(tables[name], results) for name in parts(output) if name in tables and name not in PATTERNS)
    path = f"{results}/{output.files[0]}"
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
