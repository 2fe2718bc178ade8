"""What the commands of all stages share: their common options, names of files, and progress on long work."""

import argparse
import logging
import os
import re
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mllm_classify.config.study import Config

log = logging.getLogger("mllm_classify")

CONFIG_VARIABLE = "MLLM_CLASSIFY_CONFIG"
PROGRESS_INTERVAL = 5.0
KEY_VARIABLE = re.compile(r"API_?KEY$", re.IGNORECASE)
FILES = {
    "images": "images.parquet of the dataset stage",
    "classes": "classes.parquet of the dataset stage",
    "labels": "labels.parquet of the dataset stage",
    "hierarchy": "hierarchy.parquet of the dataset stage",
    "predictions": "the model's predictions",
    "class-embeddings": "classes.parquet of the embed stage",
    "answer-embeddings": "the model's answers as the embed stage wrote them",
    "scores": "scores.parquet",
    "choices": "the options of the choices stage",
    "output": "the file to write",
}

Run = Callable[[argparse.Namespace, "Config"], None]


def command(where: Any, name: str, run: Run, job: str, text: str, *, across: bool = False) -> argparse.ArgumentParser:
    """A command of `where`, a parser's subparsers. `job` is the name of the job that it is, for --lineage.

    It is given the study of one data set, or, where it goes `across` them, the whole configuration.
    """
    added: argparse.ArgumentParser = where.add_parser(name, help=text, description=text)
    added.add_argument(
        "--config",
        default=os.environ.get(CONFIG_VARIABLE, "config.yaml"),
        help=f"the configuration (default: ${CONFIG_VARIABLE}, else config.yaml)",
    )
    added.add_argument("--dataset", help="the name of one of datasets: (default: the main one, dataset:)")
    added.add_argument(
        "--lineage", help="stop unless the job has this lineage: Snakemake's guard against edits during a run"
    )
    added.set_defaults(run=run, job=job, across=across)
    return added


def parts(where: Any, name: str, text: str) -> Any:
    """The subparsers of a command that has parts."""
    return where.add_parser(name, help=text).add_subparsers(title="parts", required=True, metavar="PART")


def files(added: argparse.ArgumentParser, *names: str, **texts: str) -> None:
    """Required options that name files; `texts` say what those are that every command means otherwise."""
    for name in names:
        text = texts.get(name.replace("-", "_"), FILES.get(name, ""))
        added.add_argument(f"--{name}", required=True, metavar="FILE", help=text)


def forget_keys(args: argparse.Namespace, config: "Config") -> None:
    """Take keys that are others' out of the environment of a job that runs a model or an encoder.

    What it starts, and what it imports, may be anybody's code. A variable that its entry names stays. Others go where any
    entry names them, or their name ends as a key's does; all else is left, as CUDA, Slurm and proxies need theirs.
    """
    running = {name for option in ("model", "encoder", "judge") if (name := getattr(args, option, None))}
    if not running:
        return
    entries = [
        (it.name, getattr(it, "api_key_env", None) or "")
        for it in (*config.models, *config.every_encoder, *config.judges_given)
    ]
    own = {variable for name, variable in entries if name in running}
    others = {variable for _, variable in entries} | {name for name in os.environ if KEY_VARIABLE.search(name)}
    for variable in others - own:
        os.environ.pop(variable, None)


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
