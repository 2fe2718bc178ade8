"""The stages on the command line: `python -m mllm_classify STAGE --help`."""

import argparse
import importlib
import json
import logging
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mllm_classify.config.annotate import Annotate
from mllm_classify.config.chat import ChatModel, EndpointModel, EngineModel, OpenAIModel, VLLMModel, asks_choices
from mllm_classify.config.encoders import AnyEncoder, Encoder, OpenAIEncoder, OpenClipEncoder
from mllm_classify.config.load import load
from mllm_classify.config.models import RecordedModel
from mllm_classify.config.study import Config
from mllm_classify.config.tasks import Choices
from mllm_classify.config.vision import ConseModel, DinoTxtModel, KnnModel, OpenClipModel, TimmModel, VisionModel
from mllm_classify.io.environment import environment
from mllm_classify.io.files import InputError, TerminatedError, locate, portable, read_bytes, sha256, stamps, written
from mllm_classify.plan.lineage import lineages

if TYPE_CHECKING:
    import polars as pl

    from mllm_classify.embed.texts import Encode
    from mllm_classify.io.environment import Environment
    from mllm_classify.predict.chat.asking import Progress
    from mllm_classify.predict.chat.questions import MultipleChoice, Questionnaire
    from mllm_classify.predict.images import Images
    from mllm_classify.predict.vision.ranking import Ranker
    from mllm_classify.tables.tables import Study, Table

log = logging.getLogger("mllm_classify")

PROGRESS_INTERVAL = 5.0
CONFUSIONS_HELP = "the confusions of the choices stage"
CONFIG_VARIABLE = "MLLM_CLASSIFY_CONFIG"

Run = Callable[[argparse.Namespace, Config], None]


def progress(total: int, what: str) -> Callable[..., None]:
    """A function that logs how many of `total` are done, every few seconds and at the end, and what else it is told.

    Its first call starts the clock, with what was done before.
    """
    started = last = 0.0
    before = total

    def report(done: int, more: str = "") -> None:
        nonlocal started, last, before
        now = time.monotonic()
        if not started:
            started, last, before = now, now, done
        elif done == total or now - last > PROGRESS_INTERVAL:
            last = now
            rate = (done - before) / (now - started)
            left = f", {remaining((total - done) / rate)} left" if done < total and rate else ""
            log.info("%d of %d %s, %.1f a second%s%s", done, total, what, rate, left, more and f"; {more}")

    return report


def remaining(seconds: float) -> str:
    """Seconds as people read them."""
    if seconds < 100:
        return f"{seconds:.0f} s"
    hours, minutes = divmod(round(seconds / 60), 60)
    return f"{hours} h {minutes:02} min" if hours else f"{minutes} min"


# Stage modules are imported inside their commands: a job pays for its own libraries only.


def dataset_images(args: argparse.Namespace, config: Config) -> None:
    from mllm_classify.dataset.classes import CLASSES, classes
    from mllm_classify.dataset.images import IMAGES, images
    from mllm_classify.dataset.labels import labels
    from mllm_classify.io import parquet

    dataset = config.dataset
    names = classes(dataset)
    frame = images(dataset, names, lambda total: progress(total, "images"))
    # all models wait for this stage: a mistake in the labels shows before any of them is asked
    labels(frame, names, dataset)
    parquet.write(names, CLASSES, args.classes)
    parquet.write(frame, IMAGES, args.images)
    log.info("%s: %d images, %d classes", dataset.name, frame.height, names.height)


def dataset_labels(args: argparse.Namespace, config: Config) -> None:
    from mllm_classify.dataset.labels import LABELS, labels
    from mllm_classify.io import parquet

    frame = labels(parquet.read(args.images), parquet.read(args.classes), config.dataset)
    parquet.write(frame, LABELS, args.output)
    for column, what in {"category": "images", "excluded": "left out"}.items():
        counts = frame[column].drop_nulls().value_counts(sort=True).rows()
        if counts:
            log.info("%s: %s: %s", config.dataset.name, what, ", ".join(f"{name} {count}" for name, count in counts))


def encoder_of(config: Config) -> AnyEncoder:
    if config.encoder is None:
        msg = "encoder: missing; no model of this configuration needs one"
        raise InputError(msg)
    return config.encoder


def text_encoder(args: argparse.Namespace, encoder: AnyEncoder) -> "Encode":
    match encoder:
        case Encoder():
            from mllm_classify.embed import sentence_transformers

            return sentence_transformers.encoder(encoder)
        case OpenClipEncoder():
            from mllm_classify.embed import open_clip

            return open_clip.encoder(encoder)
        case OpenAIEncoder():
            from mllm_classify.embed import openai

            return openai.encoder(encoder, Path(args.journal) / "embeddings" / encoder.name, progress)
    msg = f"no such kind: {encoder!r}"
    raise TypeError(msg)


def embed_classes(args: argparse.Namespace, config: Config) -> None:
    from mllm_classify.embed import texts as embed
    from mllm_classify.io import parquet

    encoder = config.named_encoder(args.encoder)
    templates = embed.read_templates(encoder.templates)
    frame = embed.embed_classes(text_encoder(args, encoder), templates, parquet.read(args.classes))
    parquet.write(frame, dict(frame.schema), args.output, [environment()])
    log.info("%s: %d class embeddings", encoder.name, frame.height)


def embed_answers(args: argparse.Namespace, config: Config) -> None:
    from mllm_classify.embed import texts as embed
    from mllm_classify.io import parquet

    encoder = config.named_encoder(args.encoder)
    templates = embed.read_templates(encoder.templates) if encoder.answers == "templates" else ["{}"]
    frame = embed.embed_answers(lambda: text_encoder(args, encoder), templates, parquet.read(args.predictions, "text"))
    parquet.write(frame, dict(frame.schema), args.output, [environment()])
    log.info("%s: %d distinct answers of %s", encoder.name, frame.height, args.predictions)


def predict(args: argparse.Namespace, config: Config) -> None:
    import polars as pl

    from mllm_classify.io import parquet
    from mllm_classify.predict.images import Images, sharded
    from mllm_classify.predict.rows import PREDICTIONS, error_rows, in_order
    from mllm_classify.predict.vision import parts

    model = config.model(args.model)
    registered = parquet.read(args.images)
    unreadable = pl.col("problem").is_not_null()
    shard, shards = args.shard
    mine = registered.filter(~unreadable)
    if not isinstance(model, ChatModel):  # those share their questions, not their images
        mine = sharded(mine, shard, shards, model.together)
    images = Images(mine, config.dataset.folder)
    classes = parquet.read(args.classes)
    made_with = [environment()]
    log.info("%s (%s): %d images", model.name, model.kind, len(images))
    match model:
        case RecordedModel():
            from mllm_classify.predict import recorded

            frame = recorded.predict(model, config.dataset, registered["image_id"].to_list(), classes.height)
        case VisionModel():
            frame, made_with = predict_vision(args, config, model, images, classes)
            if shard == 1:
                corrupt = registered.filter(unreadable)
                failed = error_rows(corrupt["image_id"], corrupt["problem"])
                frame = in_order(pl.concat([frame, failed]), registered["image_id"])
        case ChatModel():
            asked = questionnaire(args, config, model, multiple_choice(args, config))
            frame, made_with = predict_chat(
                model, asked, Path(args.journal) / model.name, lambda total: progress(total, "answers"), shards
            )
    parquet.write(frame, PREDICTIONS, args.output, made_with)
    if isinstance(model, VisionModel):
        parts.remove(args.output)
    log.info("%s: %d predictions in %s", model.name, frame.height, args.output)


def predict_vision(
    args: argparse.Namespace,
    config: Config,
    model: VisionModel,
    images: "Images",
    classes: "pl.DataFrame",
) -> "tuple[pl.DataFrame, list[Environment]]":
    """Predictions of a model that looks at images itself, and what they were made with: a job goes on where one ended."""
    from mllm_classify.predict.vision import parts, ranking

    if isinstance(model, KnnModel):
        from mllm_classify.predict import knn

        return knn.predict(model, images, classes, progress, args.shard), [environment()]
    kept = parts.folder(args.output, decisive(args, config, model, images))
    frame = ranking.predict(model, images, lambda: ranker(args, model, classes), progress(len(images), "images"), kept)
    return frame, parts.environments(kept) or [environment()]


def ranker(args: argparse.Namespace, model: VisionModel, classes: "pl.DataFrame") -> "Ranker":
    match model:
        case TimmModel():
            from mllm_classify.predict import timm

            return timm.ranker(model, classes.height)
        case ConseModel():
            from mllm_classify.io import parquet
            from mllm_classify.predict import conse

            if args.class_embeddings is None:
                msg = f"--class-embeddings: needed for {model.name}, a model of kind conse"
                raise InputError(msg)
            embeddings = parquet.read(args.class_embeddings).sort("class_id")["embedding"].to_numpy()
            return conse.ranker(model, embeddings)
        case OpenClipModel():
            from mllm_classify.predict import open_clip

            return open_clip.ranker(model, classes)
        case DinoTxtModel():
            from mllm_classify.predict import dinotxt

            return dinotxt.ranker(model, classes)
    msg = f"no such kind: {model!r}"
    raise TypeError(msg)


def decisive(args: argparse.Namespace, config: Config, model: VisionModel, images: "Images") -> list[object]:
    """All that a vision model's results depend on, and the images in a part: what parts must share to be put together.

    Paths of weights are in the lineage; here is what lies there, which may have changed since a job was killed.
    """
    job = args.lineage or lineages(config)[args.job.format_map(vars(args))]
    embeddings = sha256(read_bytes(args.class_embeddings)) if args.class_embeddings else None
    # on the model itself, or on the classifier of kind conse
    named = [getattr(model.inference, key, None) for key in ("weights", "backbone_weights", "pretrained")]
    return [job, images.ids, images.digests, embeddings, stamps(named), model.inference.images_in_part]


def questionnaire(
    args: argparse.Namespace,
    config: Config,
    model: ChatModel,
    multiple: "MultipleChoice | None",
) -> "Questionnaire":
    """What a chat model is asked."""
    from mllm_classify.io import parquet
    from mllm_classify.predict.chat.questions import Questionnaire
    from mllm_classify.predict.images import Images

    images = parquet.read(args.images)
    return Questionnaire(
        model,
        config.tasks,
        Images(images, config.dataset.folder),
        parquet.read(args.classes).sort("class_id")["name"].to_list(),
        variants=config.asked_variants(model),
        multiple=multiple,
        labels=parquet.read(args.labels) if args.labels else None,
        shard=args.shard,
        unreadable=dict(images.select("image_id", "problem").drop_nulls().iter_rows()),
    )


def predict_chat(
    model: ChatModel, asked: "Questionnaire", journal: Path, seen: "Progress", shards: int
) -> "tuple[pl.DataFrame, list[Environment]]":
    match model:
        case EndpointModel():
            from mllm_classify.predict import endpoint

            return endpoint.predict(model, asked, journal, seen, shards)
        case OpenAIModel():
            from mllm_classify.predict import openai

            return openai.predict(model, asked, journal, seen, shards)
        case EngineModel():
            from mllm_classify.predict import engine

            return engine.predict(model, asked, journal, seen, shards)
        case VLLMModel():
            from mllm_classify.predict import vllm

            return vllm.predict(model, asked, journal, seen, shards)
    msg = f"no such kind: {model!r}"
    raise TypeError(msg)


def estimate(args: argparse.Namespace, config: Config) -> None:
    from mllm_classify.api import journal
    from mllm_classify.io import parquet
    from mllm_classify.predict.chat import estimate
    from mllm_classify.predict.chat.questions import MultipleChoice

    args.shard = (1, 1)
    known = args.choices is not None and Path(args.choices).exists()
    rows = []
    for model in config.models:
        if isinstance(model, ChatModel):
            args.model = model.name
            multiple = None
            if known:
                multiple = multiple_choice(args, config)
            elif asks_choices(model):
                assumed = estimate.assumed_choices(choices_of(config), parquet.read(args.labels))
                multiple = MultipleChoice(assumed, choices_of(config).answer)
            asked = questionnaire(args, config, model, multiple)
            rows += estimate.estimated(asked, journal.read(Path(args.journal) / model.name))
    frame = estimate.frame(rows)
    with written(args.output) as temporary:
        frame.write_csv(temporary)
    print(estimate.shown(frame))


def gather(args: argparse.Namespace, config: Config) -> None:
    from mllm_classify.io import parquet
    from mllm_classify.predict.rows import PREDICTIONS, gathered

    model = config.model(args.model)
    tasks = model.tasks if isinstance(model, ChatModel) else []
    frame = gathered([parquet.read(path) for path in args.inputs], parquet.read(args.images, "image_id"), tasks)
    made_with = [environment for path in args.inputs for environment in parquet.environments(path)]
    parquet.write(frame, PREDICTIONS, args.output, made_with)
    log.info("%s: %d predictions of %d shards", args.model, frame.height, len(args.inputs))


def bundle(args: argparse.Namespace, config: Config) -> None:
    from mllm_classify.bundle import archive as bundle

    found = bundle.contents(args.config, config, args.inputs)
    bundle.write(found, args.output)
    size = Path(args.output).stat().st_size
    log.info("%s: %d files, %.1f MB", args.output, len(found), size / 1e6)


def shard(text: str) -> tuple[int, int]:
    """`2/3` as (2, 3): the second of three."""
    number, _, count = text.partition("/")
    if not (number.isdecimal() and count.isdecimal() and 1 <= int(number) <= int(count)):
        msg = f"{text!r} is no shard; 1/3 to 3/3 are those of three"
        raise argparse.ArgumentTypeError(msg)
    return int(number), int(count)


def choices(args: argparse.Namespace, config: Config) -> None:
    import polars as pl

    from mllm_classify.choices import confusions
    from mllm_classify.choices.options import CHOICES, make
    from mllm_classify.io import parquet

    asked_for, labels, classes = choices_of(config), parquet.read(args.labels), parquet.read(args.classes)
    if asked_for.confusions is not None:
        confused = confusions.read(str(locate(asked_for.confusions)), classes)
    elif args.predictions is not None:
        predicted = parquet.read(args.predictions, "image_id", "class_ids", "scores", "status")
        confused = confusions.confusions(predicted, labels)
    else:
        msg = f"--predictions: needed of {asked_for.reference}, the reference"
        raise InputError(msg)
    embeddings = args.class_embeddings and parquet.read(args.class_embeddings).sort("class_id")["embedding"].to_numpy()
    found = make(asked_for, config.dataset, labels, classes, confused, embeddings)
    parquet.write(confusions.named(confused, classes), confusions.NAMED, args.confusions)
    parquet.write(found, CHOICES, args.choices)
    asked = found.filter(pl.col("options").is_null() | (pl.col("options").list.len() > 0))
    log.info("%d questions about %d images", asked.height, asked["image_id"].n_unique())


def choices_of(config: Config) -> Choices:
    if config.choices is None:
        msg = "choices: missing; no model of this configuration is asked any"
        raise InputError(msg)
    return config.choices


def multiple_choice(args: argparse.Namespace, config: Config) -> "MultipleChoice | None":
    """The options of a model that is asked MC."""
    from mllm_classify.io import parquet
    from mllm_classify.predict.chat.questions import MultipleChoice

    if not asks_choices(config.model(args.model)):
        return None
    if args.choices is None:
        msg = f"--choices: needed for {args.model}, which is asked multiple-choice questions"
        raise InputError(msg)
    found = parquet.read(args.choices, "image_id", "variant", "repeat", "options")
    return MultipleChoice(found, choices_of(config).answer)


def mapping(args: argparse.Namespace, config: Config) -> None:
    from mllm_classify.io import parquet
    from mllm_classify.mapping import answers as mapping

    frame = mapping.map_answers(
        parquet.read(args.predictions, "image_id", "task", "variant", "repeat", "text", "status"),
        parquet.read(args.classes),
        parquet.read(args.class_embeddings),
        parquet.read(args.answer_embeddings),
        config.named_encoder(args.encoder).name,
        multiple_choice(args, config),
        config.mapping.several,
        frozenset(variant.name for variant in config.variants if variant.answer == "id"),
    )
    parquet.write(frame, mapping.MAPPING, args.output)
    listed = frame["in_prompt"].drop_nulls()
    log.info(
        "%d answers; %d of %d answers to listed classes out of prompt", frame.height, (~listed).sum(), listed.len()
    )


def score(args: argparse.Namespace, config: Config) -> None:
    import polars as pl

    from mllm_classify import score
    from mllm_classify.io import parquet

    labels, classes = parquet.read(args.labels), parquet.read(args.classes)
    frames = []
    for name, path in zip(args.models, args.inputs, strict=True):
        frame = parquet.read(path)
        worded = "in_prompt" in frame.columns
        predicted = score.predicted_by_text(frame, classes) if worded else score.predicted_by_ranking(frame)
        frames.append(score.score(name, predicted, labels))
    parquet.write(pl.concat(frames), score.SCORES, args.output)
    log.info("%d models scored on %d images of %s", len(frames), labels.height, config.dataset.name)


def study_of(config: Config, labels: "pl.DataFrame", classes: "pl.DataFrame") -> "Study":
    """What the figures of a configuration are of."""
    from mllm_classify.tables.tables import Study

    dataset = config.dataset
    return Study(
        dataset.label,
        dataset.imgt.label,
        dataset.regt.label if dataset.regt else None,
        dataset.equivalences.label if dataset.equivalences else None,
        f"{dataset.class_list} ({classes.height})",
        config.tables.n_images,
        int(labels["excluded"].is_not_null().sum()),
    )


def models_of(config: Config) -> "pl.DataFrame":
    """Columns model, label, family, in the configuration's order."""
    import polars as pl

    return pl.DataFrame(
        [{"model": model.name, "label": model.label, "family": model.family} for model in config.models]
    )


def tables(args: argparse.Namespace, config: Config) -> None:
    import polars as pl

    from mllm_classify.io import parquet
    from mllm_classify.tables import protocols, table6, tables

    labels, classes = parquet.read(args.labels), parquet.read(args.classes)
    evaluated = labels.filter(labels["excluded"].is_null())
    study = study_of(config, labels, classes)
    if args.table == "table2":
        tables.write(tables.table2(evaluated["category"], study), Path(args.output))
        return
    models = models_of(config)
    if args.table == "usage":
        tables.write(used(args, config, models, study), Path(args.output))
        return
    if args.table in ("sensitivity", "agreement"):
        asked_otherwise(args, config, models, study)
        return
    scored = parquet.read(args.scores)
    # multiple choice, earlier protocols and variants have tables of their own
    every = scored.filter((pl.col("variant") == "") | (pl.col("task") == "MC"))
    scores = every.filter(pl.col("scoring").is_in(tables.SCORINGS))
    images = evaluated.select("image_id", "category")
    match args.table:
        case "table6":
            multiple = every.filter(pl.col("scoring") == "MC")
            found, confused = parquet.read(args.choices), parquet.read(args.confusions)
            made = table6.table6(
                multiple, evaluated, classes.height, found, confused, models, study, config.tables.resamples,
                choices_of(config).said(config),
            )  # fmt: skip
            tables.write(made, Path(args.output))
        case "protocols":
            asked = config.choices.numbers() if config.choices else {}
            by_variant = protocols.asked(**asked, encoder=encoder_of(config).name) if asked else {}
            made = protocols.protocols(every, images, models, study, config.tables.resamples, by_variant)
            tables.write(made, Path(args.output))
        case "accuracy":
            frame = tables.accuracies(scores, images, models, study, config.tables.resamples)
            parquet.write(frame, dict(frame.schema), args.output)
        case "mcnemar":
            with written(args.output) as temporary:
                tables.mcnemar(scores, images, models, study).write_csv(temporary)
        case "ranking":
            tables.write(tables.ranking(scores, images, models, study, config.tables.resamples), Path(args.output))
        case "mustelidae":
            tables.write(tables.mustelidae(scores, labels, classes, models, study), Path(args.output))
        case name:
            make = {"table3": tables.table3, "table4": tables.table4, "table5": tables.table5}[name]
            tables.write(make(scores, models, study), Path(args.output))


def out_of_prompt(args: argparse.Namespace, config: Config) -> None:
    """What became of answers that are none of the listed classes."""
    import polars as pl

    from mllm_classify.io import parquet
    from mllm_classify.tables import breakdown, tables

    labels, classes, scores = (parquet.read(path) for path in (args.labels, args.classes, args.scores))
    study, models = study_of(config, labels, classes), models_of(config)
    if args.table == "breakdown":
        tables.write(breakdown.breakdown(scores, models, study), Path(args.output))
        return
    answers = []
    for place, name in enumerate(args.mapped):
        found = parquet.read(args.mappings[place])
        if args.table == "oop_texts":
            keys = ["image_id", "task", "variant", "repeat"]
            found = found.join(parquet.read(args.predictions[place], *keys, "text"), on=keys, how="left")
        answers.append(breakdown.out_of_prompt(found, name, scores))
    every = pl.concat(answers)
    made = (
        breakdown.oop_texts(every, classes, models, study)
        if args.table == "oop_texts"
        else breakdown.abstention(every, scores, models, study)
    )
    tables.write(made, Path(args.output))


def noise(args: argparse.Namespace, config: Config) -> None:
    """What label noise does to models, and which labels models contradict."""
    import polars as pl

    from mllm_classify.io import parquet
    from mllm_classify.tables import noise, tables

    labels, classes = parquet.read(args.labels), parquet.read(args.classes)
    evaluated = labels.filter(labels["excluded"].is_null())
    study, output = study_of(config, labels, classes), Path(args.output)
    if args.table == "precision":
        tables.write(noise.precision(pl.read_csv(args.rows, infer_schema=False), study), output)
        return
    scores = parquet.read(args.scores)
    scores = scores.filter((pl.col("variant") == "") & pl.col("scoring").is_in(tables.SCORINGS))
    if args.table == "gains":
        images = evaluated.select("image_id", "category")
        tables.write(noise.gains(scores, images, models_of(config), study, config.tables.resamples), output)
        return
    columns = ["image_id", "task", "variant", "repeat", "class_ids", "scores", "status"]
    ranked = {name: parquet.read(path, *columns) for name, path in zip(args.ranked, args.predictions, strict=True)}
    mapped = {name: parquet.read(path) for name, path in zip(args.mapped, args.mappings, strict=True)}
    shown = noise.best_task(scores, study.n_images)
    named = noise.named_classes(shown, ranked, mapped, classes)
    qualities = noise.quality((ranked[name] for name in ranked if config.model(name).probable), evaluated)
    tables.write(noise.suspects(shown, named, qualities, evaluated, classes, study), output, noise.SHOWN)


def used(args: argparse.Namespace, config: Config, models: "pl.DataFrame", study: "Study") -> "Table":
    """The table of what chat models used."""
    from mllm_classify.io import parquet
    from mllm_classify.tables import usage

    chat = {model.name: model for model in config.models if isinstance(model, ChatModel)}
    columns = ["image_id", "task", "variant", "status", "latency", "batched", *usage.TOKENS]
    predicted = {name: parquet.read(path, *columns) for name, path in zip(args.models, args.inputs, strict=True)}
    return usage.usage(predicted, {name: model.prices for name, model in chat.items()}, models, study)


def encoders(args: argparse.Namespace, config: Config) -> None:
    import polars as pl

    from mllm_classify.io import parquet
    from mllm_classify.tables import encoders, tables

    labels, classes = parquet.read(args.labels), parquet.read(args.classes)
    evaluated = labels.filter(labels["excluded"].is_null())
    frames = []
    for encoder, model, path in zip(args.encoders, args.models, args.inputs, strict=True):
        mapping = parquet.read(path)
        if wrong := set(mapping["encoder"].unique()) - {encoder}:
            msg = f"--inputs: {path} was mapped with {min(wrong)!r}, not with {encoder!r}"
            raise InputError(msg)
        frames.append(encoders.scores(mapping, model, classes, labels))
    scores = pl.concat(frames)
    images, study = evaluated.select("image_id", "category"), study_of(config, labels, classes)
    if args.table == "encoder_pairs":
        with written(args.output) as temporary:
            encoders.encoder_pairs(scores, images, models_of(config), study).write_csv(temporary)
        return
    among = [encoders.Encoding(it.name, portable(it.templates), it.answers) for it in config.every_encoder]
    tables.write(encoders.encoders(scores, images, models_of(config), study, among), Path(args.output))


def asked_otherwise(args: argparse.Namespace, config: Config, models: "pl.DataFrame", study: "Study") -> None:
    """The tables of tasks that are asked in other ways, and repeatedly."""
    import polars as pl

    from mllm_classify.figures.style import save
    from mllm_classify.figures.variants import variants
    from mllm_classify.io import parquet
    from mllm_classify.measures import clusters
    from mllm_classify.tables import agreement, sensitivity, tables

    columns = ["image_id", "task", "variant", "repeat", "group", "text"]
    predictions = {name: parquet.read(path, *columns) for name, path in zip(args.models, args.inputs, strict=True)}
    groups = pl.concat(frame.with_columns(model=pl.lit(name)) for name, frame in predictions.items())
    scores = clusters.with_clusters(parquet.read(args.scores), groups)
    if args.table == "sensitivity":
        ways = pl.DataFrame(config.differing(), ["model", "variant", "differs"], orient="row")
        made = sensitivity.sensitivity(scores, ways, models, study, config.tables.resamples)
        save(variants(made.figures), Path(args.output).with_name("variants.svg"))
    else:
        ways = pl.DataFrame(config.repeating(), ["model", "variant", "differs"], orient="row")
        classes = parquet.read(args.classes)
        said = pl.concat(
            agreement.meanings(predictions[name], parquet.read(path), classes).with_columns(model=pl.lit(name))
            for name, path in zip(args.models, args.mappings, strict=True)
        )
        scores = scores.join(said, on=[*clusters.KEYS, "scoring"], how="left", maintain_order="left")
        made = agreement.agreement(scores, ways, models, study, config.tables.resamples)
    tables.write(made, Path(args.output))


def disputed(args: argparse.Namespace, config: Config) -> None:
    from mllm_classify.annotate.tasks import examined
    from mllm_classify.io import parquet
    from mllm_classify.tables import tables
    from mllm_classify.tables.disputed import disputed

    asked, labels = annotate_of(config), parquet.read(args.labels)
    found = examined(parquet.read(args.mapping), labels, asked.task, asked.variant)
    said = f"{asked.task}, {asked.variant}" if asked.variant else asked.task
    study = study_of(config, labels, parquet.read(args.classes))
    table = disputed(found, config.model(asked.model).label, said, list(asked.categories), study)
    tables.write(table, Path(args.output))


def annotate_of(config: Config) -> Annotate:
    if config.annotate is None:
        msg = "annotate: missing; docs/annotate.md says what it needs"
        raise InputError(msg)
    return config.annotate


def annotate_tasks(args: argparse.Namespace, config: Config) -> None:
    from mllm_classify.annotate import tasks
    from mllm_classify.io import parquet

    asked = annotate_of(config)
    predicted = {name: parquet.read(path) for name, path in zip(args.models, args.inputs, strict=True)}
    key = tasks.tasks(asked, parquet.read(args.labels), parquet.read(args.images), predicted)
    names = parquet.read(args.classes).sort("class_id")["name"].to_list()
    for path, content in {
        args.tasks: json.dumps(tasks.as_tasks(key, names), ensure_ascii=False, indent=1) + "\n",
        args.labelling: tasks.labelling(names),
    }.items():
        with written(path) as temporary:
            temporary.write_text(content)
    parquet.write(key, tasks.KEY, args.key)
    log.info("%d images to annotate again", key.height)


def annotate_pictures(args: argparse.Namespace, config: Config) -> None:
    from mllm_classify.annotate import pictures
    from mllm_classify.io import parquet

    key = parquet.read(args.key)
    pictures.write(key, config.dataset.folder, Path(args.folder))
    log.info("%d pictures in %s", key.height, args.folder)


def annotate_read(args: argparse.Namespace, config: Config) -> None:
    from mllm_classify.annotate import second_pass
    from mllm_classify.dataset.classes import Lookup
    from mllm_classify.dataset.equivalences import admits
    from mllm_classify.io import parquet
    from mllm_classify.io.records import read_json
    from mllm_classify.tables import tables

    results = Path(args.results)
    dataset = results / "dataset" / config.dataset.name
    labels, classes = parquet.read(dataset / "labels.parquet"), parquet.read(dataset / "classes.parquet")
    key = parquet.read(args.key or results / "annotate/key.parquet")
    names = classes.sort("class_id")["name"].to_list()
    lookup = Lookup(classes)
    second_pass.check(key, labels)
    export = second_pass.read(read_json(args.export), args.export, names)
    found = second_pass.decisions(key, export, admits(config.dataset.equivalences, lookup))
    model = config.model(annotate_of(config).model).label
    table = second_pass.second_pass(key, export, found, model, study_of(config, labels, classes))
    written_labels = second_pass.relabelled(labels, found, names, lookup)
    with written(args.labels) as temporary:
        # a value that begins with # is quoted, or its line would be a comment
        written_labels.write_csv(temporary, quote_style="non_numeric")
    tables.write(table, Path(args.output))
    print(tables.as_markdown(table))
    log.info("%s: %d images, %d with new labels", args.labels, written_labels.height, found["labels"].count())


def figures(args: argparse.Namespace, config: Config) -> None:
    import polars as pl

    from mllm_classify.figures.style import save
    from mllm_classify.io import parquet

    draw = getattr(importlib.import_module(f"mllm_classify.figures.{args.table}"), args.table)
    if args.table == "confusions":
        figure = draw(parquet.read(args.classes), parquet.read(args.confusions), choices_of(config).said(config))
    else:
        # numbers as they are written: "99.62"
        figure = draw(pl.read_csv(args.rows, infer_schema=False))
    save(figure, Path(args.output))


def report_panels(args: argparse.Namespace, config: Config) -> None:
    import polars as pl

    from mllm_classify.figures.style import save
    from mllm_classify.io import parquet
    from mllm_classify.predict.images import Images
    from mllm_classify.report import panels
    from mllm_classify.tables import tables

    labels, classes = parquet.read(args.labels), parquet.read(args.classes)
    answers = {
        name: panels.Answers(
            parquet.read(predictions),
            parquet.read(mapped) if (mapped := scored) != predictions else None,
        )
        for name, predictions, scored in zip(args.models, args.predictions, args.inputs, strict=True)
    }
    scores = parquet.read(args.scores).filter((pl.col("variant") == "") & pl.col("scoring").is_in(tables.SCORINGS))
    names = classes.sort("class_id")["name"].to_list()
    found = panels.examples(scores, labels, names, answers, models_of(config), config.tables.n_images)
    with written(args.output) as temporary:
        temporary.write_text(panels.as_csv(found))
    with written(Path(args.output).with_suffix(".html")) as temporary:
        temporary.write_text(tables.as_html(panels.table(found, study_of(config, labels, classes))))
    if args.figure:
        registered = parquet.read(args.images).filter(pl.col("image_id").is_in(found["image_id"].implode()))
        pictures = panels.pictures(Images(registered, config.dataset.folder))
        save(panels.draw(found, pictures), Path(args.figure))
        missing = sum(picture is None for picture in pictures.values())
        if missing:
            log.warning("%d of %d pictures are not here, or cannot be decoded", missing, len(pictures))


def report_provenance(args: argparse.Namespace, config: Config) -> None:
    from mllm_classify.io import parquet
    from mllm_classify.report import provenance
    from mllm_classify.tables import tables

    images, labels, classes = (parquet.read(path) for path in (args.images, args.labels, args.classes))
    columns = ["status", "served_model", "fingerprint", "prompt"]
    made = {
        name: provenance.Made(parquet.read(path, *columns), sha256(Path(path).read_bytes()), parquet.environments(path))
        for name, path in zip(args.models, args.inputs, strict=True)
    }
    study = study_of(config, labels, classes)
    table = provenance.provenance(args.config, config, args.commit, images, labels, made, study)
    tables.write(table, Path(args.output))


def report_assemble(args: argparse.Namespace, config: Config) -> None:  # noqa: ARG001
    from mllm_classify.report.assemble import assemble

    assemble(args.inputs, args.config, Path(args.output))
    log.info("%s: %.1f MB", args.output, Path(args.output).stat().st_size / 1e6)


def scorecard(args: argparse.Namespace, config: Config) -> None:
    from mllm_classify.tables import scorecard

    frame = scorecard.scorecard(
        config, {name: getattr(args, name) for name in ("table2", "table3", "table4", "table5")}
    )
    with written(args.output) as temporary:
        frame.write_csv(temporary)
    comparable = (frame["comparable"] == "yes").sum()
    log.info("%s: %d figures beside the paper's, %d of them comparable", args.output, frame.height, comparable)


def explorer(args: argparse.Namespace, config: Config) -> None:
    from mllm_classify.io import parquet
    from mllm_classify.report import explorer

    labels, classes, images = (parquet.read(path) for path in (args.labels, args.classes, args.images))
    columns = ["image_id", "task", "variant", "repeat", "text", "class_ids", "scores", "status", "error"]
    data = explorer.explored(
        study_of(config, labels, classes),
        models_of(config),
        labels,
        classes,
        parquet.read(args.scores),
        {name: parquet.read(path, *columns) for name, path in zip(args.models, args.predictions, strict=True)},
        {name: parquet.read(path) for name, path in zip(args.mapped, args.mappings, strict=True)},
    )
    evaluated = labels.filter(labels["excluded"].is_null())["image_id"]
    pictures = explorer.registered_pictures(images, evaluated, config.dataset.folder)
    explorer.write(explorer.with_pictures(data, images, pictures), args.output)
    size = Path(args.output).stat().st_size
    log.info("%s: %d images, %d pictures, %.1f MB", args.output, evaluated.len(), len(pictures), size / 1e6)


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
            added.add_argument(f"--{name}", required=True, metavar="FILE", help=options.get(name) or texts[name])

    dataset = stages.add_parser("dataset", help="register images and classes; read both label sets")
    parts = dataset.add_subparsers(title="parts", required=True, metavar="PART")
    images = command(parts, "images", dataset_images, "images", "Check every image and the class list.")
    file(images, "images", "classes", images="images.parquet to write", classes="classes.parquet to write")
    labels = command(parts, "labels", dataset_labels, "labels", "Read ImGT, ReGT and equivalences; derive categories.")
    file(labels, "images", "classes", "output")

    embed = stages.add_parser("embed", help="class names or answers as vectors")
    parts = embed.add_subparsers(title="parts", required=True, metavar="PART")
    classes = command(parts, "classes", embed_classes, "classes/{encoder}", "Embed the class names.")
    answers = command(
        parts, "answers", embed_answers, "answers/{encoder}/{model}", "Embed each distinct answer of a model once."
    )
    for added in (classes, answers):
        added.add_argument("--encoder", required=True, help="the encoder's name in the configuration")
        added.add_argument("--journal", default="journal", metavar="FOLDER", help="default: journal (kind openai)")
    file(classes, "classes", "output")
    answers.add_argument("--model", required=True, help="the model's name in the configuration")
    file(answers, "predictions", "output")

    predicting_commands(stages, command, file)
    answering_commands(stages, command, file)

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

    table_commands(
        stages.add_parser("tables", help="the paper's tables, and comparisons between models"), command, file
    )
    annotate_commands(stages.add_parser("annotate", help="the second annotation pass"), command, file)
    report_commands(stages.add_parser("report", help="what people look at"), command, file)
    archived = command(stages, "bundle", bundle, "bundle", "Archive the study, for reviewers and for Zenodo.")
    archived.add_argument(
        "--inputs", nargs="+", required=True, metavar="FILE", help="what the archive holds of results/"
    )
    file(archived, "output")
    return top


def predicting_commands(stages: Any, command: Callable[..., Any], file: Callable[..., None]) -> None:
    """What asks models, and what that costs."""
    predicting = command(
        stages, "predict", predict, "predict/{model}",
        "Ask one model for its predictions. Answers of chat models are journalled as they come, and never asked twice.",
    )  # fmt: skip
    predicting.add_argument("--model", required=True, help="the model's name in the configuration")
    file(predicting, "images", "classes")
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
    file(predicting, "output")

    estimating = command(
        stages,
        "estimate",
        estimate,
        "estimate",
        "What chat models will cost, and have cost: requests, tokens, dollars.",
    )
    file(estimating, "images", "classes", "labels")
    estimating.add_argument("--choices", metavar="FILE", help="the options of MC, if they are there already")
    estimating.add_argument("--journal", default="journal", metavar="FOLDER", help="default: journal")
    file(estimating, "output")

    gathering = command(
        stages, "gather", gather, "predict/{model}", "Put the shards of a model's predictions together."
    )
    gathering.add_argument("--model", required=True, help="the model's name in the configuration")
    gathering.add_argument("--inputs", nargs="+", required=True, metavar="FILE", help="the shards")
    file(gathering, "images", "output")


def answering_commands(stages: Any, command: Callable[..., Any], file: Callable[..., None]) -> None:
    """What turns answers into classes, and the options among which some are chosen."""
    choosing = command(stages, "choices", choices, "choices", "Choose the options of every multiple-choice question.")
    file(choosing, "labels", "classes")
    choosing.add_argument("--predictions", nargs="?", metavar="FILE", help="the reference's predictions")
    choosing.add_argument("--class-embeddings", nargs="?", metavar="FILE", help="classes.parquet of the embed stage")
    file(choosing, "choices", "confusions", choices="the options to write", confusions="the confusions to write")

    mapped = command(stages, "mapping", mapping, "mapping/{encoder}/{model}", "Map a model's answers to classes.")
    mapped.add_argument("--encoder", required=True, help="the encoder's name in the configuration")
    mapped.add_argument("--model", required=True, help="the model's name in the configuration")
    mapped.add_argument("--choices", nargs="?", metavar="FILE", help="the options (models that are asked MC)")
    file(mapped, "predictions", "classes", "class-embeddings", "answer-embeddings", "output")


def choice_files(added: argparse.ArgumentParser, file: Callable[..., None]) -> None:
    file(added, "choices", "confusions", choices="the options of the choices stage", confusions=CONFUSIONS_HELP)


def table_commands(table: argparse.ArgumentParser, command: Callable[..., Any], file: Callable[..., None]) -> None:
    """One command a table."""
    parts = table.add_subparsers(title="tables", required=True, metavar="TABLE")
    renderings = "the .csv; .md, .html, .tex beside it"
    for name, (text, output) in {
        "table2": ("Images per label category.", renderings),
        "table3": ("Every model at its best task.", renderings),
        "table4": ("Models that answer in words, by task.", renderings),
        "table5": ("Out-of-prompt rate by label category.", renderings),
        "accuracy": ("Every accuracy, by both rules for N, with Wilson and bootstrap intervals.", "the .parquet"),
        "ranking": ("Ranks under both label sets, with intervals, and Kendall's tau.", renderings),
        "mcnemar": ("McNemar's test between any two rows.", "the .csv"),
        "mustelidae": ("ImageNet's weasel family under the expert labels.", renderings),
        "table6": ("Multiple choice, by the kind of options.", renderings),
        "protocols": ("Models that answer in words under the protocols of earlier work.", renderings),
        "sensitivity": ("Tasks asked in other ways, beside the main ones.", f"{renderings}; variants.svg and .pdf"),
        "agreement": ("How far repeats of the same questions agree.", renderings),
        "usage": ("Tokens, cached share and dollars of chat models.", renderings),
    }.items():
        made = command(parts, name, tables, name, text)
        made.set_defaults(table=name)
        file(made, "labels", "classes", *([] if name in ("table2", "usage") else ["scores"]), "output", output=output)
        if name in ("usage", "sensitivity", "agreement"):
            made.add_argument("--models", nargs="+", required=True, metavar="NAME", help="in the order of --inputs")
            made.add_argument("--inputs", nargs="+", required=True, metavar="FILE", help="their predictions")
        if name == "agreement":
            made.add_argument("--mappings", nargs="+", required=True, metavar="FILE", help="their mappings")
        if name == "table6":
            choice_files(made, file)
    for name, text, output in (
        ("encoders", "Models that answer in words, by text encoder, and with the best one by both rules.", renderings),
        ("encoder_pairs", "McNemar's test between any two text encoders.", "the .csv"),
    ):
        made = command(parts, name, encoders, name, text)
        made.set_defaults(table=name)
        for several in ("encoders", "models"):
            made.add_argument(f"--{several}", nargs="+", required=True, metavar="NAME", help="of each of --inputs")
        made.add_argument("--inputs", nargs="+", required=True, metavar="FILE", help="mappings")
        file(made, "labels", "classes", "output", output=output)
    noise_commands(parts, command, file)
    made = command(parts, "disputed", disputed, "disputed", "Valid answers that disagree with ReGT, by label category.")
    file(made, "labels", "classes", "mapping", "output", mapping="the examined model's mapping", output=renderings)
    made = command(parts, "confusions", figures, "confusions", "The densest blocks of the reference's confusions.")
    made.set_defaults(table="confusions")
    file(made, "classes", "confusions", "output", confusions=CONFUSIONS_HELP, output="the .svg; .pdf beside it")
    for name, (source, text) in {
        "difficulty": ("table6", "Accuracy against the difficulty of the questions."),
        "change": ("table3", "Accuracy under both label sets, and the change."),
        "tasks": ("table4", "Accuracy by task of models that answer in words."),
        "coverage": ("abstention", "Risk against coverage of out-of-prompt answers."),
        "oop": ("table5", "Out-of-prompt rate by label category."),
        "ranks": ("ranking", "Ranks under both label sets."),
        "costs": ("usage", "Requests, tokens and dollars of chat models."),
    }.items():
        made = command(parts, name, figures, name, text)
        made.set_defaults(table=name)
        file(made, "rows", "output", rows=f"{source}.csv", output="the .svg; .pdf beside it")
    made = command(
        parts, "scorecard", scorecard, "scorecard", "The paper's figures beside those of models that name them."
    )
    for name in ("table2", "table3", "table4", "table5"):
        made.add_argument(f"--{name}", required=True, metavar="FILE", help=f"{name}.csv")
    file(made, "output")


def noise_commands(parts: Any, command: Callable[..., Any], file: Callable[..., None]) -> None:
    """Tables of out-of-prompt answers, and of label noise."""
    for name, (run, text) in {
        "breakdown": (
            out_of_prompt,
            "Out-of-prompt answers by label category, and what the nearest class makes of them.",
        ),
        "oop_texts": (out_of_prompt, "The most frequent out-of-prompt answers, and where they go."),
        "abstention": (out_of_prompt, "What a threshold for out-of-prompt answers would do."),
        "gains": (noise, "The gain from ImGT to ReGT by learning paradigm."),
        "suspects": (noise, "All images, first those whose label models contradict."),
        "precision": (noise, "How many of the first suspects have another label."),
    }.items():
        made = command(parts, name, run, name, text)
        made.set_defaults(table=name)
        file(made, "labels", "classes", "output", output="the .csv; .md, .html, .tex beside it")
        if name == "precision":
            file(made, "rows", rows="suspects.csv")
            continue
        file(made, "scores")
        if name == "suspects":
            made.add_argument("--ranked", nargs="*", default=[], metavar="NAME", help="models that rank classes")
        if name in ("oop_texts", "suspects"):
            whose = "of --ranked" if name == "suspects" else "of --mapped"
            made.add_argument("--predictions", nargs="*", default=[], metavar="FILE", help=f"predictions {whose}")
        if name in ("oop_texts", "suspects", "abstention"):
            made.add_argument("--mapped", nargs="*", default=[], metavar="NAME", help="models that answer in words")
            made.add_argument("--mappings", nargs="*", default=[], metavar="FILE", help="their mappings, in that order")


def annotate_commands(
    annotate: argparse.ArgumentParser, command: Callable[..., Any], file: Callable[..., None]
) -> None:
    """Tasks for annotators, and what they decided."""
    parts = annotate.add_subparsers(title="parts", required=True, metavar="PART")
    made = command(parts, "tasks", annotate_tasks, "annotate", "Choose what annotators see again, for Label Studio.")
    made.add_argument("--models", nargs="+", required=True, metavar="NAME", help="names, in the order of --inputs")
    made.add_argument("--inputs", nargs="+", required=True, metavar="FILE", help="mapping, or predictions, of each")
    file(made, "images", "classes", "labels")
    file(
        made, "tasks", "labelling", "key", tasks="the tasks to write", labelling="the labelling configuration to write",
        key="who proposed what, to write; not for annotators",
    )  # fmt: skip
    made = command(
        parts, "pictures", annotate_pictures, "annotate", "Copy the tasks' pictures to where they are served."
    )
    file(made, "key", key="key.parquet of the tasks")
    made.add_argument("--folder", required=True, metavar="FOLDER", help="the folder to copy them to")
    made = command(
        parts, "read", annotate_read, "annotate", "Read an export back: a label file, and what became of the tasks."
    )
    file(
        made, "export", "labels", "output", export="Label Studio's export, format JSON",
        labels="the label file to write (.csv), for regt: of another configuration", output="the .csv; .md, .html, .tex beside it",
    )  # fmt: skip
    made.add_argument("--results", default="results", metavar="FOLDER", help="of the study (default: results)")
    made.add_argument("--key", metavar="FILE", help="default: annotate/key.parquet in that folder")


def report_commands(report: argparse.ArgumentParser, command: Callable[..., Any], file: Callable[..., None]) -> None:
    """What people look at."""
    parts = report.add_subparsers(title="parts", required=True, metavar="PART")
    made = command(parts, "panels", report_panels, "panels", "Images on which labels and models differ most.")
    made.add_argument("--models", nargs="+", required=True, metavar="NAME", help="names, in the order of both lists")
    made.add_argument("--predictions", nargs="+", required=True, metavar="FILE", help="of every model")
    made.add_argument(
        "--inputs", nargs="+", required=True, metavar="FILE", help="what was scored: mapping, or predictions"
    )
    made.add_argument("--figure", nargs="?", metavar="FILE", help="the .svg with pictures to write; .pdf beside it")
    file(made, "images", "labels", "classes", "scores", "output", output="the .csv; .html beside it")
    made = command(parts, "provenance", report_provenance, "provenance", "Where the figures come from.")
    made.add_argument("--models", nargs="+", required=True, metavar="NAME", help="names, in the order of --inputs")
    made.add_argument("--inputs", nargs="+", required=True, metavar="FILE", help="predictions of every model")
    made.add_argument("--commit", default="", help="the commit that the code is of, if that is known")
    file(made, "images", "labels", "classes", "output", output="the .csv; .md, .html, .tex beside it")
    made = command(parts, "assemble", report_assemble, "report", "Put the parts together, with captions.")
    made.add_argument("--inputs", nargs="+", required=True, metavar="FILE", help="what the report shows")
    file(made, "output", output="the .zip")
    made = command(parts, "explorer", explorer, "explorer", "One page with every image and every answer.")
    made.add_argument("--models", nargs="+", required=True, metavar="NAME", help="names, in the order of --predictions")
    made.add_argument("--predictions", nargs="+", required=True, metavar="FILE", help="their predictions")
    made.add_argument("--mapped", nargs="*", default=[], metavar="NAME", help="models that answer in words")
    made.add_argument("--mappings", nargs="*", default=[], metavar="FILE", help="their mappings, in that order")
    file(made, "images", "labels", "classes", "scores", "output", output="the .html")


def check_lineage(args: argparse.Namespace, config: Config) -> None:
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
        config = load(args.config)
        if args.lineage:
            check_lineage(args, config)
        args.run(args, config)
    except TerminatedError as error:
        log.warning("%s", error)
        return 128 + error.number
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
