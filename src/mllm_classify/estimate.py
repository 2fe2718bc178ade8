"""The command that says what chat models and judges will cost: `python -m mllm_classify estimate`. No frame is touched here."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mllm_classify.cli import command, files
from mllm_classify.io.files import written
from mllm_classify.judge.command import folder_of, pairs_of
from mllm_classify.plan.files import judged_files
from mllm_classify.plan.outline import outline
from mllm_classify.predict.command import job_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mllm_classify.config.study import Config


def estimate(args: argparse.Namespace, config: "Config") -> None:
    from mllm_classify.io import parquet
    from mllm_classify.predict.chat.estimate import assumed_choices, shown
    from mllm_classify.predict.chat.estimate import estimate as estimated

    args.choices = args.choices if args.choices and Path(args.choices).exists() else None
    jobs = [job_of(args, config, model, args.output) for model in config.chat_models]
    if args.choices is None and config.choices is not None:
        assumed = assumed_choices(config.choices, parquet.read(args.labels))
        jobs = [job._replace(choices=assumed) for job in jobs]
    table = estimated(jobs, judging(args, config))
    with written(args.output) as temporary:
        table.write_csv(temporary)
    print(shown(table))


def judging(args: argparse.Namespace, config: "Config") -> "Iterator[dict[str, Any]]":
    """What judges will cost, and have cost: on the answers of all models where these are there, else on as many as there
    may be.
    """
    from mllm_classify.api import journal, replies
    from mllm_classify.io import parquet
    from mllm_classify.judge.estimate import at_most, most_answers
    from mllm_classify.predict.chat.tally import estimated

    for judge in config.every_judge:
        if all(Path(it.path).exists() for it in judged_files(outline(config), judge.name)):
            known = journal.read(folder_of(args, judge), replies.check_record)
            yield from estimated(pairs_of(config, judge), known)
        else:
            images = len(parquet.read(args.images, "image_id"))
            yield at_most(judge, most_answers(config, images), len(parquet.read(args.classes, "class_id")))


def add(stages: Any) -> None:
    """The command and its arguments."""
    estimating = command(
        stages,
        "estimate",
        estimate,
        "estimate",
        "What chat models and judges will cost, and have cost: requests, tokens, dollars.",
    )
    files(estimating, "images", "classes", "labels")
    estimating.add_argument("--choices", metavar="FILE", help="the options of MC, if they are there already")
    estimating.add_argument("--journal", default="journal", metavar="FOLDER", help="default: journal")
    files(estimating, "output")
    estimating.set_defaults(shard=(1, 1), class_embeddings=None)
