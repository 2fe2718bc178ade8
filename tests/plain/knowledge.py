"""Knowledge of classes and accuracy on them once more, with loops."""

from collections import defaultdict
from fractions import Fraction


def shares(probes: list[dict]) -> dict[int, Fraction]:
    """The share of right answers about each class."""
    right = defaultdict(list)
    for row in probes:
        right[row["class_id"]].append(row["right"])
    return {class_id: Fraction(sum(it), len(it)) for class_id, it in right.items()}


def accuracies(scores: list[dict], labels: dict[str, int], column: str, n_images: str) -> dict[int, Fraction]:
    """The share of right answers to the images of each class. Scores are of one model and scoring, asked once."""
    right = defaultdict(list)
    for row in scores:
        left_out = column == "regt" and (row["regt"] is None or (n_images == "excluded" and row["category"] == "N"))
        if not left_out:
            right[labels[row["image_id"]]].append(row[column])
    return {class_id: Fraction(sum(it), len(it)) for class_id, it in right.items()}


def mean(values: list[Fraction]) -> Fraction | None:
    return sum(values, Fraction(0)) / len(values) if values else None


def ranks(values: list[Fraction]) -> list[Fraction]:
    """From 1, ties in the middle of their places."""
    return [
        Fraction(2 * sum(other < value for other in values) + sum(other == value for other in values) + 1, 2)
        for value in values
    ]


def spearman(one: list[Fraction], other: list[Fraction]) -> float | None:
    if len(set(one)) < 2 or len(set(other)) < 2:
        return None
    first, second = ranks(one), ranks(other)
    a, b = mean(first), mean(second)
    cross = sum((x - a) * (y - b) for x, y in zip(first, second, strict=True))
    spread = sum((x - a) ** 2 for x in first) * sum((y - b) ** 2 for y in second)
    return float(cross) / float(spread) ** 0.5


def knowledge(
    probes: list[dict], scores: list[dict], labels: dict[str, int], n_images: str
) -> dict[str, float | int | None]:
    """One model's numbers, as fractions of 1."""
    known = shares(probes)
    found: dict[str, float | int | None] = {
        "n_classes": len(known),
        "questions": len(probes),
        "knowledge": mean(list(known.values())),
        "unnamed": Fraction(sum(row["chosen"] is None for row in probes), len(probes)),
        "chance": mean([Fraction(1, len(row["options"])) for row in probes]),
    }
    for name, column in {"ImGT": "imgt", "ReGT": "regt"}.items():
        accuracy = accuracies(scores, labels, column, n_images)
        both = sorted(known.keys() & accuracy.keys())
        sure = [accuracy[it] for it in both if known[it] == 1]
        others = [accuracy[it] for it in both if known[it] < 1]
        found[f"{name}_n_classes"] = len(both)
        found[f"{name}_n_known"] = len(sure)
        found[f"{name}_A"] = mean([accuracy[it] for it in both])
        found[f"{name}_known"], found[f"{name}_unknown"] = mean(sure), mean(others)
        found[f"{name}_difference"] = mean(sure) - mean(others) if sure and others else None
        found[f"{name}_rho"] = spearman([known[it] for it in both], [accuracy[it] for it in both]) if both else None
    return found
