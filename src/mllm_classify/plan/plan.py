"""What a run of the workflow makes: decided once, by its first process, and the same for each of its jobs.

A job on a cluster is a Snakemake of its own, which reads the Snakefile again, perhaps hours later, when the configuration
has been edited. It takes the plan from the environment; what the job itself reads is compared with the plan's lineage.
"""

import json
import os
from typing import NamedTuple

from mllm_classify.config.load import load
from mllm_classify.plan import code
from mllm_classify.plan.lineage import Lineages
from mllm_classify.plan.outline import Outline, PlannedModel
from mllm_classify.plan.replaced import replaced

VARIABLE = "MLLM_CLASSIFY_PLAN"


class Plan(NamedTuple):
    config: str
    outline: Outline
    lineages: dict[str, str]
    replaced: str  # which pictures were replaced so far


def plan(path: str) -> Plan:
    """The plan in the environment; without one, that of a configuration. Raises InputError where that is wrong."""
    if VARIABLE in os.environ:
        config, outline, known, pictures = json.loads(os.environ[VARIABLE])
        models = {name: PlannedModel(*model) for name, model in outline[-1].items()}
        return Plan(config, Outline(*outline)._replace(models=models), known, pictures)
    config = load(path)
    lineages = Lineages(config)
    plan = Plan(path, lineages.outline, lineages.every(), replaced(config))
    code.keep()
    return plan


def hand_on(plan: Plan) -> None:
    """Leave the plan to the jobs that this process starts, here or on a cluster."""
    os.environ[VARIABLE] = json.dumps(plan)
