"""Supervised classifiers: timm models over the data set's own classes."""

from typing import TYPE_CHECKING

import numpy as np

from mllm_classify import vision
from mllm_classify.files import InputError
from mllm_classify.predict.rows import ranking_rows

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import polars as pl

    from mllm_classify.arrays import FloatArray
    from mllm_classify.config import Classifier, TimmModel
    from mllm_classify.predict.images import Images

KEPT = 5
"""Length of the rankings: enough for top-5 accuracy, and what confusion matrices use is the first."""


def probabilities(
    config: "Classifier", images: "Images", classes: int, progress: "Callable[[int], None]"
) -> "Iterator[FloatArray]":
    """Class probabilities of the registered images, a batch at a time.

    Raises InputError when the classifier has another number of classes than the data set.
    """
    classifier = vision.Classifier(config)
    progress(0)
    for start in range(0, len(images), config.batch_size):
        batch = range(start, min(start + config.batch_size, len(images)))
        found = classifier.probabilities([images.read(index) for index in batch])
        if found.shape[1] != classes:
            msg = f"architecture: {config.architecture} has {found.shape[1]} classes, the data set {classes}"
            raise InputError(msg)
        yield found
        progress(batch.stop)


def predict(
    model: "TimmModel", images: "Images", classes: "pl.DataFrame", progress: "Callable[[int], None]"
) -> "pl.DataFrame":
    """The classes of highest probability, for every image."""
    rankings, scores = [], []
    for batch in probabilities(model, images, classes.height, progress):
        best = np.argsort(-batch, axis=1, kind="stable")[:, :KEPT]
        rankings += best.tolist()
        scores += np.take_along_axis(batch, best, axis=1).tolist()
    return ranking_rows(images.ids, rankings, scores)
