"""The class whose name's embedding is nearest to an answer's."""

import numpy as np
import polars as pl

from mllm_classify.io.arrays import FloatArray

NEAREST: dict[str, pl.DataType] = {
    "nearest_class": pl.Int32(),  # of equally near ones the lowest id; null for an empty answer
    "similarity": pl.Float32(),  # cosine
    "margin": pl.Float32(),  # to the nearest class of another name
}
BLOCK = 4096
"""Answers that are compared with all classes at once."""


def nearest_classes(
    answer_embeddings: pl.DataFrame, class_embeddings: pl.DataFrame, classes: pl.DataFrame
) -> pl.DataFrame:
    """The nearest class of each distinct answer: columns text and those of NEAREST. The embeddings are files of a study."""
    texts = answer_embeddings.select("text")
    if not len(texts):
        return pl.DataFrame(schema={"text": pl.String(), **NEAREST})
    return texts.hstack(
        nearest(
            answer_embeddings["embedding"].to_numpy(),
            class_embeddings.sort("class_id")["embedding"].to_numpy(),
            classes.sort("class_id")["same_name"].to_list(),
        )
    )


def nearest(answers: FloatArray, classes: FloatArray, same_name: list[list[int]]) -> pl.DataFrame:
    """The class of highest cosine similarity for each answer, and how far ahead of other names it is.

    Shapes: answers n x d, classes k x d, both of unit length; returns n rows, with the columns of NEAREST. They are summed
    in twice the precision that is kept: processors sum in other orders, and the last bit would be theirs.
    """
    exactly = classes.T.astype(np.float64)
    first = np.array([group[0] for group in same_name], dtype=np.int32)
    best_ids, best_scores, margins = [], [], []
    for start in range(0, len(answers), BLOCK):
        similarity = (answers[start : start + BLOCK].astype(np.float64) @ exactly).astype(np.float32)
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
        schema=NEAREST,
    )
