"""OpenAI's API, by its own client: request by request, or in batches."""

from contextlib import nullcontext
from typing import TYPE_CHECKING

from mllm_classify.api import client
from mllm_classify.io.files import InputError
from mllm_classify.predict.chat.answering import Means, Served, Serving, answered
from mllm_classify.predict.chat.batch_api import FOLDER, InBatches, under_way
from mllm_classify.predict.chat.questions import questionnaire_of

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    import polars as pl

    from mllm_classify.config.chat import ChatModel, OpenAIModel
    from mllm_classify.io.environment import Environment
    from mllm_classify.predict.chat.question import Question
    from mllm_classify.predict.job import PredictJob


def predict(job: "PredictJob[OpenAIModel]") -> "tuple[pl.DataFrame, list[Environment]]":
    """The answers of one of OpenAI's models, and the environments in which they were asked for. Raises as `means`, too."""
    return answered(job, means(job.model, job.journal, questionnaire_of(job)))


def means(model: "OpenAIModel", journal: "Path", questions: "Iterable[Question]") -> Means:
    """OpenAI's client, request by request or in batches.

    Raises InputError where questions would be paid for twice: in batches that nobody collects any more.
    """
    folder = journal / FOLDER
    in_batches = None if model.batch is None else InBatches(model.batch, folder)
    if in_batches is None and (handed_in := under_way(folder)):
        left = handed_in & {question.key for question in questions}
        if left:
            msg = (
                f"model {model.name!r}: {len(left)} questions are in batches that are not collected; keep batch: until "
                f"they are, or remove {folder} to ask them again"
            )
            raise InputError(msg)
    return Means(serving(model, journal), _transport, in_batches)


def serving(model: "OpenAIModel", journal: "Path") -> Serving:  # noqa: ARG001 (as engines)
    """It is served already."""
    return lambda: nullcontext(Served(model.url))


def _transport(model: "ChatModel", url: str) -> client.Transport:
    return client.OpenAI(url, client.api_key(f"model {model.name!r}", model.api_key_env), model.timeout)
