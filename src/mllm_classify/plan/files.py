"""Where the files of a study lie, which job makes each, and which of them a table, the report and the bundle are made of."""

from collections.abc import Callable
from typing import Any, NamedTuple

from mllm_classify.outputs import OUTPUTS, SHOWN, Output, parts
from mllm_classify.plan.outline import Outline

PATTERNS = {
    "images": "results/dataset/{dataset}/images.parquet",
    "classes": "results/dataset/{dataset}/classes.parquet",
    "labels": "results/dataset/{dataset}/labels.parquet",
    "class_embeddings": "results/embeddings/{encoder}/{dataset}/classes.parquet",
    "answer_embeddings": "results/embeddings/{encoder}/{dataset}/{model}.parquet",
    "predictions": "results/predictions/{dataset}/{model}.parquet",
    "shard": "results/predictions/{dataset}/shards/{model}/{shard}-of-{shards}.parquet",
    "choices": "results/choices/{dataset}.parquet",
    "confusions": "results/choices/{dataset}.confusions.parquet",
    "mapping": "results/mapping/{encoder}/{dataset}/{model}.parquet",
    "judgement": "results/judgements/{judge}/{dataset}.parquet",
    "scores": "{results}/scores.parquet",
    "estimate": "{results}/estimate.csv",
}
"""Files of the stages, with wildcards as rules have them; `results` is the folder of a data set's tables."""
JOBS = {
    "images": "images",
    "classes": "images",
    "labels": "labels",
    "class_embeddings": "classes/{encoder}",
    "answer_embeddings": "answers/{encoder}/{model}",
    "predictions": "predict/{model}",
    "choices": "choices",
    "confusions": "choices",
    "mapping": "mapping/{encoder}/{model}",
    "judgement": "judge/{judge}",
    "scores": "score",
    "estimate": "estimate",
}
"""The jobs that make them."""


class File(NamedTuple):
    """A file, and the job that makes it."""

    path: str
    job: str


Files = dict[Any, File]
"""By what tells them apart: a model's name, or an encoder's and a model's."""


def file(outline: Outline, name: str, model: str = "", encoder: str = "", judge: str = "") -> File:
    """A file of a stage: of a model, of an encoder (the main one), or of a judge, where there is one of each."""
    wildcards = {
        "results": outline.results,
        "dataset": outline.dataset,
        "encoder": encoder or outline.encoder,
        "model": model,
        "judge": judge,
    }
    return File(PATTERNS[name].format(**wildcards), JOBS[name].format(**wildcards))


def scored(outline: Outline, model: str) -> File:
    """What is scored of a model: the mapping of one that answers in words, else its predictions."""
    return file(outline, "mapping" if outline.models[model].worded else "predictions", model)


def _of(name: str, fact: str) -> Callable[[Outline], Files]:
    return lambda outline: {model: file(outline, name, model) for model in outline.named(fact)}


GROUPS: dict[str, Callable[[Outline], Files]] = {
    "predictions": lambda outline: {model: file(outline, "predictions", model) for model in sorted(outline.models)},
    "scored": lambda outline: {model: scored(outline, model) for model in sorted(outline.models)},
    "annotated": lambda outline: {model: scored(outline, model) for model in outline.annotated},
    "examined": lambda outline: {it: scored(outline, it) for it in [outline.examined] if it in outline.models},
    "chat_predictions": _of("predictions", "chat"),
    "worded_predictions": _of("predictions", "worded"),
    "probable_rankings": _of("predictions", "probable"),
    "mappings": _of("mapping", "worded"),
    "answer_vectors": _of("answer_embeddings", "worded"),
    "judgements": lambda outline: {judge: file(outline, "judgement", judge=judge) for judge in outline.judges},
    "accepting": lambda outline: {judge: file(outline, "judgement", judge=judge) for judge in list(outline.judges)[:1]},
    "encoded": lambda outline: {
        (encoder, model): file(outline, "mapping", model, encoder)
        for encoder in outline.encoders
        for model in outline.named("worded")
    },
}
"""Files of several models, in the order of names; judgements of all judges, the main one first, or of that alone."""


def judged_files(outline: Outline, judge: str) -> list[File]:
    """What a judge's pairs follow from: answers, what they name, their embeddings and those of the classes; labels, where it
    is asked about images' own classes.
    """
    groups = ("worded_predictions", "mappings", "answer_vectors", *(["labels"] if judge in outline.inclusive else []))
    return [file(outline, "class_embeddings"), *(it for name in groups for it in inputs(outline, name).values())]


def inputs(outline: Outline, name: str) -> Files:
    """The files behind one part of an output: of a stage, of several models, or the table of another output."""
    if name in GROUPS:
        return GROUPS[name](outline)
    if name in PATTERNS:
        return {name: file(outline, name)}
    return {name: File(written(outline, OUTPUTS[name])[0], name)} if name in OUTPUTS else {}


def written(outline: Outline, output: Output) -> list[str]:
    """The files of an output, the first one first."""
    return [f"{outline.results}/{name}" for name in output.files]


def output_inputs(outline: Outline, output: Output) -> list[File]:
    """All files that an output is made from."""
    return [it for part in parts(output) for it in inputs(outline, part).values()]


def bundled(outline: Outline) -> list[str]:
    """All that tables were made from, and the tables with their renderings: what the bundle holds of results/."""
    return [it.path for it in bundled_files(outline)]


def bundled_files(outline: Outline) -> list[File]:
    """The same, each with the job that makes it."""
    worded = outline.named("worded")
    files = [file(outline, name) for name in ("images", "classes", "labels", "scores")]
    files += inputs(outline, "predictions").values()
    files += inputs(outline, "judgements").values()
    files += [file(outline, "class_embeddings", encoder=encoder) for encoder in outline.encoders]
    files += [
        file(outline, name, model, encoder)
        for name in ("answer_embeddings", "mapping")
        for encoder in outline.encoders
        for model in worded
    ]
    if outline.choices:
        files += [file(outline, name) for name in ("choices", "confusions")]
    return files + [File(path, name) for name in outline.outputs for path in written(outline, OUTPUTS[name])]


class Shown(NamedTuple):
    """A file that the report shows: under which heading, and what as."""

    path: str
    category: str
    title: str


PAGES = {
    page.path: page
    for page in (
        Shown("results/overview.html", "At a glance", "Key figures"),
        Shown("results/panels.html", "Examples", "What every model said"),
        Shown("results/panels.svg", "Examples", "Pictures"),
        Shown("results/explorer.html", "Explorer", "Every image and answer"),
        Shown("results/provenance.html", "Provenance", "Where the figures come from"),
    )
}
"""What the report shows beside tables and figures, by path. The report opens on the first."""
OVERVIEW = next(iter(PAGES))


def reported(outline: Outline) -> list[Shown]:
    """All that the report shows: the overview, what it links to, in the order of `outputs`, and the other pages."""
    outputs = [OUTPUTS[name] for name in outline.outputs if OUTPUTS[name].title]
    shown = [
        Shown(path, it.category, it.title) for it in outputs for path in written(outline, it) if path.endswith(SHOWN)
    ]
    overview, *others = [page for page in PAGES.values() if outline.pictures or page.path != "results/panels.svg"]
    return [overview, *sorted(shown, key=lambda it: it.category), *others]


def linked(outline: Outline) -> list[Shown]:
    """What the overview links to."""
    return [it for it in reported(outline) if it.path != OVERVIEW]
