"""Parquet files with typed columns: one file, one meaning."""

from pathlib import Path

import polars as pl

from mllm_classify.files import InputError, written


def write(frame: pl.DataFrame, schema: dict[str, pl.DataType], path: str | Path) -> None:
    """Write `frame` with exactly the columns of `schema`, in its order and types."""
    with written(path) as temporary:
        frame.select(pl.col(name).cast(dtype) for name, dtype in schema.items()).write_parquet(temporary)


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
