"""Earlier corrections of labels, beside the second label set."""

import polars as pl

from mllm_classify.measures.selection import evaluated


def corrected(labels: pl.DataFrame) -> pl.DataFrame:
    """One row an evaluated image and earlier label set that has it: image_id, set, classes, admissible, before, after.

    `before` and `after` are the categories by the earlier set and by the second label set. For both, labels count as they are, and
    + says that one of them is equivalent to ImGT, or is it: where a set proposes two equivalent classes, that is M.
    """
    return (
        evaluated(labels)
        .select("image_id", "imgt_admissible", "regt", "earlier")
        .explode("earlier")
        .drop_nulls("earlier")
        .unnest("earlier")
        .with_columns(before=category("classes"), after=category("regt"))
    )


def category(classes: str) -> pl.Expr:
    number = pl.col(classes).list.len()
    plus = pl.col(classes).list.set_intersection("imgt_admissible").list.len() > 0
    size = pl.when(number == 1).then(pl.lit("S")).otherwise(pl.lit("M"))
    sign = pl.when(plus).then(pl.lit("+")).otherwise(pl.lit("-"))
    return pl.when(number == 0).then(pl.lit("N")).otherwise(size + sign)
