"""What a threshold for out-of-prompt (OOP) answers would do: risk against coverage."""

import numpy as np
import numpy.typing as npt
import polars as pl

from mllm_classify.measures.intervals import Floats, wilson
from mllm_classify.measures.out_of_prompt import SIGNALS, by_label_set, closed_world, out_of_prompt
from mllm_classify.tables.table import INTERVAL, MODEL, Column, Study, Table, fixed, labelled, subtitle

COVERAGES = range(10, 101, 10)
"""Percent of the OOP answers that are to be kept."""
POINTS: dict[str, pl.DataType] = {
    "threshold": pl.Float64(),
    "coverage": pl.Float64(),
    "kept": pl.Int64(),
    "right": pl.Int64(),
}
CURVES: dict[str, pl.DataType] = {
    **POINTS,
    "model": pl.String(),
    "label_set": pl.String(),
    "signal": pl.String(),
    "aurc": pl.Float64(),
    "accuracy": pl.Float64(),
    "n": pl.Int64(),
}


def abstention(scores: pl.DataFrame, mappings: dict[str, pl.LazyFrame], models: pl.DataFrame, study: Study) -> Table:
    """What a threshold on similarity, or on margin, below which OOP answers stay wrong, would do: the risk among the
    answers that it keeps, and accuracy over all images, between CW's (none kept) and CW+'s (all of them).

    Under ReGT the curves are of images in S and M. `mappings` are by the model's name. Empty answers have no nearest class
    and are in no curve.
    """
    points = curves(out_of_prompt(mappings, scores), scores, study.n_images)
    low, high = wilson((points["kept"] - points["right"]).to_numpy(), points["kept"].to_numpy())
    places = {signal: place for place, signal in enumerate(SIGNALS)}
    rows = points.with_columns(
        ((1 - pl.col("right") / pl.col("kept")) * 100).alias("risk"),
        pl.Series("risk_low", low * 100),
        pl.Series("risk_high", high * 100),
        pl.lit("CW+").alias("scoring"),
        fixed("threshold", 3),
    ).sort("model", "label_set", pl.col("signal").replace_strict(places, return_dtype=pl.Int32), "kept")
    columns = ["label_set", "signal", "coverage", "threshold", "kept", "right", "risk", "risk_low", "risk_high"]
    return Table(
        labelled(rows, models, study, [*columns, "accuracy", "aurc", "n"]).drop("task"),
        "Abstention: what a threshold for out-of-prompt answers would do",
        subtitle(study, rows),
        {
            "model": MODEL,
            "label_set": Column("Labels", words=True),
            "signal": Column(
                "By",
                "By: similarity to the nearest class, or margin to the next one of another name. Answers from the threshold "
                "on are kept; equal ones together.",
                words=True,
            ),
            "coverage": Column("Coverage (%)"),
            "threshold": Column("Threshold"),
            "kept": Column("Kept"),
            "right": Column("Right"),
            "risk": Column(
                "Risk (%)",
                "Coverage: the share of out-of-prompt answers that is kept, empty ones aside. Risk: the share of these that "
                "is wrong; under ReGT without images in N, on which no answer is. CI: Wilson. AURC: mean risk over all "
                "coverages, less is better.",
            ),
            "risk_interval": INTERVAL,
            "accuracy": Column(
                "Accuracy (%)",
                "Accuracy: over all images, if the answers that are not kept stay wrong, as all are under CW; all kept is "
                "CW+.",
            ),
            "aurc": Column("AURC"),
        },
    )


def curves(answers: pl.DataFrame, scores: pl.DataFrame, n_images: str) -> pl.DataFrame:
    """Points of the risk-coverage curve of every model, label set and signal. Columns of CURVES; percentages but threshold.

    `answers` are as `out_of_prompt` returns them.
    """
    near = by_label_set(answers.filter(pl.col("nearest_class").is_not_null()), "excluded")
    closed = by_label_set(closed_world(scores, "CW"), n_images)
    base = {
        (model, label_set): numbers
        for model, label_set, *numbers in closed.group_by("model", "label_set")
        .agg(pl.col("right").sum(), pl.len())
        .iter_rows()
    }
    parts = []
    for (model, label_set), of in near.group_by("model", "label_set", maintain_order=True):
        correct, total = base[model, label_set]
        right = of["right"].to_numpy()
        for signal in SIGNALS:
            confidence = of[signal].cast(pl.Float64).to_numpy()
            parts.append(
                risk_coverage(confidence, right).with_columns(
                    pl.lit(model).alias("model"),
                    pl.lit(label_set).alias("label_set"),
                    pl.lit(signal).alias("signal"),
                    pl.lit(aurc(confidence, right) * 100).alias("aurc"),
                    ((correct + pl.col("right")) / total * 100).alias("accuracy"),
                    pl.lit(total).alias("n"),
                )
            )
    return pl.concat([pl.DataFrame(schema=CURVES), *(part.cast(CURVES) for part in parts)])  # type: ignore[arg-type]


def aurc(confidence: Floats, right: npt.NDArray[np.bool_]) -> float:
    """The area under the risk-coverage curve (Geifman, Uziel & El-Yaniv, ICLR 2019): the mean, over all numbers of
    answers kept, the most confident first, of the share of them that is wrong. Shapes: n each; NaN without an answer.

    Of equally confident answers the mean over their orders is taken.
    """
    if not len(right):
        return float("nan")
    _, group, sizes = np.unique(-confidence, return_inverse=True, return_counts=True)
    wrong = (np.bincount(group, ~right) / sizes)[np.sort(group)]
    return float((np.cumsum(wrong) / np.arange(1, len(wrong) + 1)).mean())


def risk_coverage(confidence: Floats, right: npt.NDArray[np.bool_]) -> pl.DataFrame:
    """Points of the curve at COVERAGES, as far as they differ: threshold, coverage in percent, kept, right.

    A threshold keeps answers that are as confident as it, so equally confident ones are kept together.
    """
    ordered = -np.sort(-confidence)
    rows = []
    for percent in COVERAGES if len(ordered) else ():
        threshold = ordered[-(-len(ordered) * percent // 100) - 1]
        kept = confidence >= threshold
        rows.append((float(threshold), kept.mean() * 100, int(kept.sum()), int(right[kept].sum())))
    return pl.DataFrame(rows, schema=POINTS, orient="row").unique("kept", maintain_order=True)
