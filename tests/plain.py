"""Tables 2 to 5 once more, from the raw Parquet files, with loops, dictionaries and `math` only.

It shares no code with the package, so that a mistake there is not repeated here.
"""

import csv
import hashlib
import math
import operator
from collections.abc import Iterable
from fractions import Fraction
from pathlib import Path
from typing import NamedTuple

import polars as pl

EQUIVALENCES = Path(__file__).parents[1] / "resources/equivalences/imagenet.v1.csv"
FAMILIES = {
    "timm": "supervised",
    "conse": "supervised + text",
    "endpoint": "MLLM",
    "engine": "MLLM",
}
SUBSETS = ["A", "S", "S+", "S-", "M", "M+", "M-", "N"]
REGT = ["ReGT_A", "ReGT_S", "ReGT_S+", "ReGT_S-", "ReGT_M", "ReGT_M+", "ReGT_M-"]
Z = 1.959963984540054

Cells = dict[str, str]


class Judged(NamedTuple):
    """One prediction under one scoring."""

    image_id: str
    category: str | None
    imgt: bool
    regt: bool | None
    oop: bool | None


Judgements = dict[str, dict[str, list[Judged]]]
"""By the model's name, then by scoring."""


def tables(results: Path, models: list[dict], equivalences: Path | None = EQUIVALENCES) -> dict[str, list[Cells]]:
    """Rows of every table in the CSV's order, keyed by column; `models` are the configuration's entries.

    The columns `dataset` and, of table 2, `n` are left out. Equivalences are read as pairs of class ids.
    """
    labels = {row["image_id"]: row for row in records(one(results.glob("dataset/*/labels.parquet")))}
    judged = judgements(results, models, labels, pairs(equivalences))
    entries = {entry["name"]: entry for entry in models}
    return {
        "table2": table2([category(row["imgt"], row["regt"]) for row in labels.values()]),
        "table3": table3(judged, entries),
        "table4": table4(judged, entries),
        "table5": table5(judged, entries),
    }


def records(path: Path) -> list[dict]:
    return pl.read_parquet(path).to_dicts()


def one(paths: Iterable[Path]) -> Path:
    (path,) = paths
    return path


def pairs(path: Path | None) -> list[tuple[int, int]]:
    if path is None:
        return []
    lines = [line for line in path.read_text().splitlines() if not line.startswith("#")]
    return [(int(row["class_a"]), int(row["class_b"])) for row in csv.DictReader(lines)]


def judgements(results: Path, models: list[dict], labels: dict[str, dict], equal: list[tuple[int, int]]) -> Judgements:
    classes = sorted(records(one(results.glob("dataset/*/classes.parquet"))), key=lambda row: row["class_id"])
    names = [row["name"] for row in classes]
    judged: Judgements = {}
    for entry in models:
        name = entry["name"]
        answers = records(one(results.glob(f"predictions/*/{name}.parquet")))
        worded = entry["kind"] in ("endpoint", "engine")
        found = (
            read_answers(answers, names, *vectors(results, name))
            if worded
            else [("CW", row, row["class_ids"][:1] if row["class_ids"] else [], None) for row in answers]
        )
        judged[name] = {}
        for scoring, row, predicted, oop in found:
            judged[name].setdefault(scoring, []).append(judge(row, predicted, oop, labels[row["image_id"]], equal))
    return judged


def vectors(results: Path, name: str) -> tuple[list[list[float]], dict[str, list[float]]]:
    """Embeddings of the classes, by id, and of a model's answers."""
    of_classes = sorted(
        records(one(results.glob("embeddings/*/*/classes.parquet"))), key=lambda record: record["class_id"]
    )
    of_answers = records(one(results.glob(f"embeddings/*/*/{name}.parquet")))
    return [row["embedding"] for row in of_classes], {row["text"]: row["embedding"] for row in of_answers}


def read_answers(
    answers: list[dict],
    names: list[str],
    class_vectors: list[list[float]],
    answer_vectors: dict[str, list[float]],
) -> list[tuple[str, dict, list[int], bool | None]]:
    """Scoring, row, the classes that the answer stands for, and whether it is out of prompt."""
    by_key: dict[str, list[int]] = {}
    for class_id, name in enumerate(names):
        by_key.setdefault(name.lower().strip(), []).append(class_id)
    known: dict[str, list[int]] = {}

    def nearest(answer: str) -> list[int]:
        if answer not in known:
            best, highest = -1, -math.inf
            for class_id, vector in enumerate(class_vectors):
                similarity = sum(map(operator.mul, answer_vectors[answer], vector))
                if similarity > highest:
                    best, highest = class_id, similarity
            known[answer] = by_key[names[best].lower().strip()]
        return known[answer]

    found: list[tuple[str, dict, list[int], bool | None]] = []
    for row in answers:
        if row["status"] != "ok":
            found += [(scoring, row, [], None) for scoring in (["OW"] if row["task"] == "OW" else ["CW", "CW+"])]
            continue
        answer = (row["text"] or "").strip()
        if row["task"] == "OW":
            found.append(("OW", row, nearest(answer) if answer else [], None))
            continue
        exact = by_key.get(answer.lower(), [])
        mapped = exact or (nearest(answer) if answer else [])
        found += [("CW", row, exact, not exact), ("CW+", row, mapped, not exact)]
    return found


def judge(row: dict, predicted: list[int], oop: bool | None, label: dict, equal: list[tuple[int, int]]) -> Judged:
    answered = row["status"] == "ok"
    all_labels = label["regt"]
    regt = None
    if all_labels is not None:
        regt = answered and (not all_labels or is_admissible(predicted, all_labels, equal))
    return Judged(
        row["image_id"],
        category(label["imgt"], all_labels),
        answered and is_admissible(predicted, [label["imgt"]], equal),
        regt,
        oop,
    )


def is_admissible(predicted: list[int], labels: list[int], equal: list[tuple[int, int]]) -> bool:
    for guess in predicted:
        for label in labels:
            if guess == label or (guess, label) in equal or (label, guess) in equal:
                return True
    return False


def category(imgt: int, regt: list[int] | None) -> str | None:
    if regt is None:
        return None
    if not regt:
        return "N"
    return ("S" if len(regt) == 1 else "M") + ("+" if imgt in regt else "-")


def belongs(category: str | None, subset: str) -> bool:
    return category is not None and (subset in ("A", category) or category[0] == subset)


def share(flags: list[bool]) -> Fraction | None:
    return Fraction(sum(flags), len(flags)) if flags else None


def figures(rows: list[Judged]) -> dict[str, tuple[int, int]]:
    """Per column of accuracies, how many are correct of how many."""
    known = [row for row in rows if row.category is not None]
    found = {"ImGT_A": (sum(row.imgt for row in rows), len(rows))}
    for column in REGT:
        flags = [bool(row.regt) for row in known if belongs(row.category, column.removeprefix("ReGT_"))]
        found[column] = (sum(flags), len(flags))
    found["ImGT_and_ReGT"] = (sum(bool(row.imgt and row.regt) for row in known), len(known))
    return found


def percent(correct: int, total: int) -> float | None:
    return correct / total * 100 if total else None


def text(value: float | None, decimals: int = 2) -> str:
    return "" if value is None else f"{value:.{decimals}f}"


def difference(one: float | None, other: float | None) -> str:
    return "" if one is None or other is None else f"{one - other:.2f}"


def wilson(correct: int, total: int) -> tuple[str, str]:
    """Wilson's 95 % interval: (p + z2/2n -+ z sqrt(p(1 - p)/n + z2/4n2)) / (1 + z2/n), as percentages."""
    if not total:
        return "", ""
    p = correct / total
    middle = p + Z * Z / (2 * total)
    half = Z * math.sqrt(p * (1 - p) / total + Z * Z / (4 * total * total))
    scale = 1 + Z * Z / total
    return text(100 * max(0.0, (middle - half) / scale)), text(100 * min(1.0, (middle + half) / scale))


def sizes(rows: list[Judged]) -> Cells:
    counts = {f"n_{subset}": sum(belongs(row.category, subset) for row in rows) for subset in SUBSETS}
    counts["n_A"] = len(rows)
    known = any(row.category for row in rows)
    return {column: str(count) if known or column == "n_A" else "" for column, count in counts.items()}


def accuracies(rows: list[Judged], columns: list[str]) -> Cells:
    """Accuracies with their intervals and the numbers of images."""
    found = figures(rows)
    cells = {column: text(percent(*found[column])) for column in columns}
    for column in columns:
        cells[f"{column}_low"], cells[f"{column}_high"] = wilson(*found[column])
    return cells | sizes(rows) | {"change": difference(percent(*found["ReGT_A"]), percent(*found["ImGT_A"]))}


def choose(scorings: dict[str, list[Judged]]) -> str | None:
    """OW or CW+: the higher ImGT accuracy; of equal ones the higher ReGT accuracy; of equal ones OW."""
    best, highest = None, None
    for scoring in ("OW", "CW+"):
        rows = scorings.get(scoring)
        if not rows:
            continue
        rank = (share([row.imgt for row in rows]), share([bool(row.regt) for row in rows]))
        if highest is None or rank > highest:
            best, highest = scoring, rank
    return best


def half(image_id: str) -> int:
    return hashlib.sha256(b"fold:" + image_id.encode()).digest()[0] & 1


def cross_fit(scorings: dict[str, list[Judged]]) -> Cells:
    """Each half of the images under the scoring that is best on the other half; empty where there is no other half."""
    chosen, kept = [], []
    for fold in (0, 1):
        other = {scoring: [row for row in rows if half(row.image_id) != fold] for scoring, rows in scorings.items()}
        scoring = choose(other)
        here = [row for row in scorings.get(scoring or "", []) if half(row.image_id) == fold]
        if here and scoring not in chosen:
            chosen.append(scoring)
        kept += here
    known = [row for row in kept if row.regt is not None]
    return {
        "crossfit_task": " / ".join(chosen),
        "crossfit_ImGT_A": text(percent(sum(row.imgt for row in kept), len(kept))),
        "crossfit_ReGT_A": text(percent(sum(bool(row.regt) for row in known), len(known))),
    }


def table2(categories: list[str | None]) -> list[Cells]:
    known = any(name is not None for name in categories)
    counts = {subset: sum(belongs(name, subset) for name in categories) if known else None for subset in SUBSETS}
    counts["A"] = total = len(categories)
    return [
        {"statistic": "count"} | {subset: "" if n is None else str(n) for subset, n in counts.items()},
        {"statistic": "percent"}
        | {subset: "" if n is None else text(100 * n / total, 1) for subset, n in counts.items()},
    ]


def table3(judged: Judgements, entries: dict[str, dict]) -> list[Cells]:
    columns = ["ImGT_A", *REGT, "ImGT_and_ReGT"]
    found = []
    for name, scorings in judged.items():
        best = choose(scorings)
        rows = scorings[best or "CW"]
        exact = {column: Fraction(*counts) for column, counts in figures(rows).items() if counts[1]}
        cells = {
            "model": entries[name]["label"],
            "task": best or "CW",
            "family": entries[name].get("family", FAMILIES[entries[name]["kind"]]),
            **accuracies(rows, columns),
        }
        if best:
            cells["selection"] = "best ImGT_A of OW and CW+ on these same images (optimistic)"
            cells |= cross_fit(scorings)
        else:
            cells["selection"] = "only task"
            cells["crossfit_task"] = "CW"
            cells |= {f"crossfit_{column}": cells[column] for column in ("ImGT_A", "ReGT_A")}
        found.append((exact, name, cells))
    for column in columns:
        descending = sorted({exact[column] for exact, _, _ in found if column in exact}, reverse=True)
        for exact, _, cells in found:
            cells[f"{column}_rank"] = str(descending.index(exact[column]) + 1) if column in exact else ""
    found.sort(key=lambda row: (row[0]["ImGT_A"], row[0].get("ReGT_A", 2), row[1]))
    return [cells for _, _, cells in found]


def table4(judged: Judgements, entries: dict[str, dict]) -> list[Cells]:
    columns = ["ImGT_A", *REGT]
    found = []
    for name, scorings in judged.items():
        if not {"OW", "CW+"} & set(scorings):
            continue
        every = {scoring: figures(rows) for scoring, rows in scorings.items()}
        best = max(Fraction(*counts["ImGT_A"]) for counts in every.values())
        for place, scoring in enumerate(["OW", "CW+", "CW"]):
            if scoring not in scorings:
                continue
            cells = {"model": entries[name]["label"], "task": scoring, **accuracies(scorings[scoring], columns)}
            for column in columns:
                baseline = percent(*every["CW"][column]) if "CW" in every else None
                cells[f"{column}_vs_CW"] = difference(percent(*every[scoring][column]), baseline)
            found.append((best, name, place, cells))
    return [cells for *_, cells in sorted(found, key=lambda row: row[:3])]


def table5(judged: Judgements, entries: dict[str, dict]) -> list[Cells]:
    found = []
    for name, scorings in judged.items():
        rows = [row for row in scorings.get("CW", []) if row.oop is not None]
        if not rows:
            continue
        cells = {"model": entries[name]["label"], **sizes(rows)}
        for subset in SUBSETS:
            flags = [bool(row.oop) for row in rows if subset == "A" or belongs(row.category, subset)]
            cells[subset] = text(percent(sum(flags), len(flags)), 1)
        found.append((share([bool(row.oop) for row in rows]), name, cells))
    return [cells for _, _, cells in sorted(found, key=lambda row: row[:2])]
