"""Class lists: a name for each class, in the order of their ids."""

import re
from io import StringIO

from mllm_classify.io.files import InputError, read_csv, read_text
from mllm_classify.io.records import read_json
from mllm_classify.io.text import shown

HEADERS = {"class", "classes", "class_name", "classname", "id", "label", "labels", "name", "names"}
"""What a line above a column of names is called."""
NUMBERED = re.compile(r"(\d{1,9})(?:\s*[,;:|\t]|\s+\D)")
"""A class's number before its name."""
IDS = ("id", "class_id")
"""Columns of a CSV file that number its classes."""


def read_names(file: str) -> list[str]:
    """Class names without blanks around them.

    `.json`: a list. `.csv`: the column `name`; one called `id` or `class_id` must count from 0. Any other ending: a name a
    line; lines that begin with # are comments.

    Raises InputError where a name is empty, has a line break or other control character in it, or where a list of lines
    looks like a table: one line too many would give every class the number of another.
    """
    match file.rpartition(".")[2].lower():
        case "json":
            names = _listed(file)
        case "csv":
            names = _column(file)
        case _:
            names = _lines(file)
    names = [name.strip() for name in names]
    for number, name in enumerate(names):
        if not name:
            msg = f"{file}: class {number} has no name"
            raise InputError(msg)
        if not name.isprintable() and re.search(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]", name):
            msg = f"{file}: class {number}: {shown(name)} has a line break, a tab or another control character in it"
            raise InputError(msg)
    if not names:
        msg = f"{file}: no classes"
        raise InputError(msg)
    return names


def _listed(file: str) -> list[str]:
    names = read_json(file)
    if not isinstance(names, list) or not all(isinstance(item, str) for item in names):
        msg = f"{file}: must be a JSON list of class names"
        raise InputError(msg)
    return names


def _column(file: str) -> list[str]:
    try:
        rows = read_csv(file, "name")
    except InputError as error:
        msg = f"{error}. A class list that ends in .csv is a table with a column `name`; one of bare names ends in .txt"
        raise InputError(msg) from None
    for number, (place, row) in enumerate(rows):
        for column in IDS:
            if row.get(column, str(number)) != str(number):
                msg = f"{place}: {column} {shown(row[column])}: must be {number}, for classes are numbered from 0 in order"
                raise InputError(msg)
    return [row["name"] for _, row in rows]


def _lines(file: str) -> list[str]:
    lines = [line.rstrip("\n") for line in StringIO(read_text(file), newline=None) if not line.startswith("#")]
    problem = None
    if (
        lines
        and (first := lines[0].strip().lower()) in HEADERS
        and sum(it.strip().lower() == first for it in lines) == 1
    ):
        problem = f"the first line, {shown(lines[0])}, looks like the head of a column"
    elif _numbered(lines[1:]):
        problem = f"numbers stand before the names, as in {shown(lines[1])}"
    if problem:
        msg = (
            f"{file}: {problem}; a text file holds one name a line, a .csv file the columns id and name, and a .json file a "
            "list of any names"
        )
        raise InputError(msg)
    return lines


def _numbered(lines: list[str]) -> bool:
    """Whether lines begin with numbers that count up."""
    matches = [NUMBERED.match(line.strip()) for line in lines]
    numbers = [int(match[1]) for match in matches if match]
    return bool(numbers) and numbers == list(range(numbers[0], numbers[0] + len(lines)))
