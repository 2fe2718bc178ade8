"""The predict stage on the command line: `predict`, `ask`, `gather` and `adopt`."""

import argparse
import importlib
import json
import logging
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mllm_classify.cli import command, files, progress
from mllm_classify.config.vision import VisionModel
from mllm_classify.io.files import InputError, written
from mllm_classify.plan.files import file
from mllm_classify.plan.lineage import CHANGED, Lineages, lineages
from mllm_classify.plan.together import asked_lineage, prediction_path, probe_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mllm_classify.config.judge import AnyJudge
    from mllm_classify.config.kinds import AnyModel
    from mllm_classify.config.models import Model
    from mllm_classify.config.study import Config
    from mllm_classify.predict.chat.question import Question
    from mllm_classify.predict.job import PredictJob

log = logging.getLogger("mllm_classify")

OPTIONS = ("image_id", "variant", "repeat", "options")
"""What a job reads of the choices stage."""

# Modules are imported inside their commands: a job pays for its own libraries only.


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
        config.probe if config.probe and model.name in config.probe.models else None,
        config.neighbours(model),
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
    if model.keeps_parts:
        from mllm_classify.predict.vision import parts
        from mllm_classify.predict.vision.adopt import sources
        from mllm_classify.predict.vision.finished import finished

        frame, made_with = finished(job) or kind_of(model).predict(job)
        parquet.write(frame, PREDICTIONS, job.output, made_with, sources(job))
        parts.remove(job.output)
    else:
        frame, made_with = kind_of(model).predict(job)
        parquet.write(frame, PREDICTIONS, job.output, made_with)
    log.info("%s: %d predictions in %s", model.name, len(frame), job.output)


def probe(args: argparse.Namespace, config: "Config") -> None:
    from mllm_classify.io import parquet
    from mllm_classify.predict.chat.answering import plainly
    from mllm_classify.predict.chat.probing import PROBES, probed

    model = config.model(args.model)
    job = job_of(args, config, model, args.output)
    if job.probe is None:
        msg = f"--model: {model.name!r} is not among probe.models"
        raise InputError(msg)
    frame = probed(job, plainly(job.model, kind_of(model).serving(job.model, job.journal)))
    parquet.write(frame, PROBES, job.output)
    log.info("%s: %d of %d descriptions are known", model.name, frame["right"].sum(), len(frame))


def ask(args: argparse.Namespace, config: "Config") -> None:
    predicting, probing, (number, count) = f"predict/{args.model}", probe_of(args.model), args.shard
    known = {name: Lineages(config.study(name)) for name in {*args.datasets, *args.probed}}
    lineages: dict[str, dict[str, str]] = {name: {} for name in sorted(known)}
    for job, names in ((predicting, args.datasets), (probing, args.probed)):
        for name in names:
            lineages[name][job] = known[name][job]
    shard = f"{number}-of-{count}" if count > 1 else ""
    asking = asked_lineage(args.model, shard, args.datasets, args.probed, lineages)
    if not asking.startswith(args.asking.partition("-")[0]):
        raise InputError(CHANGED % args.config)

    def jobs(names: list[str]) -> "Iterator[PredictJob[Any]]":
        for name in sorted(names):
            study = config.study(name)
            model = study.model(args.model)
            of = known[name].outline
            found = {it: file(of, it).path for it in ("images", "classes", "choices", "labels", "class_embeddings")}
            found["labels"] = found["labels"] if study.needs_labels(model) else ""
            found["class_embeddings"] = found["class_embeddings"] if model.needs_class_embeddings else ""
            found["lineage"] = lineages[name].get(predicting, "")
            yield job_of(argparse.Namespace(**vars(args) | found), study, model, prediction_path(of, model.name, shard))

    model = config.model(args.model)
    kind = kind_of(model)
    if isinstance(model, VisionModel):
        from mllm_classify.predict.vision.together import prepare

        prepare(jobs(args.datasets), kind.predict if model.keeps_parts else kind.prepared)
    else:
        from mllm_classify.predict.chat.questions import questionnaire_of
        from mllm_classify.predict.chat.together import ask as asked

        def questions(job: "PredictJob[Any]") -> "Iterator[Question]":
            yield from questionnaire_of(job)  # once a kind wants them

        serving = kind.serving(model, Path(args.journal) / model.name)
        asked(
            jobs(args.datasets),
            jobs(args.probed),
            serving,
            lambda job: kind.means(job.model, job.journal, questions(job)),
        )
    with written(args.output) as temporary:
        temporary.write_text(json.dumps(lineages, indent=2, sort_keys=True) + "\n")


def kind_of(model: "AnyModel | AnyJudge") -> Any:
    """The module of a model's kind; its `predict` makes the predictions of a job."""
    return importlib.import_module(f"mllm_classify.predict.{model.kind}")


def adopt(args: argparse.Namespace, config: "Config") -> None:
    predictions = Path(args.results) / "predictions" / config.dataset.name
    models = [config.model(name) for name in args.models] or config.models
    there = [model for model in models if model.keeps_parts and (predictions / f"{model.name}.parquet").exists()]
    refused = []
    for model in there:
        try:
            adopt_model(args, config, model, predictions)
        except InputError as error:
            refused.append(f"{model.name}: {error}")
    if refused:
        msg = f"{len(refused)} of {len(there)} models will be computed again: {'; '.join(refused)}"
        raise InputError(msg)


def adopt_model(args: argparse.Namespace, config: "Config", model: "AnyModel", predictions: Path) -> None:
    """Give a model's predictions to the jobs that are to write them. Raises InputError as `vision.adopt.adopt` does."""
    from mllm_classify.io import parquet
    from mllm_classify.predict.vision.adopt import adopt as adopted

    results, path = Path(args.results), predictions / f"{model.name}.parquet"
    args.images, args.classes = (
        results / "dataset" / config.dataset.name / f"{it}.parquet" for it in ("images", "classes")
    )
    args.class_embeddings = None
    if model.needs_class_embeddings and config.encoder is not None:
        args.class_embeddings = results / "embeddings" / config.encoder.name / config.dataset.name / "classes.parquet"
    job = job_of(args, config, model, str(path))
    if (parquet.sources(path) or {}).get("lineage") == job.lineage:
        log.info("%s: is of this code already", model.name)
        return
    shards = range(1, model.shards + 1) if model.shards > 1 else []
    folder = predictions / "shards" / model.name
    jobs = [
        job._replace(shard=(shard, model.shards), output=folder / f"{shard}-of-{model.shards}.parquet")
        for shard in shards
    ]
    count = adopted(path, jobs or [job], kind_of(model).predict)
    log.info("%s: %d predictions are adopted; the next run takes them from there", model.name, count)


def gather(args: argparse.Namespace, config: "Config") -> None:
    from mllm_classify.io import parquet
    from mllm_classify.predict.rows import PREDICTIONS, gathered

    model = config.model(args.model)
    shards = [parquet.read(path) for path in args.inputs]
    frame = gathered(shards, parquet.read(args.images, "image_id"), model.prompted_tasks)
    made_with = [environment for path in args.inputs for environment in parquet.environments(path)]
    first, *others = (parquet.sources(path) for path in args.inputs)
    parquet.write(frame, PREDICTIONS, args.output, made_with, first if others.count(first) == len(others) else None)
    log.info("%s: %d predictions of %d shards", model.name, len(frame), len(args.inputs))


def shard(text: str) -> tuple[int, int]:
    """`2/3` as (2, 3): the second of three."""
    number, _, count = text.partition("/")
    if not (number.isdecimal() and count.isdecimal() and 1 <= int(number) <= int(count)):
        msg = f"{text!r} is not a shard; of three, they are 1/3, 2/3 and 3/3"
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
        "--labels",
        nargs="?",
        metavar="FILE",
        help="labels.parquet (models whose sample or order depends on ImGT; recorded ones that may lack images)",
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

    probing = command(
        stages, "probe", probe, "probe/{model}", "Ask a chat model which classes descriptions fit, without an image."
    )
    probing.add_argument("--model", required=True, help="the model's name in the configuration")
    files(probing, "images", "classes")
    probing.add_argument("--journal", default="journal", metavar="FOLDER", help="default: journal")
    probing.set_defaults(shard=(1, 1), class_embeddings=None, choices=None, labels=None)
    files(probing, "output")

    together = command(
        stages, "ask", ask, "ask/{model}",
        "Ask a model about several data sets, and what it knows of their classes: its engine is started, or its weights are "
        "loaded, once. The jobs of predictions and probes find the answers.",
        across=True,
    )  # fmt: skip
    together.add_argument("--model", required=True, help="the model's name in the configuration")
    together.add_argument(
        "--datasets", nargs="*", default=[], metavar="NAME", help="the data sets whose images are shown"
    )
    together.add_argument(
        "--probed", nargs="*", default=[], metavar="NAME", help="the data sets whose classes are described"
    )
    together.add_argument("--asking", default="", metavar="DIGEST", help="stop unless this is what is asked")
    together.add_argument("--journal", default="journal", metavar="FOLDER", help="default: journal")
    together.add_argument("--shard", type=shard, default=(1, 1), metavar="I/N", help="about the images of a shard only")
    files(together, "output")

    gathering = command(
        stages, "gather", gather, "predict/{model}", "Put the shards of a model's predictions together."
    )
    gathering.add_argument("--model", required=True, help="the model's name in the configuration")
    gathering.add_argument("--inputs", nargs="+", required=True, metavar="FILE", help="the shards")
    files(gathering, "images", "output")

    adopting = command(
        stages, "adopt", adopt, "adopt",
        "Take over what vision models predicted before the code changed, once some of it was computed again.",
    )  # fmt: skip
    adopting.add_argument("--models", nargs="*", default=[], metavar="NAME", help="default: all that have predictions")
    adopting.add_argument("--results", default="results", metavar="FOLDER", help="default: results")
    adopting.set_defaults(shard=(1, 1), choices=None, labels=None, journal="journal")
