"""Predictions that exist already, read from a file and checked against the registered images."""

from collections.abc import Callable, Collection
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl

from mllm_classify.dataset.classes import DIGITS
from mllm_classify.io.borders import border
from mllm_classify.io.environment import Environment, environment
from mllm_classify.io.files import InputError
from mllm_classify.io.records import read_parquet, read_records
from mllm_classify.io.text import shown, spelling
from mllm_classify.predict.rows import answer_rows, ranking_rows, without_answers
from mllm_classify.tasks import CW, OW

if TYPE_CHECKING:
    from mllm_classify.config.dataset import AnyDataset
    from mllm_classify.config.models import RecordedModel
    from mllm_classify.predict.job import PredictJob

EXAMPLES = 3
"""How many examples of each mistake an error gives."""
SIGNS = {"oop": "ok", "empty": "empty", "several": "several"}
"""What `class_id` may say of an answer in words that was no class, and the status of such an answer.

Until a file's mistakes are counted, the nth of them stands for a ranking as the one id -n.
"""
TASKS = [OW.name, CW.name]
RANKING = pl.List(pl.Int64)
TEXTS = pl.List(pl.String)
VALID = (
    pl.col("image_id").is_not_null()
    & (pl.col("value").is_not_null() | pl.col("counts"))
    & pl.col("task").is_in(TASKS).fill_null(value=False)
)


def predict(job: "PredictJob[RecordedModel]") -> tuple[pl.DataFrame, list[Environment]]:
    """The predictions of the entry's file. Raises InputError as `recorded` does."""
    left_out = [] if job.labels is None else job.labels.filter(pl.col("excluded").is_not_null())["image_id"].to_list()
    rows = recorded(job.model, job.dataset, job.images["image_id"].to_list(), job.classes.height, left_out)
    return rows, [environment()]


def recorded(
    model: "RecordedModel", dataset: "AnyDataset", image_ids: list[str], classes: int, left_out: Collection[str] = ()
) -> pl.DataFrame:
    """The predictions of a file, in the order of the registered images; of those that no table has (`left_out`), if any.

    `class_id` is one id, or a ranking, best first (in text with | between), or one of SIGNS; `text` is an answer in words,
    or a list of them, best first. A column `task` says what an answer in words was given to.

    Raises InputError, with the number of each kind of mistake and examples, where values are of the wrong type, ids are
    no classes, an image appears twice, or the file's images are not the registered ones. With `images: intersection`,
    images that only one side has are left out; with `nulls: count`, answers of null are errors of the model's.
    """
    with border(model.file):
        return _checked(model, dataset, image_ids, classes, left_out)


def _checked(
    model: "RecordedModel", dataset: "AnyDataset", image_ids: list[str], classes: int, left_out: Collection[str]
) -> pl.DataFrame:
    given, written = _read(model, classes)
    known = pl.col("image_id").is_in(image_ids)
    given = given.with_columns(
        pl.when(known).then("image_id").otherwise(
            pl.when(~known).then("image_id").map_elements(dataset.image_id, return_dtype=pl.String)
        )
    )  # fmt: skip
    mistakes = _mistakes(model, given, written, classes)
    good = given.filter(VALID).select("image_id", "task", "value", "texts")
    tasks = [task for task in TASKS if task in good["task"].unique()]
    wanted = pl.DataFrame(
        {"image_id": image_ids * len(tasks), "task": [task for task in tasks for _ in image_ids]},
        schema={"image_id": pl.String, "task": pl.String},
    )
    mistakes += _image_mistakes(model, given, wanted.filter(~pl.col("image_id").is_in(list(left_out))), image_ids)
    if mistakes:
        msg = f"{model.file}: {'; '.join(mistakes)}"
        raise InputError(msg)
    kept = wanted.join(good, on=["image_id", "task"], how="inner", maintain_order="left")
    if model.worded:
        rows = answer_rows(kept["image_id"], kept["task"], kept["value"], kept["texts"])
    else:
        rows = _with_statuses(ranking_rows(kept["image_id"], kept["value"]))
    return without_answers(rows, f"null in {Path(model.file).name}")


def _with_statuses(rows: pl.DataFrame) -> pl.DataFrame:
    """Rankings of which those that are signs are empty, with the signs' statuses."""
    statuses = {-number: status for number, status in enumerate(SIGNS.values(), 1)}
    first = pl.col("class_ids").list.first()
    return rows.with_columns(
        pl.when(first < 0).then(pl.lit([], dtype=rows.schema["class_ids"])).otherwise("class_ids").alias("class_ids"),
        first.replace_strict(statuses, default="ok", return_dtype=pl.String).alias("status"),
    )


def _read(model: "RecordedModel", classes: int) -> tuple[pl.DataFrame, Callable[[int], str]]:
    """Rows with image_id, task, value (a ranking, or an answer), each null where it is none, texts (the whole list, where
    the answer is the first of one), whether it is null in the file, and whether that counts as a failed request; and each
    as written.
    """
    if model.file.endswith(".parquet"):
        source = read_parquet(model.file, "image_id", model.column)
        given = source[model.column]
        columns = {
            "image_id": _column_of_ids(source["image_id"]),
            "value": _column_of_texts(given) if model.worded else _column_of_rankings(given, classes),
            "texts": _column_of_lists(given, model),
            "null": given.is_null(),
        }
        tasked = model.worded and "task" in source.columns
        if tasked:
            columns["task"] = _column_of_texts(source["task"])

        def written(row: int) -> str:
            return _written(f"row {row + 1}", source.row(row, named=True), model, tasked=tasked)

    else:
        records = read_records(model.file, "image_id", model.column)
        values = [_text(it[model.column]) if model.worded else _ranking(it[model.column], classes) for _, it in records]
        columns = {
            "image_id": pl.Series([_id(it["image_id"]) for _, it in records], dtype=pl.String),
            "value": pl.Series(values, dtype=pl.String if model.worded else RANKING),
            "texts": pl.Series([_texts(it[model.column], model) for _, it in records], dtype=TEXTS),
            "null": pl.Series([_null(it[model.column], model) for _, it in records], dtype=pl.Boolean),
        }
        tasked = model.worded and any("task" in record for _, record in records)
        if tasked:
            columns["task"] = pl.Series([_if_text(it.get("task")) for _, it in records], dtype=pl.String)

        def written(row: int) -> str:
            place, record = records[row]
            return _written(place.removeprefix(f"{model.file}:").strip(), record, model, tasked=tasked)

    frame = pl.DataFrame(columns).with_columns(counts=pl.col("null") & (model.nulls == "count"))
    if not tasked:
        frame = frame.with_columns(pl.lit(model.task if model.worded else CW.name).alias("task"))
    return frame.with_row_index("row"), written


def _column_of_ids(given: pl.Series) -> pl.Series:
    return given.cast(pl.String) if given.dtype.is_integer() else _column_of_texts(given)


def _column_of_texts(given: pl.Series) -> pl.Series:
    """A Parquet column of answers, or of lists of which the first counts."""
    if _is_lists(given):
        given = given.cast(TEXTS).list.first()
    textual = given.dtype in (pl.String, pl.Categorical, pl.Enum)
    return given.cast(pl.String) if textual else pl.Series([None] * len(given), dtype=pl.String)


def _is_lists(given: pl.Series) -> bool:
    return isinstance(given.dtype, pl.List | pl.Array) and given.dtype.inner == pl.String


def _column_of_lists(given: pl.Series, model: "RecordedModel") -> pl.Series:
    """A Parquet column of lists of answers, in which null is an answer without words; null where they are no lists."""
    if model.worded and _is_lists(given):
        return given.cast(TEXTS).list.eval(pl.element().fill_null(""))
    return pl.Series([None] * len(given), dtype=TEXTS)


def _column_of_rankings(given: pl.Series, classes: int) -> pl.Series:
    """A Parquet column of ids, of lists of them, or of text, as rankings; null where one is no class, or appears twice."""
    if given.dtype == pl.String:
        return pl.Series([_ranking(text, classes) for text in given], dtype=RANKING)
    if given.dtype.is_integer():
        given = given.reshape((-1, 1)) if len(given) else given.cast(RANKING)
    if not isinstance(given.dtype, pl.List | pl.Array) or not given.dtype.inner.is_integer():
        return pl.Series([None] * len(given), dtype=RANKING)
    ids = pl.col("value").list
    different = ids.drop_nulls().list.n_unique() == ids.len()
    valid = (ids.len() > 0) & different & (ids.min() >= 0) & (ids.max() < classes)
    frame = given.cast(RANKING, strict=False).alias("value").to_frame()
    return frame.select(pl.when(valid).then("value")).to_series()


def _ranking(given: Any, classes: int) -> list[int] | None:
    """One value of a CSV or JSON file as a ranking; None where it is none."""
    if given in list(SIGNS):
        return [-1 - list(SIGNS).index(given)]
    if isinstance(given, str):
        parts = [part.strip() for part in given.split("|")]
        numbers = all(part.isdecimal() and len(part) < DIGITS for part in parts)
        given = [int(part) for part in parts] if numbers else None
    ranking = given if isinstance(given, list) else [given]
    valid = all(type(item) is int and 0 <= item < classes for item in ranking)
    return ranking if ranking and valid and len(set(ranking)) == len(ranking) else None


def _null(given: Any, model: "RecordedModel") -> bool:
    """Whether one value of a CSV or JSON file is none. CSV has only empty text for that, which is an answer, too."""
    return given is None or (given == "" and not model.worded and model.file.lower().endswith(".csv"))


def _text(given: Any) -> str | None:
    """One value of a CSV or JSON file as an answer; None where it is none."""
    return _if_text(given[0] if isinstance(given, list) and given else given)


def _texts(given: Any, model: "RecordedModel") -> list[str] | None:
    """All answers of a list, what is no text being without words; None where there is no list."""
    return [_if_text(it) or "" for it in given] if model.worded and isinstance(given, list) else None


def _id(given: Any) -> str | None:
    return str(given) if type(given) is int else _if_text(given)


def _if_text(given: Any) -> str | None:
    return given if isinstance(given, str) else None


def _written(place: str, record: dict[str, Any], model: "RecordedModel", *, tasked: bool) -> str:
    columns = ["image_id", model.column, *(["task"] if tasked else [])]
    return f"{place} ({', '.join(f'{name} {shown(record.get(name), 60)}' for name in columns)})"


def _mistakes(model: "RecordedModel", rows: pl.DataFrame, written: Callable[[int], str], classes: int) -> list[str]:
    """What is wrong with the rows themselves."""
    if rows.is_empty():
        return ["no predictions"]
    mistakes = []
    wrong = rows.filter(~VALID)
    if wrong.height:
        expected = (
            "text (text, or a list of texts)"
            if model.worded
            else f"class_id (an id from 0 to {classes - 1}, a ranking of ids, or one of {', '.join(SIGNS)})"
        )
        examples = _examples([written(row) for row in wrong["row"].head(EXAMPLES)], wrong.height)
        advice = "; `nulls: count` counts nulls as requests that failed" if wrong["null"].any() else ""
        mistakes.append(
            f"{wrong.height} of {rows.height} rows do not give an image_id and its {expected}: {examples}{advice}"
        )
    repeated = rows.filter(VALID).filter(~pl.struct("image_id", "task").is_first_distinct())
    if repeated.height:
        images = [shown(it) for it in repeated["image_id"].unique(maintain_order=True).head(EXAMPLES)]
        mistakes.append(f"{repeated.height} rows repeat an image: {_examples(images, repeated['image_id'].n_unique())}")
    return mistakes


def _image_mistakes(
    model: "RecordedModel", rows: pl.DataFrame, wanted: pl.DataFrame, image_ids: list[str]
) -> list[str]:
    """What is wrong with the file's choice of images."""
    named = rows.drop_nulls("image_id")
    unknown = named.filter(~pl.col("image_id").is_in(image_ids))["image_id"].unique(maintain_order=True)
    examples = _examples([shown(it) for it in unknown.head(EXAMPLES)], len(unknown))
    like = f"registered images are such as {image_ids[0]!r}"
    if model.images == "intersection":
        none = named.height > 0 and len(unknown) == named["image_id"].n_unique()
        return [f"no image is registered: {examples}; {like}{spelling(unknown, image_ids)}"] if none else []
    missing = wanted.join(named, on=["image_id", "task"], how="anti", maintain_order="left")
    mistakes = []
    if len(unknown):
        mistakes.append(f"{len(unknown)} images are not registered: {examples}; {like}{spelling(unknown, image_ids)}")
    if missing.height:
        several = wanted["task"].n_unique() > 1
        lacking = [f"{image_id!r}{f' ({task})' if several else ''}" for image_id, task in missing.head(EXAMPLES).rows()]
        mistakes.append(
            f"{missing.height} of {wanted.height} predictions are missing: {_examples(lacking, missing.height)}"
        )
    if mistakes:
        mistakes.append("`images: intersection` in the model's entry evaluates the images that both have")
    return mistakes


def _examples(shown: list[str], count: int) -> str:
    return ", ".join(shown) + (" ..." if count > len(shown) else "")
