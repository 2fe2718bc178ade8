"""The class of the highest score that a cross-encoder gives an answer with those nearest to it."""

import polars as pl

from mllm_classify.mapping.nearest import NEAREST

RERANKED: dict[str, pl.DataType] = {
    "text": pl.String(),
    "class_id": pl.Int32(),  # of equal names the lowest
    "score": pl.Float32(),
}


def reranked_classes(reranked: pl.DataFrame) -> pl.DataFrame:
    """The best class of each answer: columns text and those of NEAREST, in which scores stand for cosines.

    Of equal scores the lowest id; the margin is to the next name, infinite where there is none.
    """
    ordered = reranked.sort("score", "class_id", descending=[True, False]).group_by("text", maintain_order=True)
    return (
        ordered.agg(
            nearest_class=pl.col("class_id").first(),
            similarity=pl.col("score").first(),
            margin=pl.col("score").first() - pl.col("score").get(1, null_on_oob=True),
        )
        .with_columns(pl.col("margin").fill_null(float("inf")))
        .sort("text")
        .select("text", *(pl.col(name).cast(dtype) for name, dtype in NEAREST.items()))
    )
