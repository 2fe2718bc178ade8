"""Which of the nearest classes an answer means, by a cross-encoder, which reads both together."""

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from mllm_classify.io.arrays import FloatArray
from mllm_classify.io.files import InputError, locate
from mllm_classify.mapping.nearest import BLOCK
from mllm_classify.mapping.reranked import RERANKED

if TYPE_CHECKING:
    from mllm_classify.config.encoders import Reranker

Fit = Callable[[list[tuple[str, str]]], FloatArray]
"""How well k answers and class names fit, as a function from pairs to k scores."""
LONGEST = 2000
"""Characters of an answer that are read."""


def rerank(
    fit: Callable[[], Fit], nearest: int, answers: pl.DataFrame, class_embeddings: pl.DataFrame, classes: pl.DataFrame
) -> pl.DataFrame:
    """The scores of each answer with the names nearest to it, with the columns of RERANKED; the nearest first.

    Answers and names are put bare. The model is loaded only where there is an answer.
    """
    if answers.is_empty():
        return pl.DataFrame(schema=RERANKED)
    firsts = classes.sort("class_id").filter(pl.col("same_name").list.first() == pl.col("class_id"))
    ids, names = firsts["class_id"].to_numpy(), firsts["name"].to_list()
    vectors = class_embeddings.sort("class_id")["embedding"].to_numpy()[ids].T.astype(np.float64)
    embedded = answers["embedding"].to_numpy().astype(np.float64)
    orders = [
        np.argsort(-(embedded[start : start + BLOCK] @ vectors), axis=1, kind="stable")[:, :nearest]
        for start in range(0, len(embedded), BLOCK)
    ]
    texts = answers["text"].to_list()
    pairs = [(text, int(place)) for text, row in zip(texts, np.concatenate(orders), strict=True) for place in row]
    scores = fit()([(text[:LONGEST], names[place]) for text, place in pairs])
    rows = {"text": [text for text, _ in pairs], "class_id": ids[[place for _, place in pairs]], "score": scores}
    return pl.DataFrame(rows, schema=RERANKED)


def cross_encoder(config: "Reranker") -> Fit:
    """The cross-encoder of a configuration. Raises InputError where it gives a pair several scores, or no number."""
    from sentence_transformers import CrossEncoder
    from transformers.utils.logging import disable_progress_bar

    disable_progress_bar()  # type: ignore[no-untyped-call]  # weights load in a moment
    path = str(locate(config.path)) if config.path.startswith("package:") else config.path
    model = CrossEncoder(path, device=config.device)

    def fit(pairs: list[tuple[str, str]]) -> FloatArray:
        scores: FloatArray = np.asarray(model.predict(pairs, batch_size=config.batch_size, show_progress_bar=False))
        if scores.shape != (len(pairs),):
            msg = f"reranker.path: {config.path}: gives {scores.shape[-1]} scores a pair; name a cross-encoder that gives one"
            raise InputError(msg)
        if not np.isfinite(scores).all():
            msg = f"reranker.path: {config.path}: gives a pair no number; name another cross-encoder"
            raise InputError(msg)
        return scores

    return fit
