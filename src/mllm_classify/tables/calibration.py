"""Whether models know how often they are right: calibration, and accuracy where only the surest answers are kept."""

from collections.abc import Iterator

import numpy as np
import polars as pl

from mllm_classify.measures.bootstrap import resamples as drawn_weights
from mllm_classify.measures.calibration import (
    BINNINGS,
    BINS,
    area_under_risk,
    binned,
    brier,
    calibration_error,
    edges,
    event_loss,
    kept_at,
)
from mllm_classify.measures.chat_confidences import chat_confidences
from mllm_classify.measures.confidences import SOFTENED, Confidences, confidences
from mllm_classify.measures.intervals import Floats, percentiles, wilson
from mllm_classify.measures.selection import evaluated
from mllm_classify.tables.table import ASIDE, INTERVAL, MODEL, Column, Study, Table, fixed, subtitle
from mllm_classify.tasks import CW

COVERAGES = [90, 80, 50]
"""Percent of the answers that are to be kept."""
PERCENT = {"ECE", "ECE_mass", "AURC"}
"""Measures that are stated in percent."""
MEASURES = ["ECE", "ECE_mass", "Brier", "NLL", "class_Brier", "class_NLL", "AURC"]
SHARES = ["accuracy", *(f"accuracy_{coverage}" for coverage in COVERAGES)]
SCHEMA: dict[str, pl.DataType] = {
    "name": pl.String(),
    "task": pl.String(),
    "variant": pl.String(),
    "label_set": pl.String(),
    "scores": pl.String(),
    "temperature": pl.String(),
    "confidence": pl.Float64(),
    **{f"{name}{end}": pl.Float64() for name in (*MEASURES, *SHARES) for end in ("", "_low", "_high")},
    "n": pl.Int64(),
    "n_errors": pl.Int64(),
}


def calibration(
    confident_rankings: dict[str, pl.LazyFrame],
    chat_predictions: dict[str, pl.LazyFrame],
    scores: pl.DataFrame,
    asked_choices: dict[str, pl.LazyFrame],
    labels: pl.DataFrame,
    classes: pl.DataFrame,
    models: pl.DataFrame,
    study: Study,
    resamples: int,
) -> Table:
    """Calibration of every model whose scores are probabilities, and of chat models' likelihoods and answers, under both label
    sets, as they are and softened by a temperature fitted on the other half of the images: docs/calibration.md defines each
    column.

    The event is that the first class, or the answer, is admissible. `confident_rankings` and `chat_predictions` are predictions
    by the model's name; `asked_choices` are the choices stage's, if there are any. Intervals of SHARES are Wilson's, the others the bootstrap's over the images.
    """
    images = {image: place for place, image in enumerate(evaluated(labels)["image_id"].sort())}
    cells = [
        _cells(of, np.array([images[image] for image in of.images]), len(images), resamples)
        for of in (
            *confidences(confident_rankings, labels),
            *chat_confidences(chat_predictions, scores, asked_choices, labels, classes),
        )
    ]
    rows = (
        pl.DataFrame(cells, schema=SCHEMA)
        .fill_nan(None)
        .join(models.rename({"model": "name", "label": "model"}), on="name", how="left", maintain_order="left")
    )
    rows = rows.sort("label_set", pl.col("scores") == SOFTENED, "ECE", "name", "task", "variant", "scores")
    whole = bool(rows["temperature"].is_not_null().any())
    decimals = {name: 2 if name.split("_")[0] in (*PERCENT, "accuracy", "confidence") else 4 for name in rows.columns}
    return Table(
        rows.select(
            "model",
            *(name for name in SCHEMA if name not in ("name", "n", "n_errors")),
            "family",
            "n",
            "n_errors",
            *study.columns(),
        ).with_columns(fixed(name, decimals[name]) for name, dtype in SCHEMA.items() if dtype == pl.Float64),
        "Calibration: how often the first class is right, and how sure the models are",
        subtitle(study, rows),
        _columns(rows, whole=whole),
    )


def _columns(rows: pl.DataFrame, *, whole: bool) -> dict[str, Column]:
    several = {
        "task": Column("Scoring", words=True),
        **({"variant": Column("Variant", words=True)} if (rows["variant"] != "").any() else {}),
        "scores": Column(
            "Scores",
            "As given: of likelihoods their softmax over all names; where bounds left names out, the confidence is at least, and at "
            "most, that of these rows. Answers: the probability of the whole answer. Letters: those of the options.",
            words=True,
        ),
    }
    softened = {
        "scores": Column(
            "Scores",
            "Temperature: fitted on each half of the images (by their ids) to whether the first class is right, and used on "
            "the other; that used on the first half / on the second.",
            words=True,
        ),
        "temperature": Column("T"),
    }
    of_classes = {
        "class_Brier": Column("Brier, classes"),
        "class_NLL": Column(
            "NLL, classes",
            "Of classes: of the whole distribution, the admissible classes counting as one; only where all scores are kept.",
        ),
    }
    return {
        "model": MODEL,
        "label_set": Column("Labels", words=True),
        **(several if bool((rows["task"] != CW.name).any()) else {}),
        **(softened if whole else {}),
        "accuracy": Column(
            "Accuracy (%)",
            "Accuracy: of the first class, or the answer; under ReGT without images in N, on which none is wrong.",
        ),
        "confidence": Column("Confidence (%)"),
        "ECE": Column(
            "ECE",
            f"ECE: mean distance of confidence from accuracy over {BINS} bins of equal width, and of equal mass, in points. "
            "CI: bootstrap over the images, which lifts a small ECE.",
        ),
        "ECE_interval": INTERVAL,
        "ECE_mass": Column("ECE, equal mass", latex=False),
        "ECE_mass_interval": ASIDE,
        "Brier": Column("Brier", "Brier, NLL (nats): of the event that the first class is right."),
        "Brier_interval": ASIDE,
        "NLL": Column("NLL"),
        "NLL_interval": ASIDE,
        **(of_classes if whole else {}),
        "AURC": Column("AURC", "AURC: mean risk (%) over all coverages, the surest answers first; less is better."),
        "AURC_interval": ASIDE,
        **{
            f"accuracy_{coverage}": Column(
                f"At {coverage} %",
                "At 90 %: accuracy where the surest 90 % are kept." if coverage == 90 else "",
                latex=False,
            )
            for coverage in COVERAGES
        },
        **(
            {"n_errors": Column("Errors", "Errors: images without a ranking, left out.")}
            if rows["n_errors"].sum()
            else {}
        ),
    }


def _cells(of: Confidences, places: np.ndarray, images: int, resamples: int) -> dict[str, object]:
    """A row of SCHEMA. `places` are those of the model's images among all that are evaluated, which are drawn from."""
    exact = _measured(of, np.ones((1, len(places)), np.float32))
    blocks = [_measured(of, block[:, places]) for block in drawn_weights(images, resamples)]
    cells: dict[str, object] = {}
    for name, value in exact.items():
        low, high = percentiles(np.concatenate([block[name] for block in blocks]))
        factor = 100 if name in PERCENT else 1
        ends = {"": value[0], "_low": low, "_high": high}
        cells |= {f"{name}{end}": factor * float(number) for end, number in ends.items()}
    kept = {"accuracy": np.ones(len(places), bool)}
    kept |= {f"accuracy_{coverage}": kept_at(of.confidence, coverage / 100) for coverage in COVERAGES}
    for name, which in kept.items():
        right, total = int(of.right[which].sum()), int(which.sum())
        (low,), (high,) = wilson([right], [total])
        ends = {"": right / total, "_low": low, "_high": high}
        cells |= {f"{name}{end}": 100 * float(number) for end, number in ends.items()}
    return cells | {
        "name": of.model,
        "task": of.task,
        "variant": of.variant,
        "label_set": of.label_set,
        "scores": of.scores,
        "temperature": of.temperatures and " / ".join(f"{it:.2f}" for it in of.temperatures),
        "confidence": 100 * float(of.confidence.mean()),
        "n": len(places),
        "n_errors": of.errors,
    }


def _measured(of: Confidences, weights: np.ndarray) -> dict[str, Floats]:
    """Each of MEASURES that is known, over resamples of the model's images. Shape of the weights: resamples x images.

    NaN where a resample has none of them.
    """
    with np.errstate(invalid="ignore", divide="ignore"):
        return dict(_measures(of, weights.astype(np.float64)))


def _measures(of: Confidences, weights: Floats) -> Iterator[tuple[str, Floats]]:
    total = weights.sum(axis=1)
    for name, binning in zip(("ECE", "ECE_mass"), BINNINGS, strict=True):
        bins = binned(of.confidence, edges(of.confidence, binning))
        yield name, calibration_error(of.confidence, of.right, bins, weights)
    each = {
        "Brier": brier(of.confidence, of.right),
        "NLL": event_loss(of.confidence, of.right),
        "class_Brier": of.class_brier,
        "class_NLL": of.class_log_loss,
    }
    for name, values in each.items():
        if values is not None:
            yield name, weights @ values / total
    yield "AURC", area_under_risk(of.confidence, of.right, weights)
