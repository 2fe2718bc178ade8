"""Calibration of chat models, once more: of likelihoods of names, and of answers in words."""

import math

from tests.plain.calibration import Image, calibration_error, event_loss, measures, risk
from tests.plain.judgements import is_admissible
from tests.plain.main_answers import Files, right

MARGIN = 1e-3
"""By which a class that was left out may score above the last that was not."""


def normalised(row: dict, names: list[str]) -> dict[str, list[float]]:
    """The probabilities of a ranking's classes by what they are called: of each name by its share, divided among its
    classes."""
    sharing = [names.count(name) for name in names]
    powers = [
        math.exp(score - row["scores"][0]) / sharing[it]
        for it, score in zip(row["class_ids"], row["scores"], strict=True)
    ]
    total = sum(powers)
    if len(row["class_ids"]) == len(names):
        return {"as given": [power / total for power in powers]}
    others = [it for it in range(len(names)) if it not in row["class_ids"]]
    most = sum(math.exp(row["scores"][-1] - row["scores"][0] + MARGIN) / sharing[it] for it in others)
    return {"at least": [power / (total + most) for power in powers], "at most": [power / total for power in powers]}


def likelihoods(files: Files, name: str, rows: list[dict]) -> list[dict]:
    """Of one model's rows of predictions: task, label_set, scores, n, n_errors and measures, without temperatures."""
    table = []
    for task in dict.fromkeys(row["task"] for row in rows if "-likelihood" in row["task"]):
        for label_set in files.label_sets():
            known, errors = [], 0
            for row in sorted(rows, key=lambda it: it["image_id"]):
                if row["task"] == task and (labels := labels_of(files, row["image_id"], label_set)):
                    if row["status"] == "ok":
                        known.append(row | {"labels": labels})
                    else:
                        errors += 1
            if known:
                about = {
                    "model": name,
                    "task": task,
                    "label_set": label_set,
                    "n": str(len(known)),
                    "n_errors": str(errors),
                }
                table += [about | of for of in _of_distributions(files, known)]
    return table


def _of_distributions(files: Files, images: list[Image]) -> list[dict]:
    hits = [[is_admissible([each], it["labels"], files.equal) for each in it["class_ids"]] for it in images]
    kinds = [normalised(it, files.names) for it in images]
    found = []
    for kind in kinds[0]:
        scores = [it[kind] for it in kinds]
        found.append({"scores": kind} | measures(scores, hits, [each[0] for each in hits]))
    return found


def labels_of(files: Files, image_id: str, label_set: str) -> list[int]:
    label = files.labels.get(image_id)
    if label is None:
        return []
    return [label["imgt"]] if label_set == "ImGT" else label["regt"] or []


def answers(files: Files, name: str, log_probabilities: dict[tuple[str, str], float | None]) -> list[dict]:
    """Of one model's main answers: what `likelihoods` has. Log-probabilities are by task and image."""
    table = []
    for scoring in dict.fromkeys(scoring for scoring, *_ in files.said[name] if "-likelihood" not in scoring):
        for label_set in files.label_sets():
            confidences, hits, errors = [], [], 0
            rows = [
                it for it in files.said[name] if it[0] == scoring and labels_of(files, it[1]["image_id"], label_set)
            ]
            for _, row, _, judged in sorted(rows, key=lambda it: it[1]["image_id"]):
                value = log_probabilities[row["task"], row["image_id"]]
                if value is None or row["status"] == "error":
                    errors += 1
                    continue
                confidences.append(math.exp(value))
                hits.append(right(judged, label_set))
            if not hits:
                continue
            count = len(hits)
            pairs = list(zip(confidences, hits, strict=True))
            numbers = {
                "confidence": 100 * sum(confidences) / count,
                "ECE": 100 * calibration_error(confidences, hits, "equal width"),
                "ECE_mass": 100 * calibration_error(confidences, hits, "equal mass"),
                "Brier": sum((p - hit) ** 2 for p, hit in pairs) / count,
                "NLL": sum(event_loss(p, hit) for p, hit in pairs) / count,
                "AURC": 100 * risk(confidences, hits),
            }
            about = {"model": name, "task": scoring, "label_set": label_set, "scores": "answers"}
            table.append(about | {"n": str(count), "n_errors": str(errors), "numbers": numbers})
    return table
