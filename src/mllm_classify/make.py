"""The command for tables and figures: `python -m mllm_classify make gains`.

It gives an output's function what its row in `outputs` says, and nothing else. No frame is touched here.
"""

import argparse
import importlib
import logging
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from mllm_classify.cli import command
from mllm_classify.config.study import Config
from mllm_classify.io import parquet
from mllm_classify.io.files import InputError
from mllm_classify.outputs import ACROSS, OUTPUTS, Output
from mllm_classify.plan.across import WHOLE, concerns, has, lacking
from mllm_classify.plan.files import written
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
        if name in ACROSS and (needed := lacking(config, ACROSS[name])):
            msg = f"{args.config}: has no {name}, which needs {' and '.join(needed)}: docs/studies.md"
            raise InputError(msg)
    for name in (it for it in args.outputs if it in ACROSS):
        _write(ACROSS[name], result_across(ACROSS[name], config), config)
    make_each(
        [name for name in args.outputs if name in OUTPUTS], args, config.study(args.dataset or config.dataset.name)
    )


class OfEach(Mapping[str, Any]):
    """One parameter of every data set that has it, by its name: read when it is asked for, for not all may fit into memory."""

    def __init__(self, name: str, studies: dict[str, Given]) -> None:
        self.name = name
        self.studies = {dataset: given for dataset, given in studies.items() if has(given.outline, name)}

    def __getitem__(self, dataset: str) -> Any:
        return self.studies[dataset][self.name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.studies)

    def __len__(self) -> int:
        return len(self.studies)


def result_across(output: Output, config: Config) -> Any:
    """What an output's function makes of what it takes of all data sets."""
    every = {name: Given(study) for name, study in sorted(config.studies.items())}
    main = every[config.dataset.name].outline
    studies = {name: given for name, given in every.items() if concerns(output, given.outline)}

    def taken(name: str) -> Any:
        if name in WHOLE:
            return WHOLE[name](config)
        if name in ACROSS:
            return parquet.read_figures(written(main, ACROSS[name])[0])
        return OfEach(name, studies)

    function = getattr(importlib.import_module(f"mllm_classify.{output.module}"), output.name)
    return function(**{name: taken(name) for name in output.takes})


def make_each(names: list[str], args: argparse.Namespace, config: Config) -> None:
    """Outputs of one data set."""
    for name in names:
        if lacking := unmet(config, OUTPUTS[name]):
            msg = f"{args.config}: has no {name}, which needs {' and '.join(lacking)}: docs/configuration.md"
            raise InputError(msg)
    for name in names:
        _write(OUTPUTS[name], result_of(OUTPUTS[name], config), config)


def _write(output: Output, result: Any, config: Config) -> None:
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
    making = command(
        stages, "make", make, "{outputs[0]}", "Make tables and figures from the files of the stages.", across=True
    )
    every = [*OUTPUTS, *ACROSS]
    making.add_argument("outputs", nargs="+", choices=every, metavar="NAME", help=f"of {', '.join(every)}")
