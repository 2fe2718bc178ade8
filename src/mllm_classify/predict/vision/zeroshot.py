"""Zero-shot classification by an image-text model (Radford et al., 2021): the class name nearest to the image."""

from typing import TYPE_CHECKING

import numpy as np
import scipy.special

from mllm_classify.embed.texts import class_vectors, read_templates
from mllm_classify.io.arrays import FloatArray, normalised
from mllm_classify.predict.vision.inference import Network
from mllm_classify.predict.vision.ranking import Ranker, Ranking, highest

if TYPE_CHECKING:
    import polars as pl

    from mllm_classify.loading.open_clip import Tower


def probabilities(cosines: FloatArray, scale: float, bias: float | None) -> FloatArray:
    """What the model makes of cosines (n x classes): softmax of the logits as CLIP, or, with a bias, sigmoid as SigLIP.

    Sigmoids of different classes do not sum to 1.
    """
    logits = cosines.astype(np.float64) * scale
    likely = scipy.special.expit(logits + bias) if bias is not None else scipy.special.softmax(logits, axis=1)
    return np.asarray(likely, dtype=np.float32)


def ranked(cosines: FloatArray, scale: float, bias: float | None) -> Ranking:
    """The classes of highest cosine, and their probabilities: those of float32 may be equal where cosines are not."""
    best, _ = highest(cosines)
    return best, np.take_along_axis(probabilities(cosines, scale, bias), best, axis=1)


def zero_shot(tower: "Tower", templates: str, classes: "pl.DataFrame") -> Ranker:
    """Ranks classes by how near their names, put into a file's templates, are to an image."""
    weights = class_vectors(tower.encode_texts, read_templates(templates), classes)
    # products of equal columns may differ in the last bit, and classes of one name must tie
    distinct, column = np.unique(weights, axis=0, return_inverse=True)

    def rank(features: FloatArray) -> Ranking:
        return ranked((normalised(features) @ distinct.T)[:, column], tower.scale, tower.bias)

    return Ranker(Network(tower.device, tower.transform, tower.encode_images), rank)
