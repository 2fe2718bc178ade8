"""Whether models are better on classes that are named more often elsewhere."""

from typing import Any

import polars as pl

from mllm_classify.measures.correlation import partial, spearman, spearman_interval
from mllm_classify.tables.table import ASIDE, INTERVAL, MODEL, TASK, Column, Study, Table, fixed

NUMBERS = [f"{name}{end}" for name in ("rho", "words_rho", "partial_rho") for end in ("", "_low", "_high")]
SCHEMA = {"model": pl.String, "task": pl.String, "classes_compared": pl.Int64, **dict.fromkeys(NUMBERS, pl.Float64)}


def exposure(per_class: pl.DataFrame, classes: pl.DataFrame, study: Study, frequencies: dict[str, Any]) -> Table:
    """One row a model: Spearman's correlation over classes of its ImGT accuracy with how often they are named elsewhere.

    `per_class` is per_class.csv as it is written; `frequencies` has the source's `label`, and of each of its `names` (lower
    case) a count and, if known, how frequent its words are. Names are compared without case and outer blanks; a class that
    is not in there, or of which another class has the name, is left out. `words_rho` is the correlation with the words'
    frequency, `partial_rho` that with the count that words do not explain, over the classes with both. 95 % intervals:
    `measures.correlation`.
    """
    known = pl.DataFrame(
        frequencies["names"], schema={"key": pl.String, "count": pl.Float64, "words": pl.Float64}, orient="row"
    )
    keys = classes.select(
        class_id=pl.col("class_id").cast(pl.Int64), key=pl.col("name").str.strip_chars().str.to_lowercase()
    ).filter(pl.col("key").is_unique())
    of_classes = per_class.select("model", "task", pl.col("class_id").cast(pl.Int64), pl.col("ImGT").cast(pl.Float64))
    joined = of_classes.join(keys, on="class_id").join(known, on="key").drop_nulls("ImGT").sort("model", "class_id")
    cells = [
        {"model": model, "task": rows["task"][0], "classes_compared": rows.height} | _figures(rows)
        for (model,), rows in joined.group_by("model", maintain_order=True)
    ]
    rows = pl.DataFrame(cells, schema=SCHEMA).fill_nan(None)
    rows = rows.sort(pl.col("rho").round(9), "model", descending=[True, False], nulls_last=True)
    shown = classes.filter(pl.col("class_id").is_in(of_classes["class_id"].unique().implode())).height
    return Table(
        rows.with_columns(
            *(fixed(name, 3) for name in NUMBERS), pl.lit(frequencies["label"]).alias("source"), *study.columns()
        ),
        "Accuracy by class and how often classes are named elsewhere",
        f"{frequencies['label']}; {study}; {shown} classes with images",
        _columns(words=bool(known["words"].is_not_null().any())),
    )


def _figures(rows: pl.DataFrame) -> dict[str, float]:
    """Correlations of a model, with their intervals."""
    found = _with_interval("rho", spearman(*_pair(rows, "ImGT", "count")), rows.height)
    both = rows.drop_nulls("words")
    words = spearman(*_pair(both, "ImGT", "words"))
    rest = partial(spearman(*_pair(both, "ImGT", "count")), words, spearman(*_pair(both, "count", "words")))
    return found | _with_interval("words_rho", words, both.height) | _with_interval("partial_rho", rest, both.height, 1)


def _pair(rows: pl.DataFrame, one: str, other: str) -> tuple[Any, Any]:
    return rows[one].to_numpy(), rows[other].to_numpy()


def _with_interval(name: str, rho: float, count: int, without: int = 0) -> dict[str, float]:
    low, high = spearman_interval(rho, count, without)
    return {name: rho, f"{name}_low": low, f"{name}_high": high}


def _columns(*, words: bool) -> dict[str, Column]:
    more = {
        "words_rho": Column("rho, words", "rho, words: with how frequent the names' words are."),
        "words_rho_interval": ASIDE,
        "partial_rho": Column(
            "rho, partial", "rho, partial: with the number of mentions, as far as words do not explain it."
        ),
        "partial_rho_interval": INTERVAL,
    }
    return {
        "model": MODEL,
        "task": TASK,
        "classes_compared": Column("Classes", "Classes: those that the source counts, each with the same weight."),
        "rho": Column("rho", "rho: Spearman's, of ImGT accuracy by class with the number of mentions. CI: Bonett and Wright (2000)."),
        "rho_interval": INTERVAL,
        **(more if words else {}),
    }  # fmt: skip
