"""The second annotation pass: whom it examines, and what annotators see."""

from collections.abc import Iterator
from itertools import chain
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from mllm_classify.config.marks import MOST, Choice, Label, Name, Section
from mllm_classify.config.models import Model
from mllm_classify.tasks import ListedTask

if TYPE_CHECKING:
    from mllm_classify.config.study import Config

LABEL_SETS = ("ImGT", "ReGT")


class Annotate(Section):
    """The second annotation pass (docs/annotate.md): images on which a model's valid answer disagrees with ReGT."""

    model: Name = Field(description="whose answers are examined: a model that answers in words")
    task: Annotated[ListedTask, Choice("inferred", 'speaks of "valid" predictions: answers on the class list')] = Field(
        "CW", description="the task whose answers are examined"
    )
    variant: Label | None = Field(None, description="one of the model's variants, in place of the task's main way")
    categories: Annotated[
        list[Literal["S+", "S-", "M+", "M-", "N"]], Choice("paper", "S- and M- (Sec. 3.4, Figure 7)")
    ] = Field(["S-", "M-"], min_length=1, description="label categories whose images are examined")
    sources: Annotated[
        list[Name], Choice("paper", "GPT-4o, SigLIP 2, ImGT and ReGT, anonymised (Sec. 1); their order is not said")
    ] = Field(
        description="whose classes are proposed, in an order drawn by the seed: ImGT, ReGT, and models of this "
        "configuration; `model` and ReGT among them"
    )
    vision: Name = Field(description="a model that ranks classes; its first ones are offered, too")
    top: Annotated[
        int, Choice("paper", "the top 20 (Sec. 2.2); whether its second pass shows them is not said")
    ] = Field(20, ge=0, le=1000, description="how many of them")  # fmt: skip
    seed: int = Field(0, ge=0, le=MOST, description="of the order of what is proposed")

    @property
    def models(self) -> list[str]:
        """All models whose predictions are needed."""
        return sorted({self.model, self.vision, *(it for it in self.sources if it not in LABEL_SETS)})

    def problem(self, config: "Config") -> str | None:
        """The first thing in which it does not fit the rest of a configuration; None where it fits."""
        if config.dataset.regt is None:
            return "annotate: a second label set is examined; add dataset.regt, or remove annotate:"
        models: dict[str, Model] = {model.name: model for model in config.models}
        # those after it look names up
        return next(self._strangers(models), None) or next(
            chain(self._misfits(models), self._unasked(config, models)), None
        )

    def _strangers(self, models: dict[str, Model]) -> Iterator[str]:
        """Names that stand for nothing, or for two things."""
        if taken := [name for name in LABEL_SETS if name in models]:
            yield f"models: {taken[0]!r} is a label set among annotate.sources; choose another name"
        for key, name in {"model": self.model, "vision": self.vision}.items():
            if name not in models:
                yield f"annotate.{key}: {name!r} is not among the models, which are {', '.join(models)}"
        if unknown := [name for name in self.sources if name not in models and name not in LABEL_SETS]:
            yield f"annotate.sources: {unknown[0]!r} is neither a model nor one of {', '.join(LABEL_SETS)}"

    def _misfits(self, models: dict[str, Model]) -> Iterator[str]:
        """Names that stand where they cannot."""
        if twice := [name for name in self.sources if self.sources.count(name) > 1]:
            yield f"annotate.sources: {twice[0]!r} appears twice"
        for name in (self.model, "ReGT"):
            if name not in self.sources:
                yield f"annotate.sources: {name!r} is missing: annotators decide between it and others"
        if models[self.vision].worded:
            yield f"annotate.vision: {self.vision!r} answers in words; name a model that ranks classes"
        if not models[self.model].worded:
            yield f"annotate.model: {self.model!r} ranks classes; name a model that answers in words"

    def _unasked(self, config: "Config", models: dict[str, Model]) -> Iterator[str]:
        """Tasks and variants that a model is not asked."""
        if silent := [name for name in self.models if models[name].worded and not models[name].answers(self.task)]:
            yield f"annotate.task: {silent[0]!r} is not asked {self.task}; choose another task, model or source"
        model = models[self.model]
        variants = [(variant.name, variant.task) for variant in config.asked_variants(model)]
        if self.variant is not None and (self.variant, self.task) not in variants:
            yield f"annotate.variant: {self.model!r} is asked no variant {self.variant!r} of {self.task}"
