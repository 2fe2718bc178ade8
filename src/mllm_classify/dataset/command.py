"""The dataset stage on the command line: `dataset images` and `dataset labels`."""

import argparse
import logging
from typing import TYPE_CHECKING, Any

from mllm_classify import cli

if TYPE_CHECKING:
    from mllm_classify.config.study import Config

log = logging.getLogger("mllm_classify")


def register_images(args: argparse.Namespace, config: "Config") -> None:
    from mllm_classify.dataset.classes import CLASSES, classes
    from mllm_classify.dataset.images import IMAGES, images
    from mllm_classify.dataset.labels import labels
    from mllm_classify.io import parquet

    dataset = config.dataset
    names = classes(dataset)
    registered = images(dataset, names, lambda total: cli.progress(total, "images"))
    # all models wait for this stage: a mistake in the labels shows before any of them is asked
    labels(registered, names, dataset)
    parquet.write(names, CLASSES, args.classes)
    parquet.write(registered, IMAGES, args.images)
    log.info("%s: %d images, %d classes", dataset.name, len(registered), len(names))


def read_labels(args: argparse.Namespace, config: "Config") -> None:
    from mllm_classify.dataset.labels import LABELS, labels, summary
    from mllm_classify.io import parquet

    read = labels(parquet.read(args.images), parquet.read(args.classes), config.dataset)
    parquet.write(read, LABELS, args.output)
    for line in summary(read):
        log.info("%s: %s", config.dataset.name, line)


def add(stages: Any) -> None:
    """Add the commands of this stage to a parser's subparsers."""
    parts = cli.parts(stages, "dataset", "register images and classes; read both label sets")
    images = cli.command(parts, "images", register_images, "images", "Check every image and the class list.")
    cli.files(images, "images", "classes", images="images.parquet to write", classes="classes.parquet to write")
    labels = cli.command(parts, "labels", read_labels, "labels", "Read ImGT, ReGT and equivalences; derive categories.")
    cli.files(labels, "images", "classes", "output")
