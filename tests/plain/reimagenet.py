"""The rules of ReImageNet's authors, of one image at a time."""

from collections.abc import Iterable

NOT_SURE = -1
Groups = list[list[int]]


def neighbours(class_id: int, groups: Groups, overlapping: str) -> set[int]:
    """The classes of the last group that has a class, or of all of them."""
    own = [set(group) for group in groups if class_id in group]
    if not own:
        return set()
    return (own[-1] if overlapping == "last" else set().union(*own)) - {class_id}


def same(label: int, predicted: int, groups: Groups, overlapping: str) -> bool:
    """Whether a predicted class is a label, or equivalent to it."""
    return predicted == label or label in neighbours(predicted, groups, overlapping)


def number(labels: Iterable[int], groups: Groups, overlapping: str) -> int:
    """How many labels an image has: `not sure` is none, and those of one group count once."""
    seen: set[int] = set()
    count = 0
    for label in sorted(set(labels) - {NOT_SURE}):
        if label not in seen:
            count += 1
            seen |= {label} | neighbours(label, groups, overlapping)
    return count


def category(original: int, labels: list[int], groups: Groups, overlapping: str) -> str:
    count = number(labels, groups, overlapping)
    if count == 0:
        return "N"
    plus = any(same(original, label, groups, overlapping) for label in labels if label != NOT_SURE)
    return ("S" if count == 1 else "M") + ("+" if plus else "-")


def right(answer: list[int], labels: list[int], groups: Groups, overlapping: str) -> bool:
    """Whether any class of an answer is right; on an image without labels every answer is."""
    sure = set(labels) - {NOT_SURE}
    return not sure or any(same(label, predicted, groups, overlapping) for label in sure for predicted in answer)
