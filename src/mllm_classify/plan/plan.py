"""What a run of the workflow makes: decided once, by its first process, and the same for each of its jobs.

A job on a cluster is a Snakemake of its own, which reads the Snakefile again, perhaps hours later, when the configuration
has been edited. It takes the plan from the environment; what the job itself reads is compared with the plan's lineage.
"""

import json
import os
from typing import NamedTuple

from mllm_classify.config.load import load
from mllm_classify.plan.lineage import lineages

VARIABLE = "MLLM_CLASSIFY_PLAN"


class PlannedModel(NamedTuple):
    """What rules need to know of a model's entry."""

    worded: bool
    class_embeddings: bool
    choices: bool
    labels: bool  # whether samples or orders of images depend on ImGT
    shards: int
    resources: dict[str, int]


class Plan(NamedTuple):
    config: str
    dataset: str
    encoder: str  # the main one
    encoders: list[str]
    reference: str | None
    chat: list[str]  # models that are asked over a chat protocol
    pictures: bool  # whether there are picture files
    examined: str | None  # the model whose disputed answers are annotated again
    annotated: list[str]  # models whose predictions annotators see
    models: dict[str, PlannedModel]
    lineages: dict[str, str]


def plan(path: str) -> Plan:
    """The plan in the environment; without one, that of a configuration. Raises InputError where that is wrong."""
    if VARIABLE in os.environ:
        found = Plan(*json.loads(os.environ[VARIABLE]))
        return found._replace(models={name: PlannedModel(*model) for name, model in found.models.items()})
    config = load(path)
    return Plan(
        path,
        config.dataset.name,
        config.encoder.name if config.encoder else "none",
        [encoder.name for encoder in config.every_encoder],
        config.choices.reference if config.choices else None,
        sorted(model.name for model in config.chat_models),
        config.dataset.has_files,
        config.annotate.model if config.annotate else None,
        config.annotate.models if config.annotate else [],
        {
            model.name: PlannedModel(
                model.worded,
                model.needs_class_embeddings,
                model.asks_choices,
                config.samples(model),
                model.shards,
                model.resources.model_dump(),
            )
            for model in config.models
        },
        lineages(config),
    )


def hand_on(made: Plan) -> None:
    """Leave the plan to the jobs that this process starts, here or on a cluster."""
    os.environ[VARIABLE] = json.dumps(made)
