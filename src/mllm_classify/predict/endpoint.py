"""Chat models behind any OpenAI-compatible API."""

from contextlib import nullcontext
from typing import TYPE_CHECKING

from mllm_classify.predict.chat.answering import Means, Served, answered, http_transport

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    import polars as pl

    from mllm_classify.config.chat import EndpointModel
    from mllm_classify.io.environment import Environment
    from mllm_classify.predict.chat.questions import Question
    from mllm_classify.predict.job import PredictJob


def predict(job: "PredictJob[EndpointModel]") -> "tuple[pl.DataFrame, list[Environment]]":
    """The answers of the model behind the entry's URL, and the environments in which they were asked for."""
    return answered(job, means(job.model, job.journal))


def means(model: "EndpointModel", journal: "Path", questions: "Iterable[Question]" = ()) -> Means:  # noqa: ARG001 (as of all kinds)
    """Plain HTTP to the entry's URL."""
    header = model.api_key_header
    return Means(lambda: nullcontext(Served(model.url)), lambda model, url: http_transport(model, url, header))
