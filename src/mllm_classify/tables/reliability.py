"""Accuracy by confidence: what reliability diagrams are drawn from."""

from collections.abc import Iterator

import numpy as np
import polars as pl

from mllm_classify.measures.calibration import BINNINGS, BINS, binned, edges
from mllm_classify.measures.chat_confidences import chat_confidences
from mllm_classify.measures.confidences import Confidences, confidences
from mllm_classify.measures.intervals import wilson
from mllm_classify.tables.table import Study, fixed

FIGURES = ["from", "to", "confidence", "accuracy", "accuracy_low", "accuracy_high"]
SCHEMA: dict[str, pl.DataType] = {
    "name": pl.String(),
    **dict.fromkeys(["task", "variant", "label_set", "scores", "bins"], pl.String()),
    "bin": pl.Int64(),
    **dict.fromkeys(FIGURES, pl.Float64()),
    "n": pl.Int64(),
}


def reliability(
    confident_rankings: dict[str, pl.LazyFrame],
    chat_predictions: dict[str, pl.LazyFrame],
    scores: pl.DataFrame,
    asked_choices: dict[str, pl.LazyFrame],
    labels: pl.DataFrame,
    classes: pl.DataFrame,
    models: pl.DataFrame,
    study: Study,
) -> pl.DataFrame:
    """The bins that ECE is made of (results/calibration.csv), a row each that has images: from which confidence to which,
    mean confidence and accuracy in percent with Wilson's 95 % interval, and the number of images.
    """
    said = (
        *confidences(confident_rankings, labels),
        *chat_confidences(chat_predictions, scores, asked_choices, labels, classes),
    )
    cells = [cell for of in said for cell in _bins(of)]
    return (
        pl.DataFrame(cells, schema=SCHEMA)
        .join(models.rename({"model": "name", "label": "model"}), on="name", how="left", maintain_order="left")
        .select("model", *(name for name in SCHEMA if name != "name"), *study.columns())
        .with_columns(fixed(name, 2) for name in FIGURES)
    )


def _bins(of: Confidences) -> Iterator[dict[str, object]]:
    for binning in BINNINGS:
        bounds = edges(of.confidence, binning)
        bins = binned(of.confidence, bounds)
        for place in range(BINS):
            mine = bins == place
            if not mine.any():
                continue
            right, total = int(of.right[mine].sum()), int(mine.sum())
            (low,), (high,) = wilson([right], [total])
            shares = [bounds[place], bounds[place + 1], np.mean(of.confidence[mine]), right / total, low, high]
            yield {
                "name": of.model,
                "task": of.task,
                "variant": of.variant,
                "label_set": of.label_set,
                "scores": of.scores,
                "bins": binning,
                "bin": place + 1,
                **{name: 100 * float(share) for name, share in zip(FIGURES, shares, strict=True)},
                "n": total,
            }
