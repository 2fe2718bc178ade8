"""Supervised classifiers: timm models over the data set's own classes."""

from typing import TYPE_CHECKING

import scipy.special

from mllm_classify.io.files import InputError
from mllm_classify.loading.timm import Classifier
from mllm_classify.predict.vision.inference import Network
from mllm_classify.predict.vision.ranking import Ranker, highest, predicted

if TYPE_CHECKING:
    import polars as pl

    from mllm_classify.config.vision import Classifier as ClassifierEntry
    from mllm_classify.config.vision import TimmModel
    from mllm_classify.io.environment import Environment
    from mllm_classify.predict.job import PredictJob


def predict(job: "PredictJob[TimmModel]") -> "tuple[pl.DataFrame, list[Environment]]":
    """The classes of highest probability, and what they were computed with."""
    return predicted(job, lambda: ranker(job.model, job.classes.height))


def network(entry: "ClassifierEntry", classes: int) -> Network:
    """A classifier whose outputs are logits (images x classes).

    Raises InputError when it has another number of classes than the data set, or cannot be loaded.
    """
    classifier = Classifier(entry)
    if classifier.classes != classes:
        msg = f"architecture: {entry.architecture} has {classifier.classes} classes, the data set {classes}"
        raise InputError(msg)
    return Network(classifier.device, classifier.transform, classifier.model)


def ranker(model: "TimmModel", classes: int) -> Ranker:
    """Ranks classes by their softmax probability."""
    return Ranker(network(model, classes), lambda logits: highest(scipy.special.softmax(logits, axis=1)))
