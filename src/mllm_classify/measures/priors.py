"""How often answers stand for each class."""

import polars as pl


def said(scores: pl.DataFrame, keys: list[str]) -> pl.DataFrame:
    """What share of the answers that stand for a class stands for each: columns of `keys`, class_id, share (0 to 1).

    An answer that stands for several classes, as a name does that they share, counts for each of them in equal parts.
    Answers that stand for none are left out. Sorted by the keys and class_id.
    """
    several = pl.col("predicted").list.len()
    weighted = (
        scores.filter((several > 0) & (pl.col("status") != "error"))
        .select(*keys, weight=1 / several, class_id="predicted")
        .explode("class_id")
    )
    return (
        weighted.group_by(*keys, "class_id")
        .agg(pl.col("weight").sum())
        .with_columns(share=pl.col("weight") / pl.col("weight").sum().over(keys))
        .drop("weight")
        .sort(*keys, "class_id")
    )
