"""What chat models are asked: prompts, samples, variants, and the options of multiple choice."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, Self, get_args

from pydantic import Field, model_validator

from mllm_classify.config.marks import CONTENT, DISPLAY, MOST, Choice, EarlierVariant, Label, MCVariant, Name, Section
from mllm_classify.config.vision import TrainingImages
from mllm_classify.tasks import CW, TASK, VariedTask

if TYPE_CHECKING:
    from mllm_classify.config.chat import ChatModel
    from mllm_classify.config.study import Config

Layout = Literal["image_last", "system", "image_first"]
Pixels = Literal["own", "shuffled", "grey", "none"]
"""What is shown of an image: it as it is, its pixels in another order, grey of its size, or nothing."""
SHOWN: "dict[Pixels, str]" = {"shuffled": "pixels shuffled", "grey": "a grey image", "none": "no image"}
"""What is shown in place of an image, as tables say it."""
ORDERS = {"listed": "as listed", "shuffled": "shuffled", "class": "by class"}
"""The order of several images in a request, as tables say it."""


class Sample(Section):
    """Some images of each class, drawn by the seed: a larger number keeps those of a smaller."""

    per_class: int = Field(gt=0, le=MOST, description="images of each class (by ImGT)")
    seed: int = Field(0, ge=0, le=MOST, description="of that draw")


class Examples(Section):
    """Pictures of a training split that stand before each question, with their names (few-shot)."""

    train: TrainingImages = Field(description="among which they are chosen; its records have a column sha256, too")
    choose: Literal["per_class", "random", "nearest"] = Field(
        description="n of each class or n of all, drawn by the seed and the same for all images; or the n most like the image"
    )
    n: int = Field(gt=0, le=10_000, description="so many")
    seed: int = Field(0, ge=0, le=MOST, description="of that draw")
    neighbours: Name | None = Field(
        None, description="with nearest, the model of kind knn whose image encoder says what is most alike"
    )

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if (self.choose == "nearest") != (self.neighbours is not None):
            needs = (
                "needs neighbours:, a model of kind knn"
                if self.neighbours is None
                else "knows no neighbours; remove them"
            )
            msg = f"choose: {self.choose!r} {needs}"
            raise ValueError(msg)
        return self


class TaskPrompt(Section):
    """How a task is put to chat models."""

    prompt: Annotated[str, CONTENT] = Field(description="a versioned prompt file")
    sample: Sample | None = Field(None, description="a pilot: only these images are asked about; tables state n")
    examples: Examples | None = Field(None, description="labelled pictures that stand before the question")


class Variant(Section):
    """A task asked in another way beside the main one, for results/sensitivity.csv. What it does not say is as in the task."""

    name: Label = Field(description="what the table calls it")
    task: VariedTask = Field(description="which task it is a variant of")
    prompt: Annotated[str | None, CONTENT] = Field(None, description="its own prompt file")
    answer: Literal["name", "id"] = Field(
        "name", description="whether classes are listed and answered by name, or as `id: name` and by id"
    )
    classes: Annotated[
        Literal["listed", "shuffled"], Choice("ours", "does not mention the order of its class list")
    ] = Field(
        "listed",
        description="the order of the class list: as it is, or another, one for each name, seed and repeat of a variant",
    )
    layout: Layout | None = Field(None, description="as in the model's entry")
    temperature: float | None = Field(None, ge=0, le=100, description="as sent, in place of the entry's")
    repeats: int = Field(
        1, gt=0, le=10_000, description="how often each image is asked about; a request's seed is the repeat's"
    )
    images: int = Field(1, gt=0, le=100, description="images in one request")
    order: Annotated[
        Literal["listed", "shuffled", "class"],
        Choice("inferred", "varies size, ordering and composition of batches (Sec. 3); its figures are not public"),
    ] = Field("listed", description="which images stand together: as they are listed, shuffled, or those of a class")
    seed: int = Field(0, ge=0, le=MOST, description="of shuffled orders, which differ between repeats")
    sample: Sample | None = Field(None, description="in place of the task's")
    examples: Examples | None = Field(None, description="in place of the task's; its prompt says that they come")
    pixels: Pixels = Field(
        "own",
        description="what is shown of an image: it as it is, its pixels in another order, grey of its size, or nothing. What "
        "is not `own` tells what a model answers from the prompt alone (results/priors.csv)",
    )

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.order != "listed" and self.images == 1:
            msg = f"variants: {self.name!r}: order {self.order!r} concerns several images in a request; set images"
            raise ValueError(msg)
        if self.images > 1 and self.prompt is None:
            msg = f"variants: {self.name!r}: images {self.images}: needs a prompt of its own, which asks for numbered answers"
            raise ValueError(msg)
        if self.answer == "id" and (self.task != CW.name or self.prompt is None):
            msg = f"variants: {self.name!r}: answer 'id' is for {CW.name}, with a prompt of its own"
            raise ValueError(msg)
        if self.classes == "shuffled" and not TASK[self.task].lists_classes:
            msg = f"variants: {self.name!r}: classes 'shuffled': {self.task} lists none; remove the key, or set another task"
            raise ValueError(msg)
        if self.images > 1 and TASK[self.task].constrained:
            msg = f"variants: {self.name!r}: a constrained answer is one name; images must be 1"
            raise ValueError(msg)
        if self.images > 1 and self.examples is not None:
            msg = f"variants: {self.name!r}: examples: are for one image in a request; remove images"
            raise ValueError(msg)
        if self.images > 1 and self.pixels != "own":
            msg = f"variants: {self.name!r}: pixels {self.pixels!r}: is for one image in a request; remove images"
            raise ValueError(msg)
        return self

    def differs(self, task: TaskPrompt, model: "ChatModel") -> str:
        """How its questions differ from those of its task, in words. How often and about which images it is asked does not
        count.
        """
        ways = {
            f"prompt {Path(self.prompt or '').stem}": self.prompt not in (None, task.prompt),
            "answered by id": self.answer == "id",
            "class list shuffled": self.classes == "shuffled",
            f"layout {self.layout}": self.layout not in (None, model.layout),
            f"temperature {self.temperature or 0:g}": self.temperature not in (None, model.request.temperature),
            f"{self.images} images a request, {ORDERS[self.order]}": self.images > 1,
            SHOWN.get(self.pixels, ""): self.pixels != "own",
            told(self.examples): self.examples not in (None, task.examples),
        }
        return ", ".join(words for words, applies in ways.items() if applies) or "nothing: asked again"

    def between_repeats(self) -> str:
        """What changes from one repeat to the next, in words."""
        orders = {
            "order of images": self.order == "shuffled",
            "class list": self.classes == "shuffled",
            "order of pixels": self.pixels == "shuffled",
        }
        return ", ".join(["seed", *(words for words, applies in orders.items() if applies)])


def told(examples: Examples | None) -> str:
    """What stands before a question, in words."""
    if examples is None:
        return "no examples"
    which = {"per_class": "of each class", "random": "drawn", "nearest": "most alike"}[examples.choose]
    return f"{examples.n} examples {which}"


class Probe(Section):
    """What chat models know of classes, without an image: which class a description fits."""

    models: list[Name] = Field(min_length=1, description="chat models that are asked")
    prompt: Annotated[str, CONTENT] = Field("resources/prompts/probe.v1.txt", description="a versioned prompt file")
    descriptions: Annotated[str | None, CONTENT] = Field(
        None,
        description="records of class (a name, a synset or a number) and description; without it, WordNet's glosses of "
        "ImageNet's classes, which timm ships",
    )
    n: int = Field(2, ge=2, le=1000, description="classes of which one is chosen; the others are drawn")
    repeats: int = Field(
        1, gt=0, le=10_000, description="how often each description is asked about, with other classes and orders"
    )
    seed: int = Field(0, ge=0, le=MOST, description="of these draws")


class Earlier(Section):
    """Questions of earlier work, asked beside the paper's, for the table of protocols."""

    variants: Annotated[list[EarlierVariant], Choice("ours", "cites these works; their details are our reading")] = (
        Field(
            list(get_args(EarlierVariant)),
            min_length=1,
            description="MC with random or semantic distractors; CW with ImGT among random classes, or with the first classes",
        )
    )
    n: int = Field(26, ge=2, le=10_000, description="options of a question of MC")
    classes: int = Field(100, ge=2, le=1_000_000, description="classes on the list of CW")
    repeats: int = Field(
        1, gt=0, le=10_000, description="how often each question is asked, with other orders and random distractors"
    )


class Choices(Section):
    """The options of multiple-choice questions (MC), which chat models with that task are asked."""

    reference: Name | None = Field(
        None, description="a model of this configuration that ranks classes; distractors are what it takes images for"
    )
    confusions: Annotated[str | None, CONTENT] = Field(
        None,
        description="in place of a reference: the file of confusions that a study of another split has written",
    )
    label: Annotated[Label | None, DISPLAY] = Field(
        None, description="whose confusions they are, in tables; by default the reference's label and the data set's"
    )
    n: Annotated[int, Choice("paper", "4 in all experiments (Sec. 2.3)")] = Field(
        4, ge=2, le=10_000, description="options of a question"
    )
    repeats: Annotated[
        int,
        Choice(
            "code",
            "repeats, without their number; its authors' code has 31 files, and 47 of Table 6's 48 figures fit that",
        ),
    ] = Field(
        31, gt=0, le=10_000, description="how often each question is asked, with other orders and random distractors"
    )
    per_class: Annotated[
        Annotated[int, Field(gt=0, le=MOST)] | Literal["all"],
        Choice("paper", "one image a class (Table 6); which ones is not public"),
    ] = Field(
        1, description="images of each class (by ImGT), drawn by the seed; a larger number keeps those of a smaller"
    )
    seed: int = Field(0, ge=0, le=MOST, description="of that draw")
    variants: Annotated[list[MCVariant], Choice("paper", "these six (Table 6)")] = Field(
        list(get_args(MCVariant)), min_length=1, description="which labels are among the options, and the distractors"
    )
    imgt_distractors: Annotated[
        bool,
        Choice(
            "inferred",
            "does not say; where ReGT alone is named, S- and M- are less accurate than S+ and M+ in Table 6",
        ),
    ] = Field(default=True, description="whether ImGT may be a distractor where ReGT alone is named")
    answer: Annotated[Literal["name", "letter"], Choice("ours", "its prompt is not public")] = Field(
        "name", description="how options are shown and answered; a whole name is understood in both"
    )
    earlier: Earlier | None = None

    def said(self, config: "Config") -> str:
        """Whose confusions on which images the distractors are drawn from, as tables say it."""
        named = next((model.label for model in config.models if model.name == self.reference), "")
        return self.label or f"{named} on {config.dataset.label}"

    def numbers(self) -> dict[str, int]:
        """How many options a question has: of the paper's and of earlier multiple choice; and how many classes an earlier
        list has.
        """
        earlier = self.earlier or Earlier()
        return {"few": self.n, "n": earlier.n, "classes": earlier.classes}
