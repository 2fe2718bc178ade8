"""Classes that count as one (eq. 1)."""

from itertools import permutations
from typing import TYPE_CHECKING

from mllm_classify.io.borders import border
from mllm_classify.io.files import InputError, read_csv
from mllm_classify.io.records import read_json
from mllm_classify.io.text import shown

if TYPE_CHECKING:
    from mllm_classify.config.every_dataset import Equivalences
    from mllm_classify.dataset.classes import Lookup

Admits = dict[int, frozenset[int]]
"""By class, the others that are right too where it is a label."""


def admits(equivalences: "Equivalences | None", lookup: "Lookup") -> Admits:
    """The equivalence set E of a file, as what each class admits.

    A group stands for all pairs in it; pairs are not chained: with {a, b} and {b, c}, a does not admit c. A row of the
    CSV with `admits` holds in one direction and counts only with the option `one_way`.

    Raises InputError where an entry names no class, or a row gives no source.
    """
    if equivalences is None:
        return {}
    with border(equivalences.file):
        return _admits(equivalences, lookup)


def _admits(equivalences: "Equivalences", lookup: "Lookup") -> Admits:
    admitted_by: dict[int, set[int]] = {}
    if equivalences.file.endswith(".json"):
        for place, numbers in _reimagenet_groups(equivalences.file):
            _add_group(admitted_by, [lookup.one(place, number) for number in numbers])
    else:
        for place, row in read_csv(equivalences.file, "classes", "admits", "source"):
            _add_row(admitted_by, place, row, lookup, one_way=equivalences.one_way)
    return {member: frozenset(others) for member, others in admitted_by.items()}


def _add_row(
    admitted_by: dict[int, set[int]], place: str, row: dict[str, str], lookup: "Lookup", *, one_way: bool
) -> None:
    if not row["source"]:
        msg = f"{place}: no source; say who calls these classes equivalent, or why they are"
        raise InputError(msg)
    group = [lookup.one(place, member) for member in row["classes"].split("|")]
    admitted = [lookup.one(place, member) for member in row["admits"].split("|")] if row["admits"] else []
    if not admitted and len(set(group)) < 2:
        msg = f"{place}: classes {shown(row['classes'])} is not a group; write at least two classes, with | between"
        raise InputError(msg)
    if not admitted:
        _add_group(admitted_by, group)
    elif one_way:
        for member in group:
            admitted_by.setdefault(member, set()).update(admitted)


def admissible(labels: frozenset[int], equal: Admits) -> frozenset[int]:
    """L*: the labels and every class that one of them admits (eq. 1)."""
    return labels.union(*(equal.get(label, frozenset()) for label in labels))


def _add_group(admitted_by: dict[int, set[int]], group: list[int]) -> None:
    for one, other in permutations(group, 2):
        admitted_by.setdefault(one, set()).add(other)


def _reimagenet_groups(file: str) -> list[tuple[str, list[object]]]:
    """Groups of ReImageNet's class_update_config.json: `eq_classes`, from a group's name to its class ids."""
    content = read_json(file)
    groups = content.get("eq_classes") if isinstance(content, dict) else None
    if not isinstance(groups, dict) or not all(isinstance(group, list) for group in groups.values()):
        msg = f"{file}: must have eq_classes, an object from a group's name to a list of class ids"
        raise InputError(msg)
    return [(f"{file}: eq_classes {shown(name)}", group) for name, group in groups.items()]
