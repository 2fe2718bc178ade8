"""k nearest neighbours: the classes of those labelled images whose features are most like an image's."""

import logging
from functools import cache
from typing import TYPE_CHECKING

import numpy as np
import torch

from mllm_classify import features
from mllm_classify.dataset.classes import Lookup
from mllm_classify.files import InputError
from mllm_classify.neighbours import nearest, shares
from mllm_classify.predict.rows import ranking_rows
from mllm_classify.records import image_id, read_records

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy.typing as npt
    import polars as pl

    from mllm_classify.config import KnnModel, TrainingImages
    from mllm_classify.predict.images import Images

log = logging.getLogger(__name__)
KEPT = 5
"""Length of the rankings; shorter where fewer classes have votes."""


def training_images(train: "TrainingImages", classes: "pl.DataFrame") -> "tuple[features.Files, npt.NDArray[np.int64]]":
    """The labelled images, and the class of each.

    Raises InputError where there are none, one stands twice, or a class is none of the data set's.
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
        msg = f"{train.images}: the image {twice!r} stands twice"
        raise InputError(msg)
    return features.Files(names, train.folder), np.array(labels, dtype=np.int64)


def predict(
    model: "KnnModel",
    images: "Images",
    classes: "pl.DataFrame",
    progress: "Callable[[int, str], Callable[[int], None]]",
    share: tuple[int, int] = (1, 1),
) -> "pl.DataFrame":
    """The classes that the k nearest training images vote for, with their share of the votes, for every image.

    `share`: of several jobs, which one this is: they compute the training images' features together.
    """
    train, labels = training_images(model.train, classes)
    load = cache(lambda: features.encoder(model))
    seen = progress(len(train), "training images")
    kept = features.stored(model, train, train.names, load, seen, share)
    asked = features.stored(model, images, images.digests, load, progress(len(images), "images"))
    load.cache_clear()  # the search has the memory for itself
    if not len(images):
        return ranking_rows([], [], [])
    queries = torch.cat(list(asked.read())).to(model.device)
    log.info("%s: the %d nearest of %d training images", model.name, model.k, len(train))
    cosines, places = (found.cpu().numpy() for found in nearest(queries, kept.read(), model.k))
    votes = shares(cosines, labels[places], classes.height, model.temperature if model.vote == "softmax" else None)
    rankings, scores = [], []
    for row in votes:
        best = np.argsort(-row, kind="stable")[:KEPT]
        best = best[row[best] > 0]
        rankings.append(best.tolist())
        scores.append(row[best].tolist())
    return ranking_rows(images.ids, rankings, scores)
