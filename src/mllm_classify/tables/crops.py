"""Accuracy on crops along boxes: the largest, any, and all of an image's."""

import polars as pl

from mllm_classify.dataset.validation_images import VALIDATION_IMAGES
from mllm_classify.measures.counting import percentages
from mllm_classify.measures.selection import best_task, main_scores
from mllm_classify.tables.table import INTERVAL, MODEL, TASK, Column, Study, Table, labelled, subtitle

MEASURES = ["largest", "any", "all"]
"""The largest crop of an image is right; any is; and all crops, each by itself."""


def crops(scores: pl.DataFrame, labels: pl.DataFrame, models: pl.DataFrame, study: Study) -> Table:
    """One row a model, at its task of Table 3, and measure. `accuracy` is over images with crops, or over crops; `filled` over all
    validation images, of which those without a crop count as right, as ReImageNet's authors do (experiment E4).

    Of equally large crops the first counts.
    """
    crop = labels.select(
        "image_id", "pixels", image=pl.col("image_id").str.split("_crop_").list.first()
    ).with_row_index("place")
    keys = ["model", "scoring"]
    shown = best_task(main_scores(scores), study.n_images).join(crop, on="image_id", how="inner").sort("place")
    by_image = shown.group_by(*keys, "image", maintain_order=True).agg(
        largest=pl.col("imgt").get(pl.col("pixels").arg_max()), any=pl.col("imgt").any()
    )
    counted = [
        frame.group_by(keys)
        .agg(pl.col(column).sum().alias("accuracy"), pl.len().alias("n"), pl.len().alias("accuracy_total"))
        .with_columns(measure=pl.lit(measure), place=pl.lit(place), right=pl.col("accuracy"))
        for place, (measure, frame, column) in enumerate(
            zip(MEASURES, [by_image, by_image, shown], ["largest", "any", "imgt"], strict=True)
        )
    ]
    rest = VALIDATION_IMAGES - pl.col("n").cast(pl.Int64)
    rows = (
        percentages(pl.concat(counted), ["accuracy"])
        .with_columns(
            filled=pl.when(pl.col("measure") != "all").then((pl.col("right") + rest) / VALIDATION_IMAGES * 100)
        )
        .sort(*keys, "place")
    )
    return Table(
        labelled(rows, models, study, ["measure", "accuracy", "accuracy_low", "accuracy_high", "n", "filled"]),
        "Accuracy (%) on crops",
        subtitle(study, rows),
        {
            "model": MODEL,
            "task": TASK,
            "measure": Column(
                "Crops",
                "Largest, any: images whose largest crop is right, or any of whose crops is. All: each crop by itself. A crop is "
                "right if the answer is the class of its box, or equivalent to it.",
                words=True,
            ),
            "n": Column("n"),
            "accuracy": Column("Accuracy", "CI: Wilson."),
            "accuracy_interval": INTERVAL,
            "filled": Column(
                "of all", f"Of all: of {VALIDATION_IMAGES:,} images, of which those without a crop count as right."
            ),
        },
    )
