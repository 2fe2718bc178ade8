"""Chat models served by a command that the job starts, waits for, uses for all tasks, and stops."""

from typing import TYPE_CHECKING

from mllm_classify.predict.chat.answering import Means, Serving, answered
from mllm_classify.predict.chat.engine import LOG, running

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    import polars as pl

    from mllm_classify.config.chat import EngineModel
    from mllm_classify.io.environment import Environment
    from mllm_classify.predict.chat.question import Question
    from mllm_classify.predict.job import PredictJob


def predict(job: "PredictJob[EngineModel]") -> "tuple[pl.DataFrame, list[Environment]]":
    """The answers of the model that the entry's command serves, and the environments in which they were asked for.

    The engine runs only if an answer is missing.
    """
    return answered(job, means(job.model, job.journal))


def means(model: "EngineModel", journal: "Path", questions: "Iterable[Question]" = ()) -> Means:  # noqa: ARG001 (as of all kinds)
    """Plain HTTP to what the entry's command serves."""
    return Means(serving(model, journal))


def serving(model: "EngineModel", journal: "Path") -> Serving:
    """Runs the entry's command."""
    command = [part.replace("{gpus}", str(model.resources.gpus)) for part in model.command]
    return lambda: running(model.name, command, model.start_timeout, journal / LOG)
