"""Checking a bundle: its sums, and every table made anew from the archived answers, labels and embeddings.

Nothing of the archive is run: this checkout's code makes the tables.
"""

import argparse
import hashlib
import logging
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import NamedTuple

import numpy as np
import polars as pl

from mllm_classify import config as configuration
from mllm_classify.bundle import SUMS
from mllm_classify.files import InputError
from mllm_classify.lineage import PAPER_TABLES, TABLES, lineages

log = logging.getLogger(__name__)

TOLERANCE = 1e-4
"""Largest difference of an embedding's component that another machine's arithmetic explains."""


def verify(bundle: Path, *, embed: bool = False) -> list[str]:
    """What differs, a line each; nothing where the bundle is whole and its tables follow from its answers.

    Raises InputError where the file is no bundle.
    """
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        try:
            with zipfile.ZipFile(bundle) as archive:
                problems = extract(archive, folder)
        except (OSError, zipfile.BadZipFile, EOFError, ValueError, NotImplementedError) as error:
            msg = f"{bundle}: not a complete zip archive ({error})"
            raise InputError(msg) from None
        return problems or list(_differences(folder, embed=embed))


class Stage(NamedTuple):
    """A command that makes a file anew, and what it is made from (options to files under results/)."""

    command: list[str]
    files: dict[str, list[str]]
    output: str
    beside: tuple[str, ...] = ()  # endings of further files


def stages(config: configuration.Config) -> Iterator[Stage]:
    """What can be made without pictures, weights and keys, in order; embeddings apart."""
    dataset = f"results/dataset/{config.dataset.name}"
    images, classes, labels = (f"{dataset}/{name}.parquet" for name in ("images", "classes", "labels"))
    of_dataset = {"images": [images], "classes": [classes]}
    encoder = f"results/embeddings/{config.encoder.name}/{config.dataset.name}" if config.encoder else ""
    predictions = {
        model.name: f"results/predictions/{config.dataset.name}/{model.name}.parquet" for model in config.models
    }
    scored = dict(sorted(predictions.items()))
    yield Stage(["dataset", "labels"], of_dataset, labels)
    for model in config.models:
        chosen = f"--model={model.name}"
        if isinstance(model, configuration.RecordedModel):
            yield Stage(["predict", chosen], of_dataset, predictions[model.name])
        if model.worded:
            scored[model.name] = f"results/mapping/{config.dataset.name}/{model.name}.parquet"
            yield Stage(
                ["mapping", chosen],
                {
                    "predictions": [predictions[model.name]],
                    "classes": [classes],
                    "class-embeddings": [f"{encoder}/classes.parquet"],
                    "answer-embeddings": [f"{encoder}/{model.name}.parquet"],
                },
                scored[model.name],
            )
    yield Stage(
        ["score", "--models", *scored],
        {"inputs": list(scored.values()), "labels": [labels], "classes": [classes]},
        "results/scores.parquet",
    )
    for table, suffix in TABLES.items():
        if table not in lineages(config) or table == "scorecard":
            continue
        files = {"labels": [labels], "classes": [classes]} | (
            {} if table == "table2" else {"scores": ["results/scores.parquet"]}
        )
        beside = () if table in ("accuracy", "mcnemar") else (".md", ".html", ".tex")
        yield Stage(["tables", table], files, f"results/{table}.{suffix}", beside)
    if any(model.published for model in config.models):
        files = {table: [f"results/{table}.csv"] for table in PAPER_TABLES}
        yield Stage(["tables", "scorecard"], files, "results/scorecard.csv")


def _differences(folder: Path, *, embed: bool) -> Iterator[str]:
    """Make every file anew beside the archived one, from archived ones, and compare the bytes."""
    config = configuration.load(folder / "config.yaml")
    for stage in stages(config):
        made = f"anew/{stage.output}"
        options = [part for option, files in stage.files.items() for part in (f"--{option}", *files)]
        error = _run(folder, [*stage.command, *options, "--output", made])
        if error:
            yield f"{stage.output}: cannot be made anew: {error}"
            continue
        for ending in ("", *stage.beside):
            archived = Path(stage.output).with_suffix(ending or Path(stage.output).suffix)
            if not (folder / archived).exists():
                continue
            if (folder / archived).read_bytes() != (folder / "anew" / archived).read_bytes():
                yield f"{archived}: does not follow from the archived answers and labels"
        log.info("%s", stage.output)
    if embed:
        yield from _embeddings(folder, config)


def _embeddings(folder: Path, config: configuration.Config) -> Iterator[str]:
    if config.encoder is None:
        return
    place = f"results/embeddings/{config.encoder.name}/{config.dataset.name}"
    classes = f"results/dataset/{config.dataset.name}/classes.parquet"
    commands = {f"{place}/classes.parquet": ["embed", "classes", "--classes", classes]}
    for model in config.models:
        if model.worded:
            predictions = f"results/predictions/{config.dataset.name}/{model.name}.parquet"
            commands[f"{place}/{model.name}.parquet"] = [
                "embed", "answers", f"--model={model.name}", "--predictions", predictions,
            ]  # fmt: skip
    for output, command in commands.items():
        error = _run(folder, [*command, "--output", f"anew/{output}"])
        if error:
            yield f"{output}: cannot be made anew: {error}"
            continue
        archived, anew = (pl.read_parquet(folder / it / output) for it in (".", "anew"))
        same_keys = archived.drop("embedding").equals(anew.drop("embedding"))
        largest = (
            float(np.abs(archived["embedding"].to_numpy() - anew["embedding"].to_numpy()).max())
            if same_keys
            else np.inf
        )
        log.info("%s: largest difference %.2g", output, largest)
        if largest > TOLERANCE:
            yield f"{output}: embeddings differ by {largest:.2g}, more than {TOLERANCE:g}"


def _run(folder: Path, command: list[str]) -> str:
    """Run a stage there; its last words where it failed."""
    done = subprocess.run(  # noqa: S603 (this package's own commands)
        [sys.executable, "-m", "mllm_classify", *command, "--config", "config.yaml"],
        cwd=folder, check=False, capture_output=True, text=True,
    )  # fmt: skip
    return "" if done.returncode == 0 else (done.stderr.strip().splitlines() or ["no message"])[-1]


def extract(archive: zipfile.ZipFile, folder: Path) -> list[str]:
    """Unpack what the sums list, and name every file that is not as they say."""
    names = archive.namelist()
    problems = [f"{name}: stands twice" for name in sorted({it for it in names if names.count(it) > 1})]
    problems += [f"{name}: leaves the archive's folder" for name in names if not _is_safe(name)]
    if problems:
        return problems
    if SUMS not in names:
        return [f"{SUMS}: missing"]
    listed: dict[str, str] = {}
    for line in archive.read(SUMS).decode(errors="replace").splitlines():
        digest, _, name = line.partition("  ")
        listed[name] = digest
    problems = [f"{name}: not listed in {SUMS}" for name in names if name not in listed and name != SUMS]
    for name, digest in listed.items():
        if name not in names:
            problems.append(f"{name}: missing")
            continue
        try:
            content = archive.read(name)
        except (zipfile.BadZipFile, OSError, ValueError, EOFError, NotImplementedError) as error:
            problems.append(f"{name}: damaged ({error})")
            continue
        if hashlib.sha256(content).hexdigest() != digest:
            problems.append(f"{name}: changed since the bundle was made (another SHA-256)")
            continue
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)
    return problems


def _is_safe(name: str) -> bool:
    path = PurePosixPath(name)
    return not path.is_absolute() and ".." not in path.parts and "\\" not in name and ":" not in path.parts[0]


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m mllm_classify.verify", description=__doc__)
    parser.add_argument("bundle", type=Path)
    parser.add_argument("--embed", action="store_true", help="compute the embeddings anew, too; needs the text encoder")
    args = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    try:
        problems = verify(args.bundle, embed=args.embed)
    except InputError as error:
        problems = [str(error)]
    for problem in problems:
        print(problem, file=sys.stderr)
    if problems:
        print(f"{args.bundle}: {len(problems)} differences", file=sys.stderr)
        return 1
    print(f"{args.bundle}: whole; every table follows from the archived answers, to the bit")
    return 0


if __name__ == "__main__":
    sys.exit(main())
