"""Parquet files with typed columns: one file, one meaning."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import polars as pl

from mllm_classify.io.environment import Environment
from mllm_classify.io.files import InputError, written

ENVIRONMENTS = "environments"
"""Names what a file was made with, in its key-value metadata."""
SOURCES = "sources"
"""Names what it was made from."""


def write(
    frame: pl.DataFrame,
    schema: dict[str, pl.DataType],
    path: str | Path,
    environments: Iterable[Environment] = (),
    sources: dict[str, Any] | None = None,
) -> None:
    """Write `frame` with exactly the columns of `schema`, in its order and types, and what it was made with and from."""
    distinct = sorted({json.dumps(environment, sort_keys=True) for environment in environments})
    metadata = {ENVIRONMENTS: f"[{','.join(distinct)}]"} if distinct else {}
    if sources is not None:
        metadata[SOURCES] = json.dumps(sources, sort_keys=True)
    typed = frame.select(pl.col(name).cast(dtype) for name, dtype in schema.items())
    with written(path) as temporary:
        typed.write_parquet(temporary, metadata=metadata or None)


def environments(path: str | Path) -> list[Environment]:
    """What a file was made with, as far as that is recorded in it."""
    found: list[Environment] = json.loads(pl.read_parquet_metadata(path).get(ENVIRONMENTS, "[]"))
    return found


def sources(path: str | Path) -> dict[str, Any] | None:
    """What a file was made from; None where that is not recorded in it."""
    recorded: dict[str, Any] | None = json.loads(pl.read_parquet_metadata(path).get(SOURCES, "null"))
    return recorded


def read(path: str | Path, *columns: str) -> pl.DataFrame:
    """Read the named columns, or all of them.

    Raises InputError when the file is absent, torn, or lacks a column.
    """
    try:
        return pl.read_parquet(path, columns=list(columns) or None)
    except FileNotFoundError:
        msg = f"{path}: no such file; it is written by an earlier stage"
    except pl.exceptions.ColumnNotFoundError as error:
        msg = f"{path}: lacks a column ({str(error).splitlines()[0]}); it was written by another version"
    except (pl.exceptions.ComputeError, OSError) as error:
        msg = f"{path}: not a complete Parquet file ({str(error).splitlines()[0]}); remove it and run again"
    raise InputError(msg)
