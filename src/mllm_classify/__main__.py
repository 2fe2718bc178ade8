"""The stages on the command line: `python -m mllm_classify STAGE --help`."""

import argparse
import logging
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from mllm_classify import config as configuration
from mllm_classify.files import InputError
from mllm_classify.lineage import lineages

log = logging.getLogger("mllm_classify")

PROGRESS_INTERVAL = 5.0
CONFIG_VARIABLE = "MLLM_CLASSIFY_CONFIG"

Run = Callable[[argparse.Namespace, configuration.Config], None]


def progress(total: int, what: str) -> Callable[[int], None]:
    """A function that logs how many of `total` are done, every few seconds and at the end.

    Its first call starts the clock, with what was done before.
    """
    started = last = 0.0
    before = total

    def report(done: int) -> None:
        nonlocal started, last, before
        now = time.monotonic()
        if not started:
            started, last, before = now, now, done
        elif done == total or now - last > PROGRESS_INTERVAL:
            last = now
            rate = (done - before) / (now - started)
            left = f", {(total - done) / rate:.0f} s left" if done < total else ""
            log.info("%d of %d %s, %.1f a second%s", done, total, what, rate, left)

    return report


# Stage modules are imported inside their commands: a job pays for its own libraries only.


def dataset_images(args: argparse.Namespace, config: configuration.Config) -> None:
    from mllm_classify import parquet
    from mllm_classify.dataset.images import CLASSES, IMAGES, classes, images
    from mllm_classify.dataset.labels import labels

    dataset = config.dataset
    names = classes(dataset.classes)
    frame = images(dataset.images, dataset.folder)
    # all models wait for this stage: a mistake in the labels shows before any of them is asked
    labels(frame, names, dataset.imgt, dataset.regt, dataset.equivalences)
    parquet.write(names, CLASSES, args.classes)
    parquet.write(frame, IMAGES, args.images)
    log.info("%s: %d images, %d classes", dataset.name, frame.height, names.height)


def dataset_labels(args: argparse.Namespace, config: configuration.Config) -> None:
    from mllm_classify import parquet
    from mllm_classify.dataset.labels import LABELS, labels

    dataset = config.dataset
    frame = labels(
        parquet.read(args.images), parquet.read(args.classes), dataset.imgt, dataset.regt, dataset.equivalences
    )
    parquet.write(frame, LABELS, args.output)
    counts = frame["category"].value_counts(sort=True).rows()
    log.info("%s: %s", dataset.name, ", ".join(f"{category} {count}" for category, count in counts))


def embed_classes(args: argparse.Namespace, config: configuration.Config) -> None:
    from mllm_classify import embed, parquet

    frame = embed.embed_classes(config.encoder, parquet.read(args.classes))
    parquet.write(frame, dict(frame.schema), args.output)
    log.info("%s: %d class embeddings", config.encoder.name, frame.height)


def embed_answers(args: argparse.Namespace, config: configuration.Config) -> None:
    from mllm_classify import embed, parquet

    frame = embed.embed_answers(config.encoder, parquet.read(args.predictions, "text"))
    parquet.write(frame, dict(frame.schema), args.output)
    log.info("%s: %d distinct answers of %s", config.encoder.name, frame.height, args.predictions)


def predict(args: argparse.Namespace, config: configuration.Config) -> None:
    from mllm_classify import parquet
    from mllm_classify.predict.images import Images
    from mllm_classify.predict.rows import PREDICTIONS

    model = config.model(args.model)
    images = Images(parquet.read(args.images), config.dataset.folder)
    classes = parquet.read(args.classes)
    seen = progress(len(images), "images")
    log.info("%s (%s): %d images", model.name, model.kind, len(images))
    match model:
        case configuration.TimmModel():
            from mllm_classify.predict import timm

            frame = timm.predict(model, images, classes, seen)
        case configuration.ConseModel():
            from mllm_classify.predict import conse

            if args.class_embeddings is None:
                msg = f"--class-embeddings: needed for {model.name}, a model of kind conse"
                raise InputError(msg)
            vectors = parquet.read(args.class_embeddings).sort("class_id")["embedding"].to_numpy()
            frame = conse.predict(model, images, vectors, seen)
        case configuration.ChatModel():
            from mllm_classify.predict import endpoint, engine

            answered = progress(len(images) * len(model.tasks), "answers")
            journal = Path(args.journal) / model.name
            if isinstance(model, configuration.EngineModel):
                frame = engine.predict(model, config.tasks, images, classes, journal, answered)
            else:
                frame = endpoint.predict(model, config.tasks, images, classes, journal, answered)
    parquet.write(frame, PREDICTIONS, args.output)
    log.info("%s: %d predictions in %s", model.name, frame.height, args.output)


def mapping(args: argparse.Namespace, config: configuration.Config) -> None:
    from mllm_classify import mapping, parquet

    frame = mapping.map_answers(
        parquet.read(args.predictions, "image_id", "task", "variant", "repeat", "text", "status"),
        parquet.read(args.classes),
        parquet.read(args.class_embeddings),
        parquet.read(args.answer_embeddings),
        config.encoder.name,
    )
    parquet.write(frame, mapping.MAPPING, args.output)
    listed = frame["in_prompt"].drop_nulls()
    log.info("%d answers; %d of %d closed-world answers out of prompt", frame.height, (~listed).sum(), listed.len())


def score(args: argparse.Namespace, config: configuration.Config) -> None:
    import polars as pl

    from mllm_classify import parquet, score

    labels, classes = parquet.read(args.labels), parquet.read(args.classes)
    frames = []
    for name, path in zip(args.models, args.inputs, strict=True):
        frame = parquet.read(path)
        worded = "in_prompt" in frame.columns
        predicted = score.predicted_by_text(frame, classes) if worded else score.predicted_by_ranking(frame)
        frames.append(score.score(name, predicted, labels))
    parquet.write(pl.concat(frames), score.SCORES, args.output)
    log.info("%d models scored on %d images of %s", len(frames), labels.height, config.dataset.name)


def tables(args: argparse.Namespace, config: configuration.Config) -> None:
    import polars as pl

    from mllm_classify import parquet, tables

    if args.table == "table2":
        table = tables.table2(parquet.read(args.labels, "category")["category"], config.dataset.label)
    else:
        models = pl.DataFrame(
            [{"model": model.name, "label": model.label, "family": model.family} for model in config.models]
        )
        make = {"table3": tables.table3, "table4": tables.table4, "table5": tables.table5}[args.table]
        table = make(parquet.read(args.scores), models, config.dataset.label)
    tables.write(table, Path(args.output))
    log.info("%s, with .md, .html and .tex beside it", args.output)


def parser() -> argparse.ArgumentParser:
    """All commands. Each knows the lineage key of its job, for `--lineage`."""
    top = argparse.ArgumentParser(
        prog="python -m mllm_classify",
        description="The stages of the workflow, each from files to files. Snakemake calls them; so may you.",
    )
    stages = top.add_subparsers(title="stages", required=True, metavar="STAGE")

    def command(where: Any, name: str, run: Run, job: str, text: str) -> argparse.ArgumentParser:
        added: argparse.ArgumentParser = where.add_parser(name, help=text, description=text)
        added.add_argument(
            "--config",
            default=os.environ.get(CONFIG_VARIABLE, "config.yaml"),
            help=f"the configuration (default: ${CONFIG_VARIABLE}, else config.yaml)",
        )
        added.add_argument(
            "--lineage", help="stop unless the job has this lineage: Snakemake's guard against edits during a run"
        )
        added.set_defaults(run=run, job=job)
        return added

    def file(added: argparse.ArgumentParser, *names: str, **options: str) -> None:
        texts = {
            "images": "images.parquet of the dataset stage",
            "classes": "classes.parquet of the dataset stage",
            "labels": "labels.parquet of the dataset stage",
            "predictions": "the model's predictions",
            "class-embeddings": "classes.parquet of the embed stage",
            "answer-embeddings": "the model's answers as the embed stage wrote them",
            "scores": "scores.parquet",
            "output": "the file to write",
        }
        for name in names:
            added.add_argument(f"--{name}", required=True, metavar="FILE", help=options.get(name, texts[name]))

    dataset = stages.add_parser("dataset", help="register images and classes; read both label sets")
    parts = dataset.add_subparsers(title="parts", required=True, metavar="PART")
    images = command(parts, "images", dataset_images, "images", "Check every image and the class list.")
    file(images, "images", "classes", images="images.parquet to write", classes="classes.parquet to write")
    labels = command(parts, "labels", dataset_labels, "labels", "Read ImGT, ReGT and equivalences; derive categories.")
    file(labels, "images", "classes", "output")

    embed = stages.add_parser("embed", help="class names or answers as vectors")
    parts = embed.add_subparsers(title="parts", required=True, metavar="PART")
    classes = command(parts, "classes", embed_classes, "classes", "Embed the class names.")
    file(classes, "classes", "output")
    answers = command(parts, "answers", embed_answers, "answers/{model}", "Embed each distinct answer of a model once.")
    answers.add_argument("--model", required=True, help="the model's name in the configuration")
    file(answers, "predictions", "output")

    predicting = command(
        stages, "predict", predict, "predict/{model}",
        "Ask one model for its predictions. Answers of chat models are journalled as they come, and never asked twice.",
    )  # fmt: skip
    predicting.add_argument("--model", required=True, help="the model's name in the configuration")
    file(predicting, "images", "classes")
    predicting.add_argument(
        "--class-embeddings", nargs="?", metavar="FILE", help="classes.parquet of the embed stage (kind conse)"
    )
    predicting.add_argument("--journal", default="journal", metavar="FOLDER", help="default: journal")
    file(predicting, "output")

    mapped = command(stages, "mapping", mapping, "mapping/{model}", "Map a model's answers to classes.")
    mapped.add_argument("--model", required=True, help="the model's name in the configuration")
    file(mapped, "predictions", "classes", "class-embeddings", "answer-embeddings", "output")

    scored = command(stages, "score", score, "score", "Right or wrong, for every model, image and scoring.")
    scored.add_argument("--models", nargs="+", required=True, metavar="NAME", help="names, in the order of --inputs")
    scored.add_argument(
        "--inputs",
        nargs="+",
        required=True,
        metavar="FILE",
        help="mapping of models that answer in words, else predictions",
    )
    file(scored, "labels", "classes", "output")

    table = stages.add_parser("tables", help="the paper's tables")
    parts = table.add_subparsers(title="tables", required=True, metavar="TABLE")
    for name, text in {
        "table2": "Images per label category.",
        "table3": "Every model at its best task.",
        "table4": "Models that answer in words, by task.",
        "table5": "Out-of-prompt rate by label category.",
    }.items():
        made = command(parts, name, tables, name, text)
        made.set_defaults(table=name)
        file(made, "labels" if name == "table2" else "scores", "output", output="the .csv; .md, .html, .tex beside it")
    return top


def check_lineage(args: argparse.Namespace, config: configuration.Config) -> None:
    """Stop a job whose configuration or code is no longer what Snakemake planned and will record."""
    if lineages(config).get(args.job.format_map(vars(args))) != args.lineage:
        msg = (
            f"{args.config}: the configuration, a file that it names, or the code has changed since this run was "
            "started; let the other jobs end and start Snakemake again"
        )
        raise InputError(msg)


def main() -> int:
    args = parser().parse_args()
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(message)s", datefmt="%H:%M:%S")
    logging.getLogger("mllm_classify").setLevel(logging.INFO)
    try:
        config = configuration.load(args.config)
        if args.lineage:
            check_lineage(args, config)
        args.run(args, config)
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
