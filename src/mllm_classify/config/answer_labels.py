"""Labels of answers: which class of the list an answer means, by those who read its words only."""

from typing import Final, Literal, NamedTuple, get_args

from mllm_classify.io.files import InputError, read_csv
from mllm_classify.io.text import shown

Relation = Literal["same", "more specific", "more general", "several", "none"]
"""How an answer lies to classes: it is their name in other words; a kind of them; what they are kinds of; one of several
classes, and it does not say which; or it means no class of the list."""
Kind = Literal["people", "model"]
"""Who labelled: only people are called human."""
RELATIONS: Final = get_args(Relation)
KINDS: Final = get_args(Kind)
SEPARATOR: Final = " | "
"""Between several classes in one field."""
COLUMNS: Final = ("answer", "relation", "classes", "annotator", "kind", "pass")
FEWEST: Final = {"same": 1, "more specific": 1, "more general": 0, "several": 2, "none": 0}
"""How many classes stand beside a relation at least; beside `none` there is no class."""


class AnswerLabel(NamedTuple):
    """What one annotator says of one answer in one pass."""

    answer: str
    relation: str
    classes: list[str]
    annotator: str
    kind: str
    number: int
    """Of the pass, from 1."""


def read_answer_labels(*files: str) -> list[AnswerLabel]:
    """The labels of files, sorted; rows without a relation are not labelled yet, and left out.

    Raises InputError, with the place, where a value is none of those that there may be, or a pass labels an answer twice.
    """
    found: dict[tuple[str, str, int], AnswerLabel] = {}
    kinds: dict[str, str] = {}
    for place, row in (it for file in files for it in read_csv(file, *COLUMNS)):
        if not row["relation"]:
            continue
        label = _label(place, row)
        key = (label.answer, label.annotator, label.number)
        if key in found:
            msg = f"{place}: answer: {shown(label.answer)} is labelled twice by {label.annotator} in pass {label.number}; keep one row"
            raise InputError(msg)
        if kinds.setdefault(label.annotator, label.kind) != label.kind:
            msg = f"{place}: kind: {label.annotator} is {kinds[label.annotator]!r} elsewhere; write one of both"
            raise InputError(msg)
        found[key] = label
    if not found:
        msg = f"{', '.join(files)}: no labels: relation is empty in every row"
        raise InputError(msg)
    return sorted(found.values(), key=lambda it: (it.answer, it.annotator, it.number))


def _label(place: str, row: dict[str, str]) -> AnswerLabel:
    for key, known in (("relation", RELATIONS), ("kind", KINDS)):
        if row[key] not in known:
            msg = f"{place}: {key}: {shown(row[key])}: must be one of {', '.join(known)}"
            raise InputError(msg)
    for key in ("answer", "annotator"):
        if not row[key]:
            msg = f"{place}: {key}: empty"
            raise InputError(msg)
    if not (row["pass"].isascii() and row["pass"].isdecimal() and 0 < len(row["pass"]) <= 4 and int(row["pass"]) > 0):
        msg = f"{place}: pass: {shown(row['pass'])}: must be a number from 1"
        raise InputError(msg)
    classes = [name.strip() for name in row["classes"].split(SEPARATOR.strip()) if name.strip()]
    relation = row["relation"]
    if len(classes) < FEWEST[relation] or (relation == "none" and classes):
        needed = "no class" if relation == "none" else f"{FEWEST[relation]} or more classes"
        msg = f"{place}: classes: {shown(row['classes'])}: {relation!r} stands beside {needed}"
        raise InputError(msg)
    return AnswerLabel(row["answer"], relation, classes, row["annotator"], row["kind"], int(row["pass"]))
