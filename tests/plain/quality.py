"""cleanlab's scores of labels, and how often the most doubtful ones are others, once more."""

from collections.abc import Iterator

from tests.plain.calibration import Image, images_of
from tests.plain.chat_calibration import normalised
from tests.plain.counting import Cells
from tests.plain.files import only, records
from tests.plain.judgements import category, is_admissible
from tests.plain.main_answers import Files
from tests.plain.noise import CRITERIA, PROBABLE, precisions

NAMES = {"self_confidence_rank": "self-confidence", "normalized_margin_rank": "normalised margin",
         "confident_learning_rank": "confident learning"}  # fmt: skip
LEAST = 2e-6
"""A class of which no label has any probability is not found anywhere."""


def label_quality(files: Files) -> list[dict]:
    """Rows of every model, by its name, the scoring, and the images' ids."""
    table = []
    for entry, task, images in probabilities(files):
        rows, spread = [], []
        for image in images:
            label = image["labels"][0]
            each = dict.fromkeys(range(len(files.names)), 0.0)
            for class_id, score in zip(image["class_ids"], image["scores"], strict=True):
                own = is_admissible([class_id], [label], files.equal) or (
                    task != "CW" and files.same(class_id) in {files.same(it) for it in admitted(files, label)}
                )
                each[label if own else class_id] += score
            spread.append((label, each))
            of_label = min(each[label], 1)
            others = max(score for class_id, score in each.items() if class_id != label)
            row = files.labels[image["image_id"]]
            agrees = row["expert"] and label in row["expert"]
            rows.append(
                {
                    "model": entry["label"],
                    "task": task,
                    "image_id": image["image_id"],
                    "category": category(label, row["regt"]),
                    "expert": None if row["expert"] is None else "agrees" if agrees else "differs",
                    "self_confidence": round(of_label, 6),
                    "normalized_margin": round((1 + of_label - others) / 2, 6),
                }
            )
        thresholds = {}
        for label in {label for label, _ in spread}:
            own = [each[label] for other, each in spread if other == label]
            thresholds[label] = max(sum(own) / len(own), LEAST)
        for row, (label, each) in zip(rows, spread, strict=True):
            likeliest = max(each, key=lambda class_id: (each[class_id], -class_id))
            sure = [class_id for class_id, least in sorted(thresholds.items()) if each[class_id] >= least - 1e-6]
            guess = likeliest if len(sure) > 1 else sure[0] if sure else label
            row["issue"] = label not in (guess, likeliest)
        for name, key in {
            "self_confidence_rank": lambda row: (row["self_confidence"],),
            "normalized_margin_rank": lambda row: (row["normalized_margin"],),
            "confident_learning_rank": lambda row: (not row["issue"], row["normalized_margin"]),
        }.items():
            ordered = sorted(rows, key=lambda row: (*key(row), row["image_id"]))
            for rank, row in enumerate(ordered, 1):
                row[name] = rank
        table += rows
    return table


def probabilities(files: Files) -> Iterator[tuple[dict, str, list[Image]]]:
    """Model, scoring, and how probable classes are in each image: of vision models, and of likelihoods of all names."""
    for entry in files.models:
        if entry["kind"] in PROBABLE:
            yield entry, "CW", images_of(files, entry["name"], "ImGT")[0]
            continue
        path = only(files.results.glob(f"predictions/*/{entry['name']}.parquet"))
        every = [row for row in records(path) if row["repeat"] == 0 and not row["variant"]]
        for task in dict.fromkeys(row["task"] for row in every if "-likelihood" in row["task"]):
            rows = [row for row in every if row["task"] == task and row["status"] == "ok"]
            if any(len(row["class_ids"]) < len(files.names) for row in rows):
                continue
            images = []
            for row in sorted(rows, key=lambda it: it["image_id"]):
                if (label := files.labels.get(row["image_id"])) is not None:
                    scores = normalised(row, files.names)["as given"]
                    images.append(row | {"labels": [label["imgt"]], "scores": scores})
            yield entry, task, images


def admitted(files: Files, label: int) -> list[int]:
    return [it for it in range(len(files.names)) if is_admissible([it], [label], files.equal)]


def quality_precision(qualities: list[dict]) -> list[Cells]:
    table = []
    for model, task in dict.fromkeys((row["model"], row["task"]) for row in qualities):
        for ranking, name in NAMES.items():
            for criterion, (column, wanted) in CRITERIA.items():
                of_model = [
                    row for row in qualities if (row["model"], row["task"]) == (model, task) and row[column] is not None
                ]
                rows = sorted(of_model, key=lambda row: row[ranking])
                hits = [row[column] in wanted for row in rows]
                flagged = sum(row["issue"] for row in rows)
                about = {"model": model, "task": task, "ranking": name, "criterion": criterion, "issues": str(flagged)}
                table += [about | it for it in precisions(hits, flagged if name == "confident learning" else 0)]
    return table
