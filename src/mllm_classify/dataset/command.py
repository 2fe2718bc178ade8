"""The commands of the dataset stage: images and classes, both label sets, and the hierarchy of the classes."""

import argparse
import logging
from pathlib import Path
from typing import Any

from mllm_classify.cli import command, files, parts, progress
from mllm_classify.config.study import Config
from mllm_classify.io import parquet, stamps

log = logging.getLogger("mllm_classify")


def add(stages: Any) -> None:
    """The commands and their arguments."""
    several = parts(stages, "dataset", "register images and classes; read both label sets, and the hierarchy")
    images = command(several, "images", write_images, "images", "Check every image and the class list.")
    files(images, "images", "classes", images="images.parquet to write", classes="classes.parquet to write")
    labels = command(several, "labels", write_labels, "labels", "Read ImGT, ReGT and equivalences; derive categories.")
    files(labels, "images", "classes", "output")
    tree = command(several, "hierarchy", write_hierarchy, "hierarchy", "Read what the classes are kinds of.")
    files(tree, "classes", "output")


def write_images(args: argparse.Namespace, config: Config) -> None:
    from mllm_classify.config.answer_labels import read_answer_labels
    from mllm_classify.dataset.answer_labels import answer_labels
    from mllm_classify.dataset.classes import CLASSES
    from mllm_classify.dataset.hierarchy import hierarchy
    from mllm_classify.dataset.images import IMAGES, class_list, files_of, images, remarks, translated
    from mllm_classify.dataset.labels import labels

    dataset = config.dataset
    names = class_list(dataset)
    registered = images(dataset, names, lambda total: progress(total, "images"))
    # all models wait for this stage: a mistake in the labels shows before any of them is asked
    labels(registered, names, dataset)
    if dataset.hierarchy is not None:
        hierarchy(names, dataset)
    if dataset.answer_labels is not None:
        answer_labels(read_answer_labels(dataset.answer_labels), names)
    parquet.write(translated(names, dataset), CLASSES, args.classes)
    parquet.write(registered, IMAGES, args.images)
    stamps.keep(Path(args.images).with_name(stamps.STAMPS), files_of(registered), dataset.root)
    for remark in remarks(registered, dataset):
        log.info("%s: %s", dataset.name, remark)
    log.info("%s: %d images, %d classes", dataset.name, len(registered), len(names))


def write_labels(args: argparse.Namespace, config: Config) -> None:
    from mllm_classify.dataset.classes import Lookup
    from mllm_classify.dataset.equivalences import remarks
    from mllm_classify.dataset.labels import LABELS, labels, numbers

    classes = _as_labels_have_it(args, config)
    labelled = labels(parquet.read(args.images), classes, config.dataset)
    parquet.write(labelled, LABELS, args.output)
    for remark in remarks(config.dataset.equivalences, Lookup(classes)):
        log.info("%s: %s", config.dataset.name, remark)
    for what, counted in numbers(labelled).items():
        log.info("%s: %s: %s", config.dataset.name, what, counted)


def write_hierarchy(args: argparse.Namespace, config: Config) -> None:
    from mllm_classify.dataset.hierarchy import HIERARCHY, hierarchy

    nodes = hierarchy(_as_labels_have_it(args, config), config.dataset)
    parquet.write(nodes, HIERARCHY, args.output)
    log.info("%s: %d nodes", config.dataset.name, len(nodes))


def _as_labels_have_it(args: argparse.Namespace, config: Config) -> Any:
    """The class list by whose names files of labels are read: models may be told of the classes in another language."""
    from mllm_classify.dataset.images import class_list

    return parquet.read(args.classes) if config.dataset.translation is None else class_list(config.dataset)
