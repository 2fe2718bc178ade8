"""Calibration, once more: by loops over images."""

import hashlib
import math

import numpy as np

from tests.plain.counting import Cells, text
from tests.plain.files import only, records
from tests.plain.judgements import is_admissible
from tests.plain.main_answers import Files
from tests.plain.noise import PROBABLE
from tests.plain.statistics import percent, wilson

BINS = 15
EPSILON = 2.0**-23
Image = dict
"""image_id, labels, class_ids, and scores."""


def images_of(files: Files, name: str, label_set: str) -> tuple[list[Image], int]:
    """What a model says of the images that count under a label set, by their ids, and the number of its errors."""
    found, errors = [], 0
    for row in sorted(
        records(only(files.results.glob(f"predictions/*/{name}.parquet"))), key=lambda it: it["image_id"]
    ):
        label = files.labels.get(row["image_id"])
        if label is None:
            continue
        labels = [label["imgt"]] if label_set == "ImGT" else label["regt"]
        if not labels:
            continue
        if row["status"] == "ok" and row["scores"]:
            found.append(row | {"labels": labels})
        else:
            errors += 1
    return found, errors


def fold(image_id: str) -> int:
    return hashlib.sha256(f"fold:{image_id}".encode()).digest()[0] % 2


def soften(scores: list[float], temperature: float) -> list[float]:
    powers = [score ** (1 / temperature) for score in scores]
    total = sum(powers)
    return [power / total for power in powers]


def loss(probability: float) -> float:
    return -math.log(min(max(probability, EPSILON), 1 - EPSILON))


def event_loss(confidence: float, right: bool) -> float:
    return loss(confidence if right else 1 - confidence)


def fitted(images: list[Image], right: list[bool]) -> float:
    """By trying: a grid of logarithms, then finer ones around its best."""
    low, high = math.log(0.05), math.log(20)
    while high - low > 1e-5:
        steps = [low + (high - low) * step / 24 for step in range(25)]
        losses = [
            sum(event_loss(soften(it["scores"], math.exp(step))[0], hit) for it, hit in zip(images, right, strict=True))
            for step in steps
        ]
        best = losses.index(min(losses))
        low, high = steps[max(best - 1, 0)], steps[min(best + 1, 24)]
    return math.exp((low + high) / 2)


def bins_of(confidences: list[float], binning: str) -> list[int]:
    """The bounds are scikit-learn's (`calibration_curve`): where one lies on a confidence, the last bit decides."""
    shares = np.linspace(0, 1, BINS + 1)
    bounds = np.percentile(confidences, shares * 100) if binning == "equal mass" else shares
    return [sum(bound < confidence for bound in bounds[1:-1]) for confidence in confidences]


def calibration_error(confidences: list[float], right: list[bool], binning: str) -> float:
    bins = bins_of(confidences, binning)
    total = 0.0
    for place in set(bins):
        mine = [number for number, other in enumerate(bins) if other == place]
        total += abs(sum(confidences[number] - right[number] for number in mine))
    return total / len(right)


def risk(confidences: list[float], right: list[bool]) -> float:
    """The mean over all coverages; equally confident answers in all orders: each has the mean of their mistakes."""
    means = {}
    for confidence in set(confidences):
        hits = [hit for other, hit in zip(confidences, right, strict=True) if other == confidence]
        means[confidence] = 1 - sum(hits) / len(hits)
    wrong, risks = 0.0, []
    for kept, confidence in enumerate(sorted(confidences, reverse=True), 1):
        wrong += means[confidence]
        risks.append(wrong / kept)
    return sum(risks) / len(risks)


def calibration(files: Files) -> list[Cells]:
    """Rows without the bootstrap's intervals, which hold numbers where those are fitted: `temperature` and what follows."""
    table = []
    for entry in files.models:
        if entry["kind"] not in PROBABLE:
            continue
        for label_set in files.label_sets():
            images, errors = images_of(files, entry["name"], label_set)
            if not images:
                continue
            hits = [[is_admissible([each], it["labels"], files.equal) for each in it["class_ids"]] for it in images]
            right = [each[0] for each in hits]
            whole = all(abs(sum(it["scores"]) - 1) <= 1e-3 for it in images)
            given = [it["scores"] for it in images]
            about = {"model": entry["label"], "label_set": label_set, "n": str(len(images)), "n_errors": str(errors)}
            about |= {"whole": whole and label_set == "ImGT"}
            table.append(about | {"scores": "as given", "temperatures": None} | measures(given, hits, right))
            halves = [fold(it["image_id"]) for it in images]
            if whole and len(set(halves)) == 2:
                temperatures = []
                for half in (0, 1):
                    others = [number for number, other in enumerate(halves) if other != half]
                    temperatures.append(fitted([images[n] for n in others], [right[n] for n in others]))
                soft = [soften(it, temperatures[half]) for it, half in zip(given, halves, strict=True)]
                table.append(
                    about | {"scores": "temperature", "temperatures": temperatures} | measures(soft, hits, right)
                )
    return table


def measures(scores: list[list[float]], hits: list[list[bool]], right: list[bool]) -> dict:
    confidences = [each[0] for each in scores]
    count = len(right)
    mass = [sum(p for p, hit in zip(each, flags, strict=True) if hit) for each, flags in zip(scores, hits, strict=True)]
    rest = [
        sum(p * p for p, hit in zip(each, flags, strict=True) if not hit)
        for each, flags in zip(scores, hits, strict=True)
    ]
    found = {
        "confidence": 100 * sum(confidences) / count,
        "ECE": 100 * calibration_error(confidences, right, "equal width"),
        "ECE_mass": 100 * calibration_error(confidences, right, "equal mass"),
        "Brier": sum((p - hit) ** 2 for p, hit in zip(confidences, right, strict=True)) / count,
        "NLL": sum(event_loss(p, hit) for p, hit in zip(confidences, right, strict=True)) / count,
        "AURC": 100 * risk(confidences, right),
        "class_Brier": sum(other + (1 - p) ** 2 for other, p in zip(rest, mass, strict=True)) / count,
        "class_NLL": sum(loss(p) for p in mass) / count,
    }
    cells = {"numbers": found, "accuracy": text(percent(sum(right), count))}
    for coverage in (90, 80, 50):
        least = sorted(confidences, reverse=True)[math.ceil(count * coverage / 100) - 1]
        kept = [hit for p, hit in zip(confidences, right, strict=True) if p >= least]
        low, high = wilson(sum(kept), len(kept))
        cells[f"accuracy_{coverage}"] = text(percent(sum(kept), len(kept)))
        cells |= {f"accuracy_{coverage}_low": text(low), f"accuracy_{coverage}_high": text(high)}
    return cells


def reliability(files: Files) -> list[Cells]:
    """Bins of the scores as they are."""
    table = []
    for entry in files.models:
        if entry["kind"] not in PROBABLE:
            continue
        for label_set in files.label_sets():
            images, _ = images_of(files, entry["name"], label_set)
            confidences = [it["scores"][0] for it in images]
            right = [is_admissible(it["class_ids"][:1], it["labels"], files.equal) for it in images]
            for binning in ("equal width", "equal mass") if images else ():
                bins = bins_of(confidences, binning)
                for place in sorted(set(bins)):
                    mine = [number for number, other in enumerate(bins) if other == place]
                    low, high = wilson(sum(right[n] for n in mine), len(mine))
                    table.append(
                        {
                            "model": entry["label"],
                            "label_set": label_set,
                            "bins": binning,
                            "bin": str(place + 1),
                            "confidence": text(100 * sum(confidences[n] for n in mine) / len(mine)),
                            "accuracy": text(percent(sum(right[n] for n in mine), len(mine))),
                            "accuracy_low": text(low),
                            "accuracy_high": text(high),
                            "n": str(len(mine)),
                        }
                    )
    return table


def unlike(found: list[Cells], wanted: list[dict]) -> list[tuple]:
    """Row, column, figure and expected figure where rows of the table differ from those of `calibration`.

    Temperatures are found by two searches, so that what follows from them is near only; the bounds of bins of equal mass
    may then lie between other confidences.
    """

    def key(row: dict) -> tuple[str, str, str]:
        return row["model"], row["label_set"], row["scores"]

    differing: list[tuple] = []
    for row, expected in zip(sorted(found, key=key), sorted(wanted, key=key), strict=True):
        fitted, numbers = expected["temperatures"], expected["numbers"]
        if fitted:
            both = zip(map(float, row["temperature"].split(" / ")), fitted, strict=True)
            differing += [(*key(row), "temperature", *pair) for pair in both if not math.isclose(*pair, rel_tol=0.02)]
        for name, number in numbers.items():
            if name == "ECE_mass" and fitted:
                continue
            if name.startswith("class_") and not expected["whole"]:
                differing += [(*key(row), name, row[name], "")] if row[name] else []
                continue
            last_digit = 0.01 if name in ("confidence", "ECE", "ECE_mass", "AURC") else 0.0001
            if abs(float(row[name]) - number) > (30 if fitted else 0.501) * last_digit:
                differing.append((*key(row), name, row[name], number))
        exact = expected.keys() - {"temperatures", "numbers", "whole"}
        exact = {name for name in exact if not (fitted and name.startswith("accuracy_"))}
        differing += [(*key(row), name, row[name], expected[name]) for name in exact if row[name] != expected[name]]
        ends = [row[f"Brier{end}"] for end in ("_low", "", "_high")]
        if ends[0] and ends != sorted(ends, key=float):  # a resample of four images may have none of the model's
            differing.append((*key(row), "Brier", ends, "in order"))
    return differing
