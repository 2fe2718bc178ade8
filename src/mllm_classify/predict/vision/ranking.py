"""Rankings of the data set's classes by models that look at images, in parts that outlive a job."""

import logging
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import numpy.typing as npt
import polars as pl
from torch.utils.data import BatchSampler

from mllm_classify.io.arrays import FloatArray
from mllm_classify.io.environment import Environment, environment
from mllm_classify.predict.rows import PREDICTIONS, ranking_rows
from mllm_classify.predict.vision import parts
from mllm_classify.predict.vision.finished import kept_parts, shown, with_errors
from mllm_classify.predict.vision.inference import Network, Output, outputs

if TYPE_CHECKING:
    from mllm_classify.config.vision import Inference, VisionModel
    from mllm_classify.predict.images import Images
    from mllm_classify.predict.job import PredictJob

log = logging.getLogger(__name__)

KEPT = 20
"""Length of the rankings of `scores: first`: what annotators are shown of a vision model (Sec. 2.2)."""
COMPARED = 256
"""Images on which mixed precision is compared with fp32."""
Ranking = tuple[npt.NDArray[np.int64], FloatArray]
"""Classes, best first, and their scores: images x classes each."""


class Ranker(NamedTuple):
    """A network, and what its outputs (float32, a row an image) say of the classes."""

    network: Network
    rank: Callable[[FloatArray], Ranking]


def highest(scores: FloatArray) -> Ranking:
    """The classes in the order of their scores (images x classes), the highest first; of equal ones the first."""
    best = np.argsort(-scores, axis=1, kind="stable")
    return best, np.take_along_axis(scores, best, axis=1)


def predicted(job: "PredictJob[VisionModel]", load: Callable[[], Ranker]) -> tuple[pl.DataFrame, list[Environment]]:
    """Predictions of a job's images, and what they were computed with. A job goes on where one ended that was killed."""
    images = shown(job)
    kept = kept_parts(job, images)
    rows = rankings(job.model, images, load, job.progress(len(images), "images"), kept)
    return with_errors(rows, job), parts.environments(kept) or [environment()]


def rankings(
    model: "VisionModel",
    images: "Images",
    load: Callable[[], Ranker],
    progress: Callable[[int], None],
    kept: Path | None = None,
) -> pl.DataFrame:
    """Predictions for every image. Finished parts are kept in a folder, if it is given.

    The model is loaded where a part is missing. In mixed precision, the first images are computed in fp32, too, and the
    number of those whose first class differs is logged.
    """
    inference, cpus = model.inference, model.resources.cpus

    def compute(places: list[int]) -> Iterator[pl.DataFrame]:
        ranker = load()
        if inference.precision != "fp32":
            flipped, compared = flips(ranker, images, inference, cpus, places[:COMPARED])
            log.info("%s", told(inference.precision, flipped, compared))
        for output in outputs(ranker.network, images, inference, cpus, batched(places, inference)):
            yield rows(output, images, ranker, kept_classes(model))

    return parts.resumed(compute, len(images), PREDICTIONS, size=inference.images_in_part, kept=kept, progress=progress)


def batched(places: list[int], inference: "Inference") -> BatchSampler:
    return BatchSampler(places, inference.batch_size, drop_last=False)


def kept_classes(model: "VisionModel") -> int | None:
    """How many classes a ranking keeps; None where it keeps all."""
    return KEPT if model.scores == "first" else None


def rows(output: Output, images: "Images", ranker: Ranker, kept: int | None) -> pl.DataFrame:
    """Predictions of a batch, with so many classes."""
    best, scores = (values[:, :kept].tolist() for values in ranker.rank(output.values))
    return ranking_rows([images.ids[place] for place in output.places], best, scores)


def flips(ranker: Ranker, images: "Images", inference: "Inference", cpus: int, places: list[int]) -> tuple[int, int]:
    """How many of these images have another first class in this precision than in fp32, and how many were compared."""
    firsts = []
    for precision in (inference.precision, "fp32"):
        as_asked = inference.model_copy(update={"precision": precision})
        batches = outputs(ranker.network, images, as_asked, cpus, batched(places, inference))
        firsts.append([first for output in batches for first in ranker.rank(output.values)[0][:, 0]])
    return sum(mixed != exact for mixed, exact in zip(*firsts, strict=True)), len(firsts[0])


def told(precision: str, flipped: int, compared: int) -> str:
    return f"{precision}: {flipped} of the first {compared} images have another first class than in fp32"
