"""Which results tell of single images' labels that may not be handed on.

Which results such labels reach follows from the lineages. Of these, files of the stages have a row an image, and of tables and
figures `outputs` says whether they tell of single labels. A figure of a few images tells of them, too.
"""

from collections.abc import Iterable
from pathlib import Path

import polars as pl

from mllm_classify.config.study import Config
from mllm_classify.measures.counting import COUNTED, SUBSETS
from mllm_classify.outputs import ACROSS, OUTPUTS, Output, parts
from mllm_classify.plan.across import before, existing, files_of_each
from mllm_classify.plan.files import PATTERNS, bundled_files, written
from mllm_classify.plan.lineage import Lineages
from mllm_classify.plan.outline import Outline, outline
from mllm_classify.plan.restricted import influenced, sources

FEWEST = 10
"""A table with a figure of fewer images is left out."""


def withheld_results(config: Config) -> dict[str, str]:
    """The results that an archive leaves out, and why, data set by data set. Reads the tables of `results/`."""
    why: dict[str, str] = {}
    reached: dict[str, set[str]] = {}
    outlines: dict[str, Outline] = {}
    for name, study in config.studies.items():
        if not any(sources(study)):
            continue
        of = Lineages(study)
        outlines[name], reached[name] = of.outline, influenced(study, of)
        following = [it for it in bundled_files(of.outline) if it.job in reached[name]]
        stages = [it.path for it in following if it.job not in OUTPUTS]
        why |= dict.fromkeys(stages, "has rows that follow from what is restricted")
        why |= _telling(of.outline, {it.job: OUTPUTS[it.job] for it in following if it.job in OUTPUTS})
    across: dict[str, Output] = {}
    for name in existing(config):
        output = ACROSS[name]
        if across.keys() & {*before(output)} or any(
            it.job in reached[dataset] for dataset, of in outlines.items() for it in files_of_each(output, of)
        ):
            across[name] = output
    return why | _telling(outline(config), across)


def _telling(outline: Outline, following: dict[str, Output]) -> dict[str, str]:
    """The files of tables and figures that follow from what is restricted and tell of single labels, and why each does."""
    why = {name: "tells of single labels" for name, output in following.items() if output.reveals}
    # the report does not need every table: those that were not made tell nothing
    made = {name: it for name, it in following.items() if name not in why and Path(written(outline, it)[0]).exists()}
    why |= {name: f"has a figure of fewer than {FEWEST} images" for name, it in made.items() if few(outline, it)}
    close = alike(outline, [output for name, output in made.items() if name not in why])
    why |= dict.fromkeys(sorted(close), f"has a figure that differs from another's by fewer than {FEWEST} images")
    return {path: said for name, said in why.items() for path in written(outline, following[name])}


def few(outline: Outline, output: Output) -> bool:
    """Whether a table, or one that a figure is drawn from, has a figure of fewer than FEWEST images, but of some."""
    found = [_sizes(path) for path in _tables(outline, output)]
    return any(0 < size < FEWEST for sizes in found for numbers in sizes.values() for size in numbers)


def alike(outline: Outline, kept: Iterable[Output]) -> set[str]:
    """The outputs to leave out since their figures, less those of others, would be of fewer than FEWEST images.

    Two such numbers of images, of the same categories, are close to one another, as where a model lacks some images: what tables
    say of them apart says, subtracted, which categories those few are of. Those with the larger number stay.
    """
    by_output = {it.name: [_sizes(path) for path in _tables(outline, it)] for it in kept}
    every: dict[str, set[float]] = {}
    for found in by_output.values():
        for sizes in found:
            for of, numbers in sizes.items():
                every.setdefault(of, set()).update(numbers)
    close = {
        (of, one) for of, numbers in every.items() for one in numbers for other in numbers if 0 < other - one < FEWEST
    }
    return {
        name
        for name, found in by_output.items()
        if any((of, size) in close for sizes in found for of, numbers in sizes.items() if of for size in numbers)
    }


def _tables(outline: Outline, output: Output) -> list[str]:
    """The file of a table, or those of the tables that a figure is drawn from."""
    if output.form != "figure":
        return [written(outline, output)[0]]
    tables = {**{name: OUTPUTS[name] for name in outline.outputs}, **ACROSS}
    names = [name for name in parts(output) if name in tables and name not in PATTERNS]
    return [path for name in names for path in _tables(outline, tables[name])]


def _sizes(path: str) -> dict[str, set[float]]:
    """The numbers of images in a table, by the category, or else the nested groups, that they are of; "" of disjoint groups."""
    rows = pl.read_parquet(path) if path.endswith(".parquet") else pl.read_csv(path, infer_schema=False)
    if "statistic" in rows.columns and SUBSETS.keys() & {*rows.columns}:
        counted = rows.filter(~pl.col("statistic").str.contains("%|percent"))
        return {of: _numbers(counted[of]) for of in SUBSETS if of in rows.columns}
    found: dict[str, set[float]] = {}
    for column in rows.columns:
        if column == "n" or (column.startswith("n_") and column not in {"n_images", *COUNTED}):
            found |= {column.removeprefix("n_"): _numbers(rows[column])}
    if "n" in found:
        found |= _grouped(rows, found.pop("n"))
    return found


def _grouped(rows: pl.DataFrame, numbers: set[float]) -> dict[str, set[float]]:
    """What numbers of images in a column n are of: all images, unless other columns say which."""
    if {"set", "before"} <= {*rows.columns}:  # of each set, cells of one partition
        whole = rows.group_by("set").agg(pl.col("n").cast(pl.Float64).sum())
        return {"": numbers, "A": _numbers(whole["n"])}
    if {"set", "subset"} <= {*rows.columns}:
        return {"": numbers, "A": _numbers(rows.filter(subset="A")["n"])}
    if {"measure", "subset"} <= {*rows.columns}:
        return {str(of): _numbers(those["n"]) for (of,), those in rows.group_by("subset")}
    if "of" in rows.columns:
        nested = rows.filter(pl.col("of").str.starts_with("several labels"))
        return {"": numbers, "several labels": _numbers(nested["n"])}
    if "measure" in rows.columns:
        return {str(of): _numbers(those["n"]) for (of,), those in rows.group_by("measure")}
    return {"": numbers} if {"statistic", "value"} & {*rows.columns} else {"A": numbers}


def _numbers(column: pl.Series) -> set[float]:
    return {*column.cast(pl.Float64, strict=False).drop_nulls()}
