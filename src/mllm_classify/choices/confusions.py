"""What a reference classifier takes the images of each class for, and in what order distractors follow from that.

The paper's confEVA (Sec. 2.3, Task 2) is this with EVA-02. Most confusions rest on few images: what decides where counts
are equal, or zero, is part of the definition here and recorded with every option.
"""

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import polars as pl

from mllm_classify.choices import draws
from mllm_classify.io.arrays import FloatArray
from mllm_classify.io.files import InputError
from mllm_classify.io.records import read_parquet
from mllm_classify.io.text import shown

if TYPE_CHECKING:
    from mllm_classify.config.tasks import Choices

CONFUSIONS: dict[str, pl.DataType] = {
    "label": pl.Int32(),  # c, by ImGT
    "predicted": pl.Int32(),
    "images": pl.Int32(),  # of class c for which it was predicted first
    "share": pl.Float32(),  # of the images of class c
    "probability": pl.Float32(),  # mean over the images of class c; null where the reference kept none
}
NAMED = {**CONFUSIONS, "label_name": pl.String(), "predicted_name": pl.String()}
"""As a file: whoever reads it can see that it is of the same classes."""

ROUNDING = 1e-6
"""By which a mean of shares may exceed 1 in 32 bits."""
Matrix = npt.NDArray[np.int64]


def confusions(predictions: pl.DataFrame, labels: pl.DataFrame) -> pl.DataFrame:
    """Counts and mean probabilities of a reference's rankings, by ImGT; all pairs of which either is not zero.

    Images that a label set leaves open, and rows with an error, do not count.
    """
    ranked = (
        predictions.filter((pl.col("status") == "ok") & (pl.col("class_ids").list.len() > 0))
        .join(labels.filter(pl.col("excluded").is_null()).select("image_id", label="imgt"), on="image_id")
        .select("label", "class_ids", "scores")
    )
    totals = ranked.group_by("label").agg(total=pl.len())
    firsts = ranked.group_by("label", predicted=pl.col("class_ids").list.first()).agg(images=pl.len().cast(pl.Int32))
    kept = ranked.filter(pl.col("scores").is_not_null())
    sums = (
        kept.explode("class_ids", "scores")
        .group_by("label", predicted="class_ids")
        # in 64 bits and rounded once: the order of the images must not show
        .agg(probability=pl.col("scores").cast(pl.Float64).sort().sum())
    )
    return (
        firsts.join(sums, on=["label", "predicted"], how="full", coalesce=True)
        .join(totals, on="label")
        .select(
            "label",
            "predicted",
            pl.col("images").fill_null(0),
            share=pl.col("images").fill_null(0) / pl.col("total"),
            probability=pl.col("probability") / pl.col("total"),
        )
        .sort("label", "images", "probability", "predicted", descending=[False, True, True, False], nulls_last=True)
        .select(pl.col(name).cast(dtype) for name, dtype in CONFUSIONS.items())
    )


def of_reference(
    section: "Choices", predictions: pl.DataFrame | None, labels: pl.DataFrame, classes: pl.DataFrame
) -> pl.DataFrame:
    """The confusions that make options: those of a file, if the configuration names one, else the reference's.

    Raises InputError where the file is none, or of another class list.
    """
    if section.confusions is not None:
        return read(section.confusions, classes)
    assert predictions is not None
    return confusions(predictions, labels)


def named(confusions: pl.DataFrame, classes: pl.DataFrame) -> pl.DataFrame:
    """Confusions with the names of both classes."""
    names = classes.sort("class_id")["name"]
    return confusions.with_columns(
        names.gather(confusions["label"]).alias("label_name"),
        names.gather(confusions["predicted"]).alias("predicted_name"),
    )


def read(file: str, classes: pl.DataFrame) -> pl.DataFrame:
    """The confusions that another study's choices stage wrote.

    Raises InputError where the file is none, or of another class list.
    """
    place = f"choices.confusions: {file}"
    confusions = read_parquet(file, *NAMED)
    if (schema := dict(confusions.select(list(NAMED)).schema)) != NAMED or not _sound(confusions):
        wrong = [name for name, dtype in NAMED.items() if schema[name] != dtype]
        what = f"the column {wrong[0]!r} is not {NAMED[wrong[0]]}" if wrong else "counts or shares are none"
        msg = f"{place}: {what}; it must be as another study's choices stage wrote it"
        raise InputError(msg)
    names = dict(classes.select("class_id", "name").iter_rows())
    for kind in ("label", "predicted"):
        for class_id, name in confusions.select(kind, f"{kind}_name").unique().sort(kind).iter_rows():
            if class_id not in names or names[class_id] != name:
                msg = (
                    f"{place}: {kind} {class_id} is {shown(name)}, and {shown(names.get(class_id))} in the data "
                    "set; it must be of the same class list"
                )
                raise InputError(msg)
    return confusions.select(list(CONFUSIONS))


def _sound(confusions: pl.DataFrame) -> bool:
    """Whether each pair stands once, with a number of images and shares of them."""
    share, probability = (pl.col(name).is_between(0, 1 + ROUNDING) for name in ("share", "probability"))
    sound = (pl.col("images") >= 0) & share & probability.fill_null(pl.col("probability").is_null())
    pairs = confusions.select("label", "predicted")
    return bool(confusions.select(sound.fill_null(value=False).all()).item()) and pairs.is_unique().all()


def counts(confusions: pl.DataFrame, classes: int) -> Matrix:
    """How many images of each class (rows) were taken for each (columns)."""
    result = np.zeros((classes, classes), dtype=np.int64)
    result[confusions["label"].to_numpy(), confusions["predicted"].to_numpy()] = confusions["images"].to_numpy()
    return result


def rankings(confusions: pl.DataFrame, classes: int, embeddings: FloatArray | None) -> Matrix:
    """For each class (rows) all classes, the likeliest confusion first; the class itself comes last.

    By the number of confusions; of equal ones by mean probability, where the reference kept scores; then by the cosine
    of the class names' embeddings (classes x d, of unit length), where there are any; then by a hash of both classes.
    """
    probability = np.zeros((classes, classes), dtype=np.float32)
    probability[confusions["label"].to_numpy(), confusions["predicted"].to_numpy()] = (
        confusions["probability"].fill_null(0).to_numpy()
    )
    similarity = np.zeros_like(probability)
    if embeddings is not None:
        # symmetric to the bit, on every machine that adds in its own order
        similarity = np.round(embeddings @ embeddings.T, 5)
    ids = np.arange(classes, dtype=np.uint64)
    hashed = draws.draw(draws.key("confusions"), ids[:, None], ids[None, :])
    ordered = counts(confusions, classes)
    for matrix, last in ((ordered, -1), (probability, -1), (similarity, -2)):
        np.fill_diagonal(matrix, last)
    return np.lexsort((hashed, -similarity, -probability, -ordered), axis=1)
