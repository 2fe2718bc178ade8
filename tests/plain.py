"""All tables once more, from the raw Parquet files, with loops, dictionaries and `math` only.

It shares no code with the package, so that a mistake there is not repeated here.
"""

import csv
import hashlib
import math
import operator
from collections.abc import Iterable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import NamedTuple

import polars as pl

from tests import plain_sensitivity

EQUIVALENCES = Path(__file__).parents[1] / "resources/equivalences/imagenet.v1.csv"
FAMILIES = {
    "timm": "supervised",
    "conse": "supervised + text",
    "endpoint": "MLLM",
    "engine": "MLLM",
    "openai": "MLLM",
    "vllm": "MLLM",
    "recorded": "recorded",
}
SUBSETS = ["A", "S", "S+", "S-", "M", "M+", "M-", "N"]
REGT = ["ReGT_A", "ReGT_S", "ReGT_S+", "ReGT_S-", "ReGT_M", "ReGT_M+", "ReGT_M-"]
RULES = ["correct", "excluded"]
PARTS = ["S", "S+", "S-", "M", "M+", "M-", "N"]
SCORINGS = ["OW", "CW+", "CW", "CW-constrained"]
VARIANTS = [
    "ImGT + random",
    "ImGT + confEVA(ImGT)",
    "ReGT + confEVA(ReGT)",
    "ImGT + ReGT + random",
    "ImGT + ReGT + confEVA(ImGT, ReGT)",
    "ImGT + 999 (CW)",
]
OF_TASK = {
    "OW": ["OW", "OW inclusion"],
    "CW": ["CW", "CW+", "CW inclusion"],
    "CW-constrained": ["CW-constrained"],
    "MC": ["MC"],
}
ORIGINS = ["random", "confusion", "tie", "fallback"]
PROTOCOLS = {
    "OW inclusion": "OW, inclusion",
    "OW": "OW, embedding",
    "CW inclusion": "CW, inclusion",
    "CW": "CW",
    "CW+": "CW+",
    "ImGT + random": "MC, {few} random",
    "ImGT + confEVA(ImGT)": "MC, {few} confused",
    "MC random": "MC, {n} random",
    "MC semantic": "MC, {n} semantic",
    "CW random": "CW, {classes} random",
    "CW first": "CW, first {classes}",
}
Z = 1.959963984540054

Cells = dict[str, str]
Equal = set[tuple[int, int]]
"""A label, and a class that it admits."""


class Judged(NamedTuple):
    """One prediction under one scoring."""

    image_id: str
    category: str | None
    imgt: bool
    regt: bool | None
    oop: bool | None
    expert: bool | None
    expert_gave_none: bool  # no class applies
    imgt_class: int
    variant: str
    repeat: int
    status: str  # ok, error, empty, several, unasked
    group: int | None  # of images in one request
    text: str | None
    predicted: tuple[int, ...]


Judgements = dict[str, dict[str, list[Judged]]]
"""By the model's name, then by scoring."""


def tables(
    results: Path,
    models: list[dict],
    equivalences: Path | None = EQUIVALENCES,
    n_images: str = "correct",
    one_way: bool = False,
    choices: dict | None = None,
    variants: list[dict] | None = None,
    several: str = "wrong",
    encoder: str = "*",
) -> dict[str, list[dict]]:
    """Rows of every table in the file's order, keyed by column; `models`, `choices`, `variants`, `several` (of mapping) and
    `encoder` (the main one's name, where there are others) are the configuration's.

    Left out are the columns of the study (dataset to excluded) and what the bootstrap finds. Figures are text, but
    numbers in `accuracy`, which has both rules for images in N. Equivalences are a CSV of class ids.
    """
    labels = {
        row["image_id"]: row
        for row in records(one(results.glob("dataset/*/labels.parquet")))
        if row.get("excluded") is None
    }
    names = class_names(results)
    equal = pairs(equivalences, one_way)
    by_id = {variant["name"] for variant in variants or [] if variant.get("answer") == "id"}
    reading = Reading((choices or {}).get("answer", "name"), several, by_id)
    with_variants = judgements(results, models, labels, equal, names, reading, encoder)
    every = {
        name: {
            scoring: main
            for scoring, rows in scorings.items()
            if (main := [row for row in rows if scoring == "MC" or not row.variant])
        }
        for name, scorings in with_variants.items()
    }
    judged = {
        name: {scoring: rows for scoring, rows in scorings.items() if scoring in SCORINGS}
        for name, scorings in every.items()
    }
    entries = {entry["name"]: entry for entry in models}
    more = {"protocols": protocols(every, entries, choices or {}, n_images)}
    order = [variant["name"] for variant in variants or []]
    more["sensitivity"] = plain_sensitivity.sensitivity(with_variants, entries, order, n_images)
    more["agreement"] = plain_sensitivity.agreement(with_variants, entries, order, n_images)
    if choices:
        more["table6"] = table6(results, every, entries, labels, equal, choices, n_images, len(names))
    return more | {
        "table2": table2([category(row["imgt"], row["regt"]) for row in labels.values()]),
        "table3": table3(judged, entries, n_images),
        "table4": table4(judged, entries, n_images),
        "table5": table5(judged, entries),
        "accuracy": accuracy(judged, entries),
        "ranking": ranking(judged, entries, n_images),
        "mcnemar": mcnemar(judged, entries, n_images),
        "mustelidae": mustelidae(judged, entries, names, n_images),
    }


def records(path: Path) -> list[dict]:
    return pl.read_parquet(path).to_dicts()


def one(paths: Iterable[Path]) -> Path:
    (path,) = paths
    return path


def class_names(results: Path) -> list[str]:
    classes = records(one(results.glob("dataset/*/classes.parquet")))
    return [row["name"] for row in sorted(classes, key=lambda row: row["class_id"])]


def pairs(path: Path | None, one_way: bool) -> Equal:
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


class Reading(NamedTuple):
    """How answers are read."""

    choice: str  # options of MC: by name, or by letter
    several: str  # several names: wrong, first, or any
    by_id: set[str]  # variants that are answered by class id


def judgements(
    results: Path,
    models: list[dict],
    labels: dict[str, dict],
    equal: Equal,
    names: list[str],
    reading: Reading,
    encoder: str = "*",
) -> Judgements:
    judged: Judgements = {}
    options = {
        (row["image_id"], row["variant"], row["repeat"]): row["options"]
        for path in results.glob("choices/*.parquet")
        if "confusions" not in path.name
        for row in records(path)
    }
    for entry in models:
        name = entry["name"]
        answers = records(one(results.glob(f"predictions/*/{name}.parquet")))
        found = (
            read_answers(answers, names, *vectors(results, name, encoder), options, reading)
            if worded(entry)
            else [("CW", row, row["class_ids"][:1] if row["class_ids"] else [], None) for row in answers]
        )
        judged[name] = {}
        for scoring, row, predicted, oop in found:
            if row["image_id"] in labels:
                label = labels[row["image_id"]]
                judged[name].setdefault(scoring, []).append(judge(row, predicted, oop, label, equal))
    return judged


def vectors(results: Path, name: str, encoder: str) -> tuple[list[list[float]], dict[str, list[float]]]:
    """Embeddings of the classes, by id, and of a model's answers."""
    of_classes = sorted(
        records(one(results.glob(f"embeddings/{encoder}/*/classes.parquet"))), key=lambda record: record["class_id"]
    )
    of_answers = records(one(results.glob(f"embeddings/{encoder}/*/{name}.parquet")))
    return [row["embedding"] for row in of_classes], {row["text"]: row["embedding"] for row in of_answers}


def read_answers(
    answers: list[dict],
    names: list[str],
    class_vectors: list[list[float]],
    answer_vectors: dict[str, list[float]],
    options: dict[tuple[str, str, int], list[int] | None],
    reading: Reading,
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
            found += [(scoring, row, [], None) for scoring in OF_TASK[row["task"]]]
            continue
        answer = (row["text"] or "").strip()
        exact, status = read_listed(row, answer, names, by_key, reading)
        row = row | {"status": status}  # noqa: PLW2901 (the file's stays as it is)
        if row["task"] == "MC":
            shown = options[row["image_id"], row["variant"], row["repeat"]]
            chosen = (
                exact if shown is None else choose_option(answer.lower(), shown, names, reading.choice, row["variant"])
            )
            every = {other for option in chosen for other in by_key[names[option].lower().strip()]}
            found.append(("MC", row, sorted(every), not chosen))
            continue
        oop = None if row["task"] == "OW" else not exact
        near = nearest(answer) if answer else []
        included = [class_id for key, ids in by_key.items() if key in answer.lower() for class_id in ids]
        read = {"OW": near, "CW": exact, "CW+": exact or near, "CW-constrained": exact}
        found += [(scoring, row, read.get(scoring, included), oop) for scoring in OF_TASK[row["task"]]]
    return [*found, *unasked(answers, options)]


def read_listed(
    row: dict, answer: str, names: list[str], by_key: dict[str, list[int]], reading: Reading
) -> tuple[list[int], str]:
    """The classes that an answer names exactly, and its status."""
    if not answer:
        return [], "empty"
    if row["variant"] in reading.by_id:
        by_number = {str(class_id): by_key[name.lower().strip()] for class_id, name in enumerate(names)}
        return by_number.get(answer, []), "ok"
    if answer.lower() in by_key or row["task"] not in ("CW", "CW-constrained"):
        return by_key.get(answer.lower(), []), "ok"
    listed = [by_key[name] for name in listed_names(answer.lower(), by_key)]
    if len({tuple(ids) for ids in listed}) < 2:
        return [], "ok"
    every = [class_id for ids in listed for class_id in ids]
    return {"wrong": [], "first": listed[0], "any": every}[reading.several], "several"


def listed_names(answer: str, known: Iterable[str]) -> list[str]:
    """The names that an answer is a list of; empty where anything else stands between the separators."""
    for name in sorted(known, key=len, reverse=True):
        if answer == name:
            return [name]
        if answer.startswith(name) and (rest := behind_separator(answer[len(name) :])):
            others = listed_names(rest, known)
            if others:
                return [name, *others]
    return []


def behind_separator(text: str) -> str | None:
    """What stands behind a sign, a line's end, `or` and `and`; None where the text does not begin with any."""
    rest = text.lstrip()
    blanks = text[: len(text) - len(rest)]
    sign = rest[:1] in [",", ";", "/", "|", "&"]
    if sign:
        rest = rest[1:].lstrip()
    for word in ("or", "and"):
        if rest.startswith((f"{word} ", f"{word}\n")) and (sign or blanks):
            return rest[len(word) :].lstrip()
    return rest if sign or "\n" in blanks else None


def unasked(answers: list[dict], options: dict[tuple[str, str, int], list[int] | None]) -> Iterator:
    """Questions of multiple choice that have no options, about the images that a model was asked about."""
    images = {row["image_id"] for row in answers}
    if any(row["task"] == "MC" for row in answers):
        for (image, variant, repeat), shown in options.items():
            if shown == [] and image in images:
                yield "MC", {"image_id": image, "variant": variant, "repeat": repeat, "status": "unasked"}, [], None


def choose_option(answer: str, shown: list[int], names: list[str], kind: str, variant: str) -> list[int]:
    """The options that an answer names: by name, or, where they have letters, by the letter, or by letter and name."""
    found = []
    for place, option in enumerate(shown):
        name, letter = names[option].lower().strip(), "abcdefghijklmnopqrstuvwxyz"[place % 26]
        signs = [letter, f"({letter})", f"{letter}.", f"{letter})", f"{letter}:"]
        lettered = kind == "letter" and not variant.startswith("CW")
        if answer == name or (lettered and answer in signs + [f"{sign} {name}" for sign in signs[1:]]):
            found.append(option)
    return found if len({names[option] for option in found}) == 1 else []


def judge(row: dict, predicted: list[int], oop: bool | None, label: dict, equal: Equal) -> Judged:
    answered = row["status"] != "error"

    def right(labels: list[int] | None) -> bool | None:
        if labels is None:
            return None
        return answered and (not labels or is_admissible(predicted, labels, equal))

    return Judged(
        row["image_id"],
        category(label["imgt"], label["regt"]),
        answered and is_admissible(predicted, [label["imgt"]], equal),
        right(label["regt"]),
        oop,
        right(label.get("expert")),
        label.get("expert") == [],
        label["imgt"],
        row["variant"],
        row["repeat"],
        row["status"],
        row.get("group"),
        row.get("text"),
        tuple(sorted(predicted)),
    )


def is_admissible(predicted: list[int], labels: list[int], equal: Equal) -> bool:
    return any(guess == label or (label, guess) in equal for guess in predicted for label in labels)


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


def counted(row: Judged, n_images: str) -> bool:
    """Whether an image is among those that accuracy under ReGT is over."""
    return row.category is not None and not (n_images == "excluded" and row.category == "N")


def figures(rows: list[Judged], n_images: str) -> dict[str, tuple[int, int]]:
    """Per column of accuracies, how many are correct of how many."""
    found = {"ImGT_A": (sum(row.imgt for row in rows), len(rows))}
    judged = [row for row in rows if counted(row, n_images)]
    for column in REGT:
        flags = [bool(row.regt) for row in judged if belongs(row.category, column.removeprefix("ReGT_"))]
        found[column] = (sum(flags), len(flags))
    found["ImGT_and_ReGT"] = (sum(bool(row.imgt and row.regt) for row in judged), len(judged))
    return found


def percent(correct: int, total: int) -> float | None:
    return correct / total * 100 if total else None


def text(value: float | None, decimals: int = 2) -> str:
    return "" if value is None else f"{value:z.{decimals}f}"


def difference(one: float | None, other: float | None) -> str:
    return "" if one is None or other is None else text(one - other)


def wilson(correct: int, total: int) -> tuple[float | None, float | None]:
    """Wilson's 95 % interval: (p + z2/2n -+ z sqrt(p(1 - p)/n + z2/4n2)) / (1 + z2/n), as percentages."""
    if not total:
        return None, None
    p = correct / total
    middle = p + Z * Z / (2 * total)
    half = Z * math.sqrt(p * (1 - p) / total + Z * Z / (4 * total * total))
    scale = 1 + Z * Z / total
    return 100 * max(0.0, (middle - half) / scale), 100 * min(1.0, (middle + half) / scale)


def sizes(rows: list[Judged]) -> Cells:
    known = any(row.category for row in rows)
    counts = {f"n_{part}": str(sum(belongs(row.category, part) for row in rows)) if known else "" for part in PARTS}
    return {"n": str(len(rows))} | counts


def accuracies(rows: list[Judged], columns: list[str], n_images: str) -> Cells:
    """Accuracies with their intervals and the numbers of images."""
    found = figures(rows, n_images)
    cells = {column: text(percent(*found[column])) for column in columns}
    for column in columns:
        cells[f"{column}_low"], cells[f"{column}_high"] = map(text, wilson(*found[column]))
    cells |= extremes(rows, n_images)
    return cells | sizes(rows) | {"change": difference(percent(*found["ReGT_A"]), percent(*found["ImGT_A"]))}


def extremes(rows: list[Judged], n_images: str) -> Cells:
    """How many answers are errors, and both accuracies if all of these were wrong, or all right."""
    cells = {"n_errors": str(count_status(rows, "error"))}
    for name, among in {"ImGT": rows, "ReGT": [row for row in rows if counted(row, n_images)]}.items():
        sound = [row for row in among if row.status != "error"]
        right = sum(bool(row.imgt if name == "ImGT" else row.regt) for row in sound)
        cells[f"{name}_A_worst"] = text(percent(right, len(among)))
        cells[f"{name}_A_best"] = text(percent(right + len(among) - len(sound), len(among)))
    return cells


def count_status(rows: list[Judged], status: str) -> int:
    return sum(row.status == status for row in rows)


def choose(scorings: dict[str, list[Judged]], n_images: str) -> str | None:
    """OW or CW+: the higher ImGT accuracy; of equal ones the higher ReGT accuracy; of equal ones OW."""
    best, highest = None, None
    asked = [{row.image_id for row in scorings[name]} for name in ("OW", "CW+") if scorings.get(name)]
    common = set.intersection(*asked) if asked else set()
    for scoring in ("OW", "CW+"):
        # of images that one task was not asked about, it says nothing
        rows = [row for row in scorings.get(scoring, []) if row.image_id in common or not common]
        if not rows:
            continue
        regt = share([bool(row.regt) for row in rows if counted(row, n_images)])
        rank = (share([row.imgt for row in rows]), -1 if regt is None else regt)
        if highest is None or rank > highest:
            best, highest = scoring, rank
    return best


def half(image_id: str) -> int:
    return hashlib.sha256(b"fold:" + image_id.encode()).digest()[0] & 1


def cross_fit(scorings: dict[str, list[Judged]], n_images: str) -> Cells:
    """Each half of the images under the scoring that is best on the other half; empty where there is no other half."""
    chosen, kept = [], []
    for fold in (0, 1):
        other = {scoring: [row for row in rows if half(row.image_id) != fold] for scoring, rows in scorings.items()}
        scoring = choose(other, n_images)
        here = [row for row in scorings.get(scoring or "", []) if half(row.image_id) == fold]
        if here and scoring not in chosen:
            chosen.append(scoring)
        kept += here
    judged = [row for row in kept if counted(row, n_images)]
    return {
        "crossfit_task": " / ".join(chosen),
        "crossfit_ImGT_A": text(percent(sum(row.imgt for row in kept), len(kept))),
        "crossfit_ReGT_A": text(percent(sum(bool(row.regt) for row in judged), len(judged))),
    }


def table2(categories: list[str | None]) -> list[Cells]:
    known = any(name is not None for name in categories)
    counts = {subset: sum(belongs(name, subset) for name in categories) if known else None for subset in SUBSETS}
    counts["A"] = total = len(categories)
    return [
        {"statistic": "count", "n": str(total)} | {subset: "" if n is None else str(n) for subset, n in counts.items()},
        {"statistic": "percent", "n": str(total)}
        | {subset: "" if n is None else text(100 * n / total, 1) for subset, n in counts.items()},
    ]


def table3(judged: Judgements, entries: dict[str, dict], n_images: str) -> list[Cells]:
    columns = ["ImGT_A", *REGT, "ImGT_and_ReGT"]
    found = []
    for name, scorings in judged.items():
        best = choose(scorings, n_images)
        rows = scorings[best or "CW"]
        exact = {column: Fraction(*counts) for column, counts in figures(rows, n_images).items() if counts[1]}
        cells = {
            "model": entries[name]["label"],
            "task": best or "CW",
            "family": family(entries[name]),
            **accuracies(rows, columns, n_images),
        }
        if best:
            cells["selection"] = "best ImGT_A of OW and CW+ on these same images (optimistic)"
            cells |= cross_fit(scorings, n_images)
        else:
            cells["selection"] = "only task"
            cells["crossfit_task"] = "CW"
            cells |= {f"crossfit_{column}": cells[column] for column in ("ImGT_A", "ReGT_A")}
        found.append((exact, name, cells))
    for column in columns:
        ranks = dense_ranks([exact.get(column) for exact, _, _ in found])
        for rank, (_, _, cells) in zip(ranks, found, strict=True):
            cells[f"{column}_rank"] = rank
    found.sort(key=lambda row: (row[0]["ImGT_A"], row[0].get("ReGT_A", 2), row[1]))
    return [cells for _, _, cells in found]


def dense_ranks(values: list[Fraction | None]) -> list[str]:
    descending = sorted({value for value in values if value is not None}, reverse=True)
    return ["" if value is None else str(descending.index(value) + 1) for value in values]


def table4(judged: Judgements, entries: dict[str, dict], n_images: str) -> list[Cells]:
    columns = ["ImGT_A", *REGT]
    found = []
    for name, scorings in judged.items():
        if not {"OW", "CW+"} & set(scorings):
            continue
        every = {scoring: figures(rows, n_images) for scoring, rows in scorings.items()}
        best = max(Fraction(*counts["ImGT_A"]) for counts in every.values())
        for place, scoring in enumerate(SCORINGS):
            if scoring not in scorings:
                continue
            cells = {
                "model": entries[name]["label"],
                "task": scoring,
                **accuracies(scorings[scoring], columns, n_images),
            }
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
        cells |= {f"n_{status}": str(count_status(rows, status)) for status in ("empty", "several")}
        for subset in SUBSETS:
            flags = [bool(row.oop) for row in rows if subset == "A" or belongs(row.category, subset)]
            cells[subset] = text(percent(sum(flags), len(flags)), 1)
            cells[f"{subset}_low"], cells[f"{subset}_high"] = (
                text(bound, 1) for bound in wilson(sum(flags), len(flags))
            )
        found.append((share([bool(row.oop) for row in rows]), name, cells))
    return [cells for _, _, cells in sorted(found, key=lambda row: row[:2])]


def all_rows(judged: Judgements) -> list[tuple[str, str, list[Judged]]]:
    """Name, scoring and predictions of every row, in the order of name and scoring."""
    return sorted(
        ((name, scoring, rows) for name, scorings in judged.items() for scoring, rows in scorings.items()),
        key=lambda row: row[:2],
    )


def accuracy(judged: Judgements, entries: dict[str, dict]) -> list[dict]:
    cells: list[tuple[str, str | None, str]] = [("ImGT", None, subset) for subset in SUBSETS]
    cells += [(measure, rule, "A") for measure in ("ReGT", "ImGT and ReGT", "change") for rule in RULES]
    cells += [("ReGT", "correct", subset) for subset in PARTS if subset != "N"]
    found = []
    for measure, rule, subset in cells:
        for name, scoring, rows in all_rows(judged):
            among = [
                row
                for row in rows
                if (measure == "ImGT" and subset == "A")
                or (belongs(row.category, subset) and counted(row, rule or "correct"))
            ]
            if not among:
                continue
            correct = {
                "ImGT": sum(row.imgt for row in among),
                "ImGT and ReGT": sum(bool(row.imgt and row.regt) for row in among),
            }.get(measure, sum(bool(row.regt) for row in among))
            value = correct / len(among) * 100
            low, high = wilson(correct, len(among))
            about = {"name": name, "model": entries[name]["label"], "family": family(entries[name]), "task": scoring}
            about |= {"measure": measure, "n_images": rule, "subset": subset, "n": len(among)}
            if measure == "change":
                before = sum(row.imgt for row in rows) / len(rows) * 100
                about |= {"correct": None, "accuracy": value - before, "wilson_low": None, "wilson_high": None}
            else:
                about |= {"correct": correct, "accuracy": value, "wilson_low": low, "wilson_high": high}
            found.append(about)
    return found


def ranking(judged: Judgements, entries: dict[str, dict], n_images: str) -> list[Cells]:
    exact: list[tuple[Fraction, Fraction | None]] = []
    found: list[tuple[Fraction, Fraction | int, str, Cells]] = []
    for name, scorings in sorted(judged.items()):
        task = choose(scorings, n_images) or "CW"
        rows = scorings[task]
        counts = figures(rows, n_images)
        one, other = (Fraction(*counts[column]) if counts[column][1] else None for column in ("ImGT_A", "ReGT_A"))
        cells = {
            "model": entries[name]["label"],
            "task": task,
            "family": family(entries[name]),
            "n": str(len(rows)),
            "ImGT_A": text(percent(*counts["ImGT_A"])),
            "ReGT_A": text(percent(*counts["ReGT_A"])),
            "change": difference(percent(*counts["ReGT_A"]), percent(*counts["ImGT_A"])),
        }
        exact.append((one or Fraction(0), other))
        found.append((one or Fraction(0), 2 if other is None else other, name, cells))
    complete = all(other is not None for _, other in exact)
    after = dense_ranks([other for _, other in exact]) if complete else [""] * len(exact)
    for cells, first, second in zip(
        (row[3] for row in found), dense_ranks([first for first, _ in exact]), after, strict=True
    ):
        cells |= {"ImGT_A_rank": first, "ReGT_A_rank": second}
        cells["tau"] = text(tau([(one, other) for one, other in exact if other is not None])) if complete else ""
    return [cells for *_, cells in sorted(found, key=lambda row: row[:3])]


def tau(pairs: list[tuple[Fraction, Fraction]]) -> float | None:
    """Kendall's tau-b: concordant less discordant pairs, over the root of the pairs that are no tie in each."""
    score = first = second = 0
    for place, (a, x) in enumerate(pairs):
        for b, y in pairs[:place]:
            one, other = (a > b) - (a < b), (x > y) - (x < y)
            score += one * other
            first += one != 0
            second += other != 0
    return score / math.sqrt(first * second) if first * second else None


def mcnemar(judged: Judgements, entries: dict[str, dict], n_images: str) -> list[Cells]:
    table = []
    for measure in ("ImGT", "ReGT"):
        rows = [
            (name, scoring, {
                row.image_id: row.imgt if measure == "ImGT" else bool(row.regt)
                for row in predicted
                if measure == "ImGT" or counted(row, n_images)
            })
            for name, scoring, predicted in all_rows(judged)
        ]  # fmt: skip
        if not any(flags for *_, flags in rows):
            continue
        found, exact = [], []
        for place, (name, scoring, one) in enumerate(rows):
            for other_name, other_scoring, other in rows[place + 1 :]:
                common = [(one[image], other[image]) for image in one if image in other]
                only_a = sum(a and not b for a, b in common)
                only_b = sum(b and not a for a, b in common)
                exact.append(exact_p(only_a, only_b))
                cells = {
                    "measure": measure,
                    "model_a": entries[name]["label"],
                    "task_a": scoring,
                    "model_b": entries[other_name]["label"],
                    "task_b": other_scoring,
                    "n": str(len(common)),
                    "only_a": str(only_a),
                    "only_b": str(only_b),
                }
                found.append(cells | paired_difference(only_a, only_b, len(common)))
        for cells, p, corrected in zip(found, exact, holm(exact), strict=True):
            cells |= {"p": f"{float(p):.3g}", "p_holm": f"{float(corrected):.3g}", "tests": str(len(exact))}
        table += found
    return table


def exact_p(only_a: int, only_b: int) -> Fraction:
    """Twice the probability of so few heads, or fewer, in as many throws of a coin as there are discordant images."""
    throws = only_a + only_b
    ways = sum(math.comb(throws, heads) for heads in range(min(only_a, only_b) + 1))
    return min(Fraction(1), Fraction(2 * ways, 2**throws))


def holm(p: list[Fraction]) -> list[Fraction]:
    """The smallest p times the number of tests, the next times one less, and so on; never less than one before it."""
    corrected = list(p)
    highest = Fraction(0)
    for rank, place in enumerate(sorted(range(len(p)), key=lambda place: p[place])):
        highest = max(highest, min(Fraction(1), p[place] * (len(p) - rank)))
        corrected[place] = highest
    return corrected


def paired_difference(only_a: int, only_b: int, total: int) -> Cells:
    """The difference of paired shares in points, and Wald's interval."""
    if not total:
        return {"difference": "", "difference_low": "", "difference_high": ""}
    middle = (only_a - only_b) / total
    half = Z / total * math.sqrt(only_a + only_b - (only_a - only_b) ** 2 / total)
    values = {"difference": middle, "difference_low": middle - half, "difference_high": middle + half}
    return {name: text(value * 100) for name, value in values.items()}


def mustelidae(judged: Judgements, entries: dict[str, dict], names: list[str], n_images: str) -> list[Cells]:
    table = []
    for name, scorings in sorted(judged.items()):
        for scoring in SCORINGS:
            rows = [
                row
                for row in scorings.get(scoring, [])
                if row.expert is not None and not (n_images == "excluded" and row.expert_gave_none)
            ]
            groups = {"all": rows}
            for class_id, class_name in enumerate(names):
                groups[f"{class_id} {class_name}"] = [row for row in rows if row.imgt_class == class_id]
            for group, members in groups.items():
                if not members:
                    continue
                cells = {
                    "model": entries[name]["label"],
                    "task": scoring,
                    "family": family(entries[name]),
                    "class": group if group == "all" else group.split(" ", 1)[1],
                    "n": str(len(members)),
                }
                for column in ("ImGT", "expert"):
                    flags = [bool(row.imgt if column == "ImGT" else row.expert) for row in members]
                    low, high = wilson(sum(flags), len(flags))
                    cells[column] = text(percent(sum(flags), len(flags)))
                    cells |= {f"{column}_low": text(low), f"{column}_high": text(high)}
                table.append(cells)
    return table


def t_quantile(freedom: int) -> float:
    """The 97.5 % quantile of Student's t, by bisection on Simpson's integral of its density."""
    scale = math.gamma((freedom + 1) / 2) / math.sqrt(freedom * math.pi) / math.gamma(freedom / 2)

    def below(limit: float, steps: int = 20000) -> float:
        """P(0 < T < limit), with x = tan(u), by which the tail is short."""
        end = math.atan(limit)
        width = end / steps

        def density(u: float) -> float:
            return scale * (1 + math.tan(u) ** 2 / freedom) ** (-(freedom + 1) / 2) / math.cos(u) ** 2

        inner = sum((4 if step % 2 else 2) * density(step * width) for step in range(1, steps))
        return width / 3 * (density(0) + inner + density(end))

    low, high = 0.0, 13.0
    for _ in range(40):
        middle = (low + high) / 2
        low, high = (middle, high) if below(middle) < 0.475 else (low, middle)
    return low


def mean_and_half(values: list[float | None], quantile: float | None) -> tuple[float | None, float | None]:
    known = [value for value in values if value is not None]
    if not known:
        return None, None
    mean = sum(known) / len(known)
    if quantile is None:
        return mean, None
    variance = sum((value - mean) ** 2 for value in known) / (len(known) - 1)
    return mean, quantile * math.sqrt(variance / len(known))


def multiple(every: Judgements, name: str, variant: str) -> list[Judged]:
    return [row for row in every[name].get("MC", []) if row.variant == variant]


def oop_rate(rows: list[Judged]) -> str:
    asked = [row.oop for row in rows if row.oop is not None]
    return text(percent(sum(asked), len(asked)))


def table6(
    results: Path,
    every: Judgements,
    entries: dict[str, dict],
    labels: dict[str, dict],
    equal: Equal,
    choices: dict,
    n_images: str,
    classes: int,
) -> list[Cells]:
    questions = [
        row for path in results.glob("choices/*.parquet") if "confusions" not in path.name for row in records(path)
    ]
    taken, totals = confusions(results, labels, choices["reference"])
    found = []
    for name in entries:
        means = []
        cells_of = []
        for variant in VARIANTS:
            rows = multiple(every, name, variant)
            if not rows:
                continue
            repeats = sorted({row.repeat for row in rows})
            quantile = t_quantile(len(repeats) - 1) if len(repeats) > 1 else None
            by_repeat = [figures([row for row in rows if row.repeat == repeat], n_images) for repeat in repeats]
            cells = {"model": entries[name]["label"], "distractors": variant, "repeats": str(len(repeats))}
            for column in ["ImGT_A", *REGT]:
                mean, half = mean_and_half([percent(*counts[column]) for counts in by_repeat], quantile)
                cells |= {column: text(mean), f"{column}_ci95": text(half)}
                if column == "ImGT_A":
                    means.append(mean or 0)
            cells |= sizes([row for row in rows if row.repeat == repeats[0]]) | {"OOP": oop_rate(rows)}
            cells |= effects(
                rows, multiple(every, name, variant.split(" + confEVA")[0] + " + random"), variant, n_images
            )
            asked = [row for row in questions if row["variant"] == variant and row["options"] != []]
            cells["options"] = str(classes if asked[0]["options"] is None else len(asked[0]["options"]))
            origins = [origin for row in asked for origin in row["origins"] or [] if origin in ORIGINS]
            for origin in ORIGINS:
                cells[f"share_{origin}"] = text(percent(origins.count(origin), len(origins)))
            cells["difficulty"] = text(difficulty(asked, labels, equal, taken, totals, classes))
            cells_of.append(cells)
        if cells_of:
            found.append((sum(means) / len(means), name, cells_of))
    return [cells for _, _, cells_of in sorted(found, key=lambda row: row[:2]) for cells in cells_of]


def confusions(
    results: Path, labels: dict[str, dict], reference: str
) -> tuple[dict[tuple[int, int], int], dict[int, int]]:
    """How many images of a label the reference takes for a class, and how many there are of the label."""
    taken: dict[tuple[int, int], int] = {}
    for row in records(one(results.glob(f"predictions/*/{reference}.parquet"))):
        if row["image_id"] in labels and row["status"] == "ok" and row["class_ids"]:
            pair = labels[row["image_id"]]["imgt"], row["class_ids"][0]
            taken[pair] = taken.get(pair, 0) + 1
    totals: dict[int, int] = {}
    for (label, _), count in taken.items():
        totals[label] = totals.get(label, 0) + count
    return taken, totals


def effects(rows: list[Judged], easy: list[Judged], variant: str, n_images: str) -> Cells:
    """Random minus confEVA, where both are asked about the same labels."""
    cells = {"random_minus_ImGT_A": "", "random_minus_ReGT_A": ""}
    if easy and "confEVA" in variant:
        one, other = figures(easy, n_images), figures(rows, n_images)
        for column in ("ImGT_A", "ReGT_A"):
            cells[f"random_minus_{column}"] = difference(percent(*one[column]), percent(*other[column]))
    return cells


def difficulty(
    asked: list[dict],
    labels: dict[str, dict],
    equal: Equal,
    taken: dict[tuple[int, int], int],
    totals: dict[int, int],
    classes: int,
) -> float:
    """How many percent of an offered label's images the reference takes for another option; the mean over questions."""
    shares = []
    known: dict[str, float] = {}
    for row in asked:
        label = labels[row["image_id"]]

        def right(option: int, label: dict = label) -> bool:
            return option == label["imgt"] or is_admissible([option], label["regt"] or [], equal)

        def share(named: list[int], others: list[int]) -> float:
            lost = sum(taken.get((one, other), 0) / totals[one] for one in named if one in totals for other in others)
            return lost / len(named)

        if row["options"] is not None:
            options = row["options"]
            shares.append(share([o for o in options if right(o)], [o for o in options if not right(o)]))
            continue
        if row["image_id"] not in known:
            admissible = [o for o in range(classes) if right(o) or is_admissible([o], [label["imgt"]], equal)]
            known[row["image_id"]] = share([label["imgt"]], [o for o in range(classes) if o not in admissible])
        shares.append(known[row["image_id"]])
    return 100 * sum(shares) / len(shares)


def protocols(every: Judgements, entries: dict[str, dict], choices: dict, n_images: str) -> list[Cells]:
    numbers = {"few": choices.get("n", 4)} | {"n": 26, "classes": 100} | (choices.get("earlier") or {})
    found = []
    for name in sorted(every):
        for key, shown in PROTOCOLS.items():
            rows = (
                every[name].get(key, [])
                if key in ("OW", "CW", "CW+") or "inclusion" in key
                else multiple(every, name, key)
            )
            if not rows or not worded(entries[name]):
                continue
            counts = figures(rows, n_images)
            found.append(
                {
                    "model": entries[name]["label"],
                    "protocol": shown.format(**numbers),
                    "ImGT_A": text(percent(*counts["ImGT_A"])),
                    "ReGT_A": text(percent(*counts["ReGT_A"])),
                    "OOP": oop_rate(rows),
                    "repeats": str(len({row.repeat for row in rows})),
                    "n": str(len({row.image_id for row in rows})),
                }
            )
    return found
