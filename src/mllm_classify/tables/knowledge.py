"""Whether models recognise what they know: answers about descriptions, beside accuracy on images of the same classes.

Liu et al. (2024) trace what newer models gain on images to what their language models know of the classes. This sets both
side by side, class by class, for one model at a time.
"""

from typing import Any

import numpy as np
import polars as pl
from scipy.stats import rankdata

from mllm_classify.measures.bootstrap import SEED
from mllm_classify.measures.counting import LABEL_SETS
from mllm_classify.measures.intervals import Floats, percentiles
from mllm_classify.measures.knowledge import by_class
from mllm_classify.tables.table import ASIDE, INTERVAL, MODEL, TASK, Column, Study, Table, labelled

ENDS = ("", "_low", "_high")
OF_LABELS = ("A", "known", "unknown", "difference", "rho")
SCHEMA: dict[str, pl.DataType] = {
    "n_classes": pl.Int64(),
    "questions": pl.Int64(),
    **{f"knowledge{end}": pl.Float64() for end in ENDS},
    "chance": pl.Float64(),
    "unnamed": pl.Float64(),
    **{
        f"{name}_{it}": dtype
        for name in LABEL_SETS
        for it, dtype in {
            "n_classes": pl.Int64(),
            "n_known": pl.Int64(),
            "A": pl.Float64(),
            "known": pl.Float64(),
            "unknown": pl.Float64(),
        }.items()
    },
    **{f"{name}_{it}{end}": pl.Float64() for name in LABEL_SETS for it in ("difference", "rho") for end in ENDS},
}


def knowledge(
    probes: dict[str, pl.LazyFrame],
    scores: pl.DataFrame,
    labels: pl.DataFrame,
    models: pl.DataFrame,
    study: Study,
    resamples: int,
) -> Table:
    """One row a model, at its task of Table 3. Shares in percent.

    `knowledge` is over classes, each with the share of its questions that is answered right; a class is known if all are.
    Accuracies are means over classes (by ImGT) that have images; `rho` is Spearman's correlation between both shares over
    these, `difference` that of accuracy between known classes and others, in points. Intervals are of a bootstrap of classes.
    """
    found = by_class(probes, scores, labels, study.n_images)
    cells = [_numbers(str(name), of, resamples) for (name,), of in found.group_by(["model"], maintain_order=True)]
    rows = pl.DataFrame(cells, schema={"model": pl.String(), "scoring": pl.String(), **SCHEMA}).sort("model")
    correlations = [name for name in SCHEMA if "_rho" in name]
    rows = rows.with_columns(
        pl.col(name).map_elements(lambda value: f"{value:z.3f}", pl.String) for name in correlations
    )
    return Table(
        labelled(rows, models, study, list(SCHEMA)),
        "Knowledge of classes, and accuracy on images of them",
        str(study),
        _columns(study),
    )


def _columns(study: Study) -> dict[str, Column]:
    def of(name: str, *, first: bool) -> dict[str, Column]:
        return {
            f"{name}_A": Column(
                study.named(name),
                "Accuracy (%) on images: a mean over the classes that were asked about and have images. known: over those of "
                "which every question was answered right; others: over the rest; difference in points."
                if first
                else "",
            ),
            f"{name}_known": Column("known"),
            f"{name}_unknown": Column("others"),
            f"{name}_difference": Column("difference"),
            f"{name}_difference_interval": ASIDE,
            f"{name}_rho": Column(
                "rho",
                "rho: Spearman's correlation over classes, between the share of right answers about a class and the accuracy on "
                "its images; empty where either is the same for all. CI: bootstrap of classes."
                if first
                else "",
            ),
            f"{name}_rho_interval": INTERVAL,
        }

    return {
        "model": MODEL,
        "task": TASK,
        "n_classes": Column("Classes"),
        "questions": Column("Questions"),
        "knowledge": Column(
            "Knowledge",
            "Knowledge: descriptions (%) of which the model names the class, without an image; a mean over classes. chance: of "
            "guessing among the options. Unnamed: answers (%) that name no option; they are wrong.",
        ),
        "knowledge_interval": INTERVAL,
        "chance": Column("chance"),
        "unnamed": Column("Unnamed"),
        **of("ImGT", first=True),
        **(of("ReGT", first=False) if study.regt else {}),
    }


def _numbers(name: str, of: pl.DataFrame, count: int) -> dict[str, Any]:
    share = (of["known"] / of["questions"]).to_numpy()
    drawn = _drawn(len(share), count)
    low, high = percentiles(share[drawn].mean(axis=1))
    questions = int(of["questions"].sum())
    row: dict[str, Any] = {
        "model": name,
        "scoring": of["scoring"][0],
        "n_classes": of.height,
        "questions": questions,
        **dict(
            zip((f"knowledge{end}" for end in ENDS), (_percent(it) for it in (share.mean(), low, high)), strict=True)
        ),
        "chance": _percent(float((of["options"] * of["questions"]).sum()) / questions),
        "unnamed": _percent(int(of["unnamed"].sum()) / questions),
    }
    for label_set in LABEL_SETS:
        pictured = of.filter(pl.col(label_set).is_not_null())
        row |= {f"{label_set}_{key}": value for key, value in _related(pictured, label_set, count).items()}
    return row


def _related(of: pl.DataFrame, label_set: str, count: int) -> dict[str, Any]:
    """Knowledge and accuracy over the classes that have images."""
    if not of.height:
        return {"n_classes": 0, "n_known": 0}
    share, accuracy = (of["known"] / of["questions"]).to_numpy(), of[label_set].to_numpy()
    drawn = _drawn(len(share), count)
    known = share == 1
    difference = np.array([_difference(known[it], accuracy[it]) for it in drawn])
    rho = np.array([correlation(share[it], accuracy[it]) for it in drawn])
    found: dict[str, Any] = {"n_classes": of.height, "n_known": int(known.sum()), "A": _percent(accuracy.mean())}
    for key, among in {"known": known, "unknown": ~known}.items():
        found[key] = _percent(accuracy[among].mean()) if among.any() else None
    found |= _with_interval("difference", _difference(known, accuracy), difference, 100)
    return found | _with_interval("rho", correlation(share, accuracy), rho, 1)


def _drawn(classes: int, count: int) -> np.ndarray[Any, np.dtype[np.int64]]:
    """Resamples of classes by their places. Shape: count x classes."""
    return np.stack([np.random.default_rng([SEED, number]).integers(0, classes, classes) for number in range(count)])


def _difference(known: np.ndarray[Any, np.dtype[np.bool_]], accuracy: Floats) -> float:
    if known.all() or not known.any():
        return float("nan")
    return float(accuracy[known].mean() - accuracy[~known].mean())


def correlation(one: Floats, other: Floats) -> float:
    """Spearman's rank correlation, with mean ranks of ties; NaN where either does not vary."""
    if np.ptp(one) == 0 or np.ptp(other) == 0:
        return float("nan")
    return float(np.corrcoef(rankdata(one), rankdata(other))[0, 1])


def _with_interval(key: str, exact: float, drawn: Floats, factor: float) -> dict[str, float | None]:
    """A number with its interval. Resamples in which it has no value are left out, if they are few; else there is none."""
    defined = drawn[np.isfinite(drawn)]
    bounds = percentiles(defined) if len(defined) >= 0.95 * len(drawn) else (np.nan, np.nan)
    ends = zip(ENDS, (exact, *bounds), strict=True)
    return {f"{key}{end}": round(float(it) * factor, 9) if np.isfinite(it) else None for end, it in ends}


def _percent(value: Any) -> float:
    # the last digits of a sum must not decide how 1.135 is rounded
    return round(float(value) * 100, 9)
