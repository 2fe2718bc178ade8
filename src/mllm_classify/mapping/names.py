"""Class names in answers: as the whole answer, in a list of names, or anywhere."""

import re
from typing import Literal

import polars as pl

Several = Literal["wrong", "first", "any"]
"""What an answer to CW stands for that names several classes."""

SEPARATORS = re.compile(r"(\s*[,;/|&\n]\s*(?:(?:or|and)\s+)?|\s+(?:or|and)\s+)")
LONGEST_LIST = 99
"""Names and separators of a list; what is longer is prose."""


def normalise(column: str) -> pl.Expr:
    """What answers and class names are compared by: lower-cased and stripped, nothing else (Sec. 2.3, Task 3)."""
    return pl.col(column).str.to_lowercase().str.strip_chars()


def by_name(classes: pl.DataFrame) -> pl.DataFrame:
    """Columns key, a normalised name, and exact_classes, all classes of that name."""
    return classes.select(normalise("name").alias("key"), pl.col("same_name").alias("exact_classes")).unique("key")


def by_number(classes: pl.DataFrame) -> pl.DataFrame:
    """Columns key, a class id as it is written, and exact_classes, all classes of that class's name."""
    return classes.select(pl.col("class_id").cast(pl.String).alias("key"), pl.col("same_name").alias("exact_classes"))


def enumerations(answers: pl.Series, classes: pl.DataFrame, several: Several) -> pl.DataFrame:
    """Answers that are several different class names and nothing else.

    Columns key, the answer, which is given normalised, and taken, the classes that it stands for as `several` says.
    """
    known = dict(by_name(classes).iter_rows())
    lists = {
        key: enumerated(key, known) for key in answers.drop_nulls().unique(maintain_order=True) if key not in known
    }
    taken = {key: taken_classes(named, several) for key, named in lists.items() if named}
    schema = {"key": pl.String(), "taken": pl.List(pl.Int32)}
    return pl.DataFrame({"key": list(taken), "taken": list(taken.values())}, schema=schema)


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


def taken_classes(named: list[list[int]], several: Several) -> list[int]:
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
