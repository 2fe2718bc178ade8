"""The command for tables and figures: `python -m mllm_classify make gains`.

It gives an output's function what its row in `outputs` says, and nothing else. No frame is touched here.
"""

import argparse
import importlib
import logging
from pathlib import Path
from typing import Any

from mllm_classify.cli import command
from mllm_classify.config.study import Config
from mllm_classify.io import parquet
from mllm_classify.io.files import InputError
from mllm_classify.outputs import OUTPUTS, Output
from mllm_classify.plan.values import unmet
from mllm_classify.tables.inputs import Given

log = logging.getLogger("mllm_classify")


def result_of(output: Output, config: Config) -> Any:
    """What an output's function makes of what it takes: a table, a frame or a drawing."""
    given = Given(config)
    function = getattr(importlib.import_module(f"mllm_classify.{output.module}"), output.name)
    return function(**{name: given[name] for name in output.takes})


def make(args: argparse.Namespace, config: Config) -> None:
    for name in args.outputs:
        if lacking := unmet(config, OUTPUTS[name]):
            msg = f"{args.config}: has no {name}, which needs {' and '.join(lacking)}: docs/configuration.md"
            raise InputError(msg)
    for name in args.outputs:
        _write(OUTPUTS[name], config)


def _write(output: Output, config: Config) -> None:
    result = result_of(output, config)
    path = Path(config.results, output.files[0])
    if output.form == "table":
        from mllm_classify.tables.render import write

        write(result, path)
    elif output.form == "figure":
        from mllm_classify.figures.style import save

        save(result, path)
    elif output.form == "csv":
        parquet.write_figures(result, path)
    else:
        parquet.write(result, None, path)
    log.info("%s", path)


def add(stages: Any) -> None:
    """The command and its arguments."""
    making = command(stages, "make", make, "{outputs[0]}", "Make tables and figures from the files of the stages.")
    making.add_argument("outputs", nargs="+", choices=OUTPUTS, metavar="NAME", help=f"of {', '.join(OUTPUTS)}")
