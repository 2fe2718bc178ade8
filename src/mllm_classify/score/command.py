"""The command of the score stage."""

import argparse
import logging
from typing import Any

from mllm_classify.cli import command, files
from mllm_classify.config.study import Config
from mllm_classify.io import parquet
from mllm_classify.plan.files import file, inputs
from mllm_classify.plan.outline import outline
from mllm_classify.plan.values import judges_inclusion

log = logging.getLogger("mllm_classify")


def add(stages: Any) -> None:
    """The command and its arguments."""
    scoring = command(stages, "score", score, "score", "Right or wrong, for every model, image and scoring.")
    files(scoring, "output")


def score(args: argparse.Namespace, config: Config) -> None:
    from mllm_classify.score.score import SCORES, scores

    of = outline(config)
    labels, classes = (parquet.read(file(of, name).path) for name in ("labels", "classes"))
    scored, answers = (
        {model: parquet.scan(it.path) for model, it in inputs(of, name).items()}
        for name in ("scored", "worded_predictions")
    )
    judgements = [parquet.scan(it.path) for it in inputs(of, "accepting").values()]
    parquet.write(
        scores(labels, classes, scored, answers, *judgements, inclusion=judges_inclusion(config)), SCORES, args.output
    )
    log.info("%d models scored on %d images of %s", len(scored), len(labels), config.dataset.name)
