"""What a chat model answers from the prompt alone: without the image, on grey of its size, or on its pixels shuffled.

An accuracy above that of a fixed answer, where nothing is to be seen, tells of contamination or of a prior that fits the
data. No answer in words can have a prior taken off, as log-probabilities can: the accuracy can, as kappa (Cohen, 1960)
takes agreement by chance off.
"""

import numpy as np
import polars as pl

from mllm_classify.io.text import short
from mllm_classify.measures.bootstrap import resamples as resampled
from mllm_classify.measures.clusters import answered, with_clusters
from mllm_classify.measures.counting import LABEL_SETS
from mllm_classify.measures.intervals import Floats, percentiles
from mllm_classify.measures.priors import said
from mllm_classify.tables.table import ASIDE, INTERVAL, MODEL, TASK, Column, Study, Table, labelled, subtitle
from mllm_classify.tasks import MAIN_SCORINGS

KEYS = ["model", "scoring", "variant"]
ENDS = ("", "_low", "_high")
MEASURES = ("A", "main", "gain", "corrected")
"""Accuracy from the prompt alone; with the image; the difference; and its share of what the prompt alone leaves."""
SCHEMA: dict[str, pl.DataType] = {
    "n": pl.Int64(),
    "repeats": pl.Int64(),
    **{f"{name}_{it}{end}": pl.Float64() for name in LABEL_SETS for it in MEASURES for end in ENDS},
    "none": pl.Float64(),
    "n_said": pl.Int64(),
    "most": pl.String(),
    "most_share": pl.Float64(),
    "entropy": pl.Float64(),
    "perplexity": pl.Float64(),
}
BLIND = dict.fromkeys(["model", "variant", "shown"], pl.String)
PLACES = {name: place for place, name in enumerate(MAIN_SCORINGS)}
LONGEST = 40
"""Characters of a class's name."""


def priors(
    scores: pl.DataFrame,
    classes: pl.DataFrame,
    blind: list[list[str]],
    models: pl.DataFrame,
    study: Study,
    resamples: int,
) -> Table:
    """One row for each model, scoring and variant in which the image is not shown.

    `blind` are model, variant, and what is shown, in words, in the order of the configuration. Accuracies in percent, over
    repeats, with 95 % bootstrap intervals over the images that the main way has, too. `corrected` is (main - A) / (100 - A).
    `entropy` is of the classes that answers stand for, in bits; `perplexity` is 2 to its power: so many classes, equally
    often, would be as uncertain.
    """
    known = asked_blind(scores, blind)
    names = dict(classes.select("class_id", "name").iter_rows())
    cells = [
        dict(zip(KEYS, key, strict=True))
        | _accuracies(of, main_way(scores, of), study.n_images, resamples)
        | _prior(of, names)
        for key, of in known.group_by(KEYS, maintain_order=True)
    ]
    rows = (
        pl.DataFrame(cells, schema={**dict.fromkeys(KEYS, pl.String()), **SCHEMA})
        .join(_order(blind), on=["model", "variant"], how="left")
        .sort("model", pl.col("scoring").replace_strict(PLACES, return_dtype=pl.Int32), "order")
    )
    return Table(
        labelled(rows, models, study, ["variant", "shown", *SCHEMA]),
        "Answers from the prompt alone",
        subtitle(study, rows),
        _columns(study),
    )


def _columns(study: Study) -> dict[str, Column]:
    regt = {
        "ReGT_A": Column(study.named("ReGT")),
        "ReGT_A_interval": ASIDE,
        "ReGT_gain": Column("gain"),
        "ReGT_corrected": Column("corrected"),
    }
    return {
        "model": MODEL,
        "task": TASK,
        "variant": Column("Variant", words=True, latex=False),
        "shown": Column("Shown", words=True),
        "n": Column("n"),
        "repeats": Column("Repeats"),
        "ImGT_A": Column(
            study.named("ImGT"),
            "Accuracy (%) where the image is not shown; a mean over repeats. CI: bootstrap of images.",
        ),
        "ImGT_A_interval": INTERVAL,
        "ImGT_gain": Column("gain", "gain: what the image adds, in points, on the same images."),
        "ImGT_gain_interval": INTERVAL,
        "ImGT_corrected": Column(
            "corrected",
            "corrected: the gain as a share (%) of what the prompt alone leaves, 100 minus that accuracy, as kappa takes "
            "chance off. It corrects the accuracy, not the answers: these have no probabilities to divide by.",
        ),
        **(regt if study.regt else {}),
        "n_said": Column(
            "Classes",
            "Classes: how many were said; Most: the one that was said most often, and its share (%) of the answers that stand "
            "for a class. None: answers (%) that stand for no class.",
        ),
        "most": Column("Most", words=True),
        "most_share": Column("%"),
        "perplexity": Column(
            "as many as",
            "as many as: 2 to the power of the entropy of the classes said: so many, equally often, are as concentrated.",
        ),
        "none": Column("None"),
    }


def _order(blind: list[list[str]]) -> pl.DataFrame:
    return pl.DataFrame(blind, schema=BLIND, orient="row").with_row_index("order")


def asked_blind(scores: pl.DataFrame, blind: list[list[str]]) -> pl.DataFrame:
    """Scores of the main scorings of variants in which images are not shown."""
    return scores.filter(pl.col("scoring").is_in(MAIN_SCORINGS)).join(
        _order(blind).select("model", "variant"), on=["model", "variant"], how="semi", maintain_order="left"
    )


def main_way(scores: pl.DataFrame, of: pl.DataFrame) -> pl.DataFrame:
    """Scores of the main way of the task that a variant's scores are of."""
    about = of.select("model", "scoring").unique()
    return scores.filter(pl.col("variant") == "").join(about, on=["model", "scoring"], how="semi")


def _accuracies(of: pl.DataFrame, main: pl.DataFrame, n_images: str, count: int) -> dict[str, float | int | str | None]:
    row: dict[str, float | int | str | None] = {"n": of["image_id"].n_unique(), "repeats": of["repeat"].n_unique()}
    for name in LABEL_SETS:
        mine = _by_image(of, name, n_images)
        both = mine.join(_by_image(main, name, n_images), on="image_id", suffix="_main").sort("image_id")
        if not both.height:
            row[f"{name}_A"] = None if not mine.height else float(mine["value"].mean()) * 100  # type: ignore[arg-type]
            continue
        values = both.select("value", "value_main").to_numpy()
        exact = _measured(values.mean(axis=0, keepdims=True))
        drawn = _measured(np.concatenate([block @ values / len(values) for block in resampled(len(values), count)]))
        for measure, number in exact.items():
            low, high = percentiles(drawn[measure])
            ends = zip(ENDS, (number[0], low, high), strict=True)
            # the last digits of a sum must not decide how 1.135 is rounded
            row |= {f"{name}_{measure}{end}": round(float(it), 9) if np.isfinite(it) else None for end, it in ends}
    return row


def _by_image(scores: pl.DataFrame, name: str, n_images: str) -> pl.DataFrame:
    """The share of repeats in which each image was answered correctly: image_id, value."""
    of = answered(with_clusters(scores), name, n_images)
    return of.group_by("image_id").agg(pl.col("value").mean()).sort("image_id")


def _measured(shares: Floats) -> dict[str, Floats]:
    """MEASURES in percent and points of shares of correct answers without, and with, the image. Shape: n x 2."""
    alone, main = shares[:, 0], shares[:, 1]
    with np.errstate(invalid="ignore", divide="ignore"):
        corrected = np.where(alone < 1 - 1e-9, (main - alone) / (1 - alone), np.nan)
    return dict(zip(MEASURES, (alone * 100, main * 100, (main - alone) * 100, corrected * 100), strict=True))


def _prior(of: pl.DataFrame, names: dict[int, str]) -> dict[str, float | int | str | None]:
    none = (pl.col("status") == "error") | (pl.col("predicted").list.len() == 0) | pl.col("predicted").is_null()
    row: dict[str, float | int | str | None] = {"none": float(of.select(none.mean()).item()) * 100}
    classes = said(of, KEYS)
    row["n_said"] = classes.height
    if classes.height:
        # of equal shares the lowest id; shares that differ in the last bit are equal
        class_id, share = classes.sort(pl.col("share").round(12), "class_id", descending=[True, False]).row(0)[-2:]
        shares = classes["share"].to_numpy()
        entropy = float(max(0.0, -(shares * np.log2(shares)).sum()))
        row |= {"most": short(names[class_id], LONGEST), "most_share": share * 100}
        row |= {"entropy": entropy, "perplexity": 2**entropy}
    return row
