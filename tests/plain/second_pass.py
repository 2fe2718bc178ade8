"""The second annotation pass once more, from the raw Parquet files and the export."""

from fractions import Fraction
from pathlib import Path
from typing import Any

from tests.plain.counting import Cells, text
from tests.plain.files import EQUIVALENCES, Equal, admitted_pairs, class_names, only, records
from tests.plain.judgements import category, is_admissible
from tests.plain.statistics import percent, wilson

OUTCOMES = ["preferred", "kept", "combined", "other"]
OPEN = ["undecided", "unusable", "unlabelled", "missing"]
APART = ["empty", "unsure", "contradictory", "unknown_class", "skipped", "replaced"]


class Examined:
    """What the model answered to an image."""

    def __init__(self, label: dict, row: dict | None, names: list[str], equal: Equal) -> None:
        self.image_id = label["image_id"]
        self.regt = label["regt"]
        self.category = category(label["imgt"], label["regt"])
        said = (row["text"] or "").strip().lower() if row else ""
        self.classes = [number for number, name in enumerate(names) if name.strip().lower() == said]
        if row is None:
            self.answer = "unasked"
        elif row["status"] == "error":
            self.answer = "n_errors"
        elif not self.classes:
            self.answer = "out_of_prompt"
        else:
            self.answer = "agrees" if is_admissible(self.classes, self.regt, equal) else "disputed"


def examined(results: Path, annotate: dict) -> list[Examined]:
    """All images that no label set leaves open."""
    names, equal = class_names(results), admitted_pairs(EQUIVALENCES, one_way=False)
    answers = {
        row["image_id"]: row
        for row in records(only(results.glob(f"predictions/*/{annotate['model']}.parquet")))
        if (row["task"], row["variant"], row["repeat"])
        == (annotate.get("task", "CW"), annotate.get("variant") or "", 0)
    }
    labels = records(only(results.glob("dataset/*/labels.parquet")))
    return [
        Examined(label, answers.get(label["image_id"]), names, equal) for label in labels if label["excluded"] is None
    ]


def disputed(results: Path, models: list[dict], annotate: dict) -> list[Cells]:
    """The rows of disputed.csv."""
    found = examined(results, annotate)
    categories = annotate.get("categories", ["S-", "M-"])
    rows = []
    for group in [*categories, "all"]:
        mine = [it for it in found if it.category in (categories if group == "all" else [group])]
        count = {name: len([it for it in mine if it.answer == name])
                 for name in ("agrees", "disputed", "out_of_prompt", "n_errors", "unasked")}  # fmt: skip
        asked = len(mine) - count["unasked"]
        low, high = wilson(count["disputed"], asked)
        rows.append(
            {"model": label_of(models, annotate), "task": annotate.get("task", "CW"), "category": group}
            | {"images": str(len(mine)), **{name: str(number) for name, number in count.items()}}
            | {"share": text(percent(count["disputed"], asked)), "share_low": text(low), "share_high": text(high)}
        )
    return rows


def label_of(models: list[dict], annotate: dict) -> str:
    (label,) = [entry["label"] for entry in models if entry["name"] == annotate["model"]]
    return label


def class_of(shown: str, names: list[str]) -> int | None:
    """The class of a choice: the one of that name, or the one whose number stands before it."""
    if shown.startswith("[") and "] " in shown:
        number, name = shown[1:].split("] ", 1)
        return (
            int(number)
            if number.isdecimal() and int(number) < len(names) and names[int(number)].strip() == name
            else None
        )
    known = [number for number, name in enumerate(names) if name.strip() == shown]
    return known[0] if len(known) == 1 else None


def said(annotation: dict, names: list[str]) -> tuple[str, frozenset[int]]:
    chosen, neither = [], []
    for result in annotation["result"]:
        values = result["value"].get("choices") or [path[-1] for path in result["value"].get("taxonomy", [])]
        (neither if result["from_name"] == "none" else chosen).extend(values)
    numbers = [class_of(shown, names) for shown in chosen]
    none, unsure = "None of the classes" in neither, "I cannot tell" in neither
    if annotation["was_cancelled"]:
        return "skipped", frozenset()
    if chosen and none:
        return "contradictory", frozenset()
    if None in numbers:
        return "unknown_class", frozenset()
    if not chosen and not none:
        return "unsure" if unsure else "empty", frozenset()
    return "usable", frozenset(number for number in numbers if number is not None)


def majority(sets: list[frozenset[int]]) -> frozenset[int] | None:
    every = {number for it in sets for number in it}
    classes = frozenset(number for number in every if len([it for it in sets if number in it]) > len(sets) / 2)
    if classes:
        return classes
    return frozenset() if len([it for it in sets if not it]) > len(sets) / 2 else None


def moment(annotation: dict) -> tuple[str, int]:
    """When an annotation was made: of those of one second the one with the higher id is the later one."""
    return annotation["updated_at"], annotation["id"]


class Read:
    """What an export says of each task."""

    def __init__(self, tasks: dict[str, Examined], export: list[dict[str, Any]], names: list[str]) -> None:
        self.tasks, self.names = tasks, names
        self.times = {task: len([it for it in export if it["data"]["task"] == task]) for task in tasks}
        self.foreign = {it["data"]["task"] for it in export} - set(tasks)
        self.everything = [(it["data"]["task"], annotation) for it in export for annotation in it["annotations"]]
        self.latest: dict[tuple[str, int], dict] = {}
        for task, annotation in self.everything:
            who = task, annotation["completed_by"]
            if who not in self.latest or moment(annotation) > moment(self.latest[who]):
                self.latest[who] = annotation

    def usable(self, task: str) -> list[frozenset[int]]:
        found = [said(annotation, self.names) for (of, _), annotation in self.latest.items() if of == task]
        return [classes for status, classes in found if status == "usable"]

    def labels(self, task: str) -> frozenset[int] | None:
        usable = self.usable(task)
        return majority(usable) if usable else None

    def state(self, task: str, equal: Equal) -> str:
        labels, image = self.labels(task), self.tasks[task]
        if labels is not None:
            model = is_admissible(image.classes, sorted(labels), equal)
            kept = is_admissible(image.regt, sorted(labels), equal) or (not labels and not image.regt)
            return {(1, 0): "preferred", (0, 1): "kept", (1, 1): "combined", (0, 0): "other"}[model, kept]
        if not self.times[task]:
            return "missing"
        if self.usable(task):
            return "undecided"
        return "unusable" if [of for of, _ in self.latest if of == task] else "unlabelled"

    def apart(self, members: set[str]) -> Cells:
        """Annotations that say nothing."""
        counted = dict.fromkeys(APART, 0)
        for task, annotation in self.everything:
            if task in members:
                last = annotation is self.latest[task, annotation["completed_by"]]
                status = said(annotation, self.names)[0] if last else "replaced"
                if status != "usable":
                    counted[status] += 1
        return {name: str(number) for name, number in counted.items()}


def read_second_pass(
    results: Path, models: list[dict], annotate: dict, key: list[dict], export: list[dict[str, Any]]
) -> tuple[list[Cells], dict[str, list[int]]]:
    """The rows of second_pass.csv, and the labels that were decided, by image.

    `key` says which image a task is of, nothing else is taken from it.
    """
    names, equal = class_names(results), admitted_pairs(EQUIVALENCES, one_way=False)
    images = {it.image_id: it for it in examined(results, annotate)}
    tasks = {row["task"]: images[row["image_id"]] for row in key}
    assert {it.image_id for it in tasks.values()} == {
        it.image_id for it in images.values() if it.answer == "disputed" and it.category in annotate["categories"]
    }
    read = Read(tasks, export, names)
    rows = []
    for group in [*sorted({it.category or "" for it in tasks.values()}), "all"]:
        members = {task for task, image in tasks.items() if group in ("all", image.category)}
        states = [read.state(task, equal) for task in members]
        n = len([it for it in states if it in OUTCOMES])
        cells = {"model": label_of(models, annotate), "category": group, "tasks": str(len(members)), "decided": str(n)}
        for outcome in OUTCOMES:
            count = states.count(outcome)
            low, high = wilson(count, n)
            cells |= {outcome: text(percent(count, n)), f"n_{outcome}": str(count)}
            cells |= {f"{outcome}_low": text(low), f"{outcome}_high": text(high)}
        cells |= {name: str(states.count(name)) for name in OPEN} | read.apart(members)
        cells["doubled"] = str(len([task for task in members if read.times[task] > 1]))
        cells["foreign"] = str(len(read.foreign)) if group == "all" else ""
        who = {annotation["completed_by"] for task, annotation in read.everything if task in members}
        cells["annotators"] = str(len(who))
        cells |= agreement({key: it for key, it in read.latest.items() if key[0] in members}, names)
        rows.append(cells)
    decided = {tasks[task].image_id: sorted(labels) for task in tasks if (labels := read.labels(task)) is not None}
    return rows, decided


def agreement(latest: dict[tuple[str, int], dict], names: list[str]) -> Cells:
    """Pairs of annotators with the same set; Fleiss' kappa by its definition."""
    sets: dict[str, list[frozenset[int]]] = {}
    for (task, _), annotation in latest.items():
        status, classes = said(annotation, names)
        if status == "usable":
            sets.setdefault(task, []).append(classes)
    shared = [it for it in sets.values() if len(it) > 1]
    pairs_of = [a == b for it in shared for place, a in enumerate(it) for b in it[place + 1 :]]
    most = max(map(len, sets.values()), default=0)
    common = [it for it in shared if len(it) == most]
    kappa = None
    if common:
        kinds = {answer for it in common for answer in it}
        observed = Fraction(0)
        for it in common:
            observed += Fraction(sum(it.count(kind) * (it.count(kind) - 1) for kind in kinds), most * (most - 1))
        observed /= len(common)
        shares = [Fraction(sum(it.count(kind) for it in common), most * len(common)) for kind in kinds]
        chance = sum((share * share for share in shares), Fraction(0))
        kappa = float((observed - chance) / (1 - chance)) if chance != 1 else None
    return {
        "shared": str(len(shared)),
        "exact": text(percent(sum(pairs_of), len(pairs_of))),
        "kappa": text(kappa, 3),
    }
