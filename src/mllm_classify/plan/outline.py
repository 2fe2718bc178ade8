"""What a configuration comes to, as far as rules and commands must know it: names and facts, no figures."""

from typing import NamedTuple

from mllm_classify.config.study import Config
from mllm_classify.outputs import OUTPUTS
from mllm_classify.plan.values import unmet


class PlannedModel(NamedTuple):
    """What rules need to know of a model's entry."""

    worded: bool
    chat: bool  # asked over a chat protocol
    starts: bool  # one job does its work about several data sets: an engine starts, or weights are loaded, once
    keeps_parts: bool  # whether what it computed lies beside its predictions until they are written
    probed: bool  # asked what it knows of classes
    probable: bool  # whether the scores of its rankings are probabilities
    confident: bool  # whether they say how probable each class is
    tells_all_likelihoods: bool  # whether it says how likely each class name is
    class_embeddings: bool
    choices: bool
    labels: bool  # whether its predictions depend on the labels
    shards: int
    resources: dict[str, int]


class Outline(NamedTuple):
    """What a configuration comes to."""

    results: str  # the folder of the tables
    dataset: str
    language_of: str | None  # the data set that this one is in another language
    encoder: str  # the main one
    encoders: list[str]
    reranked: list[str]  # encoders whose nearest classes a cross-encoder decides among
    similarity: str | None  # the encoder by which answers are compared with labels
    reference: str | None
    choices: bool  # whether there are multiple-choice questions
    hierarchy: bool  # whether it is known what classes are kinds of
    synonyms: bool  # whether encoders are compared by what else classes are called
    pictures: bool  # whether there are picture files
    examined: str | None  # the model whose disputed answers are annotated again
    annotated: list[str]  # models whose predictions annotators see
    judges: dict[str, dict[str, int]]  # their resources by name, the main one's first
    inclusive: list[str]  # judges that are asked about images' own classes, too
    outputs: list[str]  # tables and figures that there are
    models: dict[str, PlannedModel]  # by name

    def named(self, fact: str) -> list[str]:
        """The names of models of which a fact holds (a field of PlannedModel), in their order."""
        return sorted(name for name, model in self.models.items() if getattr(model, fact))


def outline(config: Config) -> Outline:
    """What a configuration comes to for its main data set."""
    return Outline(
        config.results,
        config.dataset.name,
        config.language_of,
        config.encoder.name if config.encoder else "none",
        [encoder.name for encoder in config.every_encoder],
        [encoder.name for encoder in config.every_encoder if encoder.reranker is not None],
        config.similarity,
        config.choices.reference if config.choices else None,
        config.choices is not None,
        config.dataset.hierarchy is not None,
        config.dataset.hierarchy is not None and bool(config.encoders),
        config.dataset.has_files,
        config.annotate.model if config.annotate else None,
        config.annotate.models if config.annotate else [],
        {judge.name: judge.resources.model_dump() for judge in config.every_judge},
        [judge.name for judge in config.every_judge if judge.inclusion],
        [name for name, output in OUTPUTS.items() if not unmet(config, output)],
        {
            model.name: PlannedModel(
                model.worded,
                model in config.chat_models,
                model.starts,
                model.keeps_parts,
                config.probe is not None and model.name in config.probe.models,
                model.probable,
                model.confident,
                model.tells_all_likelihoods,
                model.needs_class_embeddings,
                model.asks_choices,
                config.needs_labels(model),
                model.shards,
                model.resources.model_dump(),
            )
            for model in config.models
        },
    )
