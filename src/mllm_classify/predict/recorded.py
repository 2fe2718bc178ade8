"""Predictions that exist already, read from a file and checked against the registered images."""

from collections import Counter
from typing import TYPE_CHECKING, Any

import polars as pl

from mllm_classify.files import InputError
from mllm_classify.predict.rows import answer_rows, ranking_rows
from mllm_classify.records import read_records

if TYPE_CHECKING:
    from mllm_classify.config import AnyDataset, RecordedModel

EXAMPLES = 3
"""How many examples of each mistake an error gives."""
TASKS = ("OW", "CW")


def predict(model: "RecordedModel", dataset: "AnyDataset", image_ids: list[str], classes: int) -> pl.DataFrame:
    """The predictions of a file, in the order of the registered images.

    `class_id` is one id, or a ranking, best first (in CSV with | between); `text` is an answer in words, or a list of
    which the first counts. A column `task` says what an answer in words was given to.

    Raises InputError, with the number of each kind of mistake and examples, where values are of the wrong type, ids are
    no classes, an image stands twice, or the file's images are not the registered ones. With `images: intersection`,
    images that only one side has are left out.
    """
    values, mistakes = _values(model, dataset, classes)
    kept, further = _images(model, image_ids, values)
    if mistakes or further:
        msg = f"{model.file}: {'; '.join(mistakes + further)}"
        raise InputError(msg)
    ids = [image_id for image_id, _ in kept]
    found = [values[key] for key in kept]
    if model.column == "text":
        return answer_rows(ids, [task for _, task in kept], found)
    return ranking_rows(ids, found)


def _values(
    model: "RecordedModel", dataset: "AnyDataset", classes: int
) -> tuple[dict[tuple[str, str], Any], list[str]]:
    """By image and task, what the file says; and the mistakes in it."""
    worded = model.column == "text"
    wrong: list[str] = []
    doubled: Counter[str] = Counter()
    values: dict[tuple[str, str], Any] = {}
    records = read_records(model.file, "image_id", model.column)
    for place, record in records:
        image_id, given = record["image_id"], record[model.column]
        image_id = dataset.image_id(image_id) if isinstance(image_id, str) else image_id
        task = record.get("task", model.task) if worded else "CW"
        value = _answer(given) if worded else _ranking(given, classes)
        if not isinstance(image_id, str):
            wrong.append(f"{place} (image_id {image_id!r})")
        elif task not in TASKS:
            wrong.append(f"{place} (task {task!r})")
        elif value is None:
            wrong.append(f"{place} ({given!r:.60})")
        elif (image_id, task) in values:
            doubled[repr(image_id)] += 1
        else:
            values[image_id, task] = value
    expected = (
        "text, or a list of texts" if worded else f"an id from 0 to {classes - 1}, or a ranking of different ones"
    )
    mistakes = [] if records else ["no predictions"]
    if wrong:
        mistakes.append(f"{len(wrong)} of {len(records)} rows are not an image's {expected}: {_examples(wrong)}")
    if doubled:
        mistakes.append(f"{doubled.total()} rows repeat an image: {_examples(list(doubled))}")
    return values, mistakes


def _images(
    model: "RecordedModel", image_ids: list[str], values: dict[tuple[str, str], Any]
) -> tuple[list[tuple[str, str]], list[str]]:
    """The images and tasks to keep, in order, and the mistakes in the file's choice of images."""
    tasks = [task for task in TASKS if any(key[1] == task for key in values)]
    wanted = [(image_id, task) for task in tasks for image_id in image_ids]
    kept = [key for key in wanted if key in values]
    registered = set(image_ids)
    unknown = [repr(it) for it in dict.fromkeys(image_id for image_id, _ in values) if it not in registered]
    like = f"registered images are such as {image_ids[0]!r}"
    if model.images == "intersection":
        return kept, [] if kept or not values else [f"no image is registered: {_examples(unknown)}; {like}"]
    missing = [f"{key[0]!r}{f' ({key[1]})' if len(tasks) > 1 else ''}" for key in wanted if key not in values]
    mistakes = []
    if unknown:
        mistakes.append(f"{len(unknown)} images are not registered: {_examples(unknown)}; {like}")
    if missing:
        mistakes.append(f"{len(missing)} of {len(wanted)} predictions are missing: {_examples(missing)}")
    if mistakes:
        mistakes.append("`images: intersection` in the model's entry evaluates the images that both have")
    return kept, mistakes


def _ranking(value: Any, classes: int) -> list[int] | None:
    """A ranking of class ids; None where the value is none."""
    if isinstance(value, str):
        parts = [part.strip() for part in value.split("|")]
        value = [int(part) for part in parts] if all(part.isdecimal() for part in parts) else None
    ranking = value if isinstance(value, list) else [value]
    ids = all(type(item) is int and 0 <= item < classes for item in ranking)
    return ranking if ranking and ids and len(set(ranking)) == len(ranking) else None


def _answer(value: Any) -> str | None:
    """An answer in words, the first of a list; None where the value is neither."""
    first = value[0] if isinstance(value, list) and value else value
    return first if isinstance(first, str) else None


def _examples(items: list[str]) -> str:
    return ", ".join(items[:EXAMPLES]) + (" ..." if len(items) > EXAMPLES else "")
