"""Accuracy by class, once more."""

from collections import Counter
from fractions import Fraction

from tests.plain.counting import Cells, counted, text
from tests.plain.judgements import Judged, Judgements
from tests.plain.selection import choose
from tests.plain.statistics import percent, wilson


def per_class(judged: Judgements, entries: dict[str, dict], names: list[str], n_images: str) -> list[Cells]:
    spelled = [name.lower().strip() for name in names]
    found: list[tuple[int, str, Fraction, Cells]] = []
    for model, scorings in judged.items():
        task = choose(scorings, n_images) or "CW"
        for class_id in sorted({row.imgt_class for row in scorings[task]}):
            rows = [row for row in scorings[task] if row.imgt_class == class_id]
            listed = [row.oop for row in scorings.get("CW", []) if row.imgt_class == class_id and row.oop is not None]
            cells = {"model": entries[model]["label"], "task": task, "class_id": str(class_id)}
            cells |= {"class": names[class_id], "n": str(len(rows)), "wrong": taken_for(rows, names, spelled)}
            cells |= rate("ImGT", [row.imgt for row in rows])
            cells |= rate("ReGT", [bool(row.regt) for row in rows if counted(row, n_images)])
            cells |= rate("OOP", [bool(oop) for oop in listed])
            found.append((class_id, model, Fraction(sum(row.imgt for row in rows), len(rows)), cells))
    means = {class_id: mean([exact for other, _, exact, _ in found if other == class_id]) for class_id, *_ in found}
    return [cells for *_, cells in sorted(found, key=lambda it: (means[it[0]], it[0], it[1]))]


def mean(values: list[Fraction]) -> Fraction:
    return sum(values, Fraction(0)) / len(values)


def rate(name: str, flags: list[bool]) -> Cells:
    low, high = wilson(sum(flags), len(flags))
    return {name: text(percent(sum(flags), len(flags))), f"{name}_low": text(low), f"{name}_high": text(high)}


def taken_for(rows: list[Judged], names: list[str], spelled: list[str]) -> str:
    """Wrong classes with their numbers of images, the most frequent three; equal names are one class."""
    counts: Counter[int] = Counter()
    for row in rows:
        if not row.imgt and row.status != "error":
            counts.update({spelled.index(spelled[class_id]) for class_id in row.predicted})
    first = sorted(counts, key=lambda class_id: (-counts[class_id], class_id))[:3]
    return " | ".join(f"{names[class_id]} {counts[class_id]}" for class_id in first)
