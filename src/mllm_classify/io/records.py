"""Records in files of the user's: CSV, JSON, JSON-lines, Parquet."""

import io
import json
from collections import Counter
from typing import TYPE_CHECKING, Any

from mllm_classify.io.files import InputError, read_bytes, read_csv, read_text

if TYPE_CHECKING:
    import polars as pl

Record = tuple[str, dict[str, Any]]
"""Where a record stands (`file:line`), and its fields."""


def read_records(file: str, *columns: str) -> list[Record]:
    """The records of a file, in its order.

    `.csv`: every value is stripped text. `.jsonl`: an object a line. `.json`: a list of objects, or one object from
    image ids to values, whose records have the fields image_id and `value`. `.parquet`: a record a row.

    Raises InputError, with the place, where the file cannot be read as its name says, a record lacks one of `columns`,
    or an object has a key twice.
    """
    match file.rpartition(".")[2].lower():
        case "csv":
            return list(read_csv(file, *columns))
        case "jsonl":
            records = [
                (f"{file}:{number}", _json(line, f"{file}:{number}"))
                for number, line in enumerate(read_text(file).split("\n"), 1)
                if line.strip()
            ]
        case "json":
            content = read_json(file)
            if isinstance(content, dict) and set(columns) <= {"image_id"}:
                return [(f"{file}: {key!r}", {"image_id": key, "value": value}) for key, value in content.items()]
            if not isinstance(content, list):
                msg = f"{file}: must be a JSON list of records, or an object from image ids to labels"
                raise InputError(msg)
            records = [(f"{file}: record {number}", record) for number, record in enumerate(content, 1)]
        case "parquet":
            rows = read_parquet(file, *columns).iter_rows(named=True)
            return [(f"{file}: row {number}", row) for number, row in enumerate(rows, 1)]
        case _:
            msg = f"{file}: must end in .csv, .json, .jsonl or .parquet, which say how it is read"
            raise InputError(msg)
    for place, record in records:
        missing = [column for column in columns if column not in record] if isinstance(record, dict) else ["image_id"]
        if missing:
            msg = f"{place}: a record with {', '.join(columns)} is needed, not {record!r:.60}"
            raise InputError(msg)
    return records


def read_parquet(file: str, *columns: str) -> "pl.DataFrame":
    """The content of a Parquet file of the user's. Raises InputError where it is none, or lacks one of `columns`."""
    # few of those that read records need it; Snakemake's own process does not
    import polars as pl

    try:
        frame = pl.read_parquet(io.BytesIO(read_bytes(file)))
    except (pl.exceptions.ComputeError, OSError) as error:
        msg = f"{file}: not a Parquet file ({str(error).splitlines()[0]})"
        raise InputError(msg) from None
    missing = [column for column in columns if column not in frame.columns]
    if missing:
        msg = f"{file}: no column {missing[0]!r}; it has {', '.join(map(repr, frame.columns))}"
        raise InputError(msg)
    return frame


def image_id(place: str, record: dict[str, Any], field: str = "image_id") -> str:
    """The image that a record is of: text, or an integer. Raises InputError where it is neither."""
    value = record[field]
    if isinstance(value, str | int) and not isinstance(value, bool) and value != "":
        return str(value)
    wrong = "is empty" if value in (None, "") else f"{value!r:.60} is neither text nor an integer"
    msg = f"{place}: {field} {wrong}"
    raise InputError(msg)


def read_json(file: str) -> Any:
    """The content of a JSON file. Raises InputError where an object has a key twice."""
    return _json(read_text(file), file)


def _json(text: str, place: str) -> Any:
    def without_doubles(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        mapping = dict(pairs)
        if len(mapping) < len(pairs):
            twice, _ = Counter(key for key, _ in pairs).most_common(1)[0]
            msg = f"{place}: {twice!r} stands twice"
            raise InputError(msg)
        return mapping

    try:
        return json.loads(text, object_pairs_hook=without_doubles)
    except json.JSONDecodeError as error:
        msg = f"{place}: not JSON ({error})"
        raise InputError(msg) from None


def read_names(file: str) -> list[str]:
    """Class names in a text file, one a line, or in a JSON list. Raises InputError where one is empty."""
    if file.endswith(".json"):
        try:
            names: list[str] = json.loads(read_text(file))
        except json.JSONDecodeError as error:
            msg = f"{file}: not JSON ({error})"
            raise InputError(msg) from None
        if not isinstance(names, list) or not all(isinstance(item, str) for item in names):
            msg = f"{file}: must be a JSON list of class names"
            raise InputError(msg)
    else:
        names = read_text(file).splitlines()
    for number, item in enumerate(names):
        if not item.strip():
            msg = f"{file}: class {number} has no name"
            raise InputError(msg)
    if not names:
        msg = f"{file}: no classes"
        raise InputError(msg)
    return names
