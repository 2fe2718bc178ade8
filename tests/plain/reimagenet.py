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


ATTRIBUTES = {
    "crowd_flag": "Crowd",
    "reflected_flag": "Reflection",
    "rendition_flag": "Rendition",
    "ocr_needed_flag": "Text",
}


def sure(labels: Iterable[int]) -> set[int]:
    return set(labels) - {NOT_SURE}


def attribute(boxes: list[dict]) -> str:
    carried = {name for flag, name in ATTRIBUTES.items() for box in boxes if box[flag]}
    return "none" if not carried else carried.pop() if len(carried) == 1 else "Mix"


def by_size(boxes: list[dict], width: int, height: int) -> list[set[int]]:
    """The labels of the boxes that have any and some area within the picture, from the largest to the smallest."""
    sized = []
    for place, box in enumerate(boxes):
        left, top, right, bottom = box["coordinates"]
        area = max(0, min(right, width) - max(left, 0)) * max(0, min(bottom, height) - max(top, 0))
        if area and sure(box["labels"]):
            sized.append((-area, place, sure(box["labels"])))
    return [labels for _, _, labels in sorted(sized, key=lambda it: it[:2])]


def groups_of(original: int, labels: list[int], boxes: list[dict], size: tuple[int, int], groups: Groups) -> dict:
    """The groups of images that one is in, by what they are of and their name, with the labels that count there."""
    given, own, named = sorted(sure(labels)), number(labels, groups, "all"), {}
    if category(original, labels, groups, "all").startswith("S"):
        named["S", "all"] = given
        named["S, by attribute", attribute(boxes)] = given
        named["unambiguous", "one label"] = given
    if own:
        named["by number of labels", str(own) if own < 6 else "6 and more"] = given
    dominant = set().union(*(sure(box["labels"]) for box in boxes if box["dominant_object"]))
    if own > 1 and len(dominant) == 1:
        named["unambiguous", "several, one of them dominant"] = given
    if len(given) > 1:
        several, sized = "several labels, as they are", by_size(boxes, *size)
        named[several, "all count"] = given
        if dominant:
            named[several, "those of dominant boxes count"] = dominant
        for place, ones in enumerate(sized[:5], 1):
            named[several, f"box {place} by size counts"] = ones
        for count in range(2, 6):
            if sized:
                named[several, f"the {count} largest boxes count"] = set().union(*sized[:count])
    return named
