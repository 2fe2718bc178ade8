"""Tables of label noise, and of out-of-prompt answers, once more."""

from fractions import Fraction
from pathlib import Path

from tests.plain.counting import Cells, correct_of, counted, text
from tests.plain.files import family
from tests.plain.judgements import Judged, category, is_admissible
from tests.plain.main_answers import Files
from tests.plain.out_of_prompt import abstention, breakdown, oop_texts
from tests.plain.statistics import percent, wilson

PROBABLE = ["timm", "knn"]
"""Kinds of models whose scores are probabilities."""
RANKINGS = {"rank": "disagreement of models", "quality_rank": "label quality (cleanlab)"}
CRITERIA = {
    "ReGT has other labels (S-, M-)": ("category", ["S-", "M-"]),
    "ReGT lacks the label (S-, M-, N)": ("category", ["S-", "M-", "N"]),
    "the experts lack the label": ("expert", ["differs"]),
}


def noise_tables(results: Path, models: list[dict], **options: object) -> dict[str, list[Cells]]:
    """Rows of every table in the file's order, keyed by column, without those of the study and what the bootstrap finds."""
    files = Files(results, models, **options)  # type: ignore[arg-type]
    ranked = suspects(files)
    return {
        "breakdown": breakdown(files),
        "oop_texts": oop_texts(files),
        "abstention": abstention(files),
        "gains": gains(files),
        "suspects": ranked,
        "precision": precision(ranked),
    }


def gains(files: Files) -> list[Cells]:
    if not files.second:
        return []
    by_family: dict[str, list[tuple[Fraction, Fraction]]] = {}
    members: dict[str, list[str]] = {}
    for entry in files.models:
        members.setdefault(family(entry), []).append(entry["label"])
        every = files.judged(entry["name"], files.task(entry["name"]))
        rows = [row for row in every if counted(row, files.n_images)]
        counts = correct_of(rows, files.n_images)
        accuracies = tuple(100 * Fraction(*counts[column]) for column in ("ImGT_A", "ReGT_A"))
        for paradigm in (family(entry), "all models"):
            by_family.setdefault(paradigm, []).append(accuracies)
    if len(by_family) == 2:
        del by_family["all models"]

    def gain(paradigm: str) -> Fraction:
        return sum((after - before for before, after in by_family[paradigm]), Fraction(0)) / len(by_family[paradigm])

    table = []
    for paradigm, accuracies in by_family.items():
        count = len(accuracies)
        compared = "supervised" in by_family and paradigm not in ("supervised", "all models")
        table.append(
            {
                "paradigm": paradigm,
                "models": str(count),
                "members": ", ".join(members.get(paradigm, [])),
                "ImGT_A": text(float(sum(before for before, _ in accuracies) / count)),
                "ReGT_A": text(float(sum(after for _, after in accuracies) / count)),
                "gain": text(float(gain(paradigm))),
                "gain_min": text(float(min(after - before for before, after in accuracies))),
                "gain_max": text(float(max(after - before for before, after in accuracies))),
                "vs_supervised": text(float(gain(paradigm) - gain("supervised"))) if compared else "",
            }
        )
    return sorted(table, key=lambda row: (row["paradigm"] == "all models", gain(row["paradigm"]), row["paradigm"]))


def suspects(files: Files) -> list[Cells]:
    answers: dict[str, list[tuple[list[int], Judged]]] = {image: [] for image in files.labels}
    for entry in files.models:
        task = files.task(entry["name"])
        for scoring, row, predicted, judged in files.said[entry["name"]]:
            if scoring == task:
                answers[row["image_id"]].append((predicted, judged))
    qualities = label_qualities(files)
    found = []
    for image, given in answers.items():
        if not given:
            continue
        label = files.labels[image]
        counts = other_classes(files, label["imgt"], given)
        votes = max(counts.values(), default=0)
        agreeing = sum(judged.imgt for _, judged in given)
        others = [class_id for class_id, count in counts.items() if count == votes]
        judged_too = files.second and counted(given[0][1], files.n_images)
        cells = {
            "image_id": image,
            "imgt_label": files.names[label["imgt"]],
            "other": files.names[min(others)] if others else "",
            "votes": str(votes),
            "right": str(agreeing),
            "models": str(len(given)),
            "regt_labels": " | ".join(files.names[class_id] for class_id in label["regt"] or []),
            "category": category(label["imgt"], label["regt"]) or "",
            "gained": str(sum(bool(row.regt) and not row.imgt for _, row in given)) if judged_too else "",
            "lost": str(sum(row.imgt and not row.regt for _, row in given)) if judged_too else "",
            "quality": text(float(qualities[image]), 4) if image in qualities else "",
            "quality_rank": "",
            "expert": "",
        }
        if label.get("expert") is not None:
            cells["expert"] = "agrees" if label["imgt"] in label["expert"] else "differs"
        found.append((-Fraction(votes, len(given)), Fraction(agreeing, len(given)), image, cells))
    table = [cells for *_, cells in sorted(found, key=lambda row: row[:3])]
    for rank, cells in enumerate(table, 1):
        cells["rank"] = str(rank)
    known = sorted((row for row in table if row["image_id"] in qualities), key=lambda row: row["image_id"])
    for rank, cells in enumerate(sorted(known, key=lambda row: qualities[row["image_id"]]), 1):
        cells["quality_rank"] = str(rank)
    return table


def other_classes(files: Files, imgt: int, given: list[tuple[list[int], Judged]]) -> dict[int, int]:
    """How many of the models that are wrong under ImGT name each class that has no name of a class that ImGT admits."""
    own = {files.same(each) for each in range(len(files.names)) if is_admissible([each], [imgt], files.equal)}
    counts: dict[int, int] = {}
    for predicted, judged in given:
        if judged.status != "error" and not judged.imgt:
            for class_id in {files.same(each) for each in predicted} - own:
                counts[class_id] = counts.get(class_id, 0) + 1
    return counts


def label_qualities(files: Files) -> dict[str, float]:
    """Half of one more than the label's probability less the likeliest other one's; the mean over classifiers."""
    found: dict[str, list[float]] = {}
    for entry in files.models:
        if entry["kind"] not in PROBABLE:
            continue
        for _, row, _, _ in files.said[entry["name"]]:
            if row["status"] != "ok" or not row["scores"]:
                continue
            label = files.labels[row["image_id"]]["imgt"]
            of_label, of_other = 0.0, 0.0
            for class_id, score in zip(row["class_ids"], row["scores"], strict=True):
                if is_admissible([class_id], [label], files.equal):
                    of_label += score
                else:
                    of_other = max(of_other, score)
            found.setdefault(row["image_id"], []).append((1 + of_label - of_other) / 2)
    return {image: round(sum(each) / len(each), 6) for image, each in found.items()}


def precisions(hits: list[bool], also: int = 0) -> list[Cells]:
    """What is said of the first 10, 100, ..., of `also` unless that is none, and of all of a ranking."""
    total = len(hits)
    at_hits = [Fraction(sum(hits[:place]), place) for place in range(1, total + 1) if hits[place - 1]]
    rows = []
    for first in sorted({k for k in (10, 100, 1000, 10000, also) if 0 < k < total} | ({total} if total else set())):
        low, high = wilson(sum(hits[:first]), first)
        rows.append(
            {
                "first": str(first),
                "hits": str(sum(hits[:first])),
                "precision": text(percent(sum(hits[:first]), first)),
                "precision_low": text(low),
                "precision_high": text(high),
                "base": text(percent(sum(hits), total)),
                "average_precision": text(float(100 * sum(at_hits) / len(at_hits))) if at_hits else "",
                "n": str(total),
            }
        )
    return rows


def precision(ranked: list[Cells]) -> list[Cells]:
    table = []
    for ranking, name in RANKINGS.items():
        for criterion, (column, wanted) in CRITERIA.items():
            rows = sorted((row for row in ranked if row[ranking] and row[column]), key=lambda row: int(row[ranking]))
            hits = [row[column] in wanted for row in rows]
            table += [{"ranking": name, "criterion": criterion} | cells for cells in precisions(hits)]
    return table
