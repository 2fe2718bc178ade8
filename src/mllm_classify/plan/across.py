"""Outputs about all data sets of a study: which there are, what each is made from, and what it is told.

A name in a row's `takes` is a value of the whole configuration (WHOLE), another such output, or else what an output of one
data set would be given by that name: of every data set, by its name.
"""

from typing import Any

from mllm_classify.config.further import RESULTS
from mllm_classify.config.study import Config
from mllm_classify.io.files import InputError
from mllm_classify.outputs import ACROSS, DERIVED, OUTPUTS, Output
from mllm_classify.plan.files import PATTERNS, File, inputs, written
from mllm_classify.plan.outline import Outline
from mllm_classify.plan.values import Value, compared, resamples, unmet


def n_images(config: Config) -> str:
    """The rule for images without a label."""
    return config.tables.n_images


def dataset_labels(config: Config) -> dict[str, str]:
    """What tables call each data set, by its name, in the order of names: the order of entries changes no table."""
    return {name: it.dataset.label for name, it in sorted(config.studies.items()) if it.language_of is None}


def language_labels(config: Config) -> dict[str, str]:
    """What tables call each language, by the name of the data set in it: the first one, and the others in the order of names."""
    others = sorted((it.dataset(config.dataset).name, it.label) for it in config.languages)
    return {config.dataset.name: config.language, **dict(others)}


def shifted_pairs(config: Config) -> list[list[str]]:
    """Base and shifted data set, by their names, sorted."""
    return sorted([it.shifted_from, it.dataset.name] for it in config.datasets if it.shifted_from is not None)


def benchmark_scores(config: Config) -> dict[str, Any] | None:
    """Scores on other benchmarks, by benchmark and label of the model. Raises InputError where none is a model's here."""
    told = config.tables.benchmarks
    if told is None:
        return None
    labels = {model.name: model.label for model in config.models}
    scores = {
        benchmark: {labels[name]: score for name, score in of.items() if name in labels}
        for benchmark, of in told.scores().items()
    }
    if not any(scores.values()):
        msg = f"{told.file}: has a score of none of the models, whose names are {', '.join(labels)}"
        raise InputError(msg)
    return {"label": told.label, "scores": scores}


WHOLE: dict[str, Value] = {
    it.__name__: it
    for it in (n_images, dataset_labels, language_labels, shifted_pairs, benchmark_scores, compared, resamples)
}
"""Values of the configuration, by the name of the parameter."""


def existing(config: Config) -> list[str]:
    """The names of those that a configuration has: none of one data set."""
    return [name for name, output in ACROSS.items() if not lacking(config, output)]


def lacking(config: Config, output: Output) -> list[str]:
    """What a configuration lacks for such an output to exist, in words."""
    alone = ["further data sets (datasets)"] if not config.datasets and not _by_language(output) else []
    return alone + unmet(config, output)


def _by_language(output: Output) -> bool:
    """Whether an output is about the languages of the main data set, not about data sets."""
    return "languages" in output.exists


def concerns(output: Output, outline: Outline) -> bool:
    """Whether such an output is about a data set: the same one in another language is none of its own."""
    is_language = outline.language_of is not None
    return is_language or outline.results == RESULTS if _by_language(output) else not is_language


def of_each(output: Output) -> list[str]:
    """The files, values and other outputs of each data set that such an output is made of."""
    taken = [name for name in output.takes if name not in WHOLE and name not in ACROSS]
    return list(dict.fromkeys(part for name in taken for part in DERIVED.get(name, (name,))))


def before(output: Output) -> list[str]:
    """The other outputs about all data sets that it is made of."""
    return [name for name in output.takes if name in ACROSS]


def told(output: Output, config: Config) -> dict[str, Any]:
    """The values of the configuration that it is told."""
    return {name: WHOLE[name](config) for name in output.takes if name in WHOLE}


def has(outline: Outline, part: str) -> bool:
    """Whether a data set has what such an output is made of: not all have every table."""
    return part not in OUTPUTS or part in PATTERNS or part in outline.outputs


def files_of_each(output: Output, outline: Outline) -> list[File]:
    """The files of one data set that it is made of, as far as there are such."""
    kept = [part for part in of_each(output) if has(outline, part)] if concerns(output, outline) else []
    return [file for part in kept for file in inputs(outline, part).values()]


def files(output: Output, outlines: dict[str, Outline], main: Outline) -> list[str]:
    """All files that it is made of."""
    each = [file.path for _, outline in sorted(outlines.items()) for file in files_of_each(output, outline)]
    return each + [written(main, ACROSS[name])[0] for name in before(output)]
