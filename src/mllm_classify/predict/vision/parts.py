"""Results that a job keeps while it computes, so that one that was killed goes on from there."""

import logging
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import polars as pl

from mllm_classify.io import parquet
from mllm_classify.io.environment import Environment, environment
from mllm_classify.io.files import InputError, digest

log = logging.getLogger(__name__)

Compute = Callable[[list[int]], Iterator[pl.DataFrame]]
"""Rows of the images at some places: one an image, in their order, a frame at a time."""


def folder(output: str | Path, *decisive: object) -> Path:
    """Where parts of `output` lie, beside it: Snakemake removes the outputs of jobs that failed, and nothing else.

    `decisive` is all that the result depends on, as JSON has it; parts that were made from other things lie elsewhere.
    """
    return Path(f"{_beside(output)}{digest(decisive)[:16]}")


def remove(output: str | Path) -> None:
    """Remove the parts of an output, whatever they were made from."""
    beside = _beside(output)
    for path in beside.parent.glob(".*"):
        if path.name.startswith(beside.name):
            shutil.rmtree(path)


def _beside(output: str | Path) -> Path:
    return Path(output).with_name(f".{Path(output).name}.parts-")


def resumed(
    compute: Compute,
    count: int,
    schema: dict[str, pl.DataType],
    *,
    size: int,
    kept: Path | None,
    progress: Callable[[int], None],
) -> pl.DataFrame:
    """The rows of `count` images, computed in parts of `size`, which are written to the folder `kept` when complete.

    Parts that lie there whole are read; torn ones are computed again. Without a folder nothing is kept.
    """
    places = _parts(count, size)
    found = {} if kept is None else {part: rows for part in places if (rows := _read(kept, part)) is not None}
    missing = [part for part in places if part not in found]
    done = sum(map(len, found))
    if found:
        log.info("%d of %d images were computed before", done, count)
    progress(done)
    computed = compute([place for part in missing for place in part]) if missing else iter(())
    for part in missing:
        frames: list[pl.DataFrame] = []
        while (height := sum(frame.height for frame in frames)) < len(part):
            frames.append(next(computed))
            done += frames[-1].height
            progress(done)
        if height > len(part):
            msg = f"{height} rows in a part of {len(part)} images: parts must be of whole batches"
            raise ValueError(msg)
        found[part] = pl.concat(frames)
        if kept is not None:
            parquet.write(found[part], schema, _file(kept, part), [environment()])
    for _ in computed:  # to its end, where it leaves nothing running
        pass
    empty = pl.DataFrame(schema=schema)
    return pl.concat([empty, *(found[part].select(list(schema)) for part in places)])


def whole(count: int, schema: dict[str, pl.DataType], *, size: int, kept: Path) -> pl.DataFrame | None:
    """The rows of `count` images, where all their parts lie in the folder `kept`; None where one is missing or torn."""
    frames = [pl.DataFrame(schema=schema)]
    for part in _parts(count, size):
        if (rows := _read(kept, part)) is None:
            return None
        frames.append(rows.select(list(schema)))
    return pl.concat(frames)


def keep(
    rows: pl.DataFrame, schema: dict[str, pl.DataType], *, size: int, kept: Path, made_with: list[Environment]
) -> None:
    """Write rows that are there already, one an image, as the finished parts of `size` that `resumed` reads."""
    for part in _parts(rows.height, size):
        parquet.write(rows[part.start : part.stop], schema, _file(kept, part), made_with)


def environments(kept: Path) -> list[Environment]:
    """What the parts were made with; a job need not go on where it was killed."""
    return [one for path in sorted(kept.glob("*.parquet")) for one in parquet.environments(path)]


def _parts(count: int, size: int) -> list[range]:
    return [range(start, min(start + size, count)) for start in range(0, count, size)]


def _file(kept: Path, part: range) -> Path:
    return kept / f"{part.start}-{part.stop}.parquet"


def _read(kept: Path, part: range) -> pl.DataFrame | None:
    """The rows of a part, if its file is there and whole."""
    try:
        rows = parquet.read(_file(kept, part))
    except InputError:
        return None
    return rows if rows.height == len(part) else None
