"""Supervised classifiers: timm models over the data set's own classes."""

from typing import TYPE_CHECKING

import scipy.special

from mllm_classify.io.files import InputError
from mllm_classify.loading import timm as vision
from mllm_classify.predict.vision.inference import Network
from mllm_classify.predict.vision.ranking import Ranker, highest

if TYPE_CHECKING:
    from mllm_classify.config.vision import Classifier, TimmModel


def network(config: "Classifier", classes: int) -> Network:
    """A classifier whose outputs are logits (images x classes).

    Raises InputError when it has another number of classes than the data set, or cannot be loaded.
    """
    classifier = vision.Classifier(config)
    if classifier.classes != classes:
        msg = f"architecture: {config.architecture} has {classifier.classes} classes, the data set {classes}"
        raise InputError(msg)
    return Network(classifier.device, classifier.transform, classifier.model)


def ranker(model: "TimmModel", classes: int) -> Ranker:
    """The classes of highest probability."""
    return Ranker(network(model, classes), lambda logits: highest(scipy.special.softmax(logits, axis=1)))
