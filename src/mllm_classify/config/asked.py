"""Which tasks and variants can be asked as a configuration has them."""

from typing import TYPE_CHECKING

from mllm_classify.config.tasks import Examples
from mllm_classify.tasks import TASK, TASK_OF, TaskName

if TYPE_CHECKING:
    from mllm_classify.config.study import Config


def check_variants(study: "Config") -> None:
    """Raises ValueError where what a task or variant says fits nothing else that it says."""
    if sampled := [task for task, put in study.tasks.items() if TASK[task].options and put.sample is not None]:
        msg = f"tasks.{sampled[0]}.sample: choices.per_class says which images multiple choice is about; remove the key"
        raise ValueError(msg)
    if study.choices and study.choices.answer == "letter" and _examples(study, "MC"):
        msg = "tasks.MC.examples: they bear names, and options letters; set choices.answer to name, or remove the key"
        raise ValueError(msg)
    names = [variant.name for variant in study.variants]
    if several := [it.name for it in study.variants if it.images > 1 and _examples(study, it.task)]:
        msg = f"variants: {several[0]!r}: images: its task has examples, which are for one image in a request"
        raise ValueError(msg)
    entries = {f"tasks.{task}": put.examples for task, put in study.tasks.items()}
    entries |= {f"variants ({it.name})": it.examples for it in study.variants}
    kinds = {model.name: model.kind for model in study.models}
    for where, examples in entries.items():
        if examples and examples.neighbours and kinds.get(examples.neighbours) != "knn":
            has = ", ".join(name for name, kind in kinds.items() if kind == "knn") or "none"
            msg = f"{where}.examples.neighbours: {examples.neighbours!r} is no model of kind knn; there are {has}"
            raise ValueError(msg)
    if twice := [name for name in names if names.count(name) > 1]:
        msg = f"variants: the name {twice[0]!r} appears twice"
        raise ValueError(msg)


def check_tasks(study: "Config") -> None:
    """Raises ValueError where a model is asked what has no prompt, or nothing to be compared with."""
    known = {variant.name: variant.task for variant in study.variants}
    for number, model in enumerate(study.models):
        tasks, variants = model.prompted_tasks, model.prompted_variants
        if missing := [task for task in tasks if task not in study.tasks]:
            msg = f"models[{number}].tasks: {missing[0]!r} has no prompt; add it under tasks:"
            raise ValueError(msg)
        rivals = {task: rival for task in tasks if (rival := TASK[task].rival) is not None}
        if alone := [task for task, rival in rivals.items() if TASK_OF[rival] not in tasks]:
            rival = rivals[alone[0]]
            msg = f"models[{number}].tasks: {alone[0]!r} is compared with {rival}; add {TASK_OF[rival]}"
            raise ValueError(msg)
        if unknown := [name for name in variants if name not in known]:
            msg = f"models[{number}].variants: {unknown[0]!r} is not among variants:, which has {', '.join(known) or 'none'}"
            raise ValueError(msg)
        if other := [name for name in variants if known[name] not in tasks]:
            msg = (
                f"models[{number}].variants: {other[0]!r} is compared with {known[other[0]]}, which is not among the "
                "model's tasks"
            )
            raise ValueError(msg)


def _examples(study: "Config", task: TaskName) -> Examples | None:
    return study.tasks[task].examples if task in study.tasks else None
