"""Records in files of the user's: CSV, JSON, JSON-lines, Parquet."""

import io
import json
import re
from collections import Counter
from itertools import chain
from typing import TYPE_CHECKING, Any

from mllm_classify.io.borders import border, without_panics
from mllm_classify.io.files import InputError, read_bytes, read_csv, read_text
from mllm_classify.io.limits import JSON_DEPTH
from mllm_classify.io.parquet_size import NotParquetError, excess
from mllm_classify.io.text import short, shown

if TYPE_CHECKING:
    import polars as pl

HALF_A_PAIR = re.compile(r"\\u[dD][89a-fA-F]")
"""What may spell half of a pair of UTF-16, which is no character."""
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
                return [(f"{file}: {shown(key)}", {"image_id": key, "value": value}) for key, value in content.items()]
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
            msg = f"{place}: a record with {', '.join(columns)} is needed, not {shown(record, 60)}"
            raise InputError(msg)
    return records


def read_parquet(file: str, *columns: str) -> "pl.DataFrame":
    """The content of a Parquet file of the user's. Raises InputError where it is none, or lacks one of `columns`."""
    # few of those that read records need it; Snakemake's own process does not
    import polars as pl

    content = io.BytesIO(read_bytes(file))
    with border(file), without_panics():
        try:
            if too_much := excess(content):
                msg = f"{file}: {too_much}"
                raise InputError(msg)
            content.seek(0)
            frame = pl.read_parquet(content)
        except (pl.exceptions.PolarsError, NotParquetError, OSError) as error:
            msg = f"{file}: not a Parquet file ({str(error).splitlines()[0]})"
            raise InputError(msg) from None
    missing = [column for column in columns if column not in frame.columns]
    if missing:
        msg = f"{file}: no column {missing[0]!r}; it has {short(', '.join(map(repr, frame.columns)), 300)}"
        raise InputError(msg)
    return frame


def image_id(place: str, record: dict[str, Any], field: str = "image_id") -> str:
    """The image that a record is of: text, or an integer. Raises InputError where it is neither."""
    value = record[field]
    if isinstance(value, str | int) and not isinstance(value, bool) and value != "":
        return str(value)
    wrong = "is empty" if value in (None, "") else f"{shown(value, 60)} is neither text nor an integer"
    msg = f"{place}: {field} {wrong}"
    raise InputError(msg)


def read_json(file: str) -> Any:
    """The content of a JSON file. Raises InputError where an object has a key twice."""
    return _json(read_text(file), file)


def _json(text: str, place: str) -> Any:
    """What a text says. Half of a pair of UTF-16, which no file can hold, becomes U+FFFD."""

    def without_doubles(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        mapping = dict(pairs)
        if len(mapping) < len(pairs):
            twice, _ = Counter(key for key, _ in pairs).most_common(1)[0]
            msg = f"{place}: {shown(twice)} appears twice"
            raise InputError(msg)
        return mapping

    try:
        content = json.loads(text, object_pairs_hook=without_doubles)
        if HALF_A_PAIR.search(text):
            whole = json.dumps(content, ensure_ascii=False).encode("utf-16-le", "surrogatepass")
            content = json.loads(whole.decode("utf-16-le", "replace"), object_pairs_hook=without_doubles)
    except json.JSONDecodeError as error:
        msg = f"{place}: not JSON ({error})"
        raise InputError(msg) from None
    except ValueError:
        msg = f"{place}: a number has thousands of digits"
        raise InputError(msg) from None
    except RecursionError:
        content = None
    many = text.count("[") + text.count("{") > JSON_DEPTH
    if many and (content is None or deeper(content, JSON_DEPTH)):
        msg = f"{place}: lists and objects nested more than {JSON_DEPTH} deep"
        raise InputError(msg)
    return content


def deeper(content: Any, levels: int) -> bool:
    """Whether values of JSON are nested in more levels of lists and objects."""
    level = [content]
    for _ in range(levels + 1):
        if not level:
            return False
        inner = (it.values() if isinstance(it, dict) else it for it in level if isinstance(it, dict | list))
        level = list(chain.from_iterable(inner))
    return bool(level)
