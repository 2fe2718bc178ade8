"""What every job depends on, as one digest: the only thing besides its input files that makes Snakemake rerun it.

A job's lineage covers the part of the configuration that it uses, its code, and the lineages of all its inputs,
recursively. A stage that failed and was repaired therefore reruns everything below it, whatever Snakemake remembers of
the failure.
"""

import ast
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mllm_classify.io.files import PROJECT, digest, portable, read_bytes, sha256

if TYPE_CHECKING:
    from mllm_classify.config.encoders import AnyEncoder
    from mllm_classify.config.kinds import AnyModel
    from mllm_classify.config.study import Config
    from mllm_classify.config.tasks import Choices

PACKAGE = Path(__file__).parents[1]
PUBLISHED = "resources/published"
CAPTIONS = "workflow/report"
TABLES = {
    **dict.fromkeys(
        ["table2", "table3", "table4", "table5", "table6", "protocols", "usage", "ranking", "mustelidae"],
        "csv",
    ),
    **dict.fromkeys(["breakdown", "oop_texts", "abstention", "gains", "suspects", "precision"], "csv"),
    **dict.fromkeys(["sensitivity", "agreement"], "csv"),
    "accuracy": "parquet",
    "mcnemar": "csv",
    "encoders": "csv",
    "encoder_pairs": "csv",
    "scorecard": "csv",
    "disputed": "csv",
    **dict.fromkeys(["confusions", "difficulty", "change", "tasks", "oop", "coverage", "ranks", "costs"], "svg"),
}
"""All tables and figures that there may be, and the endings of their files."""
PAGE = [f"report/explorer.{suffix}" for suffix in ("html", "css", "js")]
"""What the explorer is made of beside its code."""
PAPER_TABLES = ("table2", "table3", "table4", "table5")


def code_digest(*modules: str, package: Path = PACKAGE) -> str:
    """Digest of modules of this package (`predict.timm`) and of all modules of it that they import, transitively.

    Comments, docstrings, layout and imports for type checkers do not count, nor do the fields that a newer Python adds
    to its syntax tree: it is the same on every supported Python.
    """
    found: dict[str, str] = {}
    waiting = list(modules)
    while waiting:
        module = waiting.pop()
        if module not in found:
            found[module], imported = _module(package, module)
            waiting += imported
    return digest(found)


@cache
def _module(package: Path, module: str) -> tuple[str, list[str]]:
    """A module's digest, and the modules of the package that it imports."""
    stem = package.joinpath(*module.split("."))
    tree = ast.parse((stem / "__init__.py" if stem.is_dir() else stem.with_suffix(".py")).read_bytes())
    return digest(_plain(tree)), list(_imports(tree, package))


def _statements(body: list[ast.stmt]) -> Iterator[ast.stmt]:
    """Statements that run: neither docstrings nor `if TYPE_CHECKING:`."""
    for statement in body:
        match statement:
            case ast.Expr(value=ast.Constant(value=str())) | ast.If(test=ast.Name(id="TYPE_CHECKING")):
                continue
            case _:
                yield statement


def _plain(node: Any) -> Any:
    """A syntax tree as JSON, without positions and empty fields."""
    if isinstance(node, ast.AST):
        fields: dict[str, Any] = {"": type(node).__name__}
        for name, value in ast.iter_fields(node):
            kept = list(_statements(value)) if name in ("body", "orelse") and isinstance(value, list) else value
            if kept is not None and kept != []:
                fields[name] = _plain(kept)
        return fields
    if isinstance(node, list):
        return [_plain(item) for item in node]
    return repr(node)


def _imports(tree: ast.Module, package: Path) -> Iterator[str]:
    """Modules of the package that a tree imports, at any depth, subpackages' own `__init__` included."""

    def walk(node: ast.AST) -> Iterator[ast.AST]:
        yield node
        for child in ast.iter_child_nodes(node):
            if not (
                isinstance(child, ast.If) and isinstance(child.test, ast.Name) and child.test.id == "TYPE_CHECKING"
            ):
                yield from walk(child)

    for node in walk(tree):
        match node:
            case ast.Import(names=names):
                targets = [alias.name for alias in names]
            case ast.ImportFrom(module=str(source), level=0, names=names):
                targets = [source, *(f"{source}.{alias.name}" for alias in names)]
            case _:
                continue
        for target in targets:
            parts = target.split(".")
            for end in range(2, len(parts) + 1):
                stem = package.joinpath(*parts[1:end])
                if parts[0] == package.name and (stem.is_dir() or stem.with_suffix(".py").exists()):
                    yield ".".join(parts[1:end])


def lineage(spec: Any, modules: list[str], *inputs: str) -> str:
    """One job's lineage: what it uses of the configuration, its code, and the lineages of its inputs."""
    return digest({"spec": spec, "code": code_digest(*modules), "inputs": inputs})


def _dataset_specs(config: "Config") -> tuple[dict[str, Any], dict[str, Any]]:
    """What the images and their labels depend on."""
    from mllm_classify.config.identity import identity
    from mllm_classify.io.records import image_id, read_records

    dataset = identity(config.dataset)
    labelling = {key: dataset.pop(key, None) for key in ("imgt", "regt", "equivalences", "mustelidae")}
    dataset["files"] = config.dataset.has_files
    # where label files say which images there are; an edited label must not reach the models
    if config.dataset.source == "table" and config.dataset.images is None:
        records = read_records(config.dataset.imgt.file, "image_id")
        dataset["images"] = [image_id(place, record) for place, record in records]
    elif config.dataset.source == "imagenet" and config.dataset.classes is not None:
        dataset["imgt"] = labelling["imgt"]
    return dataset, labelling


def lineages(config: "Config") -> dict[str, str]:
    """The lineage of every job of a configuration, by the job's name: a stage, and what it is for (`predict/MODEL`).

    Raises InputError where a file that the configuration names cannot be read.
    """
    from mllm_classify.config.chat import ChatModel, asks_choices
    from mllm_classify.config.identity import identity
    from mllm_classify.config.vision import ConseModel

    registering, labelling = _dataset_specs(config)
    result: dict[str, str] = {}

    result["images"] = images = lineage(registering, ["dataset.images"])
    result["labels"] = labels = lineage(labelling, ["dataset.labels"], images)
    encoders = {encoder.name: _encoder_spec(encoder) for encoder in config.every_encoder}
    main = f"classes/{config.encoder.name}" if config.encoder else None
    for name, (spec, modules, _) in encoders.items():
        result[f"classes/{name}"] = lineage(spec, modules, images)
    scored = []
    # the reference of the choices before those who are asked them
    for model in sorted(config.models, key=asks_choices):
        spec = identity(model)
        name = spec.pop("name")
        inputs = [images]
        if isinstance(model, ConseModel) and main:
            inputs.append(result[main])
        if isinstance(model, ChatModel):
            spec["prompts"] = {task: identity(config.tasks[task]) for task in model.tasks}
            spec["variants"] = [identity(variant) for variant in config.asked_variants(model)]
            if config.samples(model):
                inputs.append(labels)
        if asks_choices(model) and config.choices is not None:
            result["choices"] = result.get("choices") or _choices(config.choices, result, main)
            spec["answer"] = config.choices.answer
            inputs.append(result["choices"])
        result[f"predict/{name}"] = predicted = lineage(spec, [f"predict.{model.kind}"], *inputs)
        if model.worded and config.encoder is not None:
            for encoder, (encoding, modules, answers) in encoders.items():
                embedded = lineage([encoding, answers], modules, predicted)
                result[f"answers/{encoder}/{name}"] = embedded
                result[f"mapping/{encoder}/{name}"] = lineage(
                    [encoder, spec.get("answer"), config.mapping.several, _by_id(config, model)],
                    ["mapping.answers"],
                    *(images, result[f"classes/{encoder}"], predicted, embedded, *inputs[1:]),
                )
            predicted = result[f"mapping/{config.encoder.name}/{name}"]
        scored.append([name, predicted])
    if config.choices is not None:
        result["choices"] = result.get("choices") or _choices(config.choices, result, main)
    # by name: the order of the models in the file changes nothing
    result["score"] = score = lineage(sorted(scored), ["score"], labels)
    result |= _tables(config, labels, score, result.get("choices")) | _chat(config, result) | _encoders(config, result)
    result |= _annotate(config, result, dict(scored))
    # both hold the configuration itself
    whole = config.model_dump(mode="json"), sorted(result.values())
    bundle = lineage(whole[0], ["bundle.archive"], *whole[1])
    shown = sorted((model.name, model.label, model.family) for model in config.models)
    result["panels"] = lineage([_about(config), shown, config.dataset.has_files], ["report.panels"], score, images)
    result["provenance"] = lineage(whole[0], ["report.provenance"], *whole[1])
    result["explorer"] = _explorer(config, result)
    result["report"] = lineage(_captions(), ["report.assemble"], *sorted(result.values()))
    result["bundle.archive"] = bundle
    return result


def _encoder_spec(encoder: "AnyEncoder") -> tuple[dict[str, Any], list[str], str]:
    """What an encoder's vectors depend on: its entry, its code, and how answers, not classes, are put to it."""
    from mllm_classify.config.identity import identity

    spec = identity(encoder)
    answers = spec.pop("answers")
    return spec, ["embed.texts", f"embed.{encoder.kind.replace('-', '_')}"], answers


def _encoders(config: "Config", result: dict[str, str]) -> dict[str, str]:
    """The tables that compare encoders, where there are several and a model that answers in words."""
    names = sorted([model.name, model.label] for model in config.models if model.worded)
    if not (config.encoders and names):
        return {}
    # in the configuration's order, which decides ties
    encoders = [[encoder.name, portable(encoder.templates), encoder.answers] for encoder in config.every_encoder]
    mapped = [result[f"mapping/{encoder}/{name}"] for encoder, *_ in encoders for name, _ in names]
    spec = [_about(config), names, encoders]
    tables = ("encoders", "encoder_pairs")
    return {table: lineage(spec, ["tables.encoders"], result["labels"], *mapped) for table in tables}


def _captions() -> list[str]:
    """What the report says of each of its parts."""
    return [sha256(path.read_bytes()) for path in sorted((PROJECT / CAPTIONS).glob("*.rst"))]


def _by_id(config: "Config", model: "AnyModel") -> list[str]:
    """The variants that a model answers by class id."""
    from mllm_classify.config.chat import ChatModel

    asked = config.asked_variants(model) if isinstance(model, ChatModel) else []
    return sorted(variant.name for variant in asked if variant.answer == "id")


def _choices(choices: "Choices", result: dict[str, str], main: str | None) -> str:
    """The lineage of the options, from those of the labels, the reference, if any, and the class embeddings, if any."""
    from mllm_classify.config.identity import identity

    spec = identity(choices)
    del spec["answer"]
    reference = spec.pop("reference")
    inputs = [main and result[main], reference and result[f"predict/{reference}"]]
    return lineage(spec, ["choices.options"], result["labels"], *filter(None, inputs))


def _chat(config: "Config", result: dict[str, str]) -> dict[str, str]:
    """What there is about chat models: what they will cost, what they used, and the variants that they are asked."""
    from mllm_classify.config.chat import ChatModel

    chat = [model for model in config.models if isinstance(model, ChatModel)]
    if not chat:
        return {}
    # by name, as for the scores
    names = sorted([model.name, model.label] for model in chat)
    prices = {model.name: model.prices and model.prices.model_dump() for model in chat}
    predicted = [result[f"predict/{name}"] for name, _ in names]
    about = _about(config)
    made = {
        "estimate": lineage([model.model_dump(mode="json") for model in chat], ["predict.chat.estimate"], *predicted),
        "usage": lineage([about, names, prices], ["tables.usage"], *predicted),
    }
    made["costs"] = lineage([], ["figures.costs"], made["tables.usage"])
    used = result["score"], *predicted
    if ways := config.differing():
        made["sensitivity"] = lineage(
            [about, names, ways, config.tables.resamples], ["tables.sensitivity", "figures.variants"], *used
        )
    if ways := config.repeating():
        made["tables.agreement"] = lineage([about, names, ways, config.tables.resamples], ["tables.agreement"], *used)
    return made


def _annotate(config: "Config", result: dict[str, str], scored: dict[str, str]) -> dict[str, str]:
    """The lineage of what annotators see again, from what is scored of each model, and of the table of how much that is."""
    from mllm_classify.config.identity import identity

    if (annotate := config.annotate) is None:
        return {}
    spec = identity(annotate)
    asked = [spec[key] for key in ("model", "task", "variant", "categories")]
    label = config.model(annotate.model).label
    disputed = [_about(config), label, asked]
    made = {"disputed": lineage(disputed, ["tables.disputed"], result["labels"], scored[annotate.model])}
    if config.dataset.has_files:
        inputs = [result["images"], result["labels"], *(scored[name] for name in annotate.models)]
        made["annotate"] = lineage(spec, ["annotate.tasks"], *inputs)
    return made


def _explorer(config: "Config", result: dict[str, str]) -> str:
    """The lineage of the page that shows all images and answers."""
    models = sorted([model.name, model.label] for model in config.models)
    page = [sha256(read_bytes(str(PACKAGE / name))) for name in PAGE]
    # scores know predictions, mappings and labels
    return lineage([_about(config), models, page], ["report.explorer"], result["images"], result["score"])


def _about(config: "Config") -> dict[str, Any]:
    """What every table says of the study."""
    return {
        "dataset": [config.dataset.name, config.dataset.label, config.dataset.class_list],
        "labels": [section and section.label for section in (config.dataset.imgt, config.dataset.regt)],
        "equivalences": config.dataset.equivalences and config.dataset.equivalences.label,
        "n_images": config.tables.n_images,
    }


def _tables(config: "Config", labels: str, score: str, choices: str | None) -> dict[str, str]:
    """The tables that a configuration has. They show names that nothing else depends on."""
    from mllm_classify.config.chat import asks_choices

    about = _about(config)
    result = {"table2": lineage(about, ["tables.tables"], labels)}
    about["models"] = sorted([model.name, model.label, model.family] for model in config.models)
    for table in ("table3", "table4", "table5", "mcnemar"):
        result[table] = lineage(about, ["tables.tables"], score)
    for table in ("accuracy", "ranking"):
        result[table] = lineage([about, config.tables.resamples], ["tables.tables"], score)
    result |= _out_of_prompt(config, about, score) | _noise(config, about, score)
    if config.dataset.regt is not None:
        result["change"] = lineage([], ["figures.change"], result["table3"])
        result["ranks"] = lineage([], ["figures.ranks"], result["ranking"])
    if any(model.worded for model in config.models):
        result["tasks"] = lineage([], ["figures.tasks"], result["table4"])
        result["oop"] = lineage([], ["figures.oop"], result["table5"])
        earlier = config.choices and config.choices.numbers()
        encoder = config.encoder and config.encoder.name
        inputs = [score, *filter(None, [choices])]
        result["tables.protocols"] = lineage(
            [about, config.tables.resamples, earlier, encoder], ["tables.protocols"], *inputs
        )
    if config.choices is not None and choices is not None:
        said = config.choices.said(config)
        result["confusions"] = lineage(said, ["figures.confusions"], choices)
        if any(map(asks_choices, config.models)):
            result["tables.table6"] = lineage([about, said, config.tables.resamples], ["tables.table6"], score, choices)
            result["difficulty"] = lineage([], ["figures.difficulty"], result["tables.table6"])
    if config.dataset.source == "imagenet" and config.dataset.mustelidae is not None:
        result["mustelidae"] = lineage(about, ["tables.tables"], score)
    if named := sorted([model.name, model.published] for model in config.models if model.published):
        files = [sha256(read_bytes(f"{PUBLISHED}/{table}.csv")) for table in PAPER_TABLES]
        result["tables.scorecard"] = lineage(
            [named, files], ["tables.scorecard"], *(result[table] for table in PAPER_TABLES)
        )
    return result


def _out_of_prompt(config: "Config", about: dict[str, Any], score: str) -> dict[str, str]:
    """What becomes of answers in words that are no listed class."""
    if not any(model.worded for model in config.models):
        return {}
    result = {table: lineage(about, ["tables.breakdown"], score) for table in ("breakdown", "oop_texts", "abstention")}
    result["coverage"] = lineage([], ["figures.coverage"], result["abstention"])
    return result


def _noise(config: "Config", about: dict[str, Any], score: str) -> dict[str, str]:
    """What there is about label noise: of one model alone there is no disagreement."""
    result = {}
    if config.dataset.regt is not None:
        result["gains"] = lineage([about, config.tables.resamples], ["tables.noise"], score)
    if len(config.models) > 1:
        probable = sorted(model.name for model in config.models if model.probable)
        result["suspects"] = lineage([about, probable], ["tables.noise"], score)
        if config.dataset.regt is not None:
            result["precision"] = lineage(about, ["tables.noise"], result["suspects"])
    return result


if __name__ == "__main__":
    print(code_digest(*sys.argv[1:]))
