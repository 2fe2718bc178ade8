"""Predictions of which all parts are there: what a job shows its model, and where its parts lie. Nothing is loaded here."""

import logging
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl

from mllm_classify.io.environment import Environment, environment
from mllm_classify.io.files import sha256, stamps
from mllm_classify.predict.images import Images, sharded
from mllm_classify.predict.rows import PREDICTIONS, error_rows, in_order
from mllm_classify.predict.vision import parts

if TYPE_CHECKING:
    from mllm_classify.config.vision import VisionModel
    from mllm_classify.predict.job import PredictJob

log = logging.getLogger(__name__)


def finished(job: "PredictJob[VisionModel]") -> tuple[pl.DataFrame, list[Environment]] | None:
    """Predictions of a job's images, and what they were computed with; None where a part is still to be computed."""
    images = shown(job)
    kept = kept_parts(job, images)
    rows = parts.whole(len(images), PREDICTIONS, size=job.model.inference.images_in_part, kept=kept)
    if rows is None:
        return None
    log.info("all of %d images were computed before", len(images))
    return with_errors(rows, job), parts.environments(kept) or [environment()]


def shown(job: "PredictJob[VisionModel]") -> Images:
    """The images that a job shows its model: of those that can be decoded, its shard's."""
    decodable = job.images.filter(pl.col("problem").is_null())
    return Images(sharded(decodable, *job.shard, job.model.together), job.dataset.root, job.dataset.reading)


def with_errors(rankings: pl.DataFrame, job: "PredictJob[VisionModel]") -> pl.DataFrame:
    """Rankings and, in the first shard, an error for each image that cannot be decoded, in the order of all images."""
    if job.shard[0] != 1:
        return rankings
    corrupt = job.images.filter(pl.col("problem").is_not_null())
    errors = error_rows(corrupt["image_id"], corrupt["problem"])
    return in_order(pl.concat([rankings, errors]), job.images["image_id"])


def kept_parts(job: "PredictJob[VisionModel]", images: Images) -> Path:
    """The folder of a job's finished parts: another one wherever anything differs that its results depend on.

    Paths of weights are in the lineage; here is what lies there, which may have changed since a job was killed.
    """
    embeddings = None if job.class_embeddings is None else job.class_embeddings.sort("class_id")["embedding"]
    # on the model itself, or on the classifier of kind conse
    named = [getattr(job.model.inference, key, None) for key in ("weights", "backbone_weights", "pretrained")]
    return parts.folder(
        job.output,
        job.lineage,
        images.ids,
        images.digests,
        None if embeddings is None else sha256(embeddings.to_numpy().tobytes()),
        stamps(named),
        job.model.inference.images_in_part,
    )
