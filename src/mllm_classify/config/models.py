"""Entries of models: what all have, and predictions that exist already."""

from typing import Annotated, Literal

from pydantic import Field, field_validator

from mllm_classify.config.marks import CONTENT, DISPLAY, MOST, RUNTIME, Choice, Label, Name, Section
from mllm_classify.tasks import TASK, FreeTask, TaskName


class Resources(Section):
    """What a scheduler is asked for, for each shard of a model."""

    gpus: Annotated[int, RUNTIME] = Field(0, ge=0, le=1000)
    cpus: Annotated[int, RUNTIME] = Field(1, gt=0, le=10_000, description="cores; `--cores` caps them on one machine")
    mem_mb: Annotated[int, RUNTIME] = Field(3000, gt=0, le=MOST, description="megabytes of main memory")
    runtime: Annotated[int, RUNTIME] = Field(60, gt=0, le=1_000_000, description="minutes")


class Model(Section):
    """One entry makes one row of the tables."""

    name: Name = Field(description="names the model's files")
    label: Annotated[Label, DISPLAY] = Field(description="what tables call the model")
    published: Annotated[Label | None, DISPLAY] = Field(
        None, description="the row of resources/published/ that results/scorecard.csv sets beside this model"
    )
    factors: Annotated[dict[Name, Label], DISPLAY] = Field(
        {}, description="what it is made of, such as `llm: Qwen2-7B`, for results/factors.csv: any names"
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
    def probable(self) -> bool:
        """Whether the scores of its rankings are shares that all classes divide between them."""
        return False

    @property
    def confident(self) -> bool:
        """Whether the score of a class says how probable it is, be it by itself only (SigLIP's sigmoids)."""
        return False

    @property
    def tells_all_likelihoods(self) -> bool:
        """Whether it says how likely each class name is, and leaves none out."""
        return False

    @property
    def together(self) -> int:
        """Images that are computed in one batch."""
        return 1

    @property
    def keeps_parts(self) -> bool:
        """Whether a job keeps finished parts beside its output, from which the next goes on."""
        return False

    @property
    def starts(self) -> bool:
        """Whether one job does its work about several data sets: for all of them an engine starts, or weights are loaded, once,
        and a budget and limits of requests hold.
        """
        return False

    @property
    def needs_pictures(self) -> bool:
        """Whether it looks at picture files."""
        return True

    @property
    def needs_class_embeddings(self) -> bool:
        """Whether its predictions are made with the main encoder's class embeddings."""
        return False

    @property
    def needs_excluded(self) -> bool:
        """Whether it must know which images the label sets leave out of every table."""
        return False

    @property
    def needs_encoder(self) -> bool:
        """Whether there must be a text encoder for it."""
        return self.worded or self.needs_class_embeddings

    @property
    def prompted_tasks(self) -> list[TaskName]:
        """The tasks that it is asked with the configuration's prompts: none of a model that is no chat model."""
        return []

    @property
    def prompted_variants(self) -> list[str]:
        """The names of the variants of these tasks that it is asked, too."""
        return []

    @property
    def asks_choices(self) -> bool:
        """Whether it is asked multiple-choice questions."""
        return any(TASK[task].options for task in self.prompted_tasks)

    def answers(self, task: TaskName) -> bool:
        """Whether there are answers in words of it to that task."""
        return task in self.prompted_tasks


class RecordedModel(Model):
    """Predictions that exist already. The file's formats: docs/recorded.md."""

    kind: Literal["recorded"]
    family: Annotated[Label, DISPLAY] = Field("recorded", description="as tables show it")
    file: Annotated[str, CONTENT] = Field(description="Parquet, CSV or JSON-lines file")
    column: Literal["class_id", "text"] = Field(
        "class_id", description="what it holds beside image_id: class ids (one, or a ranking), or answers in words"
    )
    task: FreeTask = Field("CW", description="what answers in words were given to, where the file has no column task")
    restricted: Annotated[bool, RUNTIME] = Field(
        default=False, description="whether the file may not be handed on: as for label sets"
    )
    nulls: Annotated[
        Literal["error", "count"], Choice("ours", "does not mention requests that failed in what others recorded")
    ] = Field(
        "error",
        description="an answer of null (in CSV, an empty class_id): an error, or counted as a request that failed, which is "
        "wrong under every rule",
    )
    images: Annotated[
        Literal["all", "intersection"],
        Choice("ours", "evaluates every model on all images"),
    ] = Field(
        "all",
        description="whether the file must have just the registered images (those that `missing: exclude` leaves out of every "
        "table may be absent), or those that both have are evaluated, and their number stated; `intersection` where "
        "`dataset.regt` is of `format: reimagenet`",
    )

    @field_validator("shards")
    @classmethod
    def _one_job(cls, shards: int) -> int:
        if shards > 1:
            msg = f"{shards}: a file of predictions is read at once; remove the key"
            raise ValueError(msg)
        return shards

    @property
    def worded(self) -> bool:
        return self.column == "text"

    @property
    def needs_excluded(self) -> bool:
        return self.images == "all"

    @property
    def needs_pictures(self) -> bool:
        return False

    def answers(self, task: TaskName) -> bool:
        return self.worded and task == self.task
