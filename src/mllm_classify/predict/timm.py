"""Supervised classifiers: timm models over the data set's own classes."""

from typing import TYPE_CHECKING

import numpy as np

from mllm_classify.files import InputError
from mllm_classify.predict.rows import ranking_rows
from mllm_classify.vision import Classifier

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import polars as pl

    from mllm_classify.arrays import FloatArray
    from mllm_classify.config import TimmModel
    from mllm_classify.predict.images import Images

KEPT = 5
"""Length of the rankings: enough for top-5 accuracy, and what confusion matrices use is the first."""


def probabilities(
    classifier: Classifier, images: "Images", progress: "Callable[[int], None]"
) -> "Iterator[FloatArray]":
    """Class probabilities of the registered images, a batch at a time."""
    progress(0)
    for start in range(0, len(images), classifier.batch_size):
        batch = range(start, min(start + classifier.batch_size, len(images)))
        yield classifier.probabilities([images.read(index) for index in batch])
        progress(batch.stop)


def predict(
    model: "TimmModel", images: "Images", classes: "pl.DataFrame", progress: "Callable[[int], None]"
) -> "pl.DataFrame":
    """The classes of highest probability, for every image."""
    classifier = Classifier(model)
    rankings, scores = [], []
    for batch in probabilities(classifier, images, progress):
        if batch.shape[1] != classes.height:
            msg = f"architecture: {model.architecture} has {batch.shape[1]} classes, the data set {classes.height}"
            raise InputError(msg)
        best = np.argsort(-batch, axis=1, kind="stable")[:, :KEPT]
        rankings += best.tolist()
        scores += np.take_along_axis(batch, best, axis=1).tolist()
    return ranking_rows(images.ids, rankings, scores)
