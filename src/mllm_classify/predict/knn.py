"""k nearest neighbours: the classes of those labelled images whose features are most like an image's."""

import logging
from functools import cache
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch

from mllm_classify.dataset.classes import Lookup
from mllm_classify.io.environment import environment
from mllm_classify.io.files import InputError, file_sha256
from mllm_classify.io.reading import Reading
from mllm_classify.io.records import image_id, read_records
from mllm_classify.io.text import short
from mllm_classify.loading.devices import threads
from mllm_classify.predict.rows import ranking_rows
from mllm_classify.predict.vision import features
from mllm_classify.predict.vision.finished import shown, with_errors
from mllm_classify.predict.vision.inference import available
from mllm_classify.predict.vision.neighbours import nearest, shares
from mllm_classify.predict.vision.ranking import COMPARED, kept_classes, told

if TYPE_CHECKING:
    import numpy.typing as npt
    import polars as pl

    from mllm_classify.config.vision import KnnModel, TrainingImages
    from mllm_classify.io.arrays import FloatArray
    from mllm_classify.io.environment import Environment
    from mllm_classify.predict.job import PredictJob

log = logging.getLogger(__name__)


def predict(job: "PredictJob[KnnModel]") -> "tuple[pl.DataFrame, list[Environment]]":
    """The classes that the k nearest training images vote for, with their share of the votes, for every image.

    Shards compute the training images' features together. In mixed precision, the first images' features are computed in
    fp32, too, and the number of those whose first class differs is logged.
    """
    model, images = job.model, shown(job)
    labels, kept, queries, checked = prepared(job)
    log.info("%s: the %d nearest of %d training images", model.name, model.k, len(labels))
    votes = voted(model, [*queries.read(), *checked.read()], kept, labels, job.classes.height)
    votes, others = votes[: len(images)], votes[len(images) :]
    if len(others):
        flipped = int((votes[: len(others)].argmax(axis=1) != others.argmax(axis=1)).sum())
        log.info("%s", told(model.precision, flipped, len(others)))
    return with_errors(ranked(images.ids, votes, kept_classes(model)), job), [environment()]


class Prepared(NamedTuple):
    """What neighbours are looked for in, and for which images: classes of training images, and stored features."""

    labels: "npt.NDArray[np.int64]"
    train: features.Store
    images: features.Store
    exact: features.Store
    """Of the first images, in fp32; empty where all are."""


def prepared(job: "PredictJob[KnnModel]") -> Prepared:
    """All features that a job needs, computed where they are not there yet. The search has the memory for itself."""
    model, images = job.model, shown(job)
    train, labels = training_images(model.train, job.classes, job.dataset.reading)
    load = cache(lambda: job.once(lambda: features.encoder(model)))
    weights = None if model.weights is None else file_sha256(model.weights)
    report = job.progress(len(train.names), "training images")
    kept = features.stored(model, weights, train, train.seen(), load, report, job.shard)
    report = job.progress(len(images), "images")
    queries = features.stored(model, weights, images, images.seen(), load, report)
    exact = model.model_copy(update={"precision": "fp32"})
    compared = [] if model.precision == "fp32" else images.seen()[:COMPARED]
    checked = features.stored(exact, weights, images, compared, load, lambda _: None)
    return Prepared(labels, kept, queries, checked)


def training_images(
    train: "TrainingImages", classes: "pl.DataFrame", reading: Reading
) -> "tuple[features.Files, npt.NDArray[np.int64]]":
    """The labelled images, and the class of each.

    Raises InputError where there are none, one appears twice, or a class is none of the data set's.
    """
    lookup = Lookup(classes)
    names, labels = [], []
    for place, record in read_records(train.images, "image_id", "class"):
        names.append(image_id(place, record))
        labels.append(lookup.one(place, record["class"]))
    if not names:
        msg = f"{train.images}: no images"
        raise InputError(msg)
    if len(set(names)) < len(names):
        seen: set[str] = set()
        twice = next(name for name in names if name in seen or seen.add(name))  # type: ignore[func-returns-value]
        msg = f"{train.images}: the image {short(twice, 80)!r} appears twice"
        raise InputError(msg)
    return features.Files(names, train.folder, reading), np.array(labels, dtype=np.int64)


def voted(
    model: "KnnModel", queries: list[torch.Tensor], kept: features.Store, labels: "npt.NDArray[np.int64]", classes: int
) -> "FloatArray":
    """The classes' shares of the votes of each query's neighbours: queries x classes."""
    if not queries:
        return np.empty((0, classes), dtype=np.float32)
    unit = torch.cat(queries).to(model.device)
    with threads(available(model.resources.cpus)):
        cosines, rows = (tensor.cpu().numpy() for tensor in nearest(unit, kept.read(), model.k))
    return shares(cosines, labels[rows], classes, model.temperature if model.vote == "softmax" else None)


def ranked(image_ids: list[str], votes: "FloatArray", kept: int | None) -> "pl.DataFrame":
    """The classes that have votes, the lowest of those with equally many first: so many at most."""
    rankings, scores = [], []
    for row in votes:
        best = np.argsort(-row, kind="stable")[:kept]
        best = best[row[best] > 0]
        rankings.append(best.tolist())
        scores.append(row[best].tolist())
    return ranking_rows(image_ids, rankings, scores)
