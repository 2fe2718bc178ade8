"""What tables are given beside stage files: the study, its images, and its models."""

from typing import Any

import polars as pl

from mllm_classify.measures.selection import evaluated
from mllm_classify.tables.table import Study


def study(about: dict[str, Any], labels: pl.DataFrame, classes: pl.DataFrame) -> Study:
    """What tables are of.

    `about` has dataset, imgt, regt and equivalences (labels; the last two may be None), class_list (its file), n_images
    (the rule for images without a label) and rules (the others, in words). `labels` are of all images, evaluated or not.
    """
    return Study(
        about["dataset"],
        about["imgt"],
        about["regt"],
        about["equivalences"],
        f"{about['class_list']} ({classes.height})",
        about["n_images"],
        int(labels["excluded"].is_not_null().sum()),
        about["rules"],
    )


def images(labels: pl.DataFrame) -> pl.DataFrame:
    """The evaluated images. Columns image_id, category."""
    return evaluated(labels).select("image_id", "category")


def models(entries: list[list[str]]) -> pl.DataFrame:
    """Columns model, label and family, in the order of names, from a list of these three for every model."""
    schema = dict.fromkeys(["model", "label", "family"], pl.String)
    return pl.DataFrame(entries, schema=schema, orient="row").sort("model")
