"""OpenAI's API, by its own client: request by request, or in batches."""

from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

from mllm_classify.api import client
from mllm_classify.io.files import InputError
from mllm_classify.predict.chat import batch_api as batch
from mllm_classify.predict.chat.answering import Served, answer

if TYPE_CHECKING:
    import polars as pl

    from mllm_classify.config.chat import ChatModel, OpenAIModel
    from mllm_classify.io.environment import Environment
    from mllm_classify.predict.chat.asking import Progress
    from mllm_classify.predict.chat.questions import Questionnaire


def predict(
    model: "OpenAIModel", asked: "Questionnaire", journal_folder: Path, progress: "Progress", shards: int = 1
) -> "tuple[pl.DataFrame, list[Environment]]":
    """The answers of one of OpenAI's models.

    Raises InputError, among others, where questions would be paid for twice: in batches that nobody collects any more.
    """
    folder = journal_folder / batch.FOLDER
    in_batches = None if model.batch is None else batch.InBatches(model.batch, folder)
    if in_batches is None and (left := batch.under_way(folder) & {question.key for question in asked}):
        msg = (
            f"model {model.name!r}: {len(left)} questions are in batches that are not collected; keep batch: until they "
            f"are, or remove {folder} to ask them again"
        )
        raise InputError(msg)
    return answer(
        asked, journal_folder, progress, lambda: nullcontext(Served(model.url)), _transport, in_batches, shards
    )


def _transport(model: "ChatModel", url: str) -> client.Transport:
    return client.OpenAI(url, client.api_key(f"model {model.name!r}", model.api_key_env), model.timeout)
