"""How far each model that says how probable classes are doubts each ImGT label: cleanlab's scores, image by image."""

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import polars as pl

from mllm_classify.measures.chat_confidences import normalised
from mllm_classify.measures.confidences import AS_GIVEN, Distributions, distributions, padded
from mllm_classify.measures.intervals import Floats
from mllm_classify.measures.selection import evaluated
from mllm_classify.tables.table import Study
from mllm_classify.tasks import CW, RANKED

RANKS = ["self_confidence_rank", "normalized_margin_rank", "confident_learning_rank"]
"""The rankings, the label that deserves a second look the most first."""
SCHEMA: dict[str, pl.DataType] = {
    "name": pl.String(),
    "task": pl.String(),  # the scoring, which is CW's of vision models
    "image_id": pl.String(),
    "category": pl.String(),
    "expert": pl.String(),  # whether the experts of the weasel family have the label: agrees, differs
    "self_confidence": pl.Float64(),
    "normalized_margin": pl.Float64(),
    "issue": pl.Boolean(),
    **dict.fromkeys(RANKS, pl.Int64()),
}


def label_quality(
    confident_rankings: dict[str, pl.LazyFrame],
    whole_likelihoods: dict[str, pl.LazyFrame],
    labels: pl.DataFrame,
    classes: pl.DataFrame,
    models: pl.DataFrame,
    study: Study,
) -> pl.DataFrame:
    """The quality of each ImGT label by each model, from 0, surely wrong, to 1, by cleanlab's definitions: self-confidence,
    the label's probability; the normalised margin between that and the likeliest other class's; and whether confident
    learning (Northcutt, Jiang & Chuang, JAIR 2021) counts the label among the wrong ones. Its ranking has these first, each
    part by the normalised margin; ties go by the image's id.

    What a ranking has cut off counts as 0. The probabilities of classes that the label admits are the label's.

    `whole_likelihoods` are rankings of all classes by how likely their names are, whose softmax over all names is taken. Where
    one of a scoring lacks a class, that has no rows: how probable a label outside of it is, nobody knows. Classes of one name
    are one here: a model that is asked by names cannot tell them apart.
    """
    known = evaluated(labels).select("image_id", "imgt", "imgt_admissible", "category", "expert")
    parts = [
        _of_ranking(name, CW.name, _main(frame).collect(), known, classes.height)
        for name, frame in confident_rankings.items()
    ]
    if whole_likelihoods:
        named = known.with_columns(_of_their_names(known["imgt_admissible"], classes))
        parts += [
            _of_ranking(name, task, ranked, named, classes.height)
            for name, frame in whole_likelihoods.items()
            for task, ranked in _of_names(frame, classes)
        ]
    rows = pl.concat([pl.DataFrame(schema=SCHEMA), *parts]).sort("name", maintain_order=True)
    return rows.join(
        models.rename({"model": "name", "label": "model"}), on="name", how="left", maintain_order="left"
    ).select("model", *SCHEMA, *study.columns())


def _main(frame: pl.LazyFrame) -> pl.LazyFrame:
    asked = frame.filter((pl.col("variant") == "") & (pl.col("repeat") == 0) & (pl.col("status") == "ok"))
    return asked.select("image_id", "task", "class_ids", "scores", "status")


def _of_names(frame: pl.LazyFrame, classes: pl.DataFrame) -> Iterator[tuple[str, pl.DataFrame]]:
    """Each scoring of a model by likelihood of which all rankings are whole, with probabilities in place of scores."""
    rows = _main(frame).filter(pl.col("task").is_in(list(RANKED))).collect()
    for task in (name for name in RANKED if rows["task"].eq(name).any()):
        yield from ((task, ranked) for kind, ranked in normalised(rows.filter(task=task), classes) if kind == AS_GIVEN)


def _of_their_names(class_ids: pl.Series, classes: pl.DataFrame) -> pl.Series:
    """Lists of classes with all others that bear the name of one of them."""
    sharing = dict(classes.select("class_id", "same_name").iter_rows())
    lists = [sorted({other for it in ids for other in sharing[it]}) for ids in class_ids]
    return pl.Series(class_ids.name, lists, dtype=pl.List(pl.Int32))


def _of_ranking(name: str, task: str, ranked: pl.DataFrame, known: pl.DataFrame, classes: int) -> pl.DataFrame:
    """Rows of SCHEMA. `ranked` has image_id, class_ids, and scores, which are probabilities; one row an image."""
    rows = (
        ranked.filter(pl.col("scores").list.len() > 0)
        .select("image_id", "class_ids", "scores")
        .join(known, on="image_id")
        .sort("image_id")
    )
    if not rows.height:
        return pl.DataFrame(schema=SCHEMA)
    given = distributions(rows)
    labels = rows["imgt"].to_numpy().astype(np.int64)
    pairs, matrix = _probabilities(given, labels, padded(rows["imgt_admissible"], -2), classes)
    agrees = pl.col("expert").list.contains(pl.col("imgt"))
    return (
        rows.with_columns(
            pl.lit(name).alias("name"),
            pl.lit(task).alias("task"),
            pl.when(pl.col("expert").is_not_null())
            .then(pl.when(agrees).then(pl.lit("agrees")).otherwise(pl.lit("differs")))
            .alias("expert"),
            *(pl.Series(score, values).round(6) for score, values in _qualities(pairs)),
            pl.Series("issue", issues(labels, matrix)),
        )
        .with_columns(
            pl.col("self_confidence").rank("ordinal").alias(RANKS[0]),
            pl.col("normalized_margin").rank("ordinal").alias(RANKS[1]),
            (pl.col("normalized_margin") - 2 * pl.col("issue")).rank("ordinal").alias(RANKS[2]),
        )
        .select(pl.col(column).cast(dtype) for column, dtype in SCHEMA.items())
    )


def _probabilities(
    given: Distributions, labels: npt.NDArray[np.int64], admissible: np.ndarray, classes: int
) -> tuple[Floats, npt.NDArray[np.float32]]:
    """The label's probability and the likeliest other's (images x 2), and all (images x classes), the label's among them."""
    hits = np.zeros(given.class_ids.shape, dtype=bool)
    for column in admissible.T:
        hits |= given.class_ids == column[:, None]
    mass = np.minimum(np.where(hits, given.scores, 0).sum(axis=1), 1)
    others = np.where(hits, 0, given.scores)
    matrix = np.zeros((len(labels), classes), dtype=np.float32)
    places = np.broadcast_to(np.arange(len(labels))[:, None], hits.shape)
    listed = given.class_ids >= 0
    matrix[places[listed], given.class_ids[listed]] = others[listed]
    matrix[np.arange(len(labels)), labels] = mass
    return np.stack([mass, others.max(axis=1)], axis=1), matrix


def _qualities(pairs: Floats) -> Iterator[tuple[str, Floats]]:
    from cleanlab.rank import get_normalized_margin_for_each_label, get_self_confidence_for_each_label

    # both depend on these two columns only
    first = np.zeros(len(pairs), dtype=int)
    yield "self_confidence", get_self_confidence_for_each_label(first, pairs)
    yield "normalized_margin", get_normalized_margin_for_each_label(first, pairs)


def issues(labels: npt.NDArray[np.int64], probabilities: npt.NDArray[np.float32]) -> npt.NDArray[np.bool_]:
    """Which labels confident learning counts as wrong: the model is surer of another class than it is of that class where
    it is the label, on average, and finds it likelier than the label. Shape of the probabilities: images x classes.

    cleanlab's find_label_issues does this with filter_by="confident_learning", but refuses labels that are all alike.
    """
    from cleanlab.count import compute_confident_joint

    _, places = compute_confident_joint(labels, probabilities, calibrate=False, return_indices_of_off_diagonals=True)
    confident = np.isin(np.arange(len(labels)), places)
    wrong: npt.NDArray[np.bool_] = confident & (probabilities.argmax(axis=1) != labels)
    return wrong
