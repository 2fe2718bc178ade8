"""The choices stage on the command line."""

import argparse
import logging
from typing import TYPE_CHECKING, Any

from mllm_classify.cli import command, files
from mllm_classify.io.files import InputError, locate

if TYPE_CHECKING:
    from mllm_classify.config.study import Config

log = logging.getLogger("mllm_classify")

RANKINGS = ("image_id", "class_ids", "scores", "status")
"""What the stage reads of the reference's predictions."""


def choices(args: argparse.Namespace, config: "Config") -> None:
    from mllm_classify.choices.confusions import NAMED, confusions, named, read
    from mllm_classify.choices.options import CHOICES, make, summary
    from mllm_classify.io import parquet

    if (asked := config.choices) is None:
        msg = "choices: missing; no model of this configuration is asked any"
        raise InputError(msg)
    labels, classes = parquet.read(args.labels), parquet.read(args.classes)
    if asked.confusions is not None:
        confused = read(str(locate(asked.confusions)), classes)
    elif args.predictions is not None:
        confused = confusions(parquet.read(args.predictions, *RANKINGS), labels)
    else:
        msg = f"--predictions: needed of {asked.reference}, the reference"
        raise InputError(msg)
    class_embeddings = parquet.read(args.class_embeddings) if args.class_embeddings else None
    questions = make(asked, config.dataset, labels, classes, confused, class_embeddings)
    parquet.write(named(confused, classes), NAMED, args.confusions)
    parquet.write(questions, CHOICES, args.choices)
    log.info("%s", summary(questions))


def add(stages: Any) -> None:
    """Add the command of this stage to a parser's subparsers."""
    choosing = command(stages, "choices", choices, "choices", "Choose the options of every multiple-choice question.")
    files(choosing, "labels", "classes")
    choosing.add_argument("--predictions", nargs="?", metavar="FILE", help="the reference's predictions")
    choosing.add_argument("--class-embeddings", nargs="?", metavar="FILE", help="classes.parquet of the embed stage")
    files(choosing, "choices", "confusions", choices="the options to write", confusions="the confusions to write")
