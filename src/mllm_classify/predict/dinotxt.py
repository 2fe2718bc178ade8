"""Zero-shot classification by DINOv3 with dino.txt."""

from typing import TYPE_CHECKING

from mllm_classify.loading.dinotxt import dinotxt_tower
from mllm_classify.predict.vision.ranking import predicted
from mllm_classify.predict.vision.zeroshot import zero_shot

if TYPE_CHECKING:
    import polars as pl

    from mllm_classify.config.vision import DinoTxtModel
    from mllm_classify.io.environment import Environment
    from mllm_classify.predict.job import PredictJob


def predict(job: "PredictJob[DinoTxtModel]") -> "tuple[pl.DataFrame, list[Environment]]":
    """The classes whose names' embeddings are nearest to each image's, and what they were computed with."""
    model = job.model
    return predicted(job, lambda: zero_shot(job.once(lambda: dinotxt_tower(model)), model.templates, job.classes))
