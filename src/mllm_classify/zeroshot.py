"""Zero-shot classification by an image-text model (Radford et al., 2021): the class name nearest to the image."""

from typing import TYPE_CHECKING

import numpy as np
import scipy.special

from mllm_classify.arrays import FloatArray
from mllm_classify.embed import class_vectors, read_templates
from mllm_classify.predict.batches import batches
from mllm_classify.predict.rows import ranking_rows

if TYPE_CHECKING:
    from collections.abc import Callable

    import polars as pl

    from mllm_classify.config import DinoTxtModel, OpenClipModel
    from mllm_classify.predict.images import Images
    from mllm_classify.vlm import Tower

KEPT = 5
"""Length of the rankings."""


def probabilities(cosines: FloatArray, scale: float, bias: float | None) -> FloatArray:
    """What the model makes of cosines (n x classes): softmax of the logits as CLIP, or, with a bias, sigmoid as SigLIP.

    Sigmoids of different classes do not sum to 1.
    """
    logits = cosines.astype(np.float64) * scale
    found = scipy.special.expit(logits + bias) if bias is not None else scipy.special.softmax(logits, axis=1)
    return np.asarray(found, dtype=np.float32)


def ranked(cosines: FloatArray, scale: float, bias: float | None) -> tuple[list[list[int]], list[list[float]]]:
    """The classes of highest cosine, and their probabilities. Of equal ones the lowest id comes first.

    By cosines: probabilities of float32 may be equal where those are not.
    """
    best = np.argsort(-cosines, axis=1, kind="stable")[:, :KEPT]
    scores = np.take_along_axis(probabilities(cosines, scale, bias), best, axis=1)
    return best.tolist(), scores.tolist()


def predict(
    tower: "Tower",
    model: "OpenClipModel | DinoTxtModel",
    images: "Images",
    classes: "pl.DataFrame",
    progress: "Callable[[int], None]",
) -> "pl.DataFrame":
    """The classes whose names are nearest, for every image."""
    weights = class_vectors(tower.encode_texts, read_templates(model.templates), classes)
    # products of equal columns may differ in the last bit, and classes of one name must tie
    distinct, column = np.unique(weights, axis=0, return_inverse=True)
    rankings, scores, places = [], [], []
    progress(0)
    for batch in batches(
        images, tower.transform, batch_size=model.batch_size, workers=model.workers, device=model.device
    ):
        best, found = ranked((tower.encode_images(batch.tensor) @ distinct.T)[:, column], tower.scale, tower.bias)
        rankings += best
        scores += found
        places += batch.places
        progress(len(places))
    return ranking_rows([images.ids[place] for place in places], rankings, scores)
