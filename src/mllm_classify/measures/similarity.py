"""How similar answers are to the names of the labels, as Conti et al. measure it (2025)."""

from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from mllm_classify.measures.selection import evaluated
from mllm_classify.tasks import OW

if TYPE_CHECKING:
    from mllm_classify.io.arrays import FloatArray

MEASURES = ("semantic", "concept")
"""The cosine of answer and label; and the highest of the answer, and of any concept that it speaks of, and the label."""


def similarities(
    predictions: pl.DataFrame,
    labels: pl.DataFrame,
    classes: pl.DataFrame,
    answers: pl.DataFrame,
    concepts: pl.DataFrame,
) -> pl.DataFrame:
    """Similarities of one model's answers to OW, one row an image and label set that has a label for it.

    `classes`, `answers` and `concepts` are embeddings, of unit length. Of several labels the most similar counts; without an answer
    it is 0. Columns image_id, label_set (ImGT or ReGT), and those of MEASURES.
    """
    asked = (
        predictions.filter((pl.col("task") == OW.name) & (pl.col("variant") == "") & (pl.col("repeat") == 0))
        .join(evaluated(labels).select("image_id", "imgt", "regt"), on="image_id", how="inner", maintain_order="left")
        .select(
            "image_id",
            pl.when(pl.col("status") == "ok").then(pl.col("text").str.strip_chars()).alias("text"),
            "imgt",
            "regt",
        )
    )
    names: FloatArray = classes.sort("class_id")["embedding"].to_numpy().astype(np.float64)
    whole = dict(zip(answers["text"], answers["embedding"].to_numpy(), strict=True)) if answers.height else {}
    parts: dict[str, list[FloatArray]] = {}
    for text, vector in zip(concepts["text"], concepts["embedding"].to_numpy() if concepts.height else (), strict=True):
        parts.setdefault(text, []).append(vector)
    rows = []
    for image_id, text, imgt, regt in asked.iter_rows():
        for label_set, wanted in (("ImGT", [imgt]), ("ReGT", regt or [])):
            if not wanted:
                continue
            said = [whole[text]] if text in whole else []
            cosines = [
                float((names[wanted] @ vector.astype(np.float64)).max()) for vector in [*said, *parts.get(text, [])]
            ]
            rows.append((image_id, label_set, cosines[0] if said else 0.0, max(cosines, default=0.0)))
    schema = {"image_id": pl.String, "label_set": pl.String, "semantic": pl.Float64, "concept": pl.Float64}
    return pl.DataFrame(rows, schema=schema, orient="row")
