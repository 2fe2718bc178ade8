"""Answers in another language than asked, by plain loops, from the definitions alone."""

from collections import defaultdict
from typing import NamedTuple


class Said(NamedTuple):
    """An answer: to which task, what, whether it came, the classes that are right, and its vector."""

    task: str
    text: str
    ok: bool
    right: set[int]
    vector: list[float]


class Name(NamedTuple):
    """A class's name in a language, in the order of the class list, and its vector."""

    name: str
    vector: list[float]


def cosine(one: list[float], other: list[float]) -> float:
    return sum(a * b for a, b in zip(one, other, strict=True))


def other_language(
    said: list[Said], own: list[Name], others: list[list[Name]]
) -> dict[str, tuple[float, float, float]]:
    """Per task, in percent of its answers: named in another language, of these right, and nearest in another language."""
    called = {it.name.lower().strip() for it in own}
    counts = defaultdict(lambda: [0, 0, 0, 0])
    for it in said:
        count = counts[it.task]
        count[0] += 1
        text = it.text.lower().strip()
        if not it.ok or text in called:
            continue
        named = {place for names in others for place, name in enumerate(names) if name.name.lower().strip() == text}
        count[1] += bool(named)
        count[2] += bool(named & it.right)
        strange = [name for names in others for name in names if name.name.lower().strip() not in called]
        here = max(cosine(it.vector, name.vector) for name in own)
        count[3] += any(cosine(it.vector, name.vector) > here for name in strange)
    return {task: tuple(100 * it / n for it in found) for task, (n, *found) in counts.items()}
