"""Table 2: images by label category."""

import polars as pl

from mllm_classify.measures.counting import SUBSETS, sizes
from mllm_classify.tables.table import Column, Study, Table

NOTE = "S: one ReGT label, M: several, N: none; +: the ImGT label is among them, -: it is not (Table 1 of the paper)."


def table2(images: pl.DataFrame, study: Study) -> Table:
    """Images per label category, from the category of every evaluated image (Table 2)."""
    frame = images.select("category", pl.lit(1).alias("n"))
    numbers = dict(zip(SUBSETS, frame.select(sizes()).row(0), strict=True))
    rows = [
        {"statistic": "count"} | {key: None if n is None else str(n) for key, n in numbers.items()},
        {"statistic": "percent"}
        | {key: None if n is None else f"{100 * n / frame.height:.1f}" for key, n in numbers.items()},
    ]
    return Table(
        pl.DataFrame(rows, schema=dict.fromkeys(["statistic", *SUBSETS], pl.String)).with_columns(
            pl.lit(frame.height).alias("n"), *study.columns()
        ),
        "Table 2. Images per label category",
        f"{study}; n = {frame.height}",
        {"statistic": Column("statistic", words=True)}
        | {name: Column(name, NOTE if name == "S" else "") for name in SUBSETS},
    )
