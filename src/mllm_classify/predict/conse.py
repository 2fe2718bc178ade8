"""ConSE: a supervised classifier whose probabilities weight class-name embeddings.

Norouzi et al., "Zero-Shot Learning by Convex Combination of Semantic Embeddings", ICLR 2014. Here the classifier was
trained on the very classes that are predicted, so this is not zero-shot.
"""

from typing import TYPE_CHECKING

import numpy as np

from mllm_classify.arrays import FloatArray, normalised
from mllm_classify.predict.rows import ranking_rows
from mllm_classify.predict.timm import KEPT, probabilities

if TYPE_CHECKING:
    from collections.abc import Callable

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
    model: "ConseModel", images: "Images", class_embeddings: FloatArray, progress: "Callable[[int], None]"
) -> "pl.DataFrame":
    """The classes whose embeddings are nearest to each image's convex combination."""
    rankings, scores = [], []
    for batch in probabilities(model.classifier, images, len(class_embeddings), progress):
        similarity = convex_combination(batch, class_embeddings, model.top) @ class_embeddings.T
        best = np.argsort(-similarity, axis=1, kind="stable")[:, :KEPT]
        rankings += best.tolist()
        scores += np.take_along_axis(similarity, best, axis=1).tolist()
    return ranking_rows(images.ids, rankings, scores)
