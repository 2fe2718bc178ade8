"""From answers in words to classes: exactly, and by the nearest class embedding."""

from collections.abc import Callable, Collection

import polars as pl

from mllm_classify.io.keys import QUESTION
from mllm_classify.mapping.names import Several, by_name, by_number, enumerations, included, normalise
from mllm_classify.mapping.nearest import NEAREST, nearest_classes
from mllm_classify.mapping.options import chosen_options
from mllm_classify.mapping.reranked import reranked_classes
from mllm_classify.tasks import MC, RANKED, TASKS

READ: dict[str, pl.DataType] = {
    "status": pl.String(),
    "in_prompt": pl.Boolean(),
    "exact_classes": pl.List(pl.Int32),
    "included_classes": pl.List(pl.Int32),
    "nearest_class": pl.Int32(),
}
"""What scoring must know of an answer."""
MAPPING: dict[str, pl.DataType] = {
    "image_id": pl.String(),
    "task": pl.String(),
    "variant": pl.String(),
    "repeat": pl.Int32(),
    "encoder": pl.String(),
    # as predicted: ok, or error; empty, or several class names and nothing else; unasked where no option of MC is right
    "status": pl.String(),
    "in_prompt": pl.Boolean(),  # null where the prompt lists no classes (OW), for errors, and where nothing was asked
    "exact_classes": pl.List(pl.Int32),  # all classes of that name; empty when there is none
    "included_classes": pl.List(pl.Int32),  # all classes whose names stand somewhere in the answer to OW or CW
    **NEAREST,
    "ranked": pl.List(pl.Struct(READ)),  # of a list of answers all, best first, each read as if it were the only one
}
LISTED = [task.name for task in TASKS if task.lists_classes]
"""Tasks in which an answer can be out of prompt."""
NAMED = [task.name for task in TASKS if task.lists_classes and not task.options]
"""Of these, tasks that are answered by the names, or ids, of classes: the list is the same in all questions."""
SEARCHED = [task.name for task in TASKS if not (task.options or task.ranked)]
"""Tasks whose answers are looked through for names."""


def map_answers(
    predictions: pl.DataFrame,
    classes: pl.DataFrame,
    class_embeddings: pl.DataFrame,
    answer_embeddings: pl.DataFrame,
    encoder: str,
    choices: pl.DataFrame | None = None,
    several: Several = "wrong",
    by_id: Collection[str] = (),
    answer: str | None = None,
    reranked: pl.DataFrame | None = None,
) -> pl.DataFrame:
    """Every answer's exact classes and nearest class, with the columns of MAPPING.

    No exact match shortens the way to the nearest class: an answer that is a class name goes through the embeddings
    too (OW). An empty answer is out of prompt and has no nearest class. The exact class of an answer to MC is the option
    of `choices` that it names, by name or, where `answer` is "letter", by its letter; the questions that were not asked
    are rows, too. Classes ranked by likelihood are no answers in words, and left out. Variants in `by_id` are answered by class id. An answer to CW that names several classes and nothing
    else is read as `several` says. With `reranked`, a cross-encoder's scores, the nearest class is the one of the highest score.
    """
    predictions = predictions.filter(~pl.col("task").is_in(list(RANKED)))
    nearest = (
        nearest_classes(answer_embeddings, class_embeddings, classes)
        if reranked is None
        else reranked_classes(reranked)
    )

    def read(answers: pl.DataFrame) -> pl.DataFrame:
        return _read(answers, classes, nearest, several, by_id).with_columns(pl.lit(encoder).alias("encoder"))

    mapped = _with_ranked(read(predictions), predictions, read).select(list(MAPPING))
    if choices is None:
        return mapped
    chosen = chosen_options(predictions, choices, classes, answer)
    return pl.concat([_with_options(mapped, chosen), _unasked(predictions, choices, encoder)], how="diagonal")


def _read(
    answers: pl.DataFrame, classes: pl.DataFrame, nearest: pl.DataFrame, several: Several, by_id: Collection[str]
) -> pl.DataFrame:
    """Answers with their exact, included and nearest classes, in their order."""
    keyed = answers.with_columns(
        normalise("text").alias("key"),
        pl.col("text").str.strip_chars(),
        pl.col("variant").is_in(sorted(by_id)).alias("by_id"),
        # as predicted: an answer that is empty, or several names, is an answer to a list
        (pl.col("task").is_in(LISTED) & (pl.col("status") == "ok")).alias("listed"),
    )
    return (
        _with_exact(keyed, classes, several)
        .join(
            included(keyed.filter(pl.col("task").is_in(SEARCHED))["key"], classes),
            on="key",
            how="left",
            maintain_order="left",
        )
        .join(nearest, on="text", how="left", maintain_order="left")
        .with_columns(
            pl.when("listed").then(pl.col("exact_classes").list.len() > 0).alias("in_prompt"),
            pl.when(pl.col("task").is_in(SEARCHED))
            .then(pl.col("included_classes").fill_null(pl.lit([], dtype=pl.List(pl.Int32))))
            .alias("included_classes"),
        )
    )


def _with_ranked(
    mapped: pl.DataFrame, predictions: pl.DataFrame, read: Callable[[pl.DataFrame], pl.DataFrame]
) -> pl.DataFrame:
    """A mapping, a row each of these predictions, with what all answers of its lists are `read` as."""
    rows = predictions.with_row_index("row")
    answers = (
        rows.filter(pl.col("texts").is_not_null())
        .select("task", "variant", "status", image_id=pl.col("row").cast(pl.String), text="texts")
        .explode("text")
        .with_columns(repeat=pl.int_range(pl.len(), dtype=pl.Int32).over("image_id"))
    )
    ranked = (
        read(answers)
        .group_by(row=pl.col("image_id").cast(rows.schema["row"]), maintain_order=True)
        .agg(ranked=pl.struct(READ.keys()))
    )
    return mapped.with_row_index("row").join(ranked, on="row", how="left", maintain_order="left")


def _with_exact(keyed: pl.DataFrame, classes: pl.DataFrame, several: Several) -> pl.DataFrame:
    """Answers with the classes that they name, and the status of empty ones and of those that name several."""
    exact = pl.concat(
        names.with_columns(by_id=pl.lit(value=numbers))
        for numbers, names in ((False, by_name(classes)), (True, by_number(classes)))
    )
    by_names = keyed.filter(pl.col("task").is_in(NAMED) & ~pl.col("by_id"))
    lists = enumerations(by_names["key"], classes, several).with_columns(by_id=pl.lit(value=False))
    # an answer to OW, or to MC, may be the same text
    is_list = pl.col("taken").is_not_null() & pl.col("task").is_in(NAMED)
    return (
        keyed.join(exact, on=["key", "by_id"], how="left", maintain_order="left")
        .join(lists, on=["key", "by_id"], how="left", maintain_order="left")
        .with_columns(
            pl.coalesce("exact_classes", pl.when(is_list).then("taken"))
            .fill_null(pl.lit([], dtype=pl.List(pl.Int32)))
            .alias("exact_classes"),
            pl.when(pl.col("status") != "ok")
            .then("status")
            .when(pl.col("key") == "")
            .then(pl.lit("empty"))
            .when(is_list)
            .then(pl.lit("several"))
            .otherwise("status")
            .alias("status"),
        )
    )


def _with_options(mapped: pl.DataFrame, chosen: pl.DataFrame) -> pl.DataFrame:
    """A mapping in which answers to MC stand for the options that they name."""
    return (
        mapped.join(chosen, on=QUESTION, how="left", maintain_order="left")
        .with_columns(
            in_prompt=pl.when(pl.col("chosen").is_null()).then("in_prompt").otherwise(pl.col("chosen").list.len() > 0),
            exact_classes=pl.coalesce("chosen", "exact_classes"),
        )
        .drop("chosen")
    )


def _unasked(predictions: pl.DataFrame, choices: pl.DataFrame, encoder: str) -> pl.DataFrame:
    """Rows for the questions that have no options, about the images that a model was asked about."""
    images = predictions.select("image_id").unique()
    return (
        choices.filter(pl.col("options").list.len() == 0)
        .join(images, on="image_id", how="semi", maintain_order="left")
        .select(
            "image_id",
            "variant",
            "repeat",
            task=pl.lit(MC.name),
            encoder=pl.lit(encoder),
            status=pl.lit("unasked"),
            exact_classes=pl.lit([], dtype=pl.List(pl.Int32)),
        )
    )


def summary(mapped: pl.DataFrame) -> str:
    """How many answers a mapping has, and how many of them are out of prompt, in words."""
    listed = mapped["in_prompt"].drop_nulls()
    return f"{len(mapped)} answers; {(~listed).sum()} of {len(listed)} answers to listed classes out of prompt"
