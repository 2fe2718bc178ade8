"""A copy of this checkout in which a test may run Snakemake, change anything, and break stages."""

import csv
import math
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import polars as pl
import yaml

from mllm_classify.config.load import load
from mllm_classify.outputs import OUTPUTS, parts
from mllm_classify.plan.outline import outline
from tests.waiting import PATIENCE

PROJECT = Path(__file__).parents[2]
MESSAGES = {
    "Checking every image of the data set": "images",
    "Reading both label sets": "labels",
    "Embedding the class names with (.+)": "classes",
    "Embedding the answers of (.+) with (.+)": "answers",
    "Embedding the concepts of the answers of (.+) with (.+)": "concepts",
    "Embedding other names of the classes with (.+)": "synonyms",
    "Reading what the classes are kinds of": "hierarchy",
    "Asking (.+, shard .+)": "predict",
    "Asking (.+)": "predict",
    "Gathering the shards of (.+)": "gather",
    "Describing classes to (.+)": "probe",
    "Choosing the options of every question": "choices",
    "Mapping the answers of (.+) to classes with (.+)": "mapping",
    "Re-ranking the classes nearest to the answers of (.+) with (.+)": "rerank",
    "Judging answers by (.+)": "judge",
    "Scoring all models": "score",
    "Choosing what annotators see again": "annotate",
    "Estimating what chat models cost": "estimate",
    "Choosing examples": "panels",
    "Saying where the figures come from": "provenance",
    "Showing the key figures": "overview",
    "Showing the data sets": "start",
    "Putting the report together": "report",
    "Archiving the study": "bundle",
    "Showing every image and answer": "explorer",
    **{re.escape(output.doing): name for name, output in OUTPUTS.items()},
}


def made_from(*needed: str, exists: Iterable[str] = OUTPUTS) -> set[str]:
    """The outputs that are made from any of these files, values, or other outputs, directly or by others.

    `exists`: names of those that a study has.
    """
    found: set[str] = set()
    while more := {name for name in exists if name not in found and {*needed, *found} & set(parts(OUTPUTS[name]))}:
        found |= more
    return found


def existing(*conditions: str) -> list[str]:
    """The outputs of configurations that have these things (`plan.values.CONDITIONS`), and no others."""
    return [name for name, output in OUTPUTS.items() if set(output.exists) <= {*conditions}]


def outputs_of(config: Path) -> list[str]:
    """The outputs that a configuration has."""
    return outline(load(config)).outputs


STUDY = {"n", "dataset", "imgt", "regt", "equivalences", "classes", "n_images", "excluded", "rules", "reference"}
"""Columns that say what the figures of a row are of."""
SAID = {"used_by", "what", "differs"}
"""Columns of words about a row."""
GENERATED = {"results", "journal", "logs", ".snakemake", "__pycache__"}

SMALL = {
    "classes.txt": "espresso\ntea cup\ntabby cat\nstone wall\nmissile\nspace shuttle\nmaze\ndaisy\n",
    "images.csv": "image_id,file\n"
    "coffee,package:skimage/data/coffee.png\n"
    "cat,package:skimage/data/chelsea.png\n"
    "brick,package:skimage/data/brick.png\n"
    "rocket,package:skimage/data/rocket.jpg\n",
    "imgt.csv": "image_id,class\ncoffee,tea cup\ncat,tabby cat\nbrick,stone wall\nrocket,missile\n",
    "regt.csv": "image_id,classes\ncoffee,espresso|tea cup\ncat,tabby cat\nbrick,N\nrocket,space shuttle\n",
    "pairs.csv": "classes,admits,source\nmissile|space shuttle,,both fly\n",
    "templates.txt": "a photo of a {}.\nart of the {}.\n",
}
"""A data set of four photographs and eight classes: with it, stages take little more than their imports."""


def served_encoder(url: str) -> dict[str, str]:
    """An encoder of a server, as `embedder` is: jobs that import sentence-transformers take ten times as long to begin."""
    return {"name": "served", "kind": "openai", "model": "words", "url": url, "templates": "small/templates.txt"}


class Study:
    """The files that git tracks or would track, copied to a folder of their own; the code is run from there."""

    def __init__(self, folder: Path, config: dict | None = None) -> None:
        self.folder = folder
        # more threads than idle cores make torch many times slower
        self.environment = {"OMP_NUM_THREADS": "1"}
        listed = subprocess.run(
            ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
            cwd=PROJECT, check=True, capture_output=True, text=True,
        ).stdout  # fmt: skip
        for name in filter(None, listed.split("\0")):
            if (PROJECT / name).is_file() and not name.startswith("tests/"):
                (folder / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(PROJECT / name, folder / name)
        if config is not None:
            self.write_config(config)

    @property
    def config(self) -> dict:
        return yaml.safe_load((self.folder / "config.yaml").read_text())

    def write_config(self, config: dict) -> None:
        (self.folder / "config.yaml").write_text(yaml.safe_dump(config, sort_keys=False))

    def shrink(self, *, embedder: str | None = None, **model: object) -> None:
        """Configure the small data set and one chat model instead of the demonstration; texts are embedded at `embedder`."""
        (self.folder / "small").mkdir()
        for name, content in SMALL.items():
            (self.folder / "small" / name).write_text(content)
        config = self.config
        config["dataset"] = {
            "source": "table",
            "name": "small",
            "label": "Four photographs",
            "classes": "small/classes.txt",
            "images": "small/images.csv",
            "imgt": {"label": "one", "file": "small/imgt.csv"},
            "regt": {"label": "all", "file": "small/regt.csv"},
            "equivalences": {"label": "pairs", "file": "small/pairs.csv"},
        }
        own = config["encoder"] | {"templates": "small/templates.txt"}
        config["encoder"] = own if embedder is None else served_encoder(embedder)
        config["models"] = [{"name": "chat", "label": "Chat", "model": "chat", **model}]
        config.pop("choices", None)
        for key in ("encoders", "similarity", "annotate"):
            config.pop(key, None)
        config["tasks"].pop("MC", None)
        self.write_config(config)

    def copy(self, folder: Path) -> "Study":
        """The study as it stands, results and Snakemake's records included, elsewhere."""
        shutil.copytree(self.folder, folder, symlinks=True)
        return self.at(folder)

    def at(self, folder: Path) -> "Study":
        """The same study, if it is in this folder."""
        other = object.__new__(Study)
        other.folder, other.environment = folder, dict(self.environment)
        return other

    @property
    def whole_environment(self) -> dict[str, str]:
        """The variables of its processes, which run its own code."""
        paths = [str(self.folder / "src"), *filter(None, [self.environment.get("PYTHONPATH")])]
        return os.environ | self.environment | {"PYTHONPATH": os.pathsep.join(paths)}

    def run(self, *command: str, **options) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command,
            cwd=self.folder,
            env=self.whole_environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=PATIENCE,
            **options,
        )

    def snakemake(self, *arguments: str, python: str = sys.executable) -> subprocess.CompletedProcess[str]:
        return self.run(python, "-m", "snakemake", "--cores", "2", *arguments)

    def make(self, *targets: str) -> None:
        """Run to the end, or fail with what was printed."""
        done = self.snakemake(*targets)
        assert done.returncode == 0, done.stdout + done.stderr

    def scheduled(self, *targets: str, python: str = sys.executable) -> set[str]:
        """The jobs that Snakemake would run: `predict/conse`, `score`, `table3`, ..."""
        done = self.snakemake("-n", *(targets or ("all",)), python=python)
        assert done.returncode == 0, done.stdout + done.stderr
        jobs = set()
        for message in re.findall(r"^Job \d+: (.+)$", done.stderr + done.stdout, re.MULTILINE):
            for pattern, stage in MESSAGES.items():
                if found := re.fullmatch(pattern, message):
                    name = "/".join(reversed(found.groups()))
                    jobs.add(f"{stage}/{name}" if name else stage)
                    break
            else:
                raise AssertionError(message)
        return jobs

    def rows(self, table: str) -> list[dict]:
        path = self.folder / "results" / f"{table}.csv"
        if not path.exists():
            return pl.read_parquet(path.with_suffix(".parquet")).to_dicts()
        with path.open(newline="") as file:
            return list(csv.DictReader(file))

    def differences(self, table: str, expected: list[dict]) -> list[tuple]:
        """Row, column, figure and expected figure where they differ, and columns that nobody expects.

        Not looked at: columns of the study, and what the bootstrap finds, which are ranges.
        """
        found = self.rows(table)
        if len(found) != len(expected):
            return [("rows", len(found), len(expected))]
        differing = []
        for number, (row, wanted) in enumerate(zip(found, expected, strict=True)):
            differing += [(number, key, row[key], wanted[key]) for key in wanted if not same(row[key], wanted[key])]
            drawn = {f"{key}_{end}" for key in (*wanted, "bootstrap") for end in ("low", "high")} | SAID
            differing += [(number, key, row[key], None) for key in row.keys() - wanted.keys() - STUDY - drawn]
        return differing

    def edit(self, file: str, old: str, new: str) -> None:
        path = self.folder / file
        content = path.read_text()
        assert old in content, f"{old!r} is not in {file}"
        path.write_text(content.replace(old, new))

    @contextmanager
    def restored(self) -> Iterator["Study"]:
        """What is edited inside is put back."""
        kept = {path: path.read_bytes() for path in self.sources()}
        yield self
        for path in self.sources():
            if path not in kept:
                path.unlink()
        for path, content in kept.items():
            path.write_bytes(content)

    def sources(self) -> list[Path]:
        """The files that no run made."""
        paths = self.folder.rglob("*")
        return [path for path in paths if path.is_file() and not GENERATED & set(path.relative_to(self.folder).parts)]


def same(one: object, other: object) -> bool:
    if isinstance(one, float) and isinstance(other, float):
        return math.isclose(one, other, rel_tol=1e-9, abs_tol=1e-9)
    return one == other


def reconfigure(change: Callable[[dict], object]) -> Callable[[Study], None]:
    """An edit of a study: of its configuration."""

    def apply(study: Study) -> None:
        config = study.config
        change(config)
        study.write_config(config)

    return apply
