"""Vectors and probabilities."""

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float32]


def normalised(vectors: FloatArray) -> FloatArray:
    """Rows (the last axis) scaled to length 1."""
    scaled: FloatArray = vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)
    return scaled
