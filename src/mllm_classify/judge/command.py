"""The judge stage on the command line: `judge`, and `ask-judge`, which asks about several data sets in one go."""

import argparse
import json
import logging
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mllm_classify.cli import command, files, progress
from mllm_classify.io.files import InputError, written
from mllm_classify.plan.files import file, inputs
from mllm_classify.plan.lineage import CHANGED, Lineages
from mllm_classify.plan.outline import outline
from mllm_classify.plan.together import judge_of, judged_lineage
from mllm_classify.predict.command import kind_of

if TYPE_CHECKING:
    from mllm_classify.config.judge import AnyJudge
    from mllm_classify.config.study import Config
    from mllm_classify.judge.questions import Pairs

log = logging.getLogger("mllm_classify")

JOURNALS = "judges"
"""A folder of the journal, with one for each judge."""


def pairs_of(config: "Config", judge: "AnyJudge") -> "Pairs":
    """What a judge is asked about the answers of a study, which are read."""
    from mllm_classify.io import parquet
    from mllm_classify.judge.pairs import Answered, pairs
    from mllm_classify.judge.questions import Pairs

    of = outline(config)
    groups = [inputs(of, name) for name in ("worded_predictions", "mappings", "answer_vectors")]
    models = [Answered(*(parquet.scan(files[model].path) for files in groups)) for model in groups[0]]
    classes, vectors = (parquet.read(file(of, name).path) for name in ("classes", "class_embeddings"))
    labels = parquet.read(file(of, "labels").path, "image_id", "imgt", "regt") if judge.inclusion else None
    return Pairs(judge, pairs(models, classes, vectors, judge.nearest, labels))


def folder_of(args: argparse.Namespace, judge: "AnyJudge") -> Path:
    """Where a judge's journal is."""
    return Path(args.journal) / JOURNALS / judge.name


def judge(args: argparse.Namespace, config: "Config") -> None:
    from mllm_classify.io import parquet
    from mllm_classify.judge.asking import judgements
    from mllm_classify.judge.verdicts import JUDGEMENTS

    entry = config.named_judge(args.judge)
    questions = pairs_of(config, entry)
    folder = folder_of(args, entry)
    log.info("%s (%s): %d pairs, %d controls", entry.name, entry.kind, len(questions.pairs), len(questions.controls))
    means = kind_of(entry).means(entry, folder, questions)
    frame, made_with = judgements(questions, folder, progress, means)
    parquet.write(frame, JUDGEMENTS, args.output, made_with)
    log.info("%s: %d judgements in %s", entry.name, len(frame), args.output)


def ask_judge(args: argparse.Namespace, config: "Config") -> None:
    from mllm_classify.judge.together import ask

    entry, job = config.named_judge(args.judge), judge_of(args.judge)
    studies = {name: config.study(name) for name in sorted(args.datasets)}
    lineages = {name: {job: Lineages(study)[job]} for name, study in studies.items()}
    if not judged_lineage(args.judge, args.datasets, lineages).startswith(args.asking):
        raise InputError(CHANGED % args.config)
    folder = folder_of(args, entry)
    pairs = ((name, pairs_of(study, study.named_judge(args.judge))) for name, study in studies.items())
    kind = kind_of(entry)
    ask(pairs, folder, progress, kind.serving(entry, folder), lambda it: kind.means(entry, folder, it))
    with written(args.output) as temporary:
        temporary.write_text(json.dumps(lineages, indent=2, sort_keys=True) + "\n")


def add(stages: Any) -> None:
    """Add the commands of this stage to a parser's subparsers."""
    added = command(
        stages, "judge", judge, "judge/{judge}",
        "Ask a judge about all models' answers. Its verdicts are journalled as they come, and never asked for twice.",
    )  # fmt: skip
    together = command(
        stages, "ask-judge", ask_judge, "ask-judge/{judge}",
        "Ask a judge about the answers to several data sets: its engine is started once. The judge jobs find the verdicts.",
        across=True,
    )  # fmt: skip
    together.add_argument("--datasets", nargs="+", required=True, metavar="NAME", help="whose answers are judged")
    together.add_argument("--asking", default="", metavar="DIGEST", help="stop unless this is what is asked")
    for it in (added, together):
        it.add_argument("--judge", required=True, help="the judge's name in the configuration")
        it.add_argument("--journal", default="journal", metavar="FOLDER", help="default: journal")
        files(it, "output")
