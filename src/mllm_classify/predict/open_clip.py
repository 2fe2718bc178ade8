"""Zero-shot classifiers of open_clip: CLIP, SigLIP, SigLIP 2 and others."""

from typing import TYPE_CHECKING

from mllm_classify.loading.open_clip import open_clip_tower
from mllm_classify.predict.vision.ranking import predicted
from mllm_classify.predict.vision.zeroshot import zero_shot

if TYPE_CHECKING:
    import polars as pl

    from mllm_classify.config.vision import OpenClipModel
    from mllm_classify.io.environment import Environment
    from mllm_classify.predict.job import PredictJob


def predict(job: "PredictJob[OpenClipModel]") -> "tuple[pl.DataFrame, list[Environment]]":
    """The classes whose names' embeddings are nearest to each image's, and what they were computed with."""
    model = job.model
    return predicted(
        job, lambda: zero_shot(job.once(lambda: open_clip_tower(model, model.device)), model.templates, job.classes)
    )
