"""Supervised classifiers: timm models over the data set's own classes."""

from typing import TYPE_CHECKING

import scipy.special

from mllm_classify.io.files import InputError, read_text
from mllm_classify.io.text import shown
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
    kept = None if job.model.outputs is None else places(job.model.outputs, job.classes)
    return predicted(job, lambda: ranker(job.model, job.once(lambda: Classifier(job.model)), job.classes.height, kept))


def network(entry: "ClassifierEntry", classifier: Classifier, classes: int, place: str = "the data set") -> Network:
    """The network of an entry's classifier, whose outputs are logits (images x classes).

    Raises InputError when it has another number of classes than the data set, or `place`.
    """
    if classifier.classes != classes:
        msg = f"architecture: {entry.architecture} has {classifier.classes} classes, {place} {classes}"
        raise InputError(msg)
    return Network(classifier.device, classifier.transform, classifier.model)


def places(outputs: str, classes: "pl.DataFrame") -> list[int]:
    """Which outputs of a classifier are the data set's classes, by their synsets, in the order of the classes' ids.

    `outputs` is a file of the synsets of all outputs. Raises InputError where a class has none of these, or the file one
    twice.
    """
    listed = read_text(outputs).split()
    known = {synset: place for place, synset in enumerate(listed)}
    if len(known) < len(listed):
        twice = next(synset for place, synset in enumerate(listed) if known[synset] != place)
        msg = f"{outputs}: synset {shown(twice)} stands twice; there must be one for each output"
        raise InputError(msg)
    for name, synset in classes.sort("class_id").select("name", "synset").iter_rows():
        if synset not in known:
            what = "has no synset" if synset is None else f"is {shown(synset)}"
            msg = (
                f"{outputs}: class {shown(name)} of the data set {what}, and the classifier's outputs are these synsets"
            )
            raise InputError(msg)
    return [known[synset] for synset in classes.sort("class_id")["synset"]]


def ranker(model: "TimmModel", classifier: Classifier, classes: int, kept: list[int] | None = None) -> Ranker:
    """Ranks classes by their softmax probability: all, or those of the outputs that are `kept`, among themselves."""
    if kept is None:
        return Ranker(
            network(model, classifier, classes), lambda logits: highest(scipy.special.softmax(logits, axis=1))
        )
    assert model.outputs is not None
    count = len(read_text(model.outputs).split())
    return Ranker(
        network(model, classifier, count, model.outputs),
        lambda logits: highest(scipy.special.softmax(logits[:, kept], axis=1)),
    )
