"""What outputs are told of a configuration: each value as JSON has it, under the name of the parameter that takes it.

The same value enters the output's lineage and its function: nothing else of the configuration reaches a table.
"""

import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from mllm_classify.config.answer_labels import read_answer_labels
from mllm_classify.config.dataset import ImagenetDataset
from mllm_classify.config.encoders import AnyEncoder
from mllm_classify.config.kinds import AnyModel
from mllm_classify.config.models import Model, RecordedModel
from mllm_classify.config.study import Config
from mllm_classify.io.files import portable, read_csv, read_text
from mllm_classify.io.names import read_names
from mllm_classify.outputs import Output
from mllm_classify.tasks import TASK

PUBLISHED = "resources/published"
PAPER_TABLES = ("table2", "table3", "table4", "table5", "table6")
"""Those of the paper's tables that results/scorecard.csv sets beside ours."""
PAPER_NAMES: str = ImagenetDataset.model_fields["names"].default
"""The class list of the paper: the names of its authors' package."""
OFFICIAL = "# Origin: paper"
"""Begins a line of a file that is the authors' own."""

UNCERTAIN = {"N": "N", "exclude": "left out", "error": "an error"}
CATEGORIES = {"raw": "labels as they are", "equivalent": "equivalent labels count once"}
OVERLAPPING = {"all": "all count", "last": "the last counts"}
SEVERAL = {"wrong": "wrong", "first": "the first counts", "any": "any may be right"}
"""The rules on which papers differ, as tables say them."""

Value = Callable[[Config], Any]


def about(config: Config) -> dict[str, Any]:
    """What every table says of the study."""
    dataset = config.dataset
    return {
        "dataset": dataset.label,
        "imgt": dataset.imgt.label,
        "regt": dataset.regt.label if dataset.regt else None,
        "equivalences": dataset.equivalences.label if dataset.equivalences else None,
        "class_list": Path(dataset.translation).name if dataset.translation else dataset.class_list,
        "n_images": config.tables.n_images,
        "rules": rules(config),
    }


def rules(config: Config) -> str:
    """The rules on which papers differ, in words, but that for images in N."""
    dataset = config.dataset
    both = [it for it in config.models if isinstance(it, RecordedModel) and it.images == "intersection"]
    lacking = [it for it in (dataset.imgt, dataset.regt) if it is not None and it.missing == "exclude"]
    said = []
    if dataset.regt is not None:
        said += [
            f"uncertain: {UNCERTAIN[dataset.regt.uncertain]}",
            f"categories: {CATEGORIES[dataset.regt.categories]}",
        ]
    if dataset.equivalences is not None:
        said.append(f"class in several groups: {OVERLAPPING[dataset.equivalences.overlapping]}")
    said.append(f"several classes named: {SEVERAL[config.mapping.several]}")
    return ", ".join([*said, f"images: {'those that both have' if both or lacking else 'all'}"])


def hierarchy_label(config: Config) -> str | None:
    """What tables call the hierarchy of the classes."""
    return config.dataset.hierarchy.label if config.dataset.hierarchy else None


def answer_labels(config: Config) -> list[list[Any]]:
    """What annotators say that answers mean: answer, relation, classes' names, annotator, kind, and number of the pass."""
    file = config.dataset.answer_labels
    return [list(it) for it in read_answer_labels(file)] if file is not None else []


def similarity(config: Config) -> str | None:
    """The encoder by which answers are compared with labels, and how that is given texts."""
    if config.similarity is None:
        return None
    encoder = config.named_encoder(config.similarity)
    return f"{encoder.name} ({portable(encoder.templates)})"


def entries(config: Config) -> list[list[str]]:
    """Name, label and family of every model, in the order of names: the order of entries changes no table."""
    return sorted([model.name, model.label, model.family] for model in config.models)


def resamples(config: Config) -> int:
    """Resamples of the bootstrap."""
    return config.tables.resamples


def k(config: Config) -> list[int]:
    """Of the first how many classes one must be right, each number once, ascending."""
    return sorted(set(config.tables.k))


def reference(config: Config) -> str | None:
    """Whose confusions make options, as tables say it."""
    return config.choices.said(config) if config.choices else None


def reference_model(config: Config) -> str | None:
    """The name of the model whose confusions make options; null where a file holds them."""
    return config.choices.reference if config.choices and config.choices.confusions is None else None


def options(config: Config) -> dict[str, Any] | None:
    """Numbers of options of multiple-choice questions of each kind, and who says which names are similar."""
    if config.choices is None or config.encoder is None:
        return None
    return config.choices.numbers() | {"encoder": config.encoder.name}


def prices(config: Config) -> dict[str, Any]:
    """Prices by the name of the chat model; null without."""
    return {model.name: model.prices and model.prices.model_dump() for model in config.chat_models}


def ways(config: Config) -> list[tuple[str, str, str]]:
    """Chat models, by name, with each of their variants, and in what it differs from its task, in words."""
    return config.differing()


def repeated(config: Config) -> list[tuple[str, str, str]]:
    """Chat models, by name, with each of their variants that is asked repeatedly, and in what repeats differ."""
    return config.repeating()


def blind(config: Config) -> list[tuple[str, str, str]]:
    """Chat models, by name, with each of their variants in which images are not shown, and what is, in words."""
    return config.blinded()


def encodings(config: Config) -> list[list[str]]:
    """Name, templates and use for answers of each encoder, in the configuration's order, which decides ties."""
    return [[encoder.name, _templates(encoder), encoder.answers] for encoder in config.every_encoder]


def _templates(encoder: AnyEncoder) -> str:
    """The templates, and what decides among the nearest classes, if anything does."""
    if (reranker := encoder.reranker) is None:
        return portable(encoder.templates)
    return f"{portable(encoder.templates)}; nearest {reranker.nearest} re-ranked by {portable(reranker.path)}"


def judging(config: Config) -> dict[str, Any] | None:
    """The main judge's label, how many classes it is asked about, and the names of models that are the judge itself."""
    if config.judge is None:
        return None
    served = _model_itself(config.judge.served)
    own = {model.name for model in config.chat_models if _model_itself(model.served) == served}
    return {"judge": config.judge.label, "nearest": config.judge.nearest, "own": sorted(own | {*config.judge.own})}


def _model_itself(served: str) -> str:
    """A model's name in requests without the provider before it, by which gateways tell them apart."""
    return served.rpartition("/")[2].lower()


def judges_inclusion(config: Config) -> bool:
    """Whether the main judge is asked about images' own classes."""
    return any(judge.inclusion for judge in config.every_judge[:1])


def judge_entries(config: Config) -> list[dict[str, Any]]:
    """Name, label, nearest and prompt of each judge, the main one first."""
    return [
        {"name": judge.name, "label": judge.label, "nearest": judge.nearest, "prompt": portable(judge.prompt)}
        for judge in config.every_judge
    ]


def examination(config: Config) -> dict[str, Any] | None:
    """Whose answers to what are examined by the second annotation pass, in which categories."""
    if (annotate := config.annotate) is None:
        return None
    return {
        "label": config.model(annotate.model).label,
        "task": annotate.task,
        "variant": annotate.variant,
        "categories": list(annotate.categories),
    }


def compared(config: Config) -> list[str] | None:
    """The labels of the two models of which classes are compared, where the configuration names them."""
    names = config.tables.compared
    return names and [config.model(name).label for name in names]


def factor_values(config: Config) -> dict[str, dict[str, str]]:
    """The factors of models that have some, by the models' names."""
    return {model.name: dict(sorted(model.factors.items())) for model in _by_name(config) if model.factors}


def factor_pairs(config: Config) -> list[list[str]]:
    """Factor, value, other value, and the names of two models of which nothing else differs; sorted."""
    found = []
    values = factor_values(config)
    for one, other in itertools.combinations(values, 2):
        mine, theirs = values[one], values[other]
        if mine.keys() == theirs.keys() and len(differing := [it for it in mine if mine[it] != theirs[it]]) == 1:
            sides = sorted([(mine[differing[0]], one), (theirs[differing[0]], other)])
            found.append([differing[0], *(value for value, _ in sides), *(name for _, name in sides)])
    return sorted(found)


def frequencies(config: Config) -> dict[str, Any] | None:
    """How often classes are named elsewhere, by their names."""
    told = config.tables.exposure
    return {"label": told.label, "names": told.frequencies()} if told is not None else None


def published(config: Config) -> list[list[str]]:
    """Name and label of each model that names a row of the paper's, and that row, by name."""
    return [[model.label, model.published] for model in _by_name(config) if model.published is not None]


def _by_name(config: Config) -> list[AnyModel]:
    return sorted(config.models, key=lambda model: model.name)


def paper(config: Config) -> dict[str, list[dict[str, str]]]:  # noqa: ARG001 (the paper's, whatever is configured)
    """The rows of the paper's tables."""
    return {table: [row for _, row in read_csv(f"{PUBLISHED}/{table}.csv")] for table in PAPER_TABLES}


def reimagenet(config: Config) -> list[dict[str, str]]:
    """What the later paper of ReImageNet's authors says of its labels, where those are the second label set."""
    regt = config.dataset.regt
    if regt is None or regt.format != "reimagenet":
        return []
    return [row for _, row in read_csv(f"{PUBLISHED}/reimagenet.csv")]


def other_names(config: Config) -> str | None:
    """The paper's class list, where classes have other names, or only the pictures say which."""
    file = config.dataset.names_file
    return None if file is not None and read_names(file) == read_names(PAPER_NAMES) else PAPER_NAMES


def official_pairs(config: Config) -> bool:
    """Whether the equivalences are the paper's own."""
    pairs = config.dataset.equivalences
    return pairs is not None and any(line.startswith(OFFICIAL) for line in read_text(pairs.file).splitlines())


def mapping_values(config: Config, encoder: str, name: str) -> dict[str, Any]:
    """What the mapping stage is told: the encoder, how options are answered, how several names are read, and which
    variants are answered by class id.
    """
    model = config.model(name)
    return {
        "encoder": encoder,
        "answer": config.choices.answer if config.choices is not None and model.asks_choices else None,
        "several": config.mapping.several,
        "by_id": sorted(variant.name for variant in config.asked_variants(model) if variant.answer == "id"),
    }


VALUES: dict[str, Value] = {
    value.__name__: value
    for value in (
        *(
            about,
            hierarchy_label,
            answer_labels,
            similarity,
            entries,
            resamples,
            k,
            reference,
            reference_model,
            options,
            prices,
            ways,
            repeated,
            blind,
            encodings,
            examination,
        ),
        *(judging, judge_entries),
        *(compared, factor_pairs, frequencies, published, paper, reimagenet, other_names, official_pairs),
    )
}
"""By the name of the parameter."""


def asks_likelihoods(model: Model) -> bool:
    """Whether a model is asked how likely all class names are."""
    return any(TASK[task].ranked for task in model.prompted_tasks)


class Condition(NamedTuple):
    """What an output may need of a configuration to exist."""

    what: str
    """In words, for those who miss the output."""
    holds: Callable[[Config], bool]


CONDITIONS = {
    "regt": Condition("a second label set (dataset.regt)", lambda config: config.dataset.regt is not None),
    "earlier": Condition(
        "earlier corrections of labels, and a second label set (dataset.earlier, dataset.regt)",
        lambda config: bool(config.dataset.corrections) and config.dataset.regt is not None,
    ),
    "crops": Condition("crops along boxes (dataset.source: crops)", lambda config: config.dataset.source == "crops"),
    "boxes": Condition(
        "labels with boxes (dataset.regt of format reimagenet)",
        lambda config: config.dataset.regt is not None and config.dataset.regt.format == "reimagenet",
    ),
    "several_models": Condition("several models", lambda config: len(config.models) > 1),
    "ranks": Condition(
        "a model that ranks classes, or a file of recorded answers",
        lambda config: any(
            not it.worded or isinstance(it, RecordedModel) or asks_likelihoods(it) for it in config.models
        ),
    ),
    "likelihood": Condition(
        "a chat model that is asked for likelihoods (OW-likelihood, CW-likelihood)",
        lambda config: any(map(asks_likelihoods, config.chat_models)),
    ),
    "doubting": Condition(
        "a model whose scores are probabilities, or a chat model that says how likely all names are (likelihood.top: all)",
        lambda config: any(it.confident or it.tells_all_likelihoods for it in config.models),
    ),
    "calibrated": Condition(
        "a model whose scores are probabilities, or a chat model that says how likely names or answers are (OW-likelihood, "
        "CW-likelihood, request.logprobs)",
        lambda config: (
            any(it.confident for it in config.models)
            or any(asks_likelihoods(it) or it.request.logprobs for it in config.chat_models)
        ),
    ),
    "worded": Condition("a model that answers in words", lambda config: any(it.worded for it in config.models)),
    "hierarchy": Condition(
        "a hierarchy of the classes (dataset.hierarchy)", lambda config: config.dataset.hierarchy is not None
    ),
    "answer_labels": Condition(
        "labels of answers (dataset.answer_labels)", lambda config: config.dataset.answer_labels is not None
    ),
    "levels": Condition(
        "levels of the classes' hierarchy (dataset.hierarchy.levels)",
        lambda config: config.dataset.hierarchy is not None and config.dataset.hierarchy.levels is not None,
    ),
    "chat": Condition("a chat model", lambda config: bool(config.chat_models)),
    "ways": Condition("a chat model that is asked variants", lambda config: bool(ways(config))),
    "repeated": Condition(
        "a chat model that is asked a variant repeatedly (repeats)", lambda config: bool(repeated(config))
    ),
    "blind": Condition(
        "a chat model that is asked without its images (variants with pixels)", lambda config: bool(blind(config))
    ),
    "probe": Condition("chat models that are asked what they know (probe)", lambda config: config.probe is not None),
    "encoders": Condition("text encoders to compare (encoders)", lambda config: bool(config.encoders)),
    "judge": Condition(
        "a judge, and a model that answers OW or CW in words (judge)", lambda config: bool(config.every_judge)
    ),
    "choices": Condition("multiple choice (choices)", lambda config: config.choices is not None),
    "asks_choices": Condition(
        "a chat model that is asked MC", lambda config: any(it.asks_choices for it in config.models)
    ),
    "published": Condition(
        "a model with a row of the paper (published), or ReImageNet's labels",
        lambda config: any(it.published for it in config.models) or bool(reimagenet(config)),
    ),
    "annotate": Condition("annotators (annotate)", lambda config: config.annotate is not None),
    "compared": Condition("two models to compare (tables.compared)", lambda config: config.tables.compared is not None),
    "factors": Condition(
        "two models that differ in one of their factors (models[].factors)", lambda config: bool(factor_pairs(config))
    ),
    "exposure": Condition(
        "how often classes are named elsewhere (tables.exposure)", lambda config: config.tables.exposure is not None
    ),
    "benchmarks": Condition(
        "scores on other benchmarks (tables.benchmarks)", lambda config: config.tables.benchmarks is not None
    ),
    "shifted": Condition(
        "a data set that is shifted from another (datasets[].shifted_from)",
        lambda config: any(it.shifted_from is not None for it in config.datasets),
    ),
    "languages": Condition("further languages (languages)", lambda config: bool(config.languages)),
    "mustelidae": Condition(
        "expert labels (dataset.mustelidae)", lambda config: config.dataset.expert_file is not None
    ),
}


def unmet(config: Config, output: Output) -> list[str]:
    """What a configuration lacks for an output to exist, in words."""
    return [CONDITIONS[it].what for it in output.exists if not CONDITIONS[it].holds(config)]
