"""The embed stage on the command line: `embed classes` and `embed answers`."""

import argparse
import importlib
import logging
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mllm_classify import cli
from mllm_classify.io.environment import environment

if TYPE_CHECKING:
    from mllm_classify.config.encoders import AnyEncoder
    from mllm_classify.config.study import Config
    from mllm_classify.embed.texts import Encode

log = logging.getLogger("mllm_classify")


def text_encoder(args: argparse.Namespace, entry: "AnyEncoder") -> "Encode":
    """An entry's encoder: of the module of its kind, which is imported by its name, as a job pays for its own libraries."""
    kind = importlib.import_module(f"mllm_classify.embed.{entry.kind.replace('-', '_')}")
    encode: Encode = kind.encoder(entry, Path(args.journal) / "embeddings" / entry.name, cli.progress)
    return encode


def classes(args: argparse.Namespace, config: "Config") -> None:
    from mllm_classify.embed.texts import embed_classes, read_templates
    from mllm_classify.io import parquet

    entry = config.named_encoder(args.encoder)
    templates = read_templates(entry.templates)
    embedded = embed_classes(text_encoder(args, entry), templates, parquet.read(args.classes))
    parquet.write(embedded, dict(embedded.schema), args.output, [environment()])
    log.info("%s: %d class embeddings", entry.name, len(embedded))


def answers(args: argparse.Namespace, config: "Config") -> None:
    from mllm_classify.embed.texts import answer_templates, embed_answers
    from mllm_classify.io import parquet

    entry = config.named_encoder(args.encoder)
    texts = parquet.read(args.predictions, "text")
    embedded = embed_answers(lambda: text_encoder(args, entry), answer_templates(entry), texts)
    parquet.write(embedded, dict(embedded.schema), args.output, [environment()])
    log.info("%s: %d distinct answers of %s", entry.name, len(embedded), args.predictions)


def add(stages: Any) -> None:
    """Add the commands of this stage to a parser's subparsers."""
    parts = cli.parts(stages, "embed", "class names or answers as vectors")
    of_classes = cli.command(parts, "classes", classes, "classes/{encoder}", "Embed the class names.")
    of_answers = cli.command(
        parts, "answers", answers, "answers/{encoder}/{model}", "Embed each distinct answer of a model once."
    )
    for added in (of_classes, of_answers):
        added.add_argument("--encoder", required=True, help="the encoder's name in the configuration")
        added.add_argument("--journal", default="journal", metavar="FOLDER", help="default: journal (kind openai)")
    cli.files(of_classes, "classes", "output")
    of_answers.add_argument("--model", required=True, help="the model's name in the configuration")
    cli.files(of_answers, "predictions", "output")
