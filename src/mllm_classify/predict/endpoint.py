"""Chat models behind any OpenAI-compatible API."""

from contextlib import nullcontext
from functools import partial
from typing import TYPE_CHECKING

from mllm_classify.predict.chat.answering import Means, Served, Serving, answered, http_transport

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    import polars as pl

    from mllm_classify.config.chat import EndpointModel
    from mllm_classify.io.environment import Environment
    from mllm_classify.predict.chat.question import Question
    from mllm_classify.predict.job import PredictJob


def predict(job: "PredictJob[EndpointModel]") -> "tuple[pl.DataFrame, list[Environment]]":
    """The answers of the model behind the entry's URL, and the environments in which they were asked for."""
    return answered(job, means(job.model, job.journal))


def means(model: "EndpointModel", journal: "Path", questions: "Iterable[Question]" = ()) -> Means:  # noqa: ARG001 (as of all kinds)
    """Plain HTTP to the entry's URL."""
    return Means(serving(model, journal), partial(http_transport, key_header=model.api_key_header))


def serving(model: "EndpointModel", journal: "Path") -> Serving:  # noqa: ARG001 (as engines)
    """It is served already."""
    return lambda: nullcontext(Served(model.url))
