"""Classes that count as one (eq. 1)."""

from collections import Counter
from typing import TYPE_CHECKING, Any, NamedTuple

from mllm_classify.io.borders import border
from mllm_classify.io.files import InputError, read_csv
from mllm_classify.io.records import read_json
from mllm_classify.io.text import shown

if TYPE_CHECKING:
    from mllm_classify.config.every_dataset import Equivalences
    from mllm_classify.dataset.classes import Lookup

Admits = dict[int, frozenset[int]]
"""By class, the others that are right too where it is a label."""
OVERLAPPING = ("all", "last")
"""What a class in several groups is equivalent to (`Equivalences.overlapping`)."""
UNUSED = ("hier_classes", "image_overrides")
"""What ReImageNet's file has beside groups."""


class Entry(NamedTuple):
    """What a file says of some classes: labels of `classes` admit those of `admits`, or one another where it has none."""

    classes: list[int]
    admits: list[int]


def entries(equivalences: "Equivalences | None", lookup: "Lookup") -> list[Entry]:
    """The equivalence set E of a file, in its order; none without one. Rows with `admits` only with the option `one_way`.

    Raises InputError where an entry names no class, or a row gives no source.
    """
    if equivalences is None:
        return []
    with border(equivalences.file):
        if equivalences.file.endswith(".json"):
            groups = _reimagenet_groups(_content(equivalences.file), equivalences.file)
            return [Entry([lookup.one(place, number) for number in numbers], []) for place, numbers in groups]
        rows = read_csv(equivalences.file, "classes", "admits", "source")
        found = [_entry(place, row, lookup) for place, row in rows]
        return [entry for entry in found if equivalences.one_way or not entry.admits]


def admits(equivalences: "Equivalences | None", lookup: "Lookup") -> Admits:
    """The equivalence set E of a file, as what each class admits. Raises InputError as `entries` does."""
    if equivalences is None:
        return {}
    return admitted(entries(equivalences, lookup), equivalences.overlapping)


def admitted(found: list[Entry], overlapping: str) -> Admits:
    """What each class admits by these entries.

    A group stands for all pairs in it; pairs are not chained: with {a, b} and {b, c}, a does not admit c. Where only the
    `last` group of a class counts, that is the predicted class's: then b, predicted, is right where c is the label, not
    where a is.
    """
    admitted_by: dict[int, set[int]] = {}
    neighbours: dict[int, set[int]] = {}
    for entry in found:
        for member in entry.classes:
            if entry.admits:
                admitted_by.setdefault(member, set()).update(entry.admits)
            elif overlapping == "last":
                neighbours[member] = {*entry.classes} - {member}
            else:
                neighbours.setdefault(member, set()).update({*entry.classes} - {member})
    for predicted, others in neighbours.items():
        for label in others:
            admitted_by.setdefault(label, set()).add(predicted)
    return {member: frozenset(others) for member, others in admitted_by.items()}


def shared(found: list[Entry]) -> list[int]:
    """The classes that stand in several groups."""
    counted = Counter(member for entry in found if not entry.admits for member in set(entry.classes))
    return sorted(member for member, number in counted.items() if number > 1)


def remarks(equivalences: "Equivalences | None", lookup: "Lookup") -> list[str]:
    """What a file of equivalences holds, in words; of ReImageNet's, what is not used, too."""
    if equivalences is None:
        return []
    found = entries(equivalences, lookup)
    in_several = ", ".join(map(str, shared(found))) or "none"
    said = [f"{len(found)} entries of equivalent classes; classes in several groups: {in_several}"]
    return said + [f"{count} entries of {key}, which change nothing" for key, count in unused(equivalences).items()]


def unused(equivalences: "Equivalences | None") -> dict[str, int]:
    """How many entries ReImageNet's file has that change nothing, by their key."""
    if equivalences is None or not equivalences.file.endswith(".json"):
        return {}
    content = _content(equivalences.file)
    return {key: len(content[key]) for key in UNUSED if content.get(key)}


def _entry(place: str, row: dict[str, str], lookup: "Lookup") -> Entry:
    if not row["source"]:
        msg = f"{place}: no source; say who calls these classes equivalent, or why they are"
        raise InputError(msg)
    group = [lookup.one(place, member) for member in row["classes"].split("|")]
    admitted = [lookup.one(place, member) for member in row["admits"].split("|")] if row["admits"] else []
    if not admitted and len(set(group)) < 2:
        msg = f"{place}: classes {shown(row['classes'])} is not a group; write at least two classes, with | between"
        raise InputError(msg)
    return Entry(group, admitted)


def admissible(labels: frozenset[int], equal: Admits) -> frozenset[int]:
    """L*: the labels and every class that one of them admits (eq. 1)."""
    return labels.union(*(equal.get(label, frozenset()) for label in labels))


def distinct(labels: frozenset[int], equal: Admits) -> int:
    """How many labels there are if equivalent ones count once: in the order of ids, those equivalent to none before."""
    counted: set[int] = set()
    for label in sorted(labels):
        if not equal.get(label, frozenset()) & counted:
            counted.add(label)
    return len(counted)


def _content(file: str) -> dict[str, Any]:
    """ReImageNet's class_update_config.json; `hier_classes` and `image_overrides` are optional."""
    content = read_json(file)
    for key in UNUSED:
        if isinstance(content, dict) and not isinstance(content.get(key, {}), dict):
            msg = f"{file}: {key}: must be an object"
            raise InputError(msg)
    return content if isinstance(content, dict) else {}


def _reimagenet_groups(content: dict[str, Any], file: str) -> list[tuple[str, list[object]]]:
    """Groups of such a file: `eq_classes`, from a group's name to its class ids."""
    groups = content.get("eq_classes")
    if not isinstance(groups, dict) or not all(isinstance(group, list) for group in groups.values()):
        msg = f"{file}: must have eq_classes, an object from a group's name to a list of class ids"
        raise InputError(msg)
    return [(f"{file}: eq_classes {shown(name)}", group) for name, group in groups.items()]
