"""Zero-shot classifiers of open_clip: CLIP, SigLIP, SigLIP 2 and others."""

from typing import TYPE_CHECKING

from mllm_classify import zeroshot
from mllm_classify.vlm import open_clip_tower

if TYPE_CHECKING:
    from collections.abc import Callable

    import polars as pl

    from mllm_classify.config import OpenClipModel
    from mllm_classify.predict.images import Images


def predict(
    model: "OpenClipModel", images: "Images", classes: "pl.DataFrame", progress: "Callable[[int], None]"
) -> "pl.DataFrame":
    """The classes whose names' embeddings are nearest to each image's."""
    return zeroshot.predict(open_clip_tower(model, model.device, model.precision), model, images, classes, progress)
