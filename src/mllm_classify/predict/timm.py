"""Supervised classifiers: timm models over the data set's own classes."""

import logging
from typing import TYPE_CHECKING

import numpy as np
import torch

from mllm_classify import vision
from mllm_classify.files import InputError
from mllm_classify.predict import parts
from mllm_classify.predict.batches import Batch, batches, ranked, split
from mllm_classify.predict.rows import PREDICTIONS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    import polars as pl

    from mllm_classify.arrays import FloatArray
    from mllm_classify.config import Classifier, TimmModel
    from mllm_classify.predict.images import Images

log = logging.getLogger(__name__)

KEPT = 5
"""Length of the rankings: enough for top-5 accuracy, and what confusion matrices use is the first."""
COMPARED = 256
"""Images on which mixed precision is compared with fp32."""


def probabilities(
    config: "Classifier", images: "Images", classes: int, cpus: int, places: list[int]
) -> "Iterator[tuple[Batch, FloatArray]]":
    """Batches of the images at `places`, and their class probabilities (images x classes).

    `cpus` are the cores that are the job's own. In mixed precision, the first images are computed in fp32, too, and the
    number of those whose first class differs is logged. Raises InputError when the classifier has another number of
    classes than the data set.
    """
    classifier = vision.Classifier(config)
    workers, threads = split(config.workers, cpus, classifier.device)
    use_threads(threads)
    left = COMPARED if config.precision != "fp32" else 0
    flips = 0
    for batch in batches(
        images,
        classifier.transform,
        batch_size=config.batch_size,
        workers=workers,
        device=classifier.device,
        corrupt=config.corrupt,
        places=places,
    ):
        if not batch.places:
            yield batch, np.empty((0, classes), dtype=np.float32)
            continue
        found = classifier.classify(batch.tensor)
        if found.shape[1] != classes:
            msg = f"architecture: {config.architecture} has {found.shape[1]} classes, the data set {classes}"
            raise InputError(msg)
        if left > 0:
            exact = classifier.classify(batch.tensor, exact=True)
            flips += int((found.argmax(axis=1) != exact.argmax(axis=1)).sum())
            left -= len(found)
            if left <= 0 or places[-1] == batch.places[-1]:
                log.info(
                    "%s: %d of the first %d images have another first class than in fp32",
                    config.precision, flips, COMPARED - left,
                )  # fmt: skip
        yield batch, found


def use_threads(count: int) -> None:
    """Compute on so many threads, where the environment does not say fewer; torch's own choice is all of the machine."""
    torch.set_num_threads(min(torch.get_num_threads(), count))


def predict(
    model: "TimmModel",
    images: "Images",
    classes: "pl.DataFrame",
    progress: "Callable[[int], None]",
    kept: "Path | None" = None,
) -> "pl.DataFrame":
    """The classes of highest probability, for every image. Finished parts are kept in a folder, if it is given."""

    def compute(places: list[int]) -> "Iterator[pl.DataFrame]":
        for batch, found in probabilities(model, images, classes.height, model.resources.cpus, places):
            yield ranked(batch, images, found, KEPT)

    return parts.resumed(compute, len(images), PREDICTIONS, size=model.images_in_part, kept=kept, progress=progress)
