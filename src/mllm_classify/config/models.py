"""Entries of models: what all have, and those that are not asked over a chat protocol."""

import math
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from mllm_classify.config.marks import CONTENT, DISPLAY, RUNTIME, Choice, Label, Name, Section


class Resources(Section):
    """What a scheduler is asked for, for each shard of a model."""

    gpus: Annotated[int, RUNTIME] = Field(0, ge=0)
    cpus: Annotated[int, RUNTIME] = Field(1, gt=0, description="cores; `--cores` caps them on one machine")
    mem_mb: Annotated[int, RUNTIME] = Field(3000, gt=0, description="megabytes of main memory")
    runtime: Annotated[int, RUNTIME] = Field(60, gt=0, description="minutes")


class Vision(Section):
    """What every model that computes on images has."""

    device: Annotated[str, RUNTIME] = Field("cpu", description="as torch names it")
    precision: Literal["fp32", "bf16", "fp16"] = Field(
        "fp32", description="of the computation; bf16 and fp16 are torch's mixed precision, where the device has it"
    )
    batch_size: Annotated[int, RUNTIME, Field(gt=0)] = Field(16, description="images at once")
    workers: Annotated[int, RUNTIME, Field(ge=0)] = Field(
        0,
        description="processes that decode images; 0: of the entry's cpus a quarter, beside an accelerator all but one (at "
        "most 16); the others compute",
    )
    part: Annotated[int, RUNTIME, Field(gt=0)] = Field(
        1024,
        description="images after which results are kept on disk, so that a killed job goes on from there; rounded up to "
        "whole batches",
    )
    corrupt: Annotated[
        Literal["error", "count"],
        Choice("ours", "does not mention images that cannot be decoded"),
    ] = Field(
        "error", description="a registered image that cannot be decoded here: an error, or counted as a wrong answer"
    )

    @property
    def images_in_part(self) -> int:
        """Images in a part: whole batches, as what is in a batch shows in the last bits."""
        return math.ceil(self.part / self.batch_size) * self.batch_size


class Classifier(Vision):
    """A timm model with a classification head over the data set's classes."""

    architecture: str = Field(description="timm's name of the model, or hf-hub:ORG/NAME")
    revision: str | None = Field(
        None, description="commit, tag or branch on the hub, of weights that are from there; a commit pins them"
    )
    weights: str | None = Field(
        None, description="checkpoint: a path or package:NAME/FILE; without it, timm's own from the hub"
    )

    @model_validator(mode="after")
    def _revision_of_the_hub(self) -> Self:
        if self.revision is not None and self.weights is not None and not self.architecture.startswith("hf-hub:"):
            msg = f"revision: {self.revision!r} is of weights on the hub, and weights names a file; remove one of them"
            raise ValueError(msg)
        return self


class Model(Section):
    """One entry makes one row of the tables."""

    name: Name = Field(description="names the model's files")
    label: Annotated[Label, DISPLAY] = Field(description="what tables call the model")
    published: Annotated[Label | None, DISPLAY] = Field(
        None, description="the row of resources/published/ that results/scorecard.csv sets beside this model"
    )
    resources: Annotated[Resources, RUNTIME] = Field(Resources(), description="what a scheduler is asked for")
    shards: Annotated[int, RUNTIME] = Field(
        1, gt=0, le=1000, description="jobs that share the images between them, each with these resources"
    )

    @property
    def worded(self) -> bool:
        """Whether it answers in words, which are mapped to classes; others rank classes."""
        return False

    @property
    def together(self) -> int:
        """Images that are computed in one batch."""
        return 1


class TimmModel(Model, Classifier):
    """A classifier as it is."""

    kind: Literal["timm"]
    family: Annotated[Literal["supervised"], DISPLAY] = Field("supervised", description="as tables show it")

    @property
    def together(self) -> int:
        return self.batch_size


class ConseModel(Model):
    """Convex combination of semantic embeddings (Norouzi et al., ICLR 2014)."""

    kind: Literal["conse"]
    family: Annotated[Literal["supervised + text"], DISPLAY] = Field(
        "supervised + text", description="as tables show it"
    )
    classifier: Classifier = Field(description="whose probabilities weight the class embeddings")
    top: int = Field(10, gt=0, description="T, the classes that are combined")

    @property
    def together(self) -> int:
        return self.classifier.batch_size


class RecordedModel(Model):
    """Predictions that exist already. The file's formats: docs/recorded.md."""

    kind: Literal["recorded"]
    family: Annotated[Label, DISPLAY] = Field("recorded", description="as tables show it")
    file: Annotated[str, CONTENT] = Field(description="Parquet, CSV or JSON-lines file")
    column: Literal["class_id", "text"] = Field(
        "class_id", description="what it holds beside image_id: class ids (one, or a ranking), or answers in words"
    )
    task: Literal["OW", "CW"] = Field(
        "CW", description="what answers in words were given to, where the file has no column task"
    )
    images: Annotated[
        Literal["all", "intersection"],
        Choice("ours", "evaluates every model on all images"),
    ] = Field(
        "all",
        description="whether the file must have just the registered images, or those that both have are evaluated, and "
        "their number stated",
    )

    @property
    def worded(self) -> bool:
        return self.column == "text"
