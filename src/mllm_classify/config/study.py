"""A whole configuration, and what of it must fit together."""

from typing import Annotated, Literal, Self

from pydantic import Field, PrivateAttr, model_validator

from mllm_classify.config.annotate import Annotate
from mllm_classify.config.asked import check_tasks, check_variants
from mllm_classify.config.chat import ChatModel
from mllm_classify.config.dataset import AnyDataset
from mllm_classify.config.encoders import AnyEncoder
from mllm_classify.config.every_dataset import by_its_authors
from mllm_classify.config.further import RESULTS, FurtherDataset, check_names, check_shifts, studies
from mllm_classify.config.judge import AnyJudge, check_judges, gives_judged_answers
from mllm_classify.config.kinds import AnyModel
from mllm_classify.config.languages import Language
from mllm_classify.config.marks import CLASSES, DISPLAY, RUNTIME, Choice, Label, Name, Section, entry_named
from mllm_classify.config.models import Model, RecordedModel
from mllm_classify.config.tables import Tables
from mllm_classify.config.tasks import SHOWN, Choices, Probe, TaskPrompt, Variant
from mllm_classify.config.vision import KnnModel
from mllm_classify.io.files import InputError
from mllm_classify.tasks import CW, TASK, TaskName


class Mapping(Section):
    """How answers in words become classes."""

    several: Annotated[
        Literal["wrong", "first", "any"],
        Choice("paper", "an answer that is not a class name is wrong (Sec. 2.3); it does not mention several"),
    ] = Field(
        "wrong",
        description="an answer to CW that names several classes and nothing else: out of prompt, its first, or all of them; "
        "`any` where a data set's `regt` is of `format: reimagenet`, and of crops",
    )


class Author(Section):
    """Who made a study."""

    name: Annotated[Label, RUNTIME]
    orcid: Annotated[str | None, RUNTIME, Field(pattern=r"^\d{4}-\d{4}-\d{4}-\d{3}[\dX]$")] = Field(
        None, description="0000-0002-1825-0097"
    )
    affiliation: Annotated[Label | None, RUNTIME] = None


class Bundle(Section):
    """What the archive of the study says of itself."""

    title: Annotated[Label | None, RUNTIME] = Field(None, description="its name")
    license: Annotated[Label | None, RUNTIME] = Field(
        None, description="a licence's address, or words; without it, the bundle says that none is stated"
    )
    authors: Annotated[list[Author], RUNTIME] = Field([])


class Config(Section):
    """A whole `config.yaml`."""

    dataset: AnyDataset
    datasets: list[FurtherDataset] = Field([], description="further data sets, which the same models see")
    language: Annotated[Label, DISPLAY] = Field(
        "first", description="what tables call the language of the class list and of `tasks`, where there are others"
    )
    languages: list[Language] = Field([], description="further ones in which the main data set is put to models")
    encoder: AnyEncoder | None = Field(None, description="the one by which all tables but the encoders' are made")
    encoders: list[AnyEncoder] = Field([], description="further ones, compared with it in results/encoders.csv")
    similarity: Name | None = Field(
        None,
        description="the encoder by which results/protocols.csv has the similarity of answers and labels of Conti et al. (2025), who "
        "embed bare texts",
    )
    tasks: dict[TaskName, TaskPrompt] = Field({})
    variants: list[Variant] = Field([])
    mapping: Mapping = Mapping()
    judge: AnyJudge | None = Field(None, description="the one by which answers are scored as OW judged and CW+ judged")
    judges: list[AnyJudge] = Field([], description="further ones, compared with it in results/judges.csv")
    choices: Choices | None = None
    probe: Probe | None = None
    tables: Tables = Tables()
    annotate: Annotate | None = None
    bundle: Annotated[Bundle, RUNTIME] = Bundle()
    models: list[AnyModel] = Field(min_length=1)
    _results: str = PrivateAttr(RESULTS)
    _language_of: str | None = PrivateAttr(None)

    @property
    def results(self) -> str:
        """The folder of the tables of this data set."""
        return self._results

    @property
    def language_of(self) -> str | None:
        """The data set that this one is in another language."""
        return self._language_of

    def in_folder(self, results: str, language_of: str | None = None) -> Self:
        """The same study, whose tables are in another folder."""
        self._results, self._language_of = results, language_of
        return self

    @property
    def studies(self) -> "dict[str, Config]":
        """The study of each data set alone, by its name, the main one first."""
        return studies(self)

    def study(self, dataset: str) -> "Config":
        """The study of one data set alone. Raises InputError where there is none of that name."""
        if (study := self.studies.get(dataset)) is not None:
            return study
        msg = f"--dataset: {dataset!r} is not in the configuration; it has {', '.join(self.studies)}"
        raise InputError(msg)

    @model_validator(mode="after")
    def _as_authors_of_the_labels(self) -> Self:
        format_ = self.dataset.rules_of
        models = [
            by_its_authors(it, "recorded", format_) if isinstance(it, RecordedModel) else it for it in self.models
        ]
        for key, value in {"mapping": by_its_authors(self.mapping, "mapping", format_), "models": models}.items():
            object.__setattr__(self, key, value)  # nobody has seen it yet
        return self

    @model_validator(mode="after")
    def _distinct_models(self) -> Self:
        for number, model in enumerate(self.models):
            if model.name == CLASSES:
                msg = f"models[{number}].name: {CLASSES!r} is the file of the class embeddings; choose another name"
                raise ValueError(msg)
        for key in ("name", "label"):
            seen: dict[str, int] = {}
            for number, model in enumerate(self.models):
                value = getattr(model, key)
                if value in seen:
                    msg = f"models[{number}].{key}: {value!r} is also models[{seen[value]}].{key}; give each its own"
                    raise ValueError(msg)
                seen[value] = number
        return self

    @model_validator(mode="after")
    def _distinct_encoders(self) -> Self:
        if self.encoders and self.encoder is None:
            msg = f"encoders[0] ({self.encoders[0].name}): is compared with the main one; add encoder:"
            raise ValueError(msg)
        seen = {self.encoder.name: "encoder"} if self.encoder else {}
        for number, encoder in enumerate(self.encoders):
            if encoder.name in seen:
                msg = (
                    f"encoders[{number}].name: {encoder.name!r} is also {seen[encoder.name]}'s; it names the folders of its "
                    "embeddings, so give each its own"
                )
                raise ValueError(msg)
            seen[encoder.name] = f"encoders[{number}]"
        return self

    @model_validator(mode="after")
    def _whose_similarity(self) -> Self:
        names = [encoder.name for encoder in self.every_encoder]
        if self.similarity is not None and self.similarity not in names:
            msg = f"similarity: {self.similarity!r} is not among the encoders, which are {', '.join(names) or 'none'}"
            raise ValueError(msg)
        return self

    @property
    def every_encoder(self) -> list[AnyEncoder]:
        """The main encoder, if there is one, and the others in their order."""
        return [self.encoder, *self.encoders] if self.encoder else []

    @property
    def judges_given(self) -> list[AnyJudge]:
        return [self.judge, *self.judges] if self.judge else []

    @property
    def every_judge(self) -> list[AnyJudge]:
        """The main judge and the others in their order; none where no model gives answers that are judged."""
        return self.judges_given if gives_judged_answers(self.models) else []

    @model_validator(mode="after")
    def _what_models_need(self) -> Self:
        for number, model in enumerate(self.models):
            if self.encoder is None and model.needs_encoder:
                msg = f"models[{number}] ({model.name}): its answers are mapped by a text encoder; add encoder:"
                raise ValueError(msg)
            if model.needs_pictures and not self.dataset.has_files:
                msg = (
                    f"models[{number}] ({model.name}): kind {model.kind!r} needs pictures, and the data set has none; set "
                    "dataset.folder"
                )
                raise ValueError(msg)
        return self

    @model_validator(mode="after")
    def _what_is_asked(self) -> Self:
        check_variants(self)
        check_tasks(self)
        return self

    @model_validator(mode="after")
    def _whom_probes_ask(self) -> Self:
        chat = [model.name for model in self.chat_models]
        if unknown := [name for name in (self.probe.models if self.probe else []) if name not in chat]:
            msg = f"probe.models: {unknown[0]!r} is no chat model; there are {', '.join(chat) or 'none'}"
            raise ValueError(msg)
        return self

    @property
    def chat_models(self) -> list[ChatModel]:
        """The models that are asked with prompts, in the order of the file."""
        return [model for model in self.models if isinstance(model, ChatModel)]

    def asked_variants(self, model: Model) -> list[Variant]:
        """The variants that a model is asked, in the order of the file: none of a model that is no chat model."""
        return [variant for variant in self.variants if variant.name in model.prompted_variants]

    def differing(self) -> list[tuple[str, str, str]]:
        """Model, variant, and how that differs from its task in words: every variant of every model, sorted by model."""
        return [
            (model.name, variant.name, variant.differs(self.tasks[variant.task], model))
            for model in sorted(self.chat_models, key=lambda model: model.name)
            for variant in self.asked_variants(model)
        ]

    def repeating(self) -> list[tuple[str, str, str]]:
        """Model, variant, and what changes between its repeats in words: every repeated variant, sorted by model."""
        return [
            (model.name, variant.name, variant.between_repeats())
            for model in sorted(self.chat_models, key=lambda model: model.name)
            for variant in self.asked_variants(model)
            if variant.repeats > 1
        ]

    def neighbours(self, model: Model) -> dict[str, KnnModel]:
        """The entries, by name, whose encoders choose the examples of a model's questions."""
        prompted = [self.tasks[task].examples for task in model.prompted_tasks]
        named = [it and it.neighbours for it in (*prompted, *(it.examples for it in self.asked_variants(model)))]
        return {it.name: it for it in self.models if isinstance(it, KnnModel) and it.name in named}

    def blinded(self) -> list[tuple[str, str, str]]:
        """Model, variant, and what is shown in place of images, in words: every variant in which that is so, sorted by model."""
        return [
            (model.name, variant.name, SHOWN[variant.pixels])
            for model in sorted(self.chat_models, key=lambda model: model.name)
            for variant in self.asked_variants(model)
            if variant.pixels != "own"
        ]

    def needs_labels(self, model: Model) -> bool:
        """Whether a model's predictions depend on the labels: on what it is asked, or on which images it may lack."""
        label_sets = (self.dataset.imgt, self.dataset.regt)
        leaves_out = any(labels is not None and labels.missing == "exclude" for labels in label_sets)
        return self.samples(model) or (model.needs_excluded and leaves_out)

    def samples(self, model: Model) -> bool:
        """Whether the questions of a model depend on ImGT: by a sample of each class, or by images ordered by class."""
        sampled = any(self.tasks[task].sample for task in model.prompted_tasks if not TASK[task].options)
        return sampled or any(variant.order == "class" or variant.sample for variant in self.asked_variants(model))

    @model_validator(mode="after")
    def _whose_classes_are_compared(self) -> Self:
        names = self.tables.compared or []
        known = [model.name for model in self.models]
        if unknown := [name for name in names if name not in known]:
            msg = f"tables.compared: {unknown[0]!r} is not among the models, which are {', '.join(known)}"
            raise ValueError(msg)
        if len(set(names)) < len(names):
            msg = f"tables.compared: {names[0]!r} appears twice; name two models"
            raise ValueError(msg)
        return self

    @model_validator(mode="after")
    def _what_choices_need(self) -> Self:
        with_choices = {number: model for number, model in enumerate(self.models) if model.asks_choices}
        if self.choices is None:
            for number, model in with_choices.items():
                task = next(task for task in model.prompted_tasks if TASK[task].options)
                msg = f"models[{number}].tasks: {task!r} needs options; add choices: with a reference"
                raise ValueError(msg)
            return self
        self._check_reference(self.choices)
        variants = [*self.choices.variants, *(self.choices.earlier.variants if self.choices.earlier else [])]
        if twice := [it for it in variants if variants.count(it) > 1]:
            msg = f"choices.variants: {twice[0]!r} appears twice"
            raise ValueError(msg)
        if with_choices and CW.name not in self.tasks and (whole := [it for it in variants if CW.name in it]):
            msg = f"choices.variants: {whole[0]!r} uses the prompt of {CW.name}; add it under tasks:"
            raise ValueError(msg)
        if self.dataset.regt is None and (needing := [it for it in variants if "ReGT" in it]):
            msg = f"choices.variants: {needing[0]!r} needs a second label set; add dataset.regt, or list the variants to ask"
            raise ValueError(msg)
        if self.encoder is None and "MC semantic" in variants:
            msg = "choices.earlier.variants: 'MC semantic' needs a text encoder; add encoder:"
            raise ValueError(msg)
        return self

    def _check_reference(self, choices: Choices) -> None:
        if (choices.reference is None) == (choices.confusions is None):
            msg = "choices: needs one of reference and confusions"
            raise ValueError(msg)
        if choices.confusions is not None and choices.label is None:
            msg = "choices.label: missing; say whose confusions on which images choices.confusions holds"
            raise ValueError(msg)
        reference = next((model for model in self.models if model.name == choices.reference), None)
        if choices.reference is not None and (reference is None or reference.worded):
            what = "is not among the models" if reference is None else "answers in words"
            msg = (
                f"choices.reference: {choices.reference!r} {what}; name a model that ranks classes, or remove choices:"
            )
            raise ValueError(msg)

    @model_validator(mode="after")
    def _what_annotators_need(self) -> Self:
        if self.annotate is not None and (problem := self.annotate.problem(self)):
            raise ValueError(problem)
        return self

    @model_validator(mode="after")
    def _every_dataset(self) -> Self:
        check_names(self)
        check_shifts(self)
        check_judges(self)
        assert self.studies  # each is checked as it is made
        return self

    def named_encoder(self, name: str) -> AnyEncoder:
        return entry_named("encoder", name, self.every_encoder)

    def named_judge(self, name: str) -> AnyJudge:
        return entry_named("judge", name, self.every_judge)

    def model(self, name: str) -> AnyModel:
        return entry_named("model", name, self.models)
