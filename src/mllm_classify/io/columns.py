"""Pictures in columns of Parquet and Arrow files, as the `datasets` library writes them: read a row group at a time.

Arrow's threads do not survive a fork, and loaders fork: none is used, and a forked process opens files anew.
"""

import errno
import json
import os
from functools import lru_cache
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any, NamedTuple

from mllm_classify.io.borders import border
from mllm_classify.io.files import InputError, regular
from mllm_classify.io.limits import ENTRIES, FILE_BYTES, GROUP_BYTES
from mllm_classify.io.text import one_line, shown

if TYPE_CHECKING:
    import pyarrow as pa

HUGGINGFACE = b"huggingface"
"""Where the `datasets` library says what columns hold."""
THRIFT = 2**26
"""Bytes and items of a Parquet file's own description."""


class _Opened(NamedTuple):
    """A file of columns: the rows that are read together."""

    path: Path
    schema: Any  # pa.Schema
    names: list[str]
    starts: list[int]  # the first row of each group, and the number of all rows


def rows(path: Path) -> int:
    """How many rows a file has. Raises InputError where it cannot be read."""
    return _open(path).starts[-1]


def features(path: Path) -> dict[str, Any]:
    """What the `datasets` library says of the columns; empty where it does not. Raises InputError as `rows` does."""
    metadata = (_open(path).schema.metadata or {}).get(HUGGINGFACE)
    try:
        told = json.loads(metadata)["info"]["features"] if metadata else {}
    except (ValueError, TypeError, LookupError, RecursionError):
        return {}
    return told if isinstance(told, dict) else {}


def names(path: Path) -> list[str]:
    """The columns. Raises InputError as `rows` does."""
    return list(_open(path).names)


def values(path: Path, column: str) -> list[Any]:
    """All values of a column of numbers or text. Raises InputError as `rows` does, or where the column holds other things."""
    opened = _open(path)
    import pyarrow as pa

    if column not in opened.names:
        msg = f"{path}: no column {column!r}; it has {', '.join(map(repr, opened.names))}"
        raise InputError(msg)
    kind = opened.schema.field(opened.names.index(column)).type
    kind = kind.value_type if pa.types.is_dictionary(kind) else kind
    if not (pa.types.is_integer(kind) or pa.types.is_string(kind) or pa.types.is_large_string(kind)):
        msg = f"{path}: column {column!r} holds {one_line(str(kind))}; integers or text are needed"
        raise InputError(msg)
    read: list[Any] = []
    for group in range(len(opened.starts) - 1):
        array = _column(path, group, column, pictures=False)
        with border(path):
            array.validate(full=True)
            read += array.to_pylist()
    return read


def read(path: Path, row: int, column: str) -> bytes:
    """The bytes of a picture in a row. Raises OSError where there are none."""
    try:
        opened = _open(path)
        if not 0 <= row < opened.starts[-1]:
            raise OSError(errno.ENOENT, f"the file has {opened.starts[-1]} rows")
        group = next(number for number, end in enumerate(opened.starts[1:]) if row < end)
        content = _picture(_column(path, group, column, pictures=True), row - opened.starts[group])
    except InputError as error:
        raise OSError(errno.EIO, str(error).removeprefix(f"{path}: ")) from None
    if content is None:
        raise OSError(errno.ENODATA, "the row holds no bytes of a picture (a path of one alone is not followed)")
    if len(content) > FILE_BYTES:
        raise OSError(errno.EFBIG, f"{len(content):,} bytes, more than the {FILE_BYTES:,} that are read of a picture")
    return content


def _open(path: Path) -> _Opened:
    try:
        state = regular(path, None).stat()
    except OSError as error:
        msg = f"{path}: cannot be read ({error.strerror})"
        raise InputError(msg) from None
    with _reading, border(path):
        return _opened(path, (state.st_size, state.st_mtime_ns))


def _column(path: Path, group: int, column: str, *, pictures: bool) -> "pa.ChunkedArray":
    state = path.stat()
    with _reading, border(path):  # of several threads that want pictures of one group, the first reads it
        which = _group if pictures else _group.__wrapped__
        return which(path, (state.st_size, state.st_mtime_ns), group, column)


@lru_cache(maxsize=64)
def _opened(path: Path, stamp: tuple[int, int]) -> _Opened:
    import pyarrow as pa

    try:
        if path.suffix == ".arrow":
            table = _table(path, stamp)
            return _Opened(path, table.schema, table.schema.names, [0, table.num_rows])
        file = _parquet(path, stamp)
        starts = [0]
        for group in range(file.metadata.num_row_groups):
            starts.append(starts[-1] + file.metadata.row_group(group).num_rows)
        opened = _Opened(path, file.schema_arrow, file.schema_arrow.names, starts)
    except (pa.ArrowException, OSError, ValueError, MemoryError, OverflowError) as error:
        raise _damaged(path, error) from None
    if starts[-1] > ENTRIES or starts != sorted(starts):
        msg = f"{path}: {starts[-1]:,} rows; no more than {ENTRIES:,} are read"
        raise InputError(msg)
    return opened


@lru_cache(maxsize=8)
def _parquet(path: Path, _stamp: tuple[int, int]) -> Any:
    from pyarrow import parquet

    return parquet.ParquetFile(path, thrift_string_size_limit=THRIFT, thrift_container_size_limit=THRIFT)


@lru_cache(maxsize=8)
def _table(path: Path, _stamp: tuple[int, int]) -> Any:
    """An Arrow file, which is not read before its rows are."""
    import pyarrow as pa

    return pa.ipc.open_stream(pa.memory_map(str(path))).read_all()


@lru_cache(maxsize=2)  # in each process that loads pictures
def _group(path: Path, stamp: tuple[int, int], group: int, column: str) -> "pa.ChunkedArray":
    """A column in a row group."""
    import pyarrow as pa

    try:
        if path.suffix == ".arrow":
            array = _table(path, stamp).column(column)
        else:
            file = _parquet(path, stamp)
            about = file.metadata.row_group(group)
            chunks = [about.column(it) for it in range(about.num_columns)]
            size = sum(it.total_uncompressed_size for it in chunks if it.path_in_schema.split(".")[0] == column)
            if size > GROUP_BYTES:
                msg = (
                    f"{path}: row group {group} has {size:,} bytes in {column!r}, more than the {GROUP_BYTES:,} that are read "
                    "at once; write the file with smaller row groups"
                )
                raise InputError(msg)
            array = file.read_row_group(group, columns=[column], use_threads=False).column(column)
            array.validate(full=True)
            if len(array) != about.num_rows:
                msg = f"{path}: row group {group} has {len(array)} rows, not the {about.num_rows} that it says"
                raise InputError(msg)
    except KeyError:
        msg = f"{path}: no column {column!r}"
        raise InputError(msg) from None
    except (pa.ArrowException, OSError, ValueError, MemoryError, OverflowError) as error:
        raise _damaged(path, error) from None
    return array


def _picture(array: "pa.ChunkedArray", row: int) -> bytes | None:
    """The bytes in a row: of binary data, or of the field `bytes`. Raises InputError where the column holds other things."""
    import pyarrow as pa

    one = array.slice(row, 1)
    try:
        one.validate(full=True)
        value = one[0].as_py()
    except (pa.ArrowException, ValueError) as error:
        msg = f"row {row} is damaged ({one_line(str(error))})"
        raise InputError(msg) from None
    content = value.get("bytes") if isinstance(value, dict) else value
    if content is not None and not isinstance(content, bytes):
        msg = f"the column holds {one_line(str(array.type))}, no pictures: {shown(content, 60)}"
        raise InputError(msg)
    return content


def _damaged(path: Path, error: BaseException) -> InputError:
    kind = "an Arrow" if path.suffix == ".arrow" else "a Parquet"
    return InputError(f"{path}: is damaged, or not {kind} file ({one_line(str(error) or type(error).__name__)})")


def _forget() -> None:
    """In a forked process: neither another's lock nor another's open files."""
    global _reading  # noqa: PLW0603
    _reading = Lock()
    for cached in (_opened, _parquet, _table, _group):
        cached.cache_clear()


_reading = Lock()
os.register_at_fork(after_in_child=_forget)
