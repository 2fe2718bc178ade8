"""Entries of judges: chat models that are asked what answers have to do with classes."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

from pydantic import Field

from mllm_classify.config.chat import ChatModel, EndpointModel, EngineModel, OpenAIModel, VLLMModel
from mllm_classify.config.marks import CONTENT, DISPLAY, MOST, Choice, Name, tags
from mllm_classify.tasks import JUDGED_TASKS

if TYPE_CHECKING:
    from mllm_classify.config.models import Model
    from mllm_classify.config.study import Config


class Judge(ChatModel):
    """A chat model that is told an answer and a class, never whose answer it is. It has no keys about tasks and images."""

    # of a chat model's keys, these say nothing of a judge: none can be given
    family: ClassVar[str] = "judge"  # type: ignore[misc]
    published: ClassVar[None] = None  # type: ignore[misc]
    shards: ClassVar[int] = 1  # type: ignore[misc]
    tasks: ClassVar[list[Any]] = []  # type: ignore[misc]
    variants: ClassVar[list[str]] = []  # type: ignore[misc]
    layout: ClassVar[str] = "image_last"  # type: ignore[misc]
    image_tokens: ClassVar[int] = 0  # type: ignore[misc]
    min_cached_share: ClassVar[float] = 0.0  # type: ignore[misc]

    prompt: Annotated[str, CONTENT, Choice("ours", "has no judge")] = Field(
        "resources/prompts/judge.v1.txt", description="a versioned prompt file, with {answer} and {class}"
    )
    nearest: Annotated[int, Choice("ours", "has no judge")] = Field(
        5, gt=0, le=1000, description="of each answer, so many classes of the most similar names, by `encoder`"
    )
    inclusion: bool = Field(
        default=False,
        description="whether it is also asked about each answer to OW and the classes of its image, for Conti et al.'s inclusion "
        "judged by an LLM in results/protocols.csv",
    )
    repeats: int = Field(
        1,
        gt=0,
        le=99,
        description="how often each pair is put; most of the verdicts must accept it; a seed is the repeat's",
    )
    controls: Annotated[str | None, CONTENT] = Field(
        "resources/judge/controls.v1.csv",
        description="pairs whose verdicts are known (`answer,class,verdict,kind`), which it is asked, too, for results/judges.csv",
    )
    own: Annotated[list[Name], DISPLAY, Field(max_length=MOST)] = Field(
        [],
        description="models that are this judge under another name: results/judged.csv marks them, and those of its `model`",
    )

    @property
    def constrained(self) -> bool:
        return True


class EndpointJudge(EndpointModel, Judge):
    """An API that somebody else runs."""


class OpenAIJudge(OpenAIModel, Judge):
    """OpenAI's API, by its own client."""


class EngineJudge(EngineModel, Judge):
    """An endpoint that the job starts, waits for, and stops."""


class VLLMJudge(VLLMModel, Judge):
    """vLLM, which the job starts."""


AnyJudge = Annotated[EndpointJudge | OpenAIJudge | EngineJudge | VLLMJudge, Field(discriminator="kind")]
JUDGES = tags(AnyJudge, "kind")


def gives_judged_answers(models: "Sequence[Model]") -> bool:
    """Whether any model answers in words to a task whose answers are judged."""
    return any(model.worded and model.answers(task) for model in models for task in JUDGED_TASKS)


def check_judges(study: "Config") -> None:
    """Raises ValueError where two judges share a name or label, or one names a model as its own that is none."""
    if study.judges and study.judge is None:
        msg = f"judges[0] ({study.judges[0].name}): is compared with the main one; add judge:"
        raise ValueError(msg)
    seen: dict[str, str] = {}
    known = [model.name for model in study.models]
    for number, judge in enumerate(study.judges_given):
        where = f"judges[{number - 1}]" if number else "judge"
        for key in ("name", "label"):
            if (value := getattr(judge, key)) in seen:
                msg = f"{where}.{key}: {value!r} is also {seen[value]}'s; give each its own"
                raise ValueError(msg)
        if unknown := [name for name in judge.own if name not in known]:
            msg = f"{where}.own: {unknown[0]!r} is not among the models, which are {', '.join(known)}"
            raise ValueError(msg)
        seen |= {judge.name: where, judge.label: where}
