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
    if (config.named_encoder(args.encoder).reranker is not None) != (args.reranked is not None):
        has = "has" if args.reranked is None else "has no"
        msg = f"--reranked: the encoder {args.encoder} {has} a reranker: give its scores if, and only if, there is one"
        raise InputError(msg)
    frame = map_answers(
        parquet.read(args.predictions, *ANSWERS),
        parquet.read(args.classes),
        parquet.read(args.class_embeddings),
        parquet.read(args.answer_embeddings),
        choices=None if values["answer"] is None else parquet.read(args.choices, *OPTIONS),
        reranked=None if args.reranked is None else parquet.read(args.reranked),
        **values,
    )
    parquet.write(frame, MAPPING, args.output)
    log.info("%s", summary(frame))


def rerank(args: argparse.Namespace, config: "Config") -> None:
    from mllm_classify.io import parquet
    from mllm_classify.io.environment import environment
    from mllm_classify.mapping.cross_encoder import cross_encoder
    from mllm_classify.mapping.cross_encoder import rerank as rerank_answers
    from mllm_classify.mapping.reranked import RERANKED

    reranker = config.named_encoder(args.encoder).reranker
    if reranker is None:
        msg = f"--encoder: {args.encoder} has no reranker; add encoder.reranker"
        raise InputError(msg)
    answers, vectors = parquet.read(args.answer_embeddings), parquet.read(args.class_embeddings)
    classes = parquet.read(args.classes)
    frame = rerank_answers(lambda: cross_encoder(reranker), reranker.nearest, answers, vectors, classes)
    parquet.write(frame, RERANKED, args.output, [environment()])
    log.info("%s: %d pairs of %d answers and classes", args.encoder, len(frame), len(answers))


def add(stages: Any) -> None:
    """Add the commands of this stage to a parser's subparsers."""
    ranking = command(
        stages, "rerank", rerank, "rerank/{encoder}/{model}", "Let a cross-encoder decide among the nearest classes."
    )
    files(ranking, "classes", "class-embeddings", "answer-embeddings", "output")
    added = command(stages, "mapping", mapping, "mapping/{encoder}/{model}", "Map a model's answers to classes.")
    for it in (ranking, added):
        it.add_argument("--encoder", required=True, help="the encoder's name in the configuration")
        it.add_argument("--model", required=True, help="the model's name in the configuration")
    added.add_argument(
        "--reranked", nargs="?", metavar="FILE", help="a cross-encoder's scores (encoders with a reranker)"
    )
    added.add_argument("--choices", nargs="?", metavar="FILE", help="the options (models that are asked MC)")
    files(added, "predictions", "classes", "class-embeddings", "answer-embeddings", "output")
