"""The configuration's model: what a user may write in `config.yaml`, and what each key means for reruns.

Every key is *identity* (a changed value reruns what uses it) unless its annotation says otherwise: `DISPLAY` keys are
seen by the tables only, `RUNTIME` keys never cause a rerun, and of `CONTENT` keys the file's content counts, not its
name (of `COLUMNS` keys, only those columns).
"""

import os
import re
from pathlib import Path
from typing import Annotated, Any, Literal, Self, get_args

import yaml
from pydantic import BaseModel, Field, ValidationError, model_validator

from mllm_classify.config.annotate import LABEL_SETS, Annotate
from mllm_classify.config.chat import (
    Batch,
    ChatModel,
    EndpointModel,
    EngineModel,
    OpenAIModel,
    Picture,
    Prices,
    Request,
    VLLMModel,
)
from mllm_classify.config.dataset import (
    SOURCES,
    AnyDataset,
    Dataset,
    Equivalences,
    ImagenetDataset,
    ImagenetLabels,
    LabelSet,
    SecondLabelSet,
    TableDataset,
)
from mllm_classify.config.encoders import (
    ENCODERS,
    AnyEncoder,
    Encoder,
    EncoderSection,
    OpenAIEncoder,
    OpenClipEncoder,
)
from mllm_classify.config.marks import (
    CLASSES,
    COLUMNS,
    CONTENT,
    DISPLAY,
    RUNTIME,
    Choice,
    Label,
    Mark,
    Name,
    Section,
    Task,
)
from mllm_classify.config.models import Model, RecordedModel, Resources
from mllm_classify.config.tasks import Choices, Earlier, Sample, TaskPrompt, Variant
from mllm_classify.config.vision import (
    Classifier,
    ConseModel,
    DinoTxtModel,
    Inference,
    KnnModel,
    OpenClip,
    OpenClipModel,
    Templates,
    Timm,
    TimmModel,
    TrainingImages,
    VisionModel,
)
from mllm_classify.files import InputError, portable_values, read_bytes, read_csv, sha256

__all__ = [
    "CLASSES",
    "COLUMNS",
    "CONTENT",
    "DISPLAY",
    "ENCODERS",
    "KINDS",
    "LABEL_SETS",
    "RUNTIME",
    "SOURCES",
    "Annotate",
    "AnyDataset",
    "AnyEncoder",
    "AnyModel",
    "Author",
    "Batch",
    "Bundle",
    "ChatModel",
    "Choice",
    "Choices",
    "Classifier",
    "Config",
    "ConseModel",
    "Dataset",
    "DinoTxtModel",
    "Earlier",
    "Encoder",
    "EncoderSection",
    "EndpointModel",
    "EngineModel",
    "Equivalences",
    "ImagenetDataset",
    "ImagenetLabels",
    "Inference",
    "KnnModel",
    "Label",
    "LabelSet",
    "Mapping",
    "Mark",
    "Model",
    "Name",
    "OpenAIEncoder",
    "OpenAIModel",
    "OpenClip",
    "OpenClipEncoder",
    "OpenClipModel",
    "Picture",
    "Prices",
    "RecordedModel",
    "Request",
    "Resources",
    "Sample",
    "SecondLabelSet",
    "Section",
    "TableDataset",
    "Tables",
    "Task",
    "TaskPrompt",
    "Templates",
    "Timm",
    "TimmModel",
    "TrainingImages",
    "VLLMModel",
    "Variant",
    "VisionModel",
    "asks_choices",
    "identity",
    "load",
]


AnyModel = Annotated[
    TimmModel
    | ConseModel
    | OpenClipModel
    | DinoTxtModel
    | KnnModel
    | RecordedModel
    | EndpointModel
    | OpenAIModel
    | EngineModel
    | VLLMModel,
    Field(discriminator="kind"),
]
KINDS = {kind for model in get_args(get_args(AnyModel)[0]) for kind in get_args(model.model_fields["kind"].annotation)}


class Mapping(Section):
    """How answers in words become classes."""

    several: Annotated[
        Literal["wrong", "first", "any"],
        Choice("paper", "an answer that is not a class name is wrong (Sec. 2.3); it does not mention several"),
    ] = Field(
        "wrong",
        description="an answer to CW that names several classes and nothing else: out of prompt, its first, or all of them",
    )


class Tables(Section):
    """Rules of the tables on which papers differ. A change makes tables anew, nothing else."""

    n_images: Annotated[
        Literal["correct", "excluded"],
        Choice("paper", "every prediction on an image without a label is correct (Sec. 2.2); ReaL leaves those out"),
    ] = Field(
        "correct", description="images to which no class applies (N): every answer is correct, or they are left out"
    )
    resamples: Annotated[int, Choice("ours", "has intervals for Table 6 only, over repeats")] = Field(
        1000, ge=100, le=100_000, description="bootstrap resamples of the images"
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
    encoder: AnyEncoder | None = Field(None, description="the one by which all tables but the encoders' are made")
    encoders: list[AnyEncoder] = Field([], description="further ones, compared with it in results/encoders.csv")
    tasks: dict[Task, TaskPrompt] = Field({})
    variants: list[Variant] = Field([])
    mapping: Mapping = Mapping()
    choices: Choices | None = None
    tables: Tables = Tables()
    annotate: Annotate | None = None
    bundle: Annotated[Bundle, RUNTIME] = Bundle()
    models: list[AnyModel] = Field(min_length=1)

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

    @property
    def every_encoder(self) -> list[AnyEncoder]:
        """The main encoder, if there is one, and the others in their order."""
        return [self.encoder, *self.encoders] if self.encoder else []

    @model_validator(mode="after")
    def _what_models_need(self) -> Self:
        for number, model in enumerate(self.models):
            if self.encoder is None and (model.worded or isinstance(model, ConseModel)):
                msg = f"models[{number}] ({model.name}): its answers are mapped by a text encoder; add encoder:"
                raise ValueError(msg)
            if isinstance(model, RecordedModel) and model.shards > 1:
                msg = f"models[{number}].shards: {model.shards}: a file of predictions is read at once; remove the key"
                raise ValueError(msg)
            if not self.dataset.has_files and not isinstance(model, RecordedModel):
                msg = (
                    f"models[{number}] ({model.name}): kind {model.kind!r} needs pictures, and the data set has none; set "
                    "dataset.folder"
                )
                raise ValueError(msg)
        return self

    @model_validator(mode="after")
    def _what_chat_models_need(self) -> Self:
        if "MC" in self.tasks and self.tasks["MC"].sample is not None:
            msg = "tasks.MC.sample: choices.per_class says which images multiple choice is about; remove the key"
            raise ValueError(msg)
        known = {variant.name: variant for variant in self.variants}
        if len(known) < len(self.variants):
            names = [variant.name for variant in self.variants]
            msg = f"variants: the name {next(name for name in names if names.count(name) > 1)!r} stands twice"
            raise ValueError(msg)
        for number, model in enumerate(self.models):
            if not isinstance(model, ChatModel):
                continue
            if missing := [task for task in model.tasks if task not in self.tasks]:
                msg = f"models[{number}].tasks: {missing[0]!r} has no prompt; add it under tasks:"
                raise ValueError(msg)
            if "CW-constrained" in model.tasks and "CW" not in model.tasks:
                msg = f"models[{number}].tasks: 'CW-constrained' is compared with CW+; add CW"
                raise ValueError(msg)
            if unknown := [name for name in model.variants if name not in known]:
                msg = f"models[{number}].variants: {unknown[0]!r} is not among variants:, which has {', '.join(known) or 'none'}"
                raise ValueError(msg)
            if other := [name for name in model.variants if known[name].task not in model.tasks]:
                task = known[other[0]].task
                msg = f"models[{number}].variants: {other[0]!r} is compared with {task}, which is not among the model's tasks"
                raise ValueError(msg)
        return self

    def asked_variants(self, model: ChatModel) -> list[Variant]:
        """The variants that a model is asked, in the order of the file."""
        return [variant for variant in self.variants if variant.name in model.variants]

    def differing(self) -> list[tuple[str, str, str]]:
        """Every model, by name, with each of its variants, and in what that differs from its task, in words."""
        return [
            (model.name, variant.name, variant.differs(self.tasks[variant.task], model))
            for model in sorted(self.models, key=lambda model: model.name)
            if isinstance(model, ChatModel)
            for variant in self.asked_variants(model)
        ]

    def repeating(self) -> list[tuple[str, str, str]]:
        """Every model, by name, with each of its variants that is asked repeatedly, and in what the repeats differ, in words."""
        return [
            (model.name, variant.name, variant.between_repeats())
            for model in sorted(self.models, key=lambda model: model.name)
            if isinstance(model, ChatModel)
            for variant in self.asked_variants(model)
            if variant.repeats > 1
        ]

    def samples(self, model: ChatModel) -> bool:
        """Whether what a model is asked depends on the images' ImGT classes: samples, and orders by class."""
        variants = self.asked_variants(model)
        return any(self.tasks[task].sample for task in model.tasks if task != "MC") or any(
            variant.order == "class" or variant.sample for variant in variants
        )

    @model_validator(mode="after")
    def _what_choices_need(self) -> Self:
        asked = [number for number, model in enumerate(self.models) if asks_choices(model)]
        if self.choices is None:
            if asked:
                msg = f"models[{asked[0]}].tasks: 'MC' needs options; add choices: with a reference"
                raise ValueError(msg)
            return self
        self._check_reference(self.choices)
        variants = [*self.choices.variants, *(self.choices.earlier.variants if self.choices.earlier else [])]
        if twice := [it for it in variants if variants.count(it) > 1]:
            msg = f"choices.variants: {twice[0]!r} stands twice"
            raise ValueError(msg)
        if asked and "CW" not in self.tasks and (whole := [it for it in variants if "CW" in it]):
            msg = f"choices.variants: {whole[0]!r} puts the prompt of CW; add it under tasks:"
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

    def named_encoder(self, name: str) -> AnyEncoder:
        """The encoder of that name. Raises InputError where there is none."""
        for encoder in self.every_encoder:
            if encoder.name == name:
                return encoder
        known = ", ".join(encoder.name for encoder in self.every_encoder) or "none"
        msg = f"--encoder: {name!r} is not in the configuration; it has {known}"
        raise InputError(msg)

    def model(self, name: str) -> AnyModel:
        """The entry of that name. Raises InputError where there is none."""
        for model in self.models:
            if model.name == name:
                return model
        msg = f"--model: {name!r} is not in the configuration; it has {', '.join(m.name for m in self.models)}"
        raise InputError(msg)


def asks_choices(model: Model) -> bool:
    """Whether a model is asked multiple-choice questions."""
    return isinstance(model, ChatModel) and "MC" in model.tasks


def identity(section: BaseModel) -> dict[str, Any]:
    """What a section contributes to the lineage of the jobs that use it.

    RUNTIME and DISPLAY keys are left out (the tables' lineage names what they show). CONTENT keys become the file's
    SHA-256, and paths of this machine what stands for them in an archive: a study goes on elsewhere.
    """
    result: dict[str, Any] = {}
    for key, field in type(section).model_fields.items():
        value = getattr(section, key)
        if RUNTIME in field.metadata or DISPLAY in field.metadata:
            continue
        columns = next((mark for mark in field.metadata if isinstance(mark, COLUMNS)), None)
        if columns is not None:
            result[key] = value and [[row.get(column, "") for column in columns] for _, row in read_csv(value)]
        elif CONTENT in field.metadata and value is not None:
            result[key] = sha256(read_bytes(value))
        elif isinstance(value, BaseModel):
            result[key] = identity(value)
        else:
            result[key] = portable_values(value)
    return result


class _Loader(yaml.SafeLoader):
    """YAML in which a key that stands twice is an error, not a silent replacement."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: set[str] = set()
        for key_node, _ in node.value:
            problem = None
            if not isinstance(key_node, yaml.ScalarNode):
                problem = "a key must be text; text that begins with { or [ needs quotes"
            elif key_node.value in seen:
                problem = f"the key {key_node.value!r} stands twice"
            if problem:
                raise yaml.constructor.ConstructorError(None, None, problem, key_node.start_mark)
            seen.add(key_node.value)
        return super().construct_mapping(node, deep)


def load(path: str | os.PathLike[str]) -> Config:
    """Read and check a configuration.

    Raises InputError naming the file, the key and the value of the first things that are wrong.
    """
    name = os.path.relpath(path) if Path(path).is_relative_to(Path.cwd()) else os.fspath(path)
    try:
        content = yaml.load(Path(path).read_bytes(), _Loader)  # noqa: S506 (derives from SafeLoader)
    except OSError as error:
        msg = f"{name}: cannot be read ({error.strerror})"
        raise InputError(msg) from None
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f" line {mark.line + 1}:" if mark else ""
        msg = f"{name}:{where} {getattr(error, 'problem', None) or 'not YAML'}"
        raise InputError(msg) from None
    try:
        return Config.model_validate(content)
    except ValidationError as error:
        raise InputError("\n".join(f"{name}: {_explain(detail)}" for detail in error.errors())) from None


def _tag(key: str, detail: Any) -> str:
    """The key that decides which other keys there are."""
    return f"{key}.{detail['ctx']['discriminator'].strip(chr(39))}"


def _explain(detail: Any) -> str:
    """One validation error as `key: value: what to do`."""
    # pydantic puts the chosen kind of model, or source of a data set, into the path; users know no such level
    chosen = {"models": 2, "encoders": 2, "dataset": 1, "encoder": 1}.get(str(next(iter(detail["loc"]), "")))
    key = ""
    for number, part in enumerate(detail["loc"]):
        if isinstance(part, int):
            key += f"[{part}]"
        elif number != chosen:
            key += f".{part}" if key else part
    section = key.partition("[")[0]
    noun = {"dataset": "source of a data set", "encoder": "kind of encoder", "encoders": "kind of encoder"}.get(
        section, "kind of model"
    )
    value = repr(detail["input"])
    value = value if len(value) <= 80 else f"{value[:77]}..."
    match detail["type"]:
        case "extra_forbidden":
            return f"{key}: unknown key (value {value}); remove it, or see docs/configuration.md for the keys"
        case "missing":
            return f"{key}: missing; see docs/configuration.md"
        case "union_tag_invalid":
            return (
                f"{_tag(key, detail)}: {detail['ctx']['tag']!r} is no {noun}; one of {detail['ctx']['expected_tags']}"
            )
        case "union_tag_not_found":
            known = {"dataset": SOURCES, "encoder": ENCODERS, "encoders": ENCODERS}.get(section, sorted(KINDS))
            return f"{_tag(key, detail)}: missing; one of {', '.join(known)}"
        case "value_error":
            # a model does not know its place in the list, nor a section within whose it is
            said = re.sub(r"^(models|encoder)(?= \()", lambda _: key, str(detail["ctx"]["error"]))
            return said if said.startswith(re.split(r"[.\[]", key)[0]) else f"{key}: {said}"
        case _:
            return f"{key}: {value}: {detail['msg'][0].lower()}{detail['msg'][1:]}"
