"""ConSE: a supervised classifier whose probabilities weight class-name embeddings.

Norouzi et al., "Zero-Shot Learning by Convex Combination of Semantic Embeddings", ICLR 2014. Here the classifier was
trained on the very classes that are predicted, so this is not zero-shot.
"""

from typing import TYPE_CHECKING

import numpy as np
import scipy.special

from mllm_classify.io.arrays import FloatArray, normalised
from mllm_classify.io.files import InputError
from mllm_classify.loading.timm import Classifier
from mllm_classify.predict.timm import network
from mllm_classify.predict.vision.ranking import Ranker, Ranking, highest, predicted

if TYPE_CHECKING:
    import polars as pl

    from mllm_classify.config.vision import ConseModel
    from mllm_classify.io.environment import Environment
    from mllm_classify.predict.job import PredictJob


def predict(job: "PredictJob[ConseModel]") -> "tuple[pl.DataFrame, list[Environment]]":
    """The classes whose embeddings are nearest to each image's convex combination, and what they were computed with.

    Raises InputError where the job has no class embeddings.
    """
    if job.class_embeddings is None:
        msg = f"--class-embeddings: needed for {job.model.name}, a model of kind conse"
        raise InputError(msg)
    embeddings = job.class_embeddings.sort("class_id")["embedding"].to_numpy()
    entry = job.model.classifier
    return predicted(job, lambda: ranker(job.model, job.once(lambda: Classifier(entry)), embeddings))


def convex_combination(probabilities: FloatArray, embeddings: FloatArray, top: int) -> FloatArray:
    """The mean embedding of the `top` likeliest classes, weighted by their probabilities, of length 1 (eq. 2 there).

    Shapes: probabilities n x classes, embeddings classes x d; returns n x d.
    """
    best = np.argsort(-probabilities, axis=1, kind="stable")[:, :top]
    weights = np.take_along_axis(probabilities, best, axis=1)
    return normalised(np.einsum("nt,ntd->nd", weights, embeddings[best]))


def ranker(model: "ConseModel", classifier: Classifier, class_embeddings: FloatArray) -> Ranker:
    """Ranks classes by the cosine of their embeddings (classes x d) to an image's convex combination."""

    def rank(logits: FloatArray) -> Ranking:
        combined = convex_combination(scipy.special.softmax(logits, axis=1), class_embeddings, model.top)
        return highest(combined @ class_embeddings.T)

    return Ranker(network(model.classifier, classifier, len(class_embeddings)), rank)
