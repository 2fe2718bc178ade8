"""vLLM, which the job starts from an environment of its own."""

import json
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mllm_classify.io.files import InputError, locate
from mllm_classify.predict.chat.answering import Means, Served, Serving, answered
from mllm_classify.predict.chat.engine import LOG, running

if TYPE_CHECKING:
    from collections.abc import Iterable

    import polars as pl

    from mllm_classify.config.chat import VLLMModel
    from mllm_classify.io.environment import Environment
    from mllm_classify.predict.chat.question import Question
    from mllm_classify.predict.job import PredictJob

ALWAYS = {"enable-prefix-caching": True, "enable-prompt-tokens-details": True}
"""The class list is read once, and the server says so."""


def predict(job: "PredictJob[VLLMModel]") -> "tuple[pl.DataFrame, list[Environment]]":
    """The answers of a model that vLLM serves, and the environments in which they were asked for.

    vLLM runs only if an answer is missing.
    """
    return answered(job, means(job.model, job.journal))


def means(model: "VLLMModel", journal: Path, questions: "Iterable[Question]" = ()) -> Means:  # noqa: ARG001 (as of all kinds)
    """Plain HTTP to vLLM."""
    return Means(serving(model, journal))


def serving(model: "VLLMModel", journal: Path) -> Serving:
    """Runs vLLM."""

    def starting() -> AbstractContextManager[Served]:
        serve = command(model)
        programs = Path(serve[0]).parent
        return running(model.name, serve, model.start_timeout, journal / LOG, programs)

    return starting


def command(model: "VLLMModel") -> list[str]:
    """`vllm serve` for an entry; {port} is not filled in yet.

    Raises InputError where the environment has no vLLM.
    """
    program = locate(model.environment).absolute() / "bin/vllm"
    if not program.is_file():
        msg = f"model {model.name!r}: environment: {program} is not there; `make vllm` makes .venv-vllm"
        raise InputError(msg)
    flags = ALWAYS | _sharing(model) | _hyphened(model.performance) | _hyphened(model.flags)
    if model.chat_template is not None:
        flags["chat-template"] = str(locate(model.chat_template).absolute())
    if model.revision is not None:
        flags["revision"] = model.revision
    flags |= {"served-model-name": model.served, "host": "127.0.0.1", "port": "{port}"}
    return [
        str(program),
        "serve",
        _weights(model.model),
        *(part for name, value in flags.items() for part in flag(name, value)),
    ]


def _sharing(model: "VLLMModel") -> dict[str, Any]:
    """All GPUs of the job hold a part of the model each, unless the entry says how they share the work."""
    gpus = model.resources.gpus
    said = any("parallel-size" in name for name in _hyphened(model.performance))
    return {"tensor-parallel-size": gpus} if gpus > 1 and not said else {}


def _hyphened(flags: dict[str, Any]) -> dict[str, Any]:
    """Flags under one spelling each, so that a later one replaces an earlier."""
    return {name.lstrip("-").replace("_", "-"): value for name, value in flags.items()}


def _weights(name: str) -> str:
    path = locate(name)
    return str(path.absolute()) if path.is_dir() else name


def flag(name: str, value: Any) -> list[str]:
    """One flag as vLLM's command line has it: a switch, a value, several values, or JSON for a mapping."""
    match value:
        case None:
            return []
        case True:
            return [f"--{name}"]
        case False:
            return [f"--no-{name}"]
        case dict():
            return [f"--{name}", json.dumps(value)]
        case list():
            return [f"--{name}", *map(str, value)]
        case _:
            return [f"--{name}", str(value)]
