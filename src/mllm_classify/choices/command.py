"""The command of the choices stage."""

import argparse
import logging
from typing import Any

from mllm_classify.cli import command, files
from mllm_classify.config.study import Config
from mllm_classify.io import parquet
from mllm_classify.io.files import InputError

log = logging.getLogger("mllm_classify")


def add(stages: Any) -> None:
    """The command and its arguments."""
    choosing = command(stages, "choices", choices, "choices", "Choose the options of every multiple-choice question.")
    files(choosing, "labels", "classes")
    choosing.add_argument("--predictions", nargs="?", metavar="FILE", help="the reference's predictions")
    choosing.add_argument("--class-embeddings", nargs="?", metavar="FILE", help="classes.parquet of the embed stage")
    files(choosing, "choices", "confusions", choices="the options to write", confusions="the confusions to write")


def choices(args: argparse.Namespace, config: Config) -> None:
    from mllm_classify.choices import confusions, options

    if (section := config.choices) is None:
        msg = "choices: missing; no model of this configuration is asked any"
        raise InputError(msg)
    labels, classes = parquet.read(args.labels), parquet.read(args.classes)
    predicted = embeddings = None
    if section.confusions is None:
        if args.predictions is None:
            msg = f"--predictions: needed of {section.reference}, the reference"
            raise InputError(msg)
        predicted = parquet.read(args.predictions, "image_id", "class_ids", "scores", "status")
    if args.class_embeddings:
        embeddings = options.vectors(parquet.read(args.class_embeddings))
    confused = confusions.of_reference(section, predicted, labels, classes)
    questions = options.make(section, config.dataset, labels, classes, confused, embeddings)
    parquet.write(confusions.named(confused, classes), confusions.NAMED, args.confusions)
    parquet.write(questions, options.CHOICES, args.choices)
    log.info("%d questions about %d images", *options.numbers(questions))
