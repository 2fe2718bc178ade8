"""Every accuracy, the ranking, and McNemar's tests once more."""

import math
from fractions import Fraction

from tests.plain.counting import PARTS, SUBSETS, Cells, changed, correct_of, counted, text
from tests.plain.files import family
from tests.plain.judgements import Judged, Judgements, belongs
from tests.plain.selection import choose
from tests.plain.statistics import Z, competition_ranks, dense_ranks, exact_p, holm, percent, tau, wilson

RULES = ["correct", "excluded"]


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
                before = sum(row.imgt for row in among) / len(among) * 100
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
        # one population: without a second label set all images, else those that ReGT's accuracy is over
        rows = [row for row in scorings[task] if row.category is None or counted(row, n_images)]
        counts = correct_of(rows, n_images)
        one, other = (Fraction(*counts[column]) if counts[column][1] else None for column in ("ImGT_A", "ReGT_A"))
        cells = {
            "model": entries[name]["label"],
            "task": task,
            "family": family(entries[name]),
            "n": str(len(rows)),
            "ImGT_A": text(percent(*counts["ImGT_A"])),
            "ReGT_A": text(percent(*counts["ReGT_A"])),
            "change": changed(rows, n_images)["change"],
        }
        exact.append((one or Fraction(0), other))
        found.append((one or Fraction(0), 2 if other is None else other, name, cells))
    complete = all(other is not None for _, other in exact)
    sides = {"ImGT": [one for one, _ in exact], "ReGT": [other for _, other in exact] if complete else None}
    for measure, side in sides.items():
        for name, ranked in {"rank": dense_ranks, "place": competition_ranks}.items():
            for (*_, cells), rank in zip(found, ranked(side) if side else [""] * len(found), strict=True):
                cells[f"{measure}_A_{name}"] = str(rank)
    for *_, cells in found:
        cells["tau"] = text(tau([(one, other) for one, other in exact if other is not None])) if complete else ""
    return [cells for *_, cells in sorted(found, key=lambda row: row[:3])]


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


def paired_difference(only_a: int, only_b: int, total: int) -> Cells:
    """The difference of paired shares in points, and Wald's interval."""
    if not total:
        return {"difference": "", "difference_low": "", "difference_high": ""}
    middle = (only_a - only_b) / total
    half = Z / total * math.sqrt(only_a + only_b - (only_a - only_b) ** 2 / total)
    values = {"difference": middle, "difference_low": middle - half, "difference_high": middle + half}
    return {name: text(value * 100) for name, value in values.items()}
