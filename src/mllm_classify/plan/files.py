"""Where the files of a study lie, which job makes each, and which of them a table, the report and the bundle are made of."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

from mllm_classify.config.further import RESULTS
from mllm_classify.outputs import ACROSS, OUTPUTS, SHOWN, Output, parts
from mllm_classify.plan.outline import Outline

PATTERNS = {
    "images": "results/dataset/{dataset}/images.parquet",
    "classes": "results/dataset/{dataset}/classes.parquet",
    "labels": "results/dataset/{dataset}/labels.parquet",
    "hierarchy": "results/dataset/{dataset}/hierarchy.parquet",
    "class_embeddings": "results/embeddings/{encoder}/{dataset}/classes.parquet",
    "answer_embeddings": "results/embeddings/{encoder}/{dataset}/{model}.parquet",
    "concept_embeddings": "results/concepts/{encoder}/{dataset}/{model}.parquet",
    "reranked": "results/reranked/{encoder}/{dataset}/{model}.parquet",
    "synonym_embeddings": "results/synonyms/{encoder}/{dataset}.parquet",
    "predictions": "results/predictions/{dataset}/{model}.parquet",
    "shard": "results/predictions/{dataset}/shards/{model}/{shard}-of-{shards}.parquet",
    "probe": "results/probe/{dataset}/{model}.parquet",
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
    "hierarchy": "hierarchy",
    "class_embeddings": "classes/{encoder}",
    "answer_embeddings": "answers/{encoder}/{model}",
    "concept_embeddings": "concepts/{encoder}/{model}",
    "reranked": "rerank/{encoder}/{model}",
    "synonym_embeddings": "synonyms/{encoder}",
    "predictions": "predict/{model}",
    "probe": "probe/{model}",
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


def _predictions(outline: Outline) -> Files:
    return {model: file(outline, "predictions", model) for model in sorted(outline.models)}


def _similar(outline: Outline) -> Files:
    """Embeddings by which answers are compared with labels: of classes, and of answers and concepts by model."""
    if (encoder := outline.similarity) is None:
        return {}
    of = {"answers": "answer_embeddings", "concepts": "concept_embeddings"}
    return {("classes", ""): file(outline, "class_embeddings", encoder=encoder)} | {
        (kind, model): file(outline, name, model, encoder)
        for model in outline.named("worded")
        for kind, name in of.items()
    }


def _by_encoder(outline: Outline, name: str) -> Files:
    return {encoder: file(outline, name, encoder=encoder) for encoder in outline.encoders}


GROUPS: dict[str, Callable[[Outline], Files]] = {
    "predictions": _predictions,
    "rankings": _predictions,  # as an output takes them: any may rank
    "scored": lambda outline: {model: scored(outline, model) for model in sorted(outline.models)},
    "annotated": lambda outline: {model: scored(outline, model) for model in outline.annotated},
    "examined": lambda outline: {it: scored(outline, it) for it in [outline.examined] if it in outline.models},
    "chat_predictions": _of("predictions", "chat"),
    "probes": _of("probe", "probed"),
    "worded_predictions": _of("predictions", "worded"),
    "probable_rankings": _of("predictions", "probable"),
    "confident_rankings": _of("predictions", "confident"),
    "whole_likelihoods": _of("predictions", "tells_all_likelihoods"),
    "mappings": _of("mapping", "worded"),
    "answer_vectors": _of("answer_embeddings", "worded"),
    "judgements": lambda outline: {judge: file(outline, "judgement", judge=judge) for judge in outline.judges},
    "accepting": lambda outline: {judge: file(outline, "judgement", judge=judge) for judge in list(outline.judges)[:1]},
    "asked_choices": lambda outline: {"choices": file(outline, "choices")} if outline.choices else {},
    "similar": _similar,
    "encoded_classes": lambda outline: _by_encoder(outline, "class_embeddings"),
    "encoded_synonyms": lambda outline: _by_encoder(outline, "synonym_embeddings"),
    "encoded": lambda outline: {
        (encoder, model): file(outline, "mapping", model, encoder)
        for encoder in outline.encoders
        for model in outline.named("worded")
    },
}
"""Files of several models, in the order of names; judgements of all judges, the main one first, or of that alone; and what
only some studies have.
"""


def judged_files(outline: Outline, judge: str) -> list[File]:
    """What a judge's pairs follow from: answers, what they name, their embeddings and those of the classes; labels, where it
    is asked about images' own classes.
    """
    groups = ("worded_predictions", "mappings", "answer_vectors", *(["labels"] if judge in outline.inclusive else []))
    return [file(outline, "class_embeddings"), *(it for name in groups for it in inputs(outline, name).values())]


def inputs(outline: Outline, name: str) -> Files:
    """The files behind one part of an output: of a stage, of several models, or the table of another output, if there is one."""
    if name in GROUPS:
        return GROUPS[name](outline)
    if name in PATTERNS:
        return {name: file(outline, name)}
    return {name: File(written(outline, OUTPUTS[name])[0], name)} if name in outline.outputs else {}


def written(outline: Outline, output: Output) -> list[str]:
    """The files of an output, the first one first."""
    return [f"{outline.results}/{name}" for name in output.files]


def output_inputs(outline: Outline, output: Output) -> list[File]:
    """All files that an output is made from."""
    return [it for part in parts(output) for it in inputs(outline, part).values()]


def bundled(outlines: Iterable[Outline], across: Iterable[str] = ()) -> list[str]:
    """All that tables were made from, and the tables with their renderings: what the bundle holds of results/.

    `outlines` are those of all data sets, the main one first, `across` the names of the outputs about all of them.
    """
    main, *others = outlines
    each = [it.path for outline in (main, *others) for it in bundled_files(outline)]
    return each + [path for name in across for path in written(main, ACROSS[name])]


def bundled_files(outline: Outline) -> list[File]:
    """The same of one data set, each with the job that makes it."""
    worded = outline.named("worded")
    files = [file(outline, name) for name in ("images", "classes", "labels", "scores")]
    files += [it for name in ("predictions", "probes", "judgements") for it in inputs(outline, name).values()]
    files += [file(outline, "class_embeddings", encoder=encoder) for encoder in outline.encoders]
    files += [
        file(outline, name, model, encoder)
        for name in ("answer_embeddings", "mapping")
        for encoder in outline.encoders
        for model in worded
    ]
    files += [file(outline, "reranked", model, encoder) for encoder in outline.reranked for model in worded]
    if outline.similarity:
        files += [file(outline, "concept_embeddings", model, outline.similarity) for model in worded]
    if outline.hierarchy:
        files.append(file(outline, "hierarchy"))
    if outline.synonyms:
        files += inputs(outline, "encoded_synonyms").values()
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
        Shown("overview.html", "At a glance", "Key figures"),
        Shown("panels.html", "Examples", "What every model said"),
        Shown("panels.svg", "Examples", "Pictures"),
        Shown("explorer.html", "Explorer", "Every image and answer"),
        Shown("provenance.html", "Provenance", "Where the figures come from"),
    )
}
"""What the report shows of a data set beside tables and figures, by the name in its folder."""
OVERVIEW = next(iter(PAGES))
START = Shown(f"{RESULTS}/start.html", "All data sets", "Data sets")
"""The page on which a report of several data sets opens. One of a data set alone opens on its overview."""


def reported(outline: Outline) -> list[Shown]:
    """All that the report shows of a data set: the overview, what it links to, in the order of `outputs`, and the other pages."""
    outputs = [OUTPUTS[name] for name in outline.outputs if OUTPUTS[name].title]
    shown = [
        Shown(path, it.category, it.title) for it in outputs for path in written(outline, it) if path.endswith(SHOWN)
    ]
    overview, *others = [
        page._replace(path=f"{outline.results}/{name}")
        for name, page in PAGES.items()
        if outline.pictures or name != "panels.svg"
    ]
    return [overview, *sorted(shown, key=lambda it: it.category), *others]


def linked(outline: Outline) -> list[Shown]:
    """What the overview of a data set links to."""
    _, *others = reported(outline)
    return others


def reported_across(outlines: Mapping[str, Outline], across: Iterable[str]) -> list[Shown]:
    """What the report shows of all data sets, the main one first; nothing of one alone."""
    if len(outlines) == 1:
        return []
    main = next(iter(outlines.values()))
    return [
        START,
        *(
            Shown(path, START.category, it.title)
            for it in map(ACROSS.__getitem__, across)
            for path in written(main, it)
            if it.title and path.endswith(SHOWN)
        ),
    ]


def whole_report(outlines: Mapping[str, Outline], across: Iterable[str] = ()) -> list[Shown]:
    """All that the report shows, the page first on which it opens."""
    each = [it for outline in in_order(outlines).values() for it in reported(outline)]
    return [*reported_across(outlines, across), *each]


def in_order(outlines: Mapping[str, Outline]) -> dict[str, Outline]:
    """The outlines of all data sets as pages have them: the main one, and the others by name."""
    main, *others = outlines
    return {name: outlines[name] for name in (main, *sorted(others))}
