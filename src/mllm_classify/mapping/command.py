"""The mapping stage on the command line."""

import argparse
import logging
from typing import TYPE_CHECKING, Any

from mllm_classify.cli import command, files
from mllm_classify.io.files import InputError
from mllm_classify.plan.values import mapping_values

if TYPE_CHECKING:
    from mllm_classify.config.study import Config

log = logging.getLogger("mllm_classify")

ANSWERS = ("image_id", "task", "variant", "repeat", "text", "texts", "status")
"""What the stage reads of predictions."""
OPTIONS = ("image_id", "variant", "repeat", "options")
"""What it reads of the choices stage."""


def mapping(args: argparse.Namespace, config: "Config") -> None:
    from mllm_classify.io import parquet
    from mllm_classify.mapping.mapping import MAPPING, map_answers, summary

    values = mapping_values(config, config.named_encoder(args.encoder).name, args.model)
    if values["answer"] is not None and args.choices is None:
        msg = f"--choices: needed for {args.model}, which is asked multiple-choice questions"
        raise InputError(msg)
    frame = map_answers(
        parquet.read(args.predictions, *ANSWERS),
        parquet.read(args.classes),
        parquet.read(args.class_embeddings),
        parquet.read(args.answer_embeddings),
        choices=None if values["answer"] is None else parquet.read(args.choices, *OPTIONS),
        **values,
    )
    parquet.write(frame, MAPPING, args.output)
    log.info("%s", summary(frame))


def add(stages: Any) -> None:
    """Add the command of this stage to a parser's subparsers."""
    added = command(stages, "mapping", mapping, "mapping/{encoder}/{model}", "Map a model's answers to classes.")
    added.add_argument("--encoder", required=True, help="the encoder's name in the configuration")
    added.add_argument("--model", required=True, help="the model's name in the configuration")
    added.add_argument("--choices", nargs="?", metavar="FILE", help="the options (models that are asked MC)")
    files(added, "predictions", "classes", "class-embeddings", "answer-embeddings", "output")
