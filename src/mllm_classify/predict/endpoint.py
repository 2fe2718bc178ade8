"""Chat models behind any OpenAI-compatible API."""

from contextlib import nullcontext
from typing import TYPE_CHECKING

from mllm_classify.predict.chat.answering import Served, answered, http_transport

if TYPE_CHECKING:
    import polars as pl

    from mllm_classify.config.chat import EndpointModel
    from mllm_classify.io.environment import Environment
    from mllm_classify.predict.job import PredictJob


def predict(job: "PredictJob[EndpointModel]") -> "tuple[pl.DataFrame, list[Environment]]":
    """The answers of the model behind the entry's URL, and the environments in which they were asked for."""
    header = job.model.api_key_header
    return answered(
        job, lambda: nullcontext(Served(job.model.url)), lambda model, url: http_transport(model, url, header)
    )
