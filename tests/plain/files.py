"""What the files of a study say, without code of the package."""

import csv
from collections.abc import Iterable
from pathlib import Path

import polars as pl

EQUIVALENCES = Path(__file__).parents[2] / "resources/equivalences/imagenet.v1.csv"
FAMILIES = {
    "timm": "supervised",
    "knn": "self-supervised + k-NN",
    "conse": "supervised + text",
    "endpoint": "MLLM",
    "engine": "MLLM",
    "openai": "MLLM",
    "vllm": "MLLM",
    "recorded": "recorded",
}
Equal = set[tuple[int, int]]
"""A label, and a class that it admits."""


def records(path: Path) -> list[dict]:
    return pl.read_parquet(path).to_dicts()


def only(paths: Iterable[Path]) -> Path:
    (path,) = paths
    return path


def class_names(results: Path) -> list[str]:
    classes = records(only(results.glob("dataset/*/classes.parquet")))
    return [row["name"] for row in sorted(classes, key=lambda row: row["class_id"])]


def admitted_pairs(path: Path | None, one_way: bool) -> Equal:
    """All pairs of a group, in both directions; with `admits`, in the one direction and only if that is wanted."""
    if path is None:
        return set()
    found = set()
    lines = [line for line in path.read_text().splitlines() if not line.startswith("#")]
    for row in csv.DictReader(lines):
        group = [int(member) for member in row["classes"].split("|")]
        if not row["admits"]:
            found |= {(label, other) for label in group for other in group}
        elif one_way:
            found |= {(label, int(other)) for label in group for other in row["admits"].split("|")}
    return found


def family(entry: dict) -> str:
    return entry.get("family", FAMILIES[entry["kind"]])


def worded(entry: dict) -> bool:
    return FAMILIES[entry["kind"]] == "MLLM" or entry.get("column") == "text"
