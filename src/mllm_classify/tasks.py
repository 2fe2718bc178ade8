"""What models are asked, and by which rules an answer stands for classes: every task and scoring, told once.

To add a task, add its name to `TaskName` and to those of the next types that are about it, its entry to `TASKS`, and a
prompt to resources/prompts/.
"""

from typing import Final, Literal, NamedTuple, get_args

TaskName = Literal["OW", "CW", "CW-constrained", "CW-likelihood", "OW-likelihood", "MC"]
VariedTask = Literal["OW", "CW", "CW-constrained"]
"""Those that can be asked in other ways."""
ListedTask = Literal["CW", "CW-constrained"]
"""Those that put the class list, so that an answer is valid or out of prompt (OOP)."""
FreeTask = Literal["OW", "CW"]
"""Those whose answers are free words: of which a file of recorded answers may be."""
Reading = Literal["nearest", "exact", "exact, else nearest", "included", "ranked", "exact, else judged", "described"]
"""Which classes an answer stands for. In words: the class whose embedding is nearest, those of which it is the name, those
of which it is the name or else the nearest, or all whose names stand somewhere in it (Zhang et al., 2024). As a ranking:
the first. By a judge: those of which it is the name or else the nearest that a judge takes for the same, or all that a judge
says it names, or names a kind of (Conti et al., 2025)."""
Verdict = Literal["same", "more general", "more specific", "sibling", "other"]
"""What an answer names, seen from a class, as judges say it."""
Scale = Literal["sum", "token", "byte", "PMI"]
"""By what classes are ranked: the log-probability of the name; the same per token, or per byte; or what the image adds to
it (pointwise mutual information)."""


class Scoring(NamedTuple):
    """A rule by which answers to a task are scored."""

    name: str
    reading: Reading
    main: bool = True  # whether tables 3 to 5 and those that compare models show it
    needs_encoder: bool = False  # whether what it names depends on a text encoder
    candidate: bool = False  # whether Table 3 may choose it to show a model that answers in words
    beside: str | None = None  # the scoring without a judge that it is compared with in the table of judged mapping
    scale: Scale = "sum"  # of rankings


class Task(NamedTuple):
    """A task, and all scorings of its answers."""

    name: TaskName
    lists_classes: bool  # whether an answer can be out of prompt (OOP)
    placeholder: str | None  # what its prompt must hold
    scorings: tuple[Scoring, ...]
    options: bool = False  # whether each question has options of its own (the choices stage)
    variants: bool = True  # whether it can be asked in other ways (`variants:`)
    constrained: bool = False  # whether the server lets the model answer with listed names only
    ranked: bool = (
        False  # whether classes are ranked by the likelihood of their names, and nothing is answered in words
    )
    rival: str | None = None  # the scoring of another task that it would replace, and is compared with


OW: Final = Task(
    "OW",
    lists_classes=False,
    placeholder=None,
    scorings=(
        Scoring("OW", "nearest", needs_encoder=True, candidate=True),
        Scoring("OW inclusion", "included", main=False),
        Scoring("OW judged", "exact, else judged", main=False, beside="OW"),
        Scoring("OW LLM inclusion", "described", main=False),
    ),
)
CW: Final = Task(
    "CW",
    lists_classes=True,
    placeholder="{classes}",
    scorings=(
        Scoring("CW", "exact"),
        Scoring("CW+", "exact, else nearest", needs_encoder=True, candidate=True),
        Scoring("CW inclusion", "included", main=False),
        Scoring("CW+ judged", "exact, else judged", main=False, beside="CW+"),
    ),
)
CW_CONSTRAINED: Final = Task(
    "CW-constrained",
    lists_classes=True,
    placeholder="{classes}",
    scorings=(Scoring("CW-constrained", "exact"),),
    constrained=True,
    rival="CW+",
)


def _likelihood(name: TaskName, placeholder: str | None, rival: str) -> Task:
    """A task of which each scoring is a ranking of its own; predictions and scores call its rows by the scoring."""
    scales: dict[str, Scale] = {"": "sum", " per token": "token", " per byte": "byte", " PMI": "PMI"}
    return Task(
        name,
        lists_classes=False,  # every ranking has classes only: nothing can be out of prompt
        placeholder=placeholder,
        scorings=tuple(
            Scoring(f"{name}{said}", "ranked", main=scale == "sum", scale=scale) for said, scale in scales.items()
        ),
        variants=False,
        ranked=True,
        rival=rival,
    )


CW_LIKELIHOOD: Final = _likelihood("CW-likelihood", "{classes}", "CW+")
OW_LIKELIHOOD: Final = _likelihood("OW-likelihood", None, "OW")
MC: Final = Task(
    "MC",
    lists_classes=True,
    placeholder="{options}",
    scorings=(Scoring("MC", "exact", main=False),),
    options=True,
    variants=False,
)
TASKS: Final = (OW, CW, CW_CONSTRAINED, CW_LIKELIHOOD, OW_LIKELIHOOD, MC)
"""In the order in which tables and pages show them."""
TASK_NAMES: Final = [task.name for task in TASKS]
TASK: Final = {task.name: task for task in TASKS}
"""A task by its name."""
SCORINGS: Final = [scoring for task in TASKS for scoring in task.scorings]
CANDIDATES: Final = [scoring.name for scoring in SCORINGS if scoring.candidate]
"""Scorings among which Table 3 shows a model that answers in words at its best; the first wins a full tie."""
MAIN_SCORINGS: Final = CANDIDATES + [scoring.name for scoring in SCORINGS if scoring.main and not scoring.candidate]
"""OW, CW+, CW, CW-constrained, CW-likelihood, OW-likelihood: in this order in tables."""
JUDGED: Final = {scoring.name: scoring.beside for scoring in SCORINGS if scoring.beside is not None}
"""Scorings of judged mapping, with those that they are compared with."""
JUDGED_TASKS: Final = tuple(task.name for task in TASKS if any(scoring.name in JUDGED for scoring in task.scorings))
"""Tasks whose answers a judge is asked about."""
RANKED: Final = {scoring.name: scoring for task in TASKS if task.ranked for scoring in task.scorings}
"""Scorings by the likelihood of names, by their names, which are those of their rows' tasks, too."""
TASK_OF: Final = {scoring.name: task.name for task in TASKS for scoring in task.scorings}
"""The task whose answers a scoring scores."""

# type checkers want names written out
assert get_args(TaskName) == tuple(TASK_NAMES)
assert get_args(VariedTask) == tuple(task.name for task in TASKS if task.variants)
assert get_args(ListedTask) == tuple(task.name for task in TASKS if task.lists_classes and not task.options)
assert get_args(FreeTask) == tuple(task.name for task in TASKS if not (task.options or task.constrained or task.ranked))
