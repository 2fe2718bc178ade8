"""What a model's answers are beside ReGT: which of them annotators see again, and how many there are."""

import polars as pl

from mllm_classify.measures.selection import evaluated


def examined_answers(mapping: pl.DataFrame, labels: pl.DataFrame, task: str, variant: str | None) -> pl.DataFrame:
    """What the model answered to every image that no label set excludes, in the order of `labels`.

    Columns image_id, category, imgt, regt, predicted, and `answer`: agrees, disputed (a listed class that is not
    admissible under ReGT), out of prompt, error, unasked. On an image without a label (N) every listed class is disputed.
    """
    answers = mapping.filter(
        (pl.col("task") == task) & (pl.col("variant") == (variant or "")) & (pl.col("repeat") == 0)
    )
    meets = pl.col("exact_classes").list.set_intersection("regt_admissible").list.len() > 0
    answer = (
        pl.when(pl.col("status").is_null())
        .then(pl.lit("unasked"))
        .when(pl.col("status") == "error")
        .then(pl.lit("error"))
        .when(~pl.col("in_prompt"))
        .then(pl.lit("out of prompt"))
        .when(meets)
        .then(pl.lit("agrees"))
        .otherwise(pl.lit("disputed"))
    )
    return (
        evaluated(labels)
        .join(
            answers.select("image_id", "status", "in_prompt", "exact_classes"),
            on="image_id",
            how="left",
            maintain_order="left",
        )
        .select("image_id", "category", "imgt", "regt", pl.col("exact_classes").alias("predicted"), answer=answer)
    )
