"""The commands of the embed stage: class names and what else classes are called, answers, and the concepts that these speak of."""

import argparse
import importlib
import logging
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mllm_classify.cli import command, files, parts, progress
from mllm_classify.config.encoders import AnyEncoder
from mllm_classify.config.study import Config
from mllm_classify.io import parquet
from mllm_classify.io.environment import environment
from mllm_classify.tasks import OW

if TYPE_CHECKING:
    from mllm_classify.embed.texts import Encode

log = logging.getLogger("mllm_classify")


def add(stages: Any) -> None:
    """The commands and their arguments."""
    several = parts(stages, "embed", "class names, answers or their concepts as vectors")
    classes = command(several, "classes", embed_classes, "classes/{encoder}", "Embed the class names.")
    answers = command(
        several, "answers", embed_answers, "answers/{encoder}/{model}", "Embed each distinct answer of a model once."
    )
    concepts = command(
        several,
        "concepts",
        embed_concepts,
        "concepts/{encoder}/{model}",
        "Embed the concepts of a model's answers to OW.",
    )
    synonyms = command(
        several,
        "synonyms",
        embed_synonyms,
        "synonyms/{encoder}",
        "Embed what else the classes are called in the hierarchy.",
    )
    for added in (classes, answers, concepts, synonyms):
        added.add_argument("--encoder", required=True, help="the encoder's name in the configuration")
        added.add_argument("--journal", default="journal", metavar="FOLDER", help="default: journal (kind openai)")
    files(classes, "classes", "output")
    files(synonyms, "hierarchy", "classes", "output")
    for added in (answers, concepts):
        added.add_argument("--model", required=True, help="the model's name in the configuration")
        files(added, "predictions", "output")


def text_encoder(encoder: AnyEncoder, journal: str) -> "Encode":
    """What embeds texts: each kind of encoder is a module of this stage, under the kind's name."""
    module = importlib.import_module(f"mllm_classify.embed.{encoder.kind.replace('-', '_')}")
    encode: Encode = module.encoder(encoder, Path(journal) / "embeddings" / encoder.name, progress)
    return encode


def embed_classes(args: argparse.Namespace, config: Config) -> None:
    from mllm_classify.embed import texts

    encoder = config.named_encoder(args.encoder)
    templates = texts.class_templates(encoder)
    vectors = texts.embed_classes(text_encoder(encoder, args.journal), templates, parquet.read(args.classes))
    parquet.write(vectors, None, args.output, [environment()])
    log.info("%s: %d class embeddings", encoder.name, len(vectors))


def embed_answers(args: argparse.Namespace, config: Config) -> None:
    from mllm_classify.embed import texts

    encoder = config.named_encoder(args.encoder)
    templates = texts.answer_templates(encoder)
    answers = parquet.read(args.predictions, "text", "texts")
    vectors = texts.embed_answers(lambda: text_encoder(encoder, args.journal), templates, answers)
    parquet.write(vectors, None, args.output, [environment()])
    log.info("%s: %d distinct answers of %s", encoder.name, len(vectors), args.predictions)


def embed_concepts(args: argparse.Namespace, config: Config) -> None:
    from mllm_classify.embed import concepts, texts

    encoder = config.named_encoder(args.encoder)
    templates = texts.answer_templates(encoder)
    answers = texts.distinct_answers(parquet.read(args.predictions, "text", "task", "variant"), task=OW.name)
    vectors = concepts.embed_concepts(lambda: text_encoder(encoder, args.journal), templates, answers)
    parquet.write(vectors, None, args.output, [environment()])
    log.info("%s: %d concepts of %d distinct answers of %s", encoder.name, len(vectors), len(answers), args.predictions)


def embed_synonyms(args: argparse.Namespace, config: Config) -> None:
    from mllm_classify.embed import synonyms, texts

    encoder = config.named_encoder(args.encoder)
    templates = texts.answer_templates(encoder)
    names = parquet.read(args.hierarchy), parquet.read(args.classes)
    vectors = synonyms.embed_synonyms(lambda: text_encoder(encoder, args.journal), templates, *names)
    parquet.write(vectors, None, args.output, [environment()])
    log.info("%s: %d other names of classes", encoder.name, len(vectors))
