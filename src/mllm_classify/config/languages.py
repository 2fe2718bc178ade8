"""Languages beside the first: class names, prompts and templates in each."""

from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from mllm_classify.config.chat import ChatModel
from mllm_classify.config.marks import CONTENT, DISPLAY, Label, Name, Section
from mllm_classify.config.models import RecordedModel
from mllm_classify.config.tasks import TaskPrompt
from mllm_classify.tasks import TASK, TaskName

if TYPE_CHECKING:
    from mllm_classify.config.dataset import AnyDataset
    from mllm_classify.config.kinds import AnyModel
    from mllm_classify.config.study import Config


class Language(Section):
    """A language in which the main data set is put to models, too: the same images and labels, other words."""

    name: Name = Field(description="names its folders, behind the data set's name: results/DATASET-NAME/")
    label: Annotated[Label, DISPLAY] = Field(description="what tables call it")
    names: Annotated[str, CONTENT] = Field(
        description="the class names in it, in the order of the class list; files of labels name classes as before"
    )
    tasks: dict[TaskName, TaskPrompt] = Field(
        {}, description="its prompts, as in `tasks`; a chat model is asked those of its tasks that are here"
    )
    templates: Annotated[str | None, CONTENT] = Field(
        None, description="its templates, in place of those of the main encoder and of zero-shot classifiers"
    )
    models: list[Name] | None = Field(
        None,
        min_length=1,
        description="the models that are asked in it; by default chat models, and files of recorded answers whose name holds "
        "`{dataset}`",
    )

    def dataset(self, of: "AnyDataset") -> "AnyDataset":
        """The data set whose classes are called so."""
        own = {"name": f"{of.name}-{self.name}", "label": f"{of.label}, {self.label}", "translation": self.names}
        return of.model_copy(update=own)

    def asked(self, study: "Config", place: str) -> "list[str]":
        """The names of the models that are asked in it. `place` is what file names hold in place of the data set's."""
        silent = [model.name for model in study.models if self.speaking(model) is None]
        names = self.models or [
            model.name
            for model in study.models
            if isinstance(model, ChatModel)
            or (isinstance(model, RecordedModel) and model.worded and place in model.file)
        ]
        return [name for name in names if name not in silent]

    def speaking(self, model: "AnyModel") -> "AnyModel | None":
        """A model's entry with the tasks that have a prompt here; none where that leaves no task."""
        if not isinstance(model, ChatModel):
            return model
        tasks = [task for task in model.tasks if task in self.tasks and not TASK[task].options]
        return model.model_copy(update={"tasks": tasks, "variants": []}) if tasks else None

    def check(self, where: str) -> None:
        """Raises ValueError where a task cannot be put in it."""
        for task, put in self.tasks.items():
            if TASK[task].options:
                msg = f"{where}.tasks.{task}: multiple choice has no options in another language; remove the key"
                raise ValueError(msg)
            if put.examples is not None:
                msg = f"{where}.tasks.{task}.examples: classes of examples are not called so in their files; remove the key"
                raise ValueError(msg)
