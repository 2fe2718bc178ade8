"""The stages on the command line: `python -m mllm_classify STAGE --help`. No frame is touched here."""

import argparse
import atexit
import gc
import importlib
import logging
import os
import sys

from mllm_classify import cli
from mllm_classify.config.load import load
from mllm_classify.config.study import Config
from mllm_classify.io.borders import UnforeseenError, border, kept_traceback
from mllm_classify.io.files import InputError, TerminatedError
from mllm_classify.io.orphans import end_without_snakemake
from mllm_classify.plan.lineage import CHANGED, lineage

log = logging.getLogger("mllm_classify")

COMMANDS = {
    "new": "new",
    "dataset": "dataset.command",
    "embed": "embed.command",
    "predict": "predict.command",
    "probe": "predict.command",
    "ask": "predict.command",
    "gather": "predict.command",
    "adopt": "predict.command",
    "estimate": "estimate",
    "choices": "choices.command",
    "mapping": "mapping.command",
    "rerank": "mapping.command",
    "judge": "judge.command",
    "ask-judge": "judge.command",
    "score": "score.command",
    "make": "make",
    "annotate": "annotate.command",
    "report": "report.command",
    "bundle": "bundle.command",
    "compare": "compare.command",
}
"""Where each stage's command is: beside the stage, and imported when it is called, as jobs pay for their own libraries."""


COLLECTED = 100_000, 50, 50
"""How much is made between two searches for what nothing refers to: what is imported all stays, and is searched in vain."""


def parser(stage: str | None) -> argparse.ArgumentParser:
    """The commands of one stage, or, where none is named, of all."""
    top = argparse.ArgumentParser(
        prog="python -m mllm_classify",
        description="The stages of the workflow, each from files to files. Snakemake calls them; so may you.",
    )
    stages = top.add_subparsers(title="stages", required=True, metavar="STAGE")
    for module in dict.fromkeys([COMMANDS[stage]] if stage in COMMANDS else COMMANDS.values()):
        importlib.import_module(f"mllm_classify.{module}").add(stages)
    return top


def check_lineage(args: argparse.Namespace, config: Config) -> None:
    """Stop a job whose configuration or code is no longer what Snakemake planned and will record."""
    if lineage(config, args.job.format_map(vars(args)), args.dataset) != args.lineage:
        raise InputError(CHANGED % args.config)


def main() -> int:
    args = parser(next(iter(sys.argv[1:]), None)).parse_args()
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(message)s", datefmt="%H:%M:%S")
    logging.getLogger("mllm_classify").setLevel(logging.INFO)
    job = args.job.format_map(vars(args))
    end_without_snakemake()
    try:
        with border(job):
            if args.config is None:  # it is to be written
                args.run(args)
                return 0
            config = load(args.config)
            if args.lineage:
                check_lineage(args, config)
            if not args.across:
                config = config.study(args.dataset or config.dataset.name)
            cli.forget_keys(args, config)
            args.run(args, config)
    except TerminatedError as error:
        log.warning("%s", error)
        return 128 + error.number
    except UnforeseenError as error:
        print(f"error: {error}; {kept_traceback(error, job)}", file=sys.stderr)
        return 1
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


def leave(status: list[int]) -> None:
    """End the process, if it has a status, and free nothing before: that takes up to a third of a short job's time."""
    if status:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status[0])


if __name__ == "__main__":
    gc.set_threshold(*COLLECTED)
    ended: list[int] = []
    atexit.register(leave, ended)  # it comes after what libraries register, which are imported later
    ended.append(main())
    sys.exit(ended[0])
