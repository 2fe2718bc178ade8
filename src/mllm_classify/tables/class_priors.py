"""How often a chat model says each class where the image is not shown, beside how often it does where it is."""

import polars as pl

from mllm_classify.measures.priors import said
from mllm_classify.tables.priors import BLIND, KEYS, asked_blind, main_way
from mllm_classify.tables.table import Study, fixed, named


def class_priors(
    scores: pl.DataFrame, classes: pl.DataFrame, blind: list[list[str]], models: pl.DataFrame, study: Study
) -> pl.DataFrame:
    """One row for each model, task, variant without its images, and class that was said: in percent of the answers that
    stand for a class, `share` without the image, and `with_image` in the main way on the same images.

    Classes that were never said, either way, have no row. `blind` is as in the table of priors.
    """
    frames = []
    for _, of in asked_blind(scores, blind).group_by(KEYS, maintain_order=True):
        main = main_way(scores, of).join(of.select("image_id").unique(), on="image_id", how="semi")
        shares = said(of, KEYS).join(said(main, KEYS).drop("variant"), on="class_id", how="full", suffix="_main")
        frames.append(
            shares.select(
                *(pl.lit(of[key][0]).alias(key) for key in KEYS),
                pl.coalesce("class_id", "class_id_main").alias("class_id"),
                *(
                    (pl.col(column).fill_null(0) * 100).alias(name)
                    for name, column in {"share": "share", "with_image": "share_main"}.items()
                ),
            )
        )
    none = pl.DataFrame(
        schema={
            **dict.fromkeys(KEYS, pl.String()), "class_id": pl.Int32(), "share": pl.Float64(), "with_image": pl.Float64(),
        }
    )  # fmt: skip
    rows = pl.concat([none, *frames]).join(
        pl.DataFrame(blind, schema=BLIND, orient="row"), on=["model", "variant"], how="left"
    )
    order = [False, False, False, True, True, False]
    return (
        named(rows, models)
        .join(classes.select("class_id", pl.col("name").alias("class")), on="class_id", how="left")
        .sort(
            "name", "task", "variant", pl.col("share").round(9), pl.col("with_image").round(9), "class_id",
            descending=order,
        )
        .select(
            "model", "task", "variant", "shown", "class_id", "class", fixed("share", 4), fixed("with_image", 4),
            *study.columns(),
        )
    )  # fmt: skip
