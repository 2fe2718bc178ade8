"""Answers from the prompt alone once more, from judged answers."""

import math
from collections import defaultdict
from fractions import Fraction

from tests.plain.counting import Cells, text
from tests.plain.judgements import Judged, Judgements


def priors(
    every: Judgements, entries: dict[str, dict], blind: list[str], names: list[str], n_images: str
) -> list[Cells]:
    """The tables without their intervals: of every variant in `blind`, in this order."""
    found: list[Cells] = []
    for name in sorted(every):
        for scoring in ("OW", "CW+", "CW", "CW-constrained"):
            judged = every[name].get(scoring, [])
            for variant in blind:
                rows = [row for row in judged if row.variant == variant]
                if rows:
                    main = [row for row in judged if not row.variant]
                    cells = {"model": entries[name]["label"], "task": scoring, "variant": variant}
                    found.append(cells | numbers(rows, main, names, n_images))
    return found


def numbers(rows: list[Judged], main: list[Judged], names: list[str], n_images: str) -> Cells:
    cells: Cells = {
        "n": str(len({row.image_id for row in rows})),
        "repeats": str(len({row.repeat for row in rows})),
    }
    for name in ("ImGT", "ReGT"):
        alone, shown = shares(rows, name, n_images), shares(main, name, n_images)
        both = sorted(alone.keys() & shown.keys())
        a, m = (mean([values[image] for image in both]) for values in (alone, shown))
        if not both:
            a = mean(list(alone.values()))
        cells[f"{name}_A"] = percent(a)
        cells[f"{name}_main"] = percent(m) if both else ""
        cells[f"{name}_gain"] = percent(m - a) if both else ""
        cells[f"{name}_corrected"] = percent((m - a) / (1 - a)) if both and a != 1 else ""
    weights = of_classes(rows)
    total = sum(weights.values())
    named = [row for row in rows if row.status != "error" and row.predicted]
    cells["none"] = text(float(Fraction(len(rows) - len(named), len(rows)) * 100))
    cells["n_said"] = str(len(weights))
    if weights:
        top = min(weights, key=lambda it: (-weights[it], it))
        entropy = -sum(float(it / total) * math.log2(it / total) for it in weights.values())
        cells |= {"most": names[top], "most_share": text(float(weights[top] / total * 100))}
        cells |= {"entropy": text(abs(entropy)), "perplexity": text(2**entropy)}
    else:
        cells |= dict.fromkeys(("most", "most_share", "entropy", "perplexity"), "")
    return cells


def percent(value: Fraction | None) -> str:
    return "" if value is None else text(float(value * 100))


def mean(values: list[Fraction]) -> Fraction | None:
    return sum(values, Fraction(0)) / len(values) if values else None


def shares(rows: list[Judged], name: str, n_images: str) -> dict[str, Fraction]:
    """How many of an image's repeats are right, by image."""
    flags: dict[str, list[bool]] = defaultdict(list)
    for row in rows:
        right = row.imgt if name == "ImGT" else row.regt
        if right is not None and not (name == "ReGT" and n_images == "excluded" and row.category == "N"):
            flags[row.image_id].append(right)
    return {image: Fraction(sum(it), len(it)) for image, it in flags.items()}


def of_classes(rows: list[Judged]) -> dict[int, Fraction]:
    """How many answers stand for each class; one that stands for several is shared between them."""
    weights: dict[int, Fraction] = defaultdict(Fraction)
    for row in rows:
        if row.status != "error":
            for class_id in row.predicted:
                weights[class_id] += Fraction(1, len(row.predicted))
    return dict(weights)
