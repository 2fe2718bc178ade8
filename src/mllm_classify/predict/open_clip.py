"""Zero-shot classifiers of open_clip: CLIP, SigLIP, SigLIP 2 and others."""

from typing import TYPE_CHECKING

from mllm_classify.loading import open_clip as vlm
from mllm_classify.predict.vision import zeroshot

if TYPE_CHECKING:
    import polars as pl

    from mllm_classify.config.vision import OpenClipModel
    from mllm_classify.predict.vision.ranking import Ranker


def ranker(model: "OpenClipModel", classes: "pl.DataFrame") -> "Ranker":
    """The classes whose names' embeddings are nearest to each image's."""
    return zeroshot.ranker(vlm.open_clip_tower(model, model.device), model.templates, classes)
