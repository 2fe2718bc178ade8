"""Predictions that exist already, read from a file and checked against the registered images."""

from typing import TYPE_CHECKING, Any

import polars as pl

from mllm_classify.files import InputError
from mllm_classify.predict.rows import answer_rows, ranking_rows
from mllm_classify.records import read_parquet, read_records

if TYPE_CHECKING:
    from mllm_classify.config import AnyDataset, RecordedModel

EXAMPLES = 3
"""How many examples of each mistake an error gives."""
TASKS = ["OW", "CW"]
RANKING = pl.List(pl.Int64)


def predict(model: "RecordedModel", dataset: "AnyDataset", image_ids: list[str], classes: int) -> pl.DataFrame:
    """The predictions of a file, in the order of the registered images.

    `class_id` is one id, or a ranking, best first (in CSV with | between); `text` is an answer in words, or a list of
    which the first counts. A column `task` says what an answer in words was given to.

    Raises InputError, with the number of each kind of mistake and examples, where values are of the wrong type, ids are
    no classes, an image stands twice, or the file's images are not the registered ones. With `images: intersection`,
    images that only one side has are left out.
    """
    found = _read(model)
    known = pl.col("image_id").is_in(image_ids)
    found = found.with_columns(
        pl.when(known).then("image_id").otherwise(
            pl.when(~known).then("image_id").map_elements(dataset.image_id, return_dtype=pl.String)
        )
    )  # fmt: skip
    valid = _valid(model, classes) & pl.col("image_id").is_not_null() & pl.col("task").is_in(TASKS)
    found = found.with_columns(valid.fill_null(value=False).alias("valid"))
    mistakes = _mistakes(model, found, classes)
    good = found.filter("valid").select("image_id", "task", "value")
    tasks = [task for task in TASKS if task in good["task"].unique()]
    wanted = pl.DataFrame(
        {"image_id": image_ids * len(tasks), "task": [task for task in tasks for _ in image_ids]},
        schema={"image_id": pl.String, "task": pl.String},
    )
    mistakes += _image_mistakes(model, good, wanted, image_ids)
    if mistakes:
        msg = f"{model.file}: {'; '.join(mistakes)}"
        raise InputError(msg)
    kept = wanted.join(good, on=["image_id", "task"], how="inner", maintain_order="left")
    if model.worded:
        return answer_rows(kept["image_id"], kept["task"], kept["value"])
    return ranking_rows(kept["image_id"], kept["value"])


def _read(model: "RecordedModel") -> pl.DataFrame:
    """Rows with place, image_id, task, value (a ranking, or an answer; null where it is neither) and given."""
    if model.file.endswith(".parquet"):
        frame = read_parquet(model.file, "image_id", model.column)
        image_ids, given = frame["image_id"], frame[model.column]
        value = _texts(given) if model.worded else _rankings(given)
        tasks = frame["task"] if model.worded and "task" in frame.columns else None
        places = [f"row {number}" for number in range(1, frame.height + 1)]
        image_ids = image_ids if image_ids.dtype == pl.String else pl.Series([None] * frame.height, dtype=pl.String)
    else:
        records = read_records(model.file, "image_id", model.column)
        given = pl.Series([record[model.column] for _, record in records], dtype=pl.Object)
        value = (
            pl.Series([_text(it) for it in given], dtype=pl.String)
            if model.worded
            else pl.Series([_ranking(it) for it in given], dtype=RANKING)
        )
        tasked = model.worded and any("task" in record for _, record in records)
        tasks = pl.Series([_if_text(record.get("task")) for _, record in records], dtype=pl.String) if tasked else None
        places = [place.removeprefix(f"{model.file}:").strip() for place, _ in records]
        image_ids = pl.Series([_if_text(record["image_id"]) for _, record in records], dtype=pl.String)
    return pl.DataFrame({"place": places, "image_id": image_ids, "value": value, "given": given}).with_columns(
        (pl.lit(model.task if model.worded else "CW") if tasks is None else tasks.cast(pl.String)).alias("task")
    )


def _rankings(given: pl.Series) -> pl.Series:
    """A Parquet column of ids, or of lists of them, as rankings."""
    if given.dtype.is_integer():
        return given.cast(pl.Int64).reshape((-1, 1)).arr.to_list() if len(given) else given.cast(RANKING)
    if isinstance(given.dtype, pl.List | pl.Array) and given.dtype.inner.is_integer():
        return given.cast(RANKING)
    return pl.Series([None] * len(given), dtype=RANKING)


def _texts(given: pl.Series) -> pl.Series:
    """A Parquet column of answers, or of lists of which the first counts."""
    if given.dtype == pl.List(pl.String):
        return given.list.first()
    return given if given.dtype == pl.String else pl.Series([None] * len(given), dtype=pl.String)


def _ranking(given: Any) -> list[int] | None:
    """One value of a CSV or JSON file as a ranking; None where it is none."""
    if isinstance(given, str):
        parts = [part.strip() for part in given.split("|")]
        given = [int(part) for part in parts] if all(part.isdecimal() for part in parts) else None
    ranking = given if isinstance(given, list) else [given]
    return ranking if all(type(item) is int for item in ranking) else None


def _text(given: Any) -> str | None:
    """One value of a CSV or JSON file as an answer; None where it is none."""
    return _if_text(given[0] if isinstance(given, list) and given else given)


def _if_text(given: Any) -> str | None:
    return given if isinstance(given, str) else None


def _valid(model: "RecordedModel", classes: int) -> pl.Expr:
    value = pl.col("value")
    if model.worded:
        return value.is_not_null()
    ids = value.list
    return (
        value.is_not_null()
        & (ids.len() > 0)
        & (ids.drop_nulls().list.n_unique() == ids.len())
        & (ids.min() >= 0)
        & (ids.max() < classes)
    )


def _mistakes(model: "RecordedModel", found: pl.DataFrame, classes: int) -> list[str]:
    """What is wrong with the rows themselves."""
    if found.is_empty():
        return ["no predictions"]
    mistakes = []
    rows = found.filter(~pl.col("valid"))
    if rows.height:
        expected = (
            "text, or a list of texts" if model.worded else f"an id from 0 to {classes - 1}, or a ranking of them"
        )
        shown = [
            f"{place} (image_id {image_id!r}, {model.column} {given!r:.60}{f', task {task!r}' if model.worded else ''})"
            for place, image_id, given, task in rows.head(EXAMPLES).select("place", "image_id", "given", "task").rows()
        ]
        mistakes.append(
            f"{rows.height} of {found.height} rows are not an image's {expected}: {_examples(shown, rows.height)}"
        )
    repeated = found.filter("valid").filter(~pl.struct("image_id", "task").is_first_distinct())
    if repeated.height:
        images = [repr(it) for it in repeated["image_id"].unique(maintain_order=True).head(EXAMPLES)]
        mistakes.append(f"{repeated.height} rows repeat an image: {_examples(images, repeated['image_id'].n_unique())}")
    return mistakes


def _image_mistakes(
    model: "RecordedModel", good: pl.DataFrame, wanted: pl.DataFrame, image_ids: list[str]
) -> list[str]:
    """What is wrong with the file's choice of images."""
    unknown = good.filter(~pl.col("image_id").is_in(image_ids))["image_id"].unique(maintain_order=True)
    examples = _examples([repr(it) for it in unknown.head(EXAMPLES)], len(unknown))
    like = f"registered images are such as {image_ids[0]!r}"
    if model.images == "intersection":
        none = good.height > 0 and len(unknown) == good["image_id"].n_unique()
        return [f"no image is registered: {examples}; {like}"] if none else []
    missing = wanted.join(good, on=["image_id", "task"], how="anti", maintain_order="left")
    mistakes = []
    if len(unknown):
        mistakes.append(f"{len(unknown)} images are not registered: {examples}; {like}")
    if missing.height:
        several = wanted["task"].n_unique() > 1
        shown = [f"{image_id!r}{f' ({task})' if several else ''}" for image_id, task in missing.head(EXAMPLES).rows()]
        mistakes.append(
            f"{missing.height} of {wanted.height} predictions are missing: {_examples(shown, missing.height)}"
        )
    if mistakes:
        mistakes.append("`images: intersection` in the model's entry evaluates the images that both have")
    return mistakes


def _examples(shown: list[str], count: int) -> str:
    return ", ".join(shown) + (" ..." if count > len(shown) else "")
