"""The pairs of an answer and a class that judges are asked about: of all models together, each pair once."""

from typing import NamedTuple

import numpy as np
import polars as pl

from mllm_classify.io.arrays import FloatArray
from mllm_classify.io.keys import QUESTION
from mllm_classify.mapping.nearest import BLOCK
from mllm_classify.tasks import JUDGED_TASKS, OW

PAIRS: dict[str, pl.DataType] = {
    "answer": pl.String(),  # stripped of blanks at both ends, as it is embedded
    "class_id": pl.Int32(),  # the lowest of those that share the name
    "name": pl.String(),  # of the class
    "rank": pl.Int32(),  # of the class among all names, by similarity to the answer, from 1
    "similarity": pl.Float32(),  # cosine
}


class Answered(NamedTuple):
    """What one model answered: files of its predictions, mapping and embeddings by the main encoder."""

    predictions: pl.LazyFrame
    mapping: pl.LazyFrame
    vectors: pl.LazyFrame


def unnamed_answers(predictions: pl.LazyFrame, mapping: pl.LazyFrame) -> pl.Series:
    """The distinct answers of one model that are judged: those to tasks of JUDGED_TASKS that no class has as its name.

    An answer that is a class's name is that class: no judge is asked. Neither is one about errors and empty answers.
    """
    named = mapping.filter(pl.col("task").is_in(JUDGED_TASKS)).select(*QUESTION, "status", "exact_classes")
    return (
        predictions.select(*QUESTION, pl.col("text").str.strip_chars().alias("answer"))
        .join(named, on=QUESTION)
        .filter(
            ~pl.col("status").is_in(["error", "empty"]), pl.col("exact_classes").list.len() == 0, pl.col("answer") != ""
        )
        .select(pl.col("answer").unique())
        .collect()["answer"]
    )


def pairs(
    models: list[Answered],
    classes: pl.DataFrame,
    class_embeddings: pl.DataFrame,
    nearest: int,
    labels: pl.DataFrame | None = None,
) -> pl.DataFrame:
    """Every judged answer of any model with the `nearest` classes of the most similar names. Columns of PAIRS.

    In the order of answers, and of similarity. Where there are `labels`, behind them every answer to OW with the classes of
    its images, unless that pair is there already, or the answer is the class's name.
    """
    near = nearest_pairs(models, classes, class_embeddings, nearest)
    if labels is None:
        return near
    own = [own_classes(model.predictions, model.mapping, labels, classes) for model in models]
    others = pl.concat([near.select("answer", "class_id").head(0), *own]).unique().sort("answer", "class_id")
    lacking = others.join(near, on=["answer", "class_id"], how="anti", maintain_order="left")
    named = lacking.join(classes.select("class_id", "name"), on="class_id", maintain_order="left")
    return pl.concat([near, named], how="diagonal")


def own_classes(
    predictions: pl.LazyFrame, mapping: pl.LazyFrame, labels: pl.DataFrame, classes: pl.DataFrame
) -> pl.DataFrame:
    """The distinct answers of one model to OW, each with the classes that its images have in either label set, of which
    it is not the name. Columns answer, class_id.
    """
    first = classes.select("class_id", pl.col("same_name").list.first().alias("first"))
    of_images = labels.select("image_id", class_id=pl.concat_list("imgt", pl.col("regt").fill_null([])))
    return (
        predictions.filter(pl.col("task") == OW.name)
        .select(*QUESTION, pl.col("text").str.strip_chars().alias("answer"))
        .join(mapping.select(*QUESTION, "status", "exact_classes"), on=QUESTION)
        .filter(~pl.col("status").is_in(["error", "empty"]), pl.col("answer") != "")
        .join(of_images.lazy(), on="image_id")
        .explode("class_id")
        .filter(pl.col("class_id").is_not_null(), ~pl.col("exact_classes").list.contains(pl.col("class_id")))
        .join(first.lazy(), on="class_id")
        .select("answer", pl.col("first").alias("class_id"))
        .unique()
        .collect()
    )


def nearest_pairs(
    models: list[Answered], classes: pl.DataFrame, class_embeddings: pl.DataFrame, nearest: int
) -> pl.DataFrame:
    """Every judged answer of any model with the `nearest` classes of the most similar names. Columns of PAIRS."""
    vectors = []
    for model in models:
        judged = unnamed_answers(model.predictions, model.mapping)
        vectors.append(model.vectors.filter(pl.col("text").is_in(judged.implode())).collect())
    vectors = [frame for frame in vectors if frame.height]  # an empty file's vectors have no length
    if not vectors:
        return pl.DataFrame(schema=PAIRS)
    answers = pl.concat(vectors).unique("text", keep="first", maintain_order=True).sort("text")
    of_classes = classes.sort("class_id")
    numbers, ids, similarities = most_similar(
        answers["embedding"].to_numpy(),
        class_embeddings.sort("class_id")["embedding"].to_numpy(),
        of_classes["same_name"].to_list(),
        nearest,
    )
    names = of_classes["name"].to_numpy()
    width = ids.shape[1]
    return pl.DataFrame(
        {
            "answer": answers["text"].gather(numbers),
            "class_id": ids.ravel(),
            "name": names[ids.ravel()],
            "rank": np.tile(np.arange(1, width + 1), len(answers)),
            "similarity": similarities.ravel(),
        },
        schema=PAIRS,
    )


def most_similar(
    answers: FloatArray, classes: FloatArray, same_name: list[list[int]], count: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """For each answer the `count` classes of highest cosine similarity, of each name the lowest id; of equal ones, too.

    Shapes: answers n x d, classes k x d, both of unit length. Returns the answers' places (n * count), and ids and
    similarities (n x count); count is at most the number of names. The first is the class that `mapping.nearest` finds.
    """
    exactly = classes.T.astype(np.float64)
    firsts = np.unique([group[0] for group in same_name]).astype(np.int32)
    count = min(count, len(firsts))
    ids, similarities = [], []
    for start in range(0, len(answers), BLOCK):
        similarity = (answers[start : start + BLOCK].astype(np.float64) @ exactly).astype(np.float32)[:, firsts]
        order = np.argsort(-similarity, axis=1, kind="stable")[:, :count]
        ids.append(firsts[order])
        similarities.append(np.take_along_axis(similarity, order, axis=1))
    return np.repeat(np.arange(len(answers)), count), np.concatenate(ids), np.concatenate(similarities)
