"""Parquet files with typed columns: one file, one meaning."""

import json
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import polars as pl

from mllm_classify.io.borders import without_panics
from mllm_classify.io.environment import Environment
from mllm_classify.io.files import InputError, written

ENVIRONMENTS = "environments"
"""Names what a file was made with, in its key-value metadata."""
SOURCES = "sources"
"""Names what it was made from."""


def write(
    frame: pl.DataFrame,
    schema: dict[str, pl.DataType] | None,
    path: str | Path,
    environments: Iterable[Environment] = (),
    sources: dict[str, Any] | None = None,
) -> None:
    """Write `frame` with exactly the columns of `schema`, in its order and types, and what it was made with and from.

    Without a schema, it is written as it is.
    """
    distinct = sorted({json.dumps(environment, sort_keys=True) for environment in environments})
    metadata = {ENVIRONMENTS: f"[{','.join(distinct)}]"} if distinct else {}
    if sources is not None:
        metadata[SOURCES] = json.dumps(sources, sort_keys=True)
    typed = frame.select(pl.col(name).cast(dtype) for name, dtype in (schema or frame.schema).items())
    with written(path) as temporary:
        typed.write_parquet(temporary, metadata=metadata or None)


def environments(path: str | Path) -> list[Environment]:
    """What a file was made with, as far as that is recorded in it."""
    recorded: list[Environment] = json.loads(pl.read_parquet_metadata(path).get(ENVIRONMENTS, "[]"))
    return recorded


def sources(path: str | Path) -> dict[str, Any] | None:
    """What a file was made from; None where that is not recorded in it."""
    recorded: dict[str, Any] | None = json.loads(pl.read_parquet_metadata(path).get(SOURCES, "null"))
    return recorded


def read(path: str | Path, *columns: str) -> pl.DataFrame:
    """Read the named columns, or all of them.

    Raises InputError when the file is absent, torn, or lacks a column.
    """
    with _readable(path):
        return pl.read_parquet(path, columns=list(columns) or None)


@contextmanager
def _readable(path: str | Path) -> Iterator[None]:
    """Inside, what polars raises of a file that is absent, torn, or lacks a column is an InputError."""
    try:
        with without_panics():
            yield
    except FileNotFoundError:
        msg = f"{path}: no such file; it is written by an earlier stage"
        raise InputError(msg) from None
    except pl.exceptions.ColumnNotFoundError as error:
        msg = f"{path}: lacks a column ({str(error).splitlines()[0]}); it was written by another version"
        raise InputError(msg) from None
    except (pl.exceptions.ComputeError, pl.exceptions.PanicException, OSError) as error:
        msg = f"{path}: not a complete Parquet file ({str(error).splitlines()[0]}); remove it and run again"
        raise InputError(msg) from None


def scan(path: str | Path) -> pl.LazyFrame:
    """The rows of a file, of which those who ask for them read the columns that they need.

    Raises InputError when the file is absent or torn.
    """
    with _readable(path):
        pl.read_parquet_schema(path)
    return pl.scan_parquet(path, glob=False)


def read_figures(path: str | Path) -> pl.DataFrame:
    """A table's CSV, with figures as they are written ("99.62")."""
    try:
        return pl.read_csv(path, infer_schema=False)
    except FileNotFoundError:
        msg = f"{path}: no such file; `python -m mllm_classify make {Path(path).stem}` writes it"
        raise InputError(msg) from None


def write_figures(frame: pl.DataFrame, path: str | Path) -> None:
    """A table that machines alone read, as CSV."""
    with written(path) as temporary:
        frame.write_csv(temporary)
