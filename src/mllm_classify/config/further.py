"""Data sets beside the main one: what each has of its own, and the study of each alone."""

from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field, ValidationError

from mllm_classify.config.annotate import Annotate
from mllm_classify.config.chat import ChatModel
from mllm_classify.config.dataset import AnyDataset
from mllm_classify.config.kinds import AnyModel
from mllm_classify.config.languages import Language
from mllm_classify.config.marks import CONTENT, Name, Section
from mllm_classify.config.models import RecordedModel
from mllm_classify.config.tasks import Choices
from mllm_classify.tasks import TASK

if TYPE_CHECKING:
    from mllm_classify.config.study import Config

RESULTS = "results"
"""The folder of everything that the main data set's jobs make."""
TAKEN = (
    "annotate",
    "asked",
    "choices",
    "concepts",
    "dataset",
    "embeddings",
    "judgements",
    "mapping",
    "predictions",
    "reranked",
    "synonyms",
)
"""Folders in there, which are named after stages: no data set of `datasets` can have such a name."""
FILES = (".csv", ".html", ".json", ".md", ".parquet", ".pdf", ".svg", ".tex", ".zip")
"""How the names of files in there end."""
PLACE = "{dataset}"
"""In the name of a file of recorded predictions: the name of the data set that they are about."""


class FurtherDataset(Section):
    """A data set beside the main one. Models, encoders, tasks and rules of tables are the study's; these are its own."""

    dataset: AnyDataset = Field(description="the data set, as in `dataset`; its tables are in results/NAME/")
    choices: Choices | None = Field(None, description="its options; without them, no model is asked MC about it")
    templates: Annotated[str | None, CONTENT] = Field(
        None, description="its templates, in place of those of the main encoder and of zero-shot classifiers"
    )
    models: list[Name] | None = Field(None, min_length=1, description="the models that see it; by default all")
    annotate: Annotate | None = Field(None, description="its second annotation pass")
    shifted_from: Name | None = Field(
        None,
        description="the data set of the same classes from which its pictures are shifted (the base), for "
        "results/effective_robustness.csv",
    )


def studies(study: "Config") -> "dict[str, Config]":
    """The study of each data set alone, by its name, the main one first.

    Raises ValueError where something of a data set does not fit the rest.
    """
    whole = type(study)
    main = study
    if (
        study.datasets
        or study.languages
        or any(isinstance(it, RecordedModel) and PLACE in it.file for it in study.models)
    ):
        models = [_recorded(model, study.dataset.name) for model in study.models]
        main = study.model_copy(update={"datasets": [], "languages": [], "models": models})
    found = {study.dataset.name: main}

    def add(where: str, dataset: AnyDataset, content: dict[str, Any], language_of: str | None = None) -> None:
        try:
            alone = whole.model_validate(content)
        except ValidationError as error:
            detail = error.errors()[0]
            msg = f"{where} ({dataset.name}): {detail.get('ctx', {}).get('error', detail['msg'])}"
            raise ValueError(msg) from None
        found[dataset.name] = alone.in_folder(f"{RESULTS}/{dataset.name}", language_of)

    for number, further in enumerate(study.datasets):
        where = f"datasets[{number}]"
        add(where, further.dataset, _alone(study, further, where))
    for number, language in enumerate(study.languages):
        where = f"languages[{number}]"
        further = _further(study, language, where)
        add(where, further.dataset, _in_language(study, language, further, where), study.dataset.name)
    return found


def _further(study: "Config", language: Language, where: str) -> FurtherDataset:
    """The main data set in a language, as if it were another one."""
    language.check(where)
    if not (models := language.asked(study, PLACE)):
        msg = f"{where}.tasks: no chat model is asked any of these tasks; add the prompt of one"
        raise ValueError(msg)
    return FurtherDataset.model_construct(
        dataset=language.dataset(study.dataset), templates=language.templates, models=models
    )


def _in_language(study: "Config", language: Language, further: FurtherDataset, where: str) -> dict[str, Any]:
    """The configuration of the main data set's study in a language."""
    content = _alone(study, further, where)
    models = [spoken for model in content["models"] if (spoken := language.speaking(model)) is not None]
    return content | {"models": models, "tasks": language.tasks, "variants": [], "probe": None}


def check_names(study: "Config") -> None:
    """Raises ValueError where two data sets share a name or label, or one has the name of what lies beside its folder."""
    others = [(f"datasets[{number}].dataset", it.dataset) for number, it in enumerate(study.datasets)]
    others += [(f"languages[{number}]", it.dataset(study.dataset)) for number, it in enumerate(study.languages)]
    for where, dataset in others:
        if dataset.name.lower() in TAKEN or dataset.name.lower().endswith(FILES):
            msg = (
                f"{where}.name: {dataset.name!r} would be a folder of {RESULTS}/, where a stage's or a table's files have "
                "such a name; choose another"
            )
            raise ValueError(msg)
    for key in ("name", "label"):
        seen: dict[str, str] = {}
        for where, dataset in [("dataset", study.dataset), *others]:
            value = getattr(dataset, key)
            if (known := value.lower()) in seen:
                msg = f"{where}.{key}: {value!r} is also {seen[known]}.{key}; give each its own"
                raise ValueError(msg)
            seen[known] = where


def check_shifts(study: "Config") -> None:
    """Raises ValueError where the base of a shifted data set is no other of the study's."""
    names = [study.dataset.name, *(it.dataset.name for it in study.datasets)]
    for number, it in enumerate(study.datasets):
        if it.shifted_from is not None and it.shifted_from not in names:
            msg = f"datasets[{number}].shifted_from: {it.shifted_from!r} is none of the data sets, which are {', '.join(names)}"
            raise ValueError(msg)
        if it.shifted_from == it.dataset.name:
            msg = f"datasets[{number}].shifted_from: {it.shifted_from!r} is this data set itself; name its base"
            raise ValueError(msg)


def _alone(study: "Config", further: FurtherDataset, where: str) -> dict[str, Any]:
    """The configuration of a data set's study: the whole one's, with what the data set has of its own.

    `where` is the key that it stands under.
    """
    names = [model.name for model in study.models]
    if unknown := [name for name in further.models or [] if name not in names]:
        msg = f"{where}.models: {unknown[0]!r} is not among the models, which are {', '.join(names)}"
        raise ValueError(msg)
    seeing = [model for model in study.models if further.models is None or model.name in further.models]
    models = [adapted for model in seeing if (adapted := _adapted(model, further)) is not None]
    if not models:
        msg = f"{where}.choices: missing; its models are asked MC only"
        raise ValueError(msg)
    encoder = study.encoder
    if encoder is not None and further.templates is not None:
        encoder = encoder.model_copy(update={"templates": further.templates})
    tables, left = study.tables, {model.name for model in models}
    if not left.issuperset(tables.compared or []):
        tables = tables.model_copy(update={"compared": None})
    judges = [it.model_copy(update={"own": [name for name in it.own if name in left]}) for it in study.judges_given]
    probe = study.probe
    if probe is not None:
        seeing_it = [name for name in probe.models if name in left or name not in names]
        probe = probe.model_copy(update={"models": seeing_it}) if seeing_it else None
    own: dict[str, Any] = {"dataset": further.dataset, "choices": further.choices, "encoder": encoder, "models": models}
    own |= {"probe": probe, "judge": judges[0] if judges else None, "judges": judges[1:]}
    return dict(study) | own | {"tables": tables, "datasets": [], "languages": [], "annotate": further.annotate}


def _adapted(model: AnyModel, further: FurtherDataset) -> AnyModel | None:
    """A model's entry as a data set's study has it; none where that has nothing to ask it."""
    model = _recorded(model, further.dataset.name)
    if further.templates is not None and "templates" in type(model).model_fields:
        return model.model_copy(update={"templates": further.templates})
    if isinstance(model, ChatModel) and further.choices is None and model.asks_choices:
        tasks = [task for task in model.tasks if not TASK[task].options]
        return model.model_copy(update={"tasks": tasks}) if tasks else None
    return model


def _recorded(model: AnyModel, dataset: str) -> AnyModel:
    """The entry with the file of recorded predictions of a data set, where its name says that there is one for each."""
    if not isinstance(model, RecordedModel) or PLACE not in model.file:
        return model
    return model.model_copy(update={"file": model.file.replace(PLACE, dataset)})
