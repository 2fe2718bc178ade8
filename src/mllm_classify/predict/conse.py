"""ConSE: a supervised classifier whose probabilities weight class-name embeddings.

Norouzi et al., "Zero-Shot Learning by Convex Combination of Semantic Embeddings", ICLR 2014. Here the classifier was
trained on the very classes that are predicted, so this is not zero-shot.
"""

from typing import TYPE_CHECKING

import numpy as np

from mllm_classify.arrays import FloatArray, normalised
from mllm_classify.predict import parts
from mllm_classify.predict.batches import ranked
from mllm_classify.predict.rows import PREDICTIONS
from mllm_classify.predict.timm import KEPT, probabilities

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    import polars as pl

    from mllm_classify.config import ConseModel
    from mllm_classify.predict.images import Images


def convex_combination(probabilities: FloatArray, embeddings: FloatArray, top: int) -> FloatArray:
    """The mean embedding of the `top` likeliest classes, weighted by their probabilities, of length 1 (eq. 2 there).

    Shapes: probabilities n x classes, embeddings classes x d; returns n x d.
    """
    best = np.argsort(-probabilities, axis=1, kind="stable")[:, :top]
    weights = np.take_along_axis(probabilities, best, axis=1)
    return normalised(np.einsum("nt,ntd->nd", weights, embeddings[best]))


def predict(
    model: "ConseModel",
    images: "Images",
    class_embeddings: FloatArray,
    progress: "Callable[[int], None]",
    kept: "Path | None" = None,
) -> "pl.DataFrame":
    """The classes whose embeddings are nearest to each image's convex combination.

    Finished parts are kept in a folder, if it is given.
    """

    def compute(places: list[int]) -> "Iterator[pl.DataFrame]":
        cpus = model.resources.cpus
        for batch, found in probabilities(model.classifier, images, len(class_embeddings), cpus, places):
            similarity = convex_combination(found, class_embeddings, model.top) @ class_embeddings.T
            yield ranked(batch, images, similarity, KEPT)

    return parts.resumed(
        compute, len(images), PREDICTIONS, size=model.classifier.images_in_part, kept=kept, progress=progress
    )
