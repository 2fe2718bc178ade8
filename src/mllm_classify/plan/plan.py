"""What a run of the workflow makes: decided once, by its first process, and the same for each of its jobs.

A job on a cluster is a Snakemake of its own, which reads the Snakefile again, perhaps hours later, when the configuration
has been edited. It takes the plan from a file that the environment names; what the job itself reads is compared with the
plan's lineage.
"""

import json
import os
from pathlib import Path
from typing import Any, NamedTuple

from mllm_classify.config.load import load
from mllm_classify.io.files import digest, written
from mllm_classify.plan import code
from mllm_classify.plan.lineage import Lineages, across
from mllm_classify.plan.outline import Outline, PlannedModel
from mllm_classify.plan.replaced import replaced
from mllm_classify.plan.together import Asked, idle, marks, together

VARIABLE = "MLLM_CLASSIFY_PLAN"
"""Names the plan's file: no variable of the environment may have the 0.5 MB of 10 data sets and 60 models."""


class Plan(NamedTuple):
    """All but `across` and `asked` is by the data set's name, the main one first."""

    config: str
    outlines: dict[str, Outline]
    lineages: dict[str, dict[str, str]]  # of its jobs
    across: dict[str, str]  # lineages of the jobs that are about all data sets
    replaced: dict[str, str]  # which of its pictures were replaced so far
    asked: dict[str, Asked]  # what a model or a judge is asked in one go, by the name of its mark
    marks: dict[str, dict[str, str]]  # the mark that a job's predictions, probe or judgements are made after
    idle: dict[str, list[str]]  # jobs of these whose work is done before them

    @property
    def main(self) -> str:
        """The name of the main data set."""
        return next(iter(self.outlines))


def plan(path: str) -> Plan:
    """The plan that the environment names; without one, that of a configuration. Raises InputError where that is wrong."""
    if VARIABLE in os.environ:
        config, facts, lineages, all_sets, pictures, asked, *others = json.loads(
            Path(os.environ[VARIABLE]).read_bytes()
        )
        outlines = {name: _outline(*it) for name, it in facts.items()}
        together_asked = {name: Asked(*it) for name, it in asked.items()}
        return Plan(config, outlines, lineages, all_sets, pictures, together_asked, *others)
    config = load(path)
    studies = config.studies
    each = {name: Lineages(study) for name, study in studies.items()}
    outlines = {name: it.outline for name, it in each.items()}
    lineages = {name: it.every() for name, it in each.items()}
    asked = together(outlines, lineages)
    pictures = {name: replaced(study) for name, study in studies.items()}
    known, done = marks(outlines, asked), idle(outlines, asked)
    plan = Plan(path, outlines, lineages, across(config, each), pictures, asked, known, done)
    code.keep()
    return plan


def _outline(*facts: Any) -> Outline:
    models = {name: PlannedModel(*model) for name, model in facts[-1].items()}
    return Outline(*facts)._replace(models=models)


def hand_on(plan: Plan) -> None:
    """Leave the plan to the jobs that this process starts, here or on a cluster."""
    path = (code.KEPT / f"plan-{digest(plan)[:16]}.json").absolute()
    if not path.exists():
        with written(path) as temporary:
            temporary.write_text(json.dumps(plan))
    os.environ[VARIABLE] = str(path)
