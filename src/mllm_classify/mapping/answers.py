"""From answers in words to classes: exactly, and by the nearest class embedding."""

import re
from typing import TYPE_CHECKING, Literal

import numpy as np
import polars as pl

from mllm_classify.choices.variants import lists_classes
from mllm_classify.io.arrays import FloatArray

Several = Literal["wrong", "first", "any"]
"""What an answer to CW stands for that names several classes."""

if TYPE_CHECKING:
    from mllm_classify.predict.chat.questions import MultipleChoice

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
    "nearest_class": pl.Int32(),  # of equally near ones the lowest id; null for an empty answer
    "similarity": pl.Float32(),  # cosine
    "margin": pl.Float32(),  # to the nearest class of another name
}
KEYS = ["image_id", "task", "variant", "repeat"]
UNASKED: dict[str, str | list[int]] = {"task": "MC", "status": "unasked", "exact_classes": []}
LETTER = re.compile(r"\(?(?P<letter>[a-z])(?:\)|[.:]|\.\))?(?:(?<=[.:)])\s+(?P<name>.+))?", re.DOTALL)
SEPARATORS = re.compile(r"(\s*[,;/|&\n]\s*(?:(?:or|and)\s+)?|\s+(?:or|and)\s+)")
LONGEST_LIST = 99
"""Names and separators of a list; what is longer is prose."""
BLOCK = 4096
"""Answers that are compared with all classes at once."""


def normalise(column: str) -> pl.Expr:
    """What answers and class names are compared by: lower-cased and stripped, nothing else (Sec. 2.3, Task 3)."""
    return pl.col(column).str.to_lowercase().str.strip_chars()


def nearest(answers: FloatArray, classes: FloatArray, same_name: list[list[int]]) -> pl.DataFrame:
    """The class of highest cosine similarity for each answer, and how far ahead of other names it is.

    Shapes: answers n x d, classes k x d, both of unit length; returns n rows.
    """
    first = np.array([group[0] for group in same_name], dtype=np.int32)
    best_ids, best_scores, margins = [], [], []
    for start in range(0, len(answers), BLOCK):
        similarity = answers[start : start + BLOCK] @ classes.T
        best = first[similarity.argmax(axis=1)]
        best_ids.append(best)
        best_scores.append(similarity.max(axis=1))
        # equal names have equal embeddings: the runner-up must be a class of another name
        others = np.where(first[None, :] == best[:, None], -np.inf, similarity)
        margins.append(best_scores[-1] - others.max(axis=1, initial=-np.inf))
    return pl.DataFrame(
        {
            "nearest_class": np.concatenate([np.empty(0, np.int32), *best_ids]),
            "similarity": np.concatenate([np.empty(0, np.float32), *best_scores]),
            "margin": np.concatenate([np.empty(0, np.float32), *margins]),
        },
        schema={name: MAPPING[name] for name in ("nearest_class", "similarity", "margin")},
    )


def map_answers(
    predictions: pl.DataFrame,
    classes: pl.DataFrame,
    class_embeddings: pl.DataFrame,
    answer_embeddings: pl.DataFrame,
    encoder: str,
    multiple: "MultipleChoice | None" = None,
    several: "Several" = "wrong",
    ids: frozenset[str] = frozenset(),
) -> pl.DataFrame:
    """Every answer's exact classes and nearest class.

    No exact match shortens the way to the nearest class: an answer that is a class name goes through the embeddings
    too (OW). An empty answer is out of prompt and has no nearest class. The exact class of an answer to MC is the option
    that it names (`multiple`); the questions that were not asked are rows, too. Variants in `ids` are answered by class
    id. An answer to CW that names several classes and nothing else is read as `several` says.
    """
    near = answer_embeddings.select("text")
    if near.height:
        near = near.hstack(
            nearest(
                answer_embeddings["embedding"].to_numpy(),
                class_embeddings.sort("class_id")["embedding"].to_numpy(),
                classes.sort("class_id")["same_name"].to_list(),
            )
        )
    else:
        near = pl.DataFrame(
            schema={"text": pl.String(), **{k: MAPPING[k] for k in ("nearest_class", "similarity", "margin")}}
        )
    nothing = pl.lit([], dtype=pl.List(pl.Int32))
    exact = pl.concat(
        [
            by_name(classes).with_columns(pl.lit(value=False).alias("by_id")),
            classes.select(
                pl.col("class_id").cast(pl.String).alias("key"), pl.col("same_name").alias("exact_classes"),
                pl.lit(value=True).alias("by_id"),
            ),
        ]
    )  # fmt: skip
    keyed = predictions.with_columns(
        normalise("text").alias("key"),
        pl.col("text").str.strip_chars(),
        pl.col("variant").is_in(sorted(ids)).alias("by_id"),
        # as predicted: an answer that is empty, or several names, is an answer to a list
        ((pl.col("task") != "OW") & (pl.col("status") == "ok")).alias("listed"),
    )
    lists = enumerations(
        keyed.filter(pl.col("task").is_in(["CW", "CW-constrained"]) & ~pl.col("by_id"))["key"], classes
    )
    lists = lists.select(
        "key",
        pl.lit(value=False).alias("by_id"),
        pl.lit(value=True).alias("enumerated"),
        pl.Series(
            "taken", [taken_classes(named, several) for named in lists["named"].to_list()], dtype=pl.List(pl.Int32)
        ),
    )
    mapped = (
        keyed.join(exact, on=["key", "by_id"], how="left", maintain_order="left")
        .join(lists, on=["key", "by_id"], how="left", maintain_order="left")
        .with_columns(
            pl.coalesce("exact_classes", pl.when(~pl.col("task").is_in(["OW", "MC"])).then("taken")).alias(
                "exact_classes"
            ),
            pl.when(pl.col("status") != "ok")
            .then("status")
            .when(pl.col("key") == "")
            .then(pl.lit("empty"))
            .when(pl.col("enumerated") & ~pl.col("task").is_in(["OW", "MC"]))
            .then(pl.lit("several"))
            .otherwise("status")
            .alias("status"),
        )
        .join(
            included(keyed.filter(pl.col("task") != "MC")["key"], classes), on="key", how="left", maintain_order="left"
        )
        .join(near, on="text", how="left", maintain_order="left")
        .with_columns(
            pl.lit(encoder).alias("encoder"),
            pl.when("listed").then(pl.col("exact_classes").list.len().fill_null(0) > 0).alias("in_prompt"),
            pl.col("exact_classes").fill_null(nothing),
            pl.when(pl.col("task") != "MC")
            .then(pl.col("included_classes").fill_null(nothing))
            .alias("included_classes"),
        )
        .select(list(MAPPING))
    )
    if multiple is None:
        return mapped
    chosen = chosen_options(predictions, multiple, classes)
    unasked = multiple.choices.filter(pl.col("options").list.len() == 0).join(
        predictions.select("image_id").unique(), on="image_id", how="semi", maintain_order="left"
    )
    return pl.concat(
        [
            mapped.join(chosen, on=KEYS, how="left", maintain_order="left")
            .with_columns(
                in_prompt=pl.when(pl.col("chosen").is_null())
                .then("in_prompt")
                .otherwise(pl.col("chosen").list.len() > 0),
                exact_classes=pl.coalesce("chosen", "exact_classes"),
            )
            .drop("chosen"),
            unasked.select(
                pl.col(name)
                if name in unasked.columns
                else pl.lit((UNASKED | {"encoder": encoder}).get(name), dtype).alias(name)
                for name, dtype in MAPPING.items()
            ),
        ]
    )


def by_name(classes: pl.DataFrame) -> pl.DataFrame:
    """Columns key, a normalised name, and exact_classes, all classes of that name."""
    return classes.select(normalise("name").alias("key"), pl.col("same_name").alias("exact_classes")).unique("key")


def enumerations(answers: pl.Series, classes: pl.DataFrame) -> pl.DataFrame:
    """Answers that are several different class names and nothing else. Columns key, and named: a list of classes each."""
    known = dict(by_name(classes).iter_rows())
    found = {
        key: enumerated(key, known) for key in answers.drop_nulls().unique(maintain_order=True) if key not in known
    }
    several = {key: named for key, named in found.items() if named}
    schema = {"key": pl.String(), "named": pl.List(pl.List(pl.Int32))}
    return pl.DataFrame({"key": list(several), "named": list(several.values())}, schema=schema)


def enumerated(answer: str, known: dict[str, list[int]]) -> list[list[int]]:
    """The classes of the names that an answer lists, between commas, semicolons, slashes, lines, `or` and `and`.

    Empty where anything else stands there, or fewer than two names. Names that hold a separator are names: of several
    readings, the longest names first.
    """
    pieces = SEPARATORS.split(answer)  # what may be names, with separators between them
    if len(pieces) > LONGEST_LIST:
        return []
    after = len(pieces) + 1
    readings: dict[int, list[list[int]]] = {after: []}
    for start in range(len(pieces) - 1, -1, -2):
        for end in range(len(pieces), start, -2):
            name = "".join(pieces[start:end]).strip()
            if name in known and end + 1 in readings:
                readings[start] = [known[name], *readings[end + 1]]
                break
    names = readings.get(0, [])
    distinct = [named for number, named in enumerate(names) if named not in names[:number]]
    return distinct if len(distinct) > 1 else []


def taken_classes(named: list[list[int]], several: "Several") -> list[int]:
    """Which of several named classes an answer stands for."""
    match several:
        case "wrong":
            return []
        case "first":
            return named[0]
        case "any":
            return [class_id for classes in named for class_id in classes]


def included(answers: pl.Series, classes: pl.DataFrame) -> pl.DataFrame:
    """The classes whose names stand in each distinct answer, parts of words too, as in Zhang et al. (2024).

    Columns key (the answer) and included_classes, in the order of their ids; both are compared normalised.
    """
    names = classes.select(normalise("name").alias("name"), pl.col("class_id").alias("included_classes"))
    return (
        answers.drop_nulls()
        .unique()
        .to_frame("key")
        .select("key", name=pl.col("key").str.extract_many(names["name"].unique().implode(), overlapping=True))
        .explode("name")
        .unique()
        .join(names, on="name")
        .group_by("key")
        .agg(pl.col("included_classes").sort())
    )


def chosen_options(predictions: pl.DataFrame, multiple: "MultipleChoice", classes: pl.DataFrame) -> pl.DataFrame:
    """The class of the option that each answer to MC names, and all classes of its name; empty where it names none.

    Columns of KEYS, and `chosen`. Questions whose options are all classes are not here: they are read like CW.
    """
    ordered = classes.sort("class_id")
    names = ordered.select(normalise("name"))["name"].to_list()
    same_name = ordered["same_name"].to_list()
    asked = predictions.filter((pl.col("task") == "MC") & (pl.col("status") == "ok")).join(
        multiple.choices.filter(pl.col("options").is_not_null()),
        on=["image_id", "variant", "repeat"],
        maintain_order="left",
    )
    chosen = []
    for text, variant, options in asked.select("text", "variant", "options").iter_rows():
        letters = multiple.answer == "letter" and not lists_classes(variant)
        place = named_option(text, [names[class_id] for class_id in options], letters=letters)
        chosen.append([] if place is None else same_name[options[place]])
    return asked.select(KEYS).with_columns(pl.Series("chosen", chosen, dtype=pl.List(pl.Int32)))


def named_option(answer: str, options: list[str], *, letters: bool) -> int | None:
    """The place of the one option that an answer names; None where it names none, or several. Of one name, the first.

    An answer is an option's name, compared as everywhere (options are given normalised); where options have letters, also
    one letter by itself (`B`, `b`, `(B)`, `B.`, `B)`, `B:`), or a letter before its own option's name (`B. espresso`). A
    letter that begins a word, an empty answer, and `A or B` name none.
    """
    text = answer.lower().strip()
    found = {options.index(text)} if text in options else set()
    if letters and (match := LETTER.fullmatch(text)):
        place = ord(match["letter"]) - ord("a")
        if place < len(options) and (not match["name"] or match["name"].strip() == options[place]):
            found.add(place)
    return found.pop() if len(found) == 1 else None
