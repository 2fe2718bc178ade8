"""Sensitivity and agreement once more, from judged answers."""

import itertools
import math
from collections import Counter
from fractions import Fraction

from tests.plain.counting import SCORINGS, Cells, count_status, counted, oop_rate, text
from tests.plain.judgements import Judged, Judgements
from tests.plain.statistics import holm, percent

Values = dict[tuple[str, int], int]
"""Something that is counted, by image and repeat."""


def sensitivity(every: Judgements, entries: dict[str, dict], order: list[str], n_images: str) -> list[Cells]:
    """Tasks that a model is asked in several ways: each way, and its difference to the main one.

    The closed world with a grammar is another way to ask for CW, whose main way is CW+.
    """
    found: list[Cells] = []
    for name in sorted(every):
        mine: list[Cells] = []
        tested: dict[str, list[tuple[Cells, Fraction]]] = {"ImGT": [], "ReGT": []}
        for scoring, variant, rows, others in ways(every[name], order):
            cells = {"model": entries[name]["label"], "task": scoring, "variant": variant or "main"}
            cells |= about(rows) | {f"{name}_A_{key}": "" for name in tested for key in ("vs_main", "p", "p_holm")}
            mine.append(cells)
            for label_set, tests in tested.items():
                right = correct(rows, label_set, n_images)
                share = Fraction(sum(right.values()), len(right)) if right else None
                cells[f"{label_set}_A"] = text(None if share is None else float(share * 100))
                main = {image: flag for (image, _), flag in correct(others, label_set, n_images).items()}
                both = {key: flag - main[key[0]] for key, flag in right.items() if key[0] in main}
                if both:
                    cells[f"{label_set}_A_vs_main"] = text(float(Fraction(sum(both.values()), len(both)) * 100))
                    p = flipped(both, together(rows))
                    cells[f"{label_set}_A_p"] = f"{float(p):.3g}"
                    cells["test"] = "exact" if cells["repeats"] == "1" else "approximate"
                    tests.append((cells, p))
        for label_set, tests in tested.items():
            for (cells, _), corrected in zip(tests, holm([p for _, p in tests]), strict=True):
                cells[f"{label_set}_A_p_holm"] = f"{float(corrected):.3g}"
        for cells in mine:
            cells["tests"] = str(len(tested["ImGT"]))
        found += mine
    return found


def ways(scorings: dict[str, list[Judged]], order: list[str]) -> list[tuple[str, str, list[Judged], list[Judged]]]:
    """Scoring, variant, its rows, and those that they are compared with."""
    asked = {scoring.removesuffix("+") for scoring, rows in scorings.items() if any(row.variant for row in rows)}
    if "CW-constrained" in scorings:
        asked |= {"CW", "CW-constrained"}
    found = []
    for scoring in SCORINGS:
        for variant in ["", *order]:
            rows = [row for row in scorings.get(scoring, []) if row.variant == variant]
            if rows and scoring.removesuffix("+") in asked:
                main = "CW+" if scoring == "CW-constrained" and not variant else scoring
                others = [row for row in scorings.get(main, []) if not row.variant]
                found.append((scoring, variant, rows, [] if main == scoring and not variant else others))
    return found


def about(rows: list[Judged]) -> Cells:
    repeats = {row.repeat for row in rows}
    clusters = sum(len(set(of.values())) for of in together(rows).values())
    return {
        "n": str(len({row.image_id for row in rows})),
        "repeats": str(len(repeats)),
        "clusters": str(clusters // len(repeats)),
        "test": "",
        "OOP": oop_rate(rows),
        **{f"n_{name}": str(count_status(rows, name.removesuffix("s"))) for name in ("errors", "empty")},
        "n_several": str(count_status(rows, "several")),
    }


def correct(rows: list[Judged], label_set: str, n_images: str) -> Values:
    among = [row for row in rows if label_set == "ImGT" or counted(row, n_images)]
    return {(row.image_id, row.repeat): int(bool(row.imgt if label_set == "ImGT" else row.regt)) for row in among}


def together(rows: list[Judged]) -> dict[int, dict[str, str]]:
    """By repeat, for each image the first of the images that it was asked about with."""
    found: dict[int, dict[str, str]] = {}
    for row in rows:
        others = [row.image_id]
        if row.group is not None:
            others = [other.image_id for other in rows if (other.repeat, other.group) == (row.repeat, row.group)]
        found.setdefault(row.repeat, {})[row.image_id] = min(others)
    return found


def flipped(differences: Values, clusters: dict[int, dict[str, str]]) -> Fraction:
    """How often coins as signs bring the sum as far from 0, over clusters; the mean over repeats of other clusters."""
    images = {image for image, _ in differences}
    same = len({tuple(of[image] for image in sorted(images)) for of in clusters.values()}) == 1
    sums: dict[int, Counter[str]] = {}
    for (image, repeat), value in differences.items():
        sums.setdefault(0 if same else repeat, Counter())[clusters[repeat][image]] += value
    reached = Fraction(abs(sum(differences.values())), len(sums))
    return Fraction(sum(beyond(list(of.values()), reached) for of in sums.values()), len(sums))


def beyond(values: list[int], reached: Fraction) -> Fraction:
    patterns = Counter({0: 1})  # by their sum, how many patterns of signs there are
    for value in values:
        patterns = Counter(
            {total: patterns[total - value] + patterns[total + value] for total in
             {known + sign * value for known in patterns for sign in (1, -1)}}
        ) if value else Counter({total: 2 * times for total, times in patterns.items()})  # fmt: skip
    return Fraction(sum(times for total, times in patterns.items() if abs(total) >= reached), 2 ** len(values))


def agreement(every: Judgements, entries: dict[str, dict], order: list[str], n_images: str) -> list[Cells]:
    """How far repeats agree: to the letter, in the classes that are meant, and in being right."""
    found = []
    for name in sorted(every):
        for scoring in SCORINGS:
            for variant in order:
                rows = [row for row in every[name].get(scoring, []) if row.variant == variant]
                if len({row.repeat for row in rows}) > 1:
                    cells = {"model": entries[name]["label"], "task": scoring, "variant": variant}
                    found.append(cells | agreeing(rows, n_images) | accuracies(rows, n_images))
    return found


def agreeing(rows: list[Judged], n_images: str) -> Cells:
    images = sorted({row.image_id for row in rows})
    unanswered = {row.image_id for row in rows if row.status == "error"}
    by_image = {image: [row for row in rows if row.image_id == image] for image in images if image not in unanswered}
    readings = {
        "text": [[row.text for row in of] for of in by_image.values()],
        "class": [[row.predicted for row in of] for of in by_image.values()],
        "ImGT": [[row.imgt for row in of] for of in by_image.values()],
        "ReGT": [[row.regt for row in of] for of in by_image.values() if counted(of[0], n_images)],
    }
    cells = {
        "n": str(len(images)),
        "repeats": str(len({row.repeat for row in rows})),
        "n_unanswered": str(len(unanswered)),
    }
    for reading, values in readings.items():
        shares = [equal_pairs(of) for of in values]
        cells[f"{reading}_all"] = text(percent(sum(share == 1 for share in shares), len(shares)))
        cells[f"{reading}_pairs"] = text(float(sum(shares) * 100 / len(shares)) if shares else None)
    cells["class_kappa"] = text(kappa(readings["class"]), 3)
    return cells


def equal_pairs(values: list) -> Fraction:
    pairs = list(itertools.combinations(values, 2))
    return Fraction(sum(one == other for one, other in pairs), len(pairs))


def kappa(ratings: list[list]) -> float | None:
    """Fleiss (1971), from how often each class was given."""
    given = Counter(value for of in ratings for value in of)
    total = sum(given.values())
    chance = sum(Fraction(times, total) ** 2 for times in given.values())
    if not ratings or chance == 1:
        return None
    return float((sum(map(equal_pairs, ratings)) / len(ratings) - chance) / (1 - chance))


def accuracies(rows: list[Judged], n_images: str) -> Cells:
    cells = {}
    for label_set in ("ImGT", "ReGT"):
        by_repeat: dict[int, list[int]] = {}
        for (_, repeat), flag in correct(rows, label_set, n_images).items():
            by_repeat.setdefault(repeat, []).append(flag)
        shares = [Fraction(sum(flags), len(flags)) for flags in by_repeat.values()]
        mean = sum(shares) / len(shares) if shares else None
        cells[f"{label_set}_A"] = text(None if mean is None else float(mean * 100))
        spread = None if mean is None else math.sqrt(sum((share - mean) ** 2 for share in shares) / (len(shares) - 1))
        cells[f"{label_set}_A_sd"] = text(None if spread is None else spread * 100)
    return cells
