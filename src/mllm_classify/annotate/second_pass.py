"""What annotators decided in the second pass: an export of Label Studio as labels, and as the paper's Figure 7."""

from collections import Counter, defaultdict
from itertools import combinations
from typing import Any, NamedTuple

import numpy as np
import polars as pl
from statsmodels.stats.inter_rater import aggregate_raters, fleiss_kappa

from mllm_classify.annotate.tasks import LIKELY, NEITHER, NONE, OTHER, PROPOSED, UNSURE, texts
from mllm_classify.dataset.classes import Lookup
from mllm_classify.dataset.equivalences import Admits, admissible
from mllm_classify.io.files import InputError
from mllm_classify.io.text import cell, shown
from mllm_classify.measures.counting import percentages
from mllm_classify.tables.table import Column, Study, Table, fixed

OUTCOMES = {
    "preferred": "the model's class, and none of ReGT",
    "kept": "ReGT, without the model's class",
    "combined": "both",
    "other": "neither",
}
"""The four parts of Figure 7, in its order."""
OPEN = ["undecided", "unusable", "unlabelled", "missing"]
"""Why a task has no outcome: no majority; no annotation that can be used; none at all; not in the export."""
UNUSABLE = ["empty", "unsure", "contradictory", "unknown_class", "skipped"]
"""Annotations that decide nothing: nothing chosen; could not tell; classes and none of them; a class that is not listed;
skipped."""
SELDOM = {
    "undecided": "Undecided: no majority.",
    "unusable": "Unusable: no annotation that says anything.",
    "unlabelled": "Unlabelled: not yet annotated.",
    "missing": "Missing: not in the export.",
    "empty": "Empty: annotations in which nothing was chosen, which does not say that no class applies.",
    "unsure": "Unsure: annotations that say that the annotator cannot tell.",
    "contradictory": "Contradictory: annotations of classes and of none of them.",
    "unknown_class": "Unknown class: annotations of classes that are not on the list.",
    "skipped": "Skipped: annotations that the annotator cancelled.",
    "replaced": "Replaced: earlier annotations of a task by the same annotator.",
    "doubled": "Doubled: tasks that stand in the export several times; all their annotations count.",
    "foreign": "Foreign: tasks of the export that are none of these.",
}
"""What people see where there is any, and what it is."""
UNCHANGED = "first pass"


class Annotation(NamedTuple):
    """What one annotator said of one task."""

    task: str
    annotator: str
    status: str  # usable, replaced by a later one of the same annotator, or one of UNUSABLE
    classes: frozenset[int]


class Export(NamedTuple):
    """What an export holds."""

    annotations: list[Annotation]
    times: Counter[str]  # how often each task stands in it


def check(key: pl.DataFrame, labels: pl.DataFrame) -> None:
    """Raise InputError where ReGT is no longer what it was when the tasks were made: outcomes are relative to it."""
    now = key.select("image_id", "regt").join(labels.select("image_id", now="regt"), on="image_id", how="left")
    changed = now.filter(pl.col("regt").ne_missing(pl.col("now")))["image_id"]
    if changed.len():
        msg = (
            f"annotate: {changed.len()} of {key.height} tasks were made under another ReGT, {changed[0]!r} among them; name "
            "the configuration of the tasks (--config), and --key if they were made anew"
        )
        raise InputError(msg)


def read(content: Any, file: str, names: list[str]) -> Export:
    """The tasks and annotations of an export (JSON) of Label Studio.

    Of several annotations of one task by one annotator the last counts; those of users who were deleted since are each
    another's.

    Raises InputError where it is no such export.
    """
    if not isinstance(content, list):
        msg = f"{file}: must be a list of tasks, as Label Studio exports them in its format JSON"
        raise InputError(msg)
    numbers = {text: number for number, text in enumerate(texts(names))}
    times: Counter[str] = Counter()
    versions: dict[tuple[str, str], list[tuple[tuple[str, int], str, frozenset[int]]]] = defaultdict(list)
    deleted: Counter[str] = Counter()
    for number, item in enumerate(content, 1):
        place = f"{file}: task {number}"
        match item:
            case {"data": {"task": str(task)}, "annotations": list(annotations)}:
                times[task] += 1
            case _:
                msg = f"{place}: a task with data.task and annotations is needed, not {shown(item, 60)}"
                raise InputError(msg)
        for annotation in annotations:
            annotator, when = _who_and_when(annotation, place)
            if annotator is None:
                deleted[task] += 1
                annotator = f"deleted {deleted[task]}"
            versions[task, annotator].append((when, *_said(annotation, place, numbers)))
    return Export(
        [
            Annotation(task, annotator, status if when == max(it[0] for it in said) else "replaced", classes)
            for (task, annotator), said in versions.items()
            for when, status, classes in said
        ],
        times,
    )


def _who_and_when(annotation: Any, place: str) -> tuple[str | None, tuple[str, int]]:
    """The annotator, None for a user who was deleted since, and the order of annotations: by time, then by id."""
    match annotation:
        case {"completed_by": {"id": int(who)} | int(who) | (None as who), "id": int(number)}:
            when = str(annotation.get("updated_at") or annotation.get("created_at") or "")
            return None if who is None else str(who), (when, number)
    msg = f"{place}: an annotation with id and completed_by is needed, not {shown(annotation, 60)}"
    raise InputError(msg)


def _said(annotation: dict[str, Any], place: str, numbers: dict[str, int]) -> tuple[str, frozenset[int]]:
    """The status of one annotation, and the classes that it names."""
    chosen: set[str] = set()
    neither: set[str] = set()
    for result in annotation.get("result") or []:
        match result:
            case {"from_name": str(control), "value": {"choices": list(values)}}:
                pass
            case {"from_name": str(control), "value": {"taxonomy": list(paths)}}:
                values = [path[-1] for path in paths if isinstance(path, list) and path]
            case _:
                msg = f"{place}: a result with from_name and choices is needed, not {shown(result, 60)}"
                raise InputError(msg)
        if control in (PROPOSED, LIKELY, OTHER):
            chosen |= set(map(str, values))
        elif control == NEITHER:
            neither |= set(map(str, values))
        else:
            msg = f"{place}: {shown(control)} is not part of this labelling configuration; is it an export of another project?"
            raise InputError(msg)
    if annotation.get("was_cancelled"):
        return "skipped", frozenset()
    if not chosen and NONE not in neither:
        return "unsure" if UNSURE in neither else "empty", frozenset()
    if chosen and NONE in neither:
        return "contradictory", frozenset()
    if chosen - numbers.keys():
        return "unknown_class", frozenset()
    return "usable", frozenset(numbers[text] for text in chosen)


def decided(said: list[frozenset[int]]) -> frozenset[int] | None:
    """The classes that more than half of the annotators chose; empty where more than half chose none; else nothing."""
    votes = Counter(class_id for classes in said for class_id in classes)
    classes = frozenset(class_id for class_id, count in votes.items() if 2 * count > len(said))
    return classes if classes or 2 * said.count(frozenset()) > len(said) else None


def outcome(regt: frozenset[int], predicted: frozenset[int], labels: frozenset[int], equal: Admits) -> str:
    """Which part of Figure 7 an image belongs to, by the labels of the second pass.

    Equivalent classes count as one. Where ReGT has no label (N), it is kept if the second pass has none either.
    """
    right = admissible(labels, equal)
    has_model = bool(predicted & right)
    has_regt = bool(regt & right) or (not regt and not labels)
    return {(True, False): "preferred", (False, True): "kept", (True, True): "combined", (False, False): "other"}[
        has_model, has_regt
    ]


def decisions(key: pl.DataFrame, export: Export, equal: Admits) -> pl.DataFrame:
    """Every task with its `state`, one of OUTCOMES or of OPEN, and the `labels` that were decided.

    Columns task, image_id, category, state, labels.
    """
    usable: dict[str, list[frozenset[int]]] = defaultdict(list)
    spoken = {annotation.task for annotation in export.annotations}
    for annotation in export.annotations:
        if annotation.status == "usable":
            usable[annotation.task].append(annotation.classes)
    rows = []
    for row in key.iter_rows(named=True):
        task = row["task"]
        labels = decided(usable[task]) if task in usable else None
        if labels is not None:
            state = outcome(frozenset(row["regt"]), frozenset(row["predicted"]), labels, equal)
        elif task in usable:
            state = "undecided"
        elif task in spoken:
            state = "unusable"
        else:
            state = "unlabelled" if export.times[task] else "missing"
        rows.append((task, row["image_id"], row["category"], state, None if labels is None else sorted(labels)))
    schema = {
        "task": pl.String(),
        "image_id": pl.String(),
        "category": pl.String(),
        "state": pl.String(),
        "labels": pl.List(pl.Int32),
    }
    return pl.DataFrame(rows, schema=schema, orient="row")


class Agreement(NamedTuple):
    """How far annotators agree, on tasks with several usable annotations."""

    tasks: int
    exact: float | None  # percent of pairs of annotators of one task who chose the same set
    kappa: float | None  # Fleiss', sets being categories, of tasks that all annotators of this group did


def agreement(annotations: list[Annotation]) -> Agreement:
    """Agreement of usable annotations. Kappa is null where it is undefined: one annotator, no such task, one answer."""
    said: dict[str, dict[str, frozenset[int]]] = defaultdict(dict)
    for annotation in annotations:
        if annotation.status == "usable":
            said[annotation.task][annotation.annotator] = annotation.classes
    several = [list(by.values()) for by in said.values() if len(by) > 1]
    pairs = [one == other for sets in several for one, other in combinations(sets, 2)]
    everybody = max(map(len, said.values()), default=0)
    common = [[",".join(map(str, sorted(it))) for it in sets] for sets in several if len(sets) == everybody]
    kappa = None
    if common:
        # kappa of tasks on which everybody always gives one answer is 0/0
        with np.errstate(invalid="ignore"):
            value = float(fleiss_kappa(aggregate_raters(np.array(common))[0]))
        kappa = None if np.isnan(value) else value
    return Agreement(len(several), 100 * sum(pairs) / len(pairs) if pairs else None, kappa)


def second_pass(key: pl.DataFrame, export: Export, decided: pl.DataFrame, model: str, study: Study) -> Table:
    """One row for each category of the tasks, and one for all: what became of them (Figure 7), and what is open.

    Shares are of the tasks with an outcome. `decided` is as `decisions` has it; `model` the examined model's label.
    """
    categories = key["category"].unique(maintain_order=True).sort().to_list()
    category = dict(key.select("task", "category").iter_rows())
    known = [annotation for annotation in export.annotations if annotation.task in category]
    cells = []
    for group in [*categories, "all"]:
        states = Counter(decided.filter(pl.lit(group == "all") | (pl.col("category") == group))["state"])
        mine = [annotation for annotation in known if group in ("all", category[annotation.task])]
        statuses = Counter(annotation.status for annotation in mine)
        tasks = [task for task in category if group in ("all", category[task])]
        agreed = agreement(mine)
        cells.append(
            {"category": group, "tasks": len(tasks), "decided": sum(states[name] for name in OUTCOMES)}
            | {f"n_{name}": states[name] for name in OUTCOMES}
            | {name: states[name] for name in [*OUTCOMES, *OPEN]}
            | {name: statuses[name] for name in [*UNUSABLE, "replaced"]}
            | {"doubled": sum(export.times[task] > 1 for task in tasks)}
            | {"foreign": len(export.times.keys() - category.keys()) if group == "all" else None}
            | {"annotators": len({annotation.annotator for annotation in mine})}
            | {"shared": agreed.tasks, "exact": agreed.exact, "kappa": agreed.kappa}
        )
    counted = pl.DataFrame(cells, schema_overrides={"exact": pl.Float64, "kappa": pl.Float64, "foreign": pl.Int64})
    rows = percentages(counted.with_columns(pl.col("decided").alias(f"{name}_total") for name in OUTCOMES), [*OUTCOMES])
    intervals = [f"{name}_{end}" for name in OUTCOMES for end in ("low", "high")]
    counts = [f"n_{name}" for name in OUTCOMES]
    shown = rows.select(
        pl.lit(model).alias("model"), "category", "tasks", "decided",
        *(fixed(name, 2) for name in [*OUTCOMES, *intervals]), *counts,
        *OPEN, *UNUSABLE, "replaced", "doubled", "foreign", "annotators", "shared", fixed("exact", 2), fixed("kappa", 3),
        *study.columns(),
    )  # fmt: skip
    return Table(
        shown,
        f"Second pass: what annotators did with valid answers of {model} that disagree with ReGT",
        str(study),
        _columns(rows),
    )


def _columns(rows: pl.DataFrame) -> dict[str, Column]:
    """What people see of the second pass: all shares, and of what is open or was set aside what there is."""
    seldom = {name: Column(name.capitalize().replace("_", " "), note) for name, note in SELDOM.items()}
    agreed = {
        "annotators": Column("Annotators"),
        "shared": Column(
            "Shared",
            "Shared: tasks with several usable annotations. Exact: pairs of these with the same set of classes. Kappa: "
            "Fleiss', each set being a category, of tasks that all annotators did.",
        ),
        "exact": Column("Exact, %"),
        "kappa": Column("Kappa"),
    }
    return {
        "category": Column("Category", words=True),
        "tasks": Column("Tasks"),
        "decided": Column(
            "Decided",
            "Decided: tasks in which some class, or none, was chosen by more than half of the annotators. Shares are of "
            "these. Model preferred: the new labels hold the model's class, and none of ReGT. ReGT kept: some of ReGT, not "
            "the model's. Combined: both. Other: neither (Figure 7 of the paper).",
        ),
        "preferred": Column("Model preferred, %"),
        "kept": Column("ReGT kept, %"),
        "combined": Column("Combined, %"),
        "other": Column("Other, %"),
        **{name: column for name, column in seldom.items() if rows[name].sum()},
        **(agreed if rows["shared"].sum() else {}),
    }


def relabelled(
    labels: pl.DataFrame, decided: pl.DataFrame, names: list[str], lookup: Lookup, none: str
) -> pl.DataFrame:
    """A second label set in the format `table`: decisions where there are some, else ReGT as it was. `none` stands for no class.

    Columns image_id, classes, names (for people), origin (one of OUTCOMES, or the first pass). Images that a label set
    excludes are not in it.
    """
    known = labels.filter(pl.col("excluded").is_null()).select("image_id", "regt")
    second = decided.filter(pl.col("labels").is_not_null()).select("image_id", "labels", "state")
    joined = known.join(second, on="image_id", how="left", maintain_order="left").select(
        "image_id", pl.coalesce("labels", "regt").alias("ids"), pl.col("state").fill_null(UNCHANGED).alias("origin")
    )
    rows = [
        (
            image_id,
            "|".join(_written(lookup, class_id, names[class_id]) for class_id in ids) or none,
            cell(", ".join(names[class_id] for class_id in ids)),
            origin,
        )
        for image_id, ids, origin in joined.iter_rows()
    ]
    schema = dict.fromkeys(["image_id", "classes", "names", "origin"], pl.String)
    return pl.DataFrame(rows, schema=schema, orient="row")


def _written(lookup: Lookup, class_id: int, name: str) -> str:
    """A class as a label file names it for certain: by its id, or by its name where another class is called by that number."""
    for text in (str(class_id), name.strip()):
        try:
            if lookup.one("", text) == class_id and "|" not in text:
                return text
        except InputError:
            continue
    msg = (
        f"class {class_id}: its id and its name {name!r} both stand for another class in a label file; rename the class"
    )
    raise InputError(msg)
