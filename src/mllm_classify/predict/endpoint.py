"""Chat models behind any OpenAI-compatible API."""

from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

from mllm_classify.predict.chat.answering import Served, answer

if TYPE_CHECKING:
    import polars as pl

    from mllm_classify.config.chat import EndpointModel
    from mllm_classify.io.environment import Environment
    from mllm_classify.predict.chat.asking import Progress
    from mllm_classify.predict.chat.questions import Questionnaire


def predict(
    model: "EndpointModel", asked: "Questionnaire", journal_folder: Path, progress: "Progress", shards: int = 1
) -> "tuple[pl.DataFrame, list[Environment]]":
    """The answers of the model behind the entry's URL."""
    return answer(asked, journal_folder, progress, lambda: nullcontext(Served(model.url)), shards=shards)
