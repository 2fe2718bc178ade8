"""The predict stage on the command line: `predict`, `gather` and `estimate`."""

import argparse
import importlib
import logging
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mllm_classify.cli import command, files, progress
from mllm_classify.io.files import written
from mllm_classify.plan.lineage import lineages

if TYPE_CHECKING:
    from mllm_classify.config.models import Model
    from mllm_classify.config.study import Config
    from mllm_classify.predict.job import PredictJob

log = logging.getLogger("mllm_classify")

OPTIONS = ("image_id", "variant", "repeat", "options")
"""What a job reads of the choices stage."""

# Modules of kinds are imported by name, and others inside their commands: a job pays for its own libraries only.


def job_of(args: argparse.Namespace, config: "Config", model: "Model", output: str) -> "PredictJob[Any]":
    """What a model's predictions are made from, read from the files that the command names."""
    from mllm_classify.io import parquet
    from mllm_classify.predict.job import PredictJob

    return PredictJob(
        model,
        config.dataset,
        parquet.read(args.images),
        parquet.read(args.classes),
        Path(output),
        Path(args.journal) / model.name,
        lineage_of(args, config, model),
        progress,
        args.shard,
        parquet.read(args.class_embeddings) if args.class_embeddings else None,
        parquet.read(args.choices, *OPTIONS) if args.choices and model.asks_choices else None,
        config.choices.answer if config.choices else "name",
        parquet.read(args.labels) if args.labels else None,
        config.tasks,
        config.asked_variants(model),
    )


def lineage_of(args: argparse.Namespace, config: "Config", model: "Model") -> str:
    """The lineage of a job that keeps parts; a journal has keys of its own."""
    if not model.keeps_parts:
        return ""
    return args.lineage or lineages(config)[f"predict/{model.name}"]


def predict(args: argparse.Namespace, config: "Config") -> None:
    from mllm_classify.io import parquet
    from mllm_classify.predict.rows import PREDICTIONS

    model = config.model(args.model)
    job = job_of(args, config, model, args.output)
    log.info("%s (%s): %d images", model.name, model.kind, len(job.images))
    frame, made_with = importlib.import_module(f"mllm_classify.predict.{model.kind}").predict(job)
    parquet.write(frame, PREDICTIONS, job.output, made_with)
    if model.keeps_parts:
        from mllm_classify.predict.vision import parts

        parts.remove(job.output)
    log.info("%s: %d predictions in %s", model.name, len(frame), job.output)


def gather(args: argparse.Namespace, config: "Config") -> None:
    from mllm_classify.io import parquet
    from mllm_classify.predict.rows import PREDICTIONS, gathered

    model = config.model(args.model)
    shards = [parquet.read(path) for path in args.inputs]
    frame = gathered(shards, parquet.read(args.images, "image_id"), model.prompted_tasks)
    made_with = [environment for path in args.inputs for environment in parquet.environments(path)]
    parquet.write(frame, PREDICTIONS, args.output, made_with)
    log.info("%s: %d predictions of %d shards", model.name, len(frame), len(args.inputs))


def estimate(args: argparse.Namespace, config: "Config") -> None:
    from mllm_classify.io import parquet
    from mllm_classify.predict.chat.estimate import assumed_choices, shown
    from mllm_classify.predict.chat.estimate import estimate as estimated

    args.choices = args.choices if args.choices and Path(args.choices).exists() else None
    jobs = [job_of(args, config, model, args.output) for model in config.chat_models]
    if args.choices is None and config.choices is not None:
        assumed = assumed_choices(config.choices, parquet.read(args.labels))
        jobs = [job._replace(choices=assumed) for job in jobs]
    table = estimated(jobs)
    with written(args.output) as temporary:
        table.write_csv(temporary)
    print(shown(table))


def shard(text: str) -> tuple[int, int]:
    """`2/3` as (2, 3): the second of three."""
    number, _, count = text.partition("/")
    if not (number.isdecimal() and count.isdecimal() and 1 <= int(number) <= int(count)):
        msg = f"{text!r} is no shard; 1/3 to 3/3 are those of three"
        raise argparse.ArgumentTypeError(msg)
    return int(number), int(count)


def add(stages: Any) -> None:
    """Add the commands of this stage to a parser's subparsers."""
    predicting = command(
        stages, "predict", predict, "predict/{model}",
        "Ask one model for its predictions. Answers of chat models are journalled as they come, and never asked twice.",
    )  # fmt: skip
    predicting.add_argument("--model", required=True, help="the model's name in the configuration")
    files(predicting, "images", "classes")
    predicting.add_argument(
        "--class-embeddings", nargs="?", metavar="FILE", help="classes.parquet of the embed stage (kind conse)"
    )
    predicting.add_argument("--choices", nargs="?", metavar="FILE", help="the options (models that are asked MC)")
    predicting.add_argument(
        "--labels", nargs="?", metavar="FILE", help="labels.parquet (models whose sample or order depends on ImGT)"
    )
    predicting.add_argument(
        "--shard",
        type=shard,
        default=(1, 1),
        metavar="I/N",
        help="the images of the Ith of N shards only; gather puts them together",
    )
    predicting.add_argument("--journal", default="journal", metavar="FOLDER", help="default: journal")
    files(predicting, "output")

    estimating = command(
        stages,
        "estimate",
        estimate,
        "estimate",
        "What chat models will cost, and have cost: requests, tokens, dollars.",
    )
    files(estimating, "images", "classes", "labels")
    estimating.add_argument("--choices", metavar="FILE", help="the options of MC, if they are there already")
    estimating.add_argument("--journal", default="journal", metavar="FOLDER", help="default: journal")
    files(estimating, "output")
    estimating.set_defaults(shard=(1, 1), class_embeddings=None)

    gathering = command(
        stages, "gather", gather, "predict/{model}", "Put the shards of a model's predictions together."
    )
    gathering.add_argument("--model", required=True, help="the model's name in the configuration")
    gathering.add_argument("--inputs", nargs="+", required=True, metavar="FILE", help="the shards")
    files(gathering, "images", "output")
