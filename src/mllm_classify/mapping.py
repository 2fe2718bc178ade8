"""From answers in words to classes: exactly, and by the nearest class embedding."""

import numpy as np
import polars as pl

from mllm_classify.arrays import FloatArray

MAPPING: dict[str, pl.DataType] = {
    "image_id": pl.String(),
    "task": pl.String(),
    "variant": pl.String(),
    "repeat": pl.Int32(),
    "encoder": pl.String(),
    "status": pl.String(),  # as predicted: ok, or error
    "in_prompt": pl.Boolean(),  # null where the prompt lists no classes (OW), and for errors
    "exact_classes": pl.List(pl.Int32),  # all classes of that name; empty when there is none
    "nearest_class": pl.Int32(),  # of equally near ones the lowest id; null for an empty answer
    "similarity": pl.Float32(),  # cosine
    "margin": pl.Float32(),  # to the nearest class of another name
}
BLOCK = 4096
"""Answers that are compared with all classes at once."""


def normalise(column: str) -> pl.Expr:
    """What answers and class names are compared by: lower-cased and stripped, nothing else (Sec. 2.3, Task 3)."""
    return pl.col(column).str.to_lowercase().str.strip_chars()


def nearest(answers: FloatArray, classes: FloatArray, same_name: list[list[int]]) -> pl.DataFrame:
    """The class of highest cosine similarity for each answer, and how far ahead of other names it is.

    Shapes: answers n x d, classes k x d, both of unit length; returns n rows.
    """
    first = np.array([group[0] for group in same_name], dtype=np.int32)
    best_ids, best_scores, margins = [], [], []
    for start in range(0, len(answers), BLOCK):
        similarity = answers[start : start + BLOCK] @ classes.T
        best = first[similarity.argmax(axis=1)]
        best_ids.append(best)
        best_scores.append(similarity.max(axis=1))
        # equal names have equal embeddings: the runner-up must be a class of another name
        others = np.where(first[None, :] == best[:, None], -np.inf, similarity)
        margins.append(best_scores[-1] - others.max(axis=1, initial=-np.inf))
    return pl.DataFrame(
        {
            "nearest_class": np.concatenate([np.empty(0, np.int32), *best_ids]),
            "similarity": np.concatenate([np.empty(0, np.float32), *best_scores]),
            "margin": np.concatenate([np.empty(0, np.float32), *margins]),
        },
        schema={name: MAPPING[name] for name in ("nearest_class", "similarity", "margin")},
    )


def map_answers(
    predictions: pl.DataFrame,
    classes: pl.DataFrame,
    class_embeddings: pl.DataFrame,
    answer_embeddings: pl.DataFrame,
    encoder: str,
) -> pl.DataFrame:
    """Every answer's exact classes and nearest class.

    No exact match shortens the way to the nearest class: an answer that is a class name goes through the embeddings
    too (OW). An empty answer is out of prompt and has no nearest class.
    """
    near = answer_embeddings.select("text")
    if near.height:
        near = near.hstack(
            nearest(
                answer_embeddings["embedding"].to_numpy(),
                class_embeddings.sort("class_id")["embedding"].to_numpy(),
                classes.sort("class_id")["same_name"].to_list(),
            )
        )
    else:
        near = pl.DataFrame(
            schema={"text": pl.String(), **{k: MAPPING[k] for k in ("nearest_class", "similarity", "margin")}}
        )
    exact = classes.select(normalise("name").alias("key"), pl.col("same_name").alias("exact_classes")).unique("key")
    listed = (pl.col("task") != "OW") & (pl.col("status") == "ok")
    return (
        predictions.with_columns(normalise("text").alias("key"), pl.col("text").str.strip_chars())
        .join(exact, on="key", how="left", maintain_order="left")
        .join(near, on="text", how="left", maintain_order="left")
        .with_columns(
            pl.lit(encoder).alias("encoder"),
            pl.when(listed).then(pl.col("exact_classes").is_not_null()).alias("in_prompt"),
            pl.col("exact_classes").fill_null(pl.lit([], dtype=pl.List(pl.Int32))),
        )
        .select(list(MAPPING))
    )
