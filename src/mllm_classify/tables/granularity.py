"""Whether answers are as specific as the labels, and how far wrong ones are from them, in the hierarchy of the classes."""

import numpy as np
import polars as pl

from mllm_classify.measures.bootstrap import resamples as draws
from mllm_classify.measures.counting import percentages
from mllm_classify.measures.granularity import RELATIONS, UNPLACED, placed
from mllm_classify.measures.intervals import Floats, percentiles
from mllm_classify.measures.selection import evaluated
from mllm_classify.tables.table import ASIDE, MODEL, TASK, Column, Study, Table, labelled, subtitle
from mllm_classify.tasks import MAIN_SCORINGS

KEYS = ["model", "scoring", "reading", "label_set"]
SHARES = [*RELATIONS, UNPLACED]
MEANS = {
    "height": ("height", "n_placed"),
    "height_of_mistakes": ("mistaken", "n_mistakes"),
    "hP": ("common", "above"),
    "hR": ("common", "above_label"),
}
"""Sums over answers, of which one is divided by the other."""
SUMMED = ["height", "mistaken", "common", "above", "above_label", "n_placed", "n_mistakes"]
AT_ONCE = 64
"""Rows that are taken on the same resamples at once."""
READING = Column(
    "Read by",
    "Read by words: an answer's own words, lower-cased and stripped, are looked up among the names of all nodes; by classes: the "
    "classes that it stands for under the task's scoring.",
    words=True,
)


def granularity(
    scores: pl.DataFrame,
    labels: pl.DataFrame,
    worded_predictions: dict[str, pl.LazyFrame],
    hierarchy: pl.DataFrame,
    models: pl.DataFrame,
    study: Study,
    resamples: int,
    hierarchy_label: str,
) -> Table:
    """One row a model, task, reading (words or classes) and label set: shares (%) of answers by RELATIONS, and severity.

    `height` is the mean height of the lowest common ancestor (Bertinetto et al., CVPR 2020) of all placed answers, and
    `height_of_mistakes` of those of them that are not right; `hP` and `hR` are hierarchical precision and recall
    (Kiritchenko et al., 2006), in percent. Intervals of shares are Wilson's, others the bootstrap's over images.
    """
    answers = placed(scores, labels, worded_predictions, hierarchy).with_columns(
        n_placed=(pl.col("relation") != UNPLACED).cast(pl.Int64),
        n_mistakes=(~pl.col("relation").is_in(["right", UNPLACED])).cast(pl.Int64),
    )
    answers = answers.with_columns(mistaken=pl.col("height") * pl.col("n_mistakes"))
    counted = answers.group_by(KEYS).agg(
        *((pl.col("relation") == name).sum().alias(name) for name in SHARES),
        *(pl.len().alias(f"{name}_total") for name in SHARES),
        (pl.col("senses") > 1).sum().alias("n_ambiguous"),
        pl.len().alias("n"),
        pl.col("n_placed").sum(),
    )
    rows = (
        percentages(counted, SHARES)
        .join(_severity(answers, evaluated(labels)["image_id"], resamples), on=KEYS, how="left")
        .sort(
            "model",
            pl.col("scoring").replace_strict({name: place for place, name in enumerate(MAIN_SCORINGS)}),
            pl.col("reading"),
            pl.col("label_set"),
            descending=[False, False, True, False],
        )
    )
    columns = [
        "reading",
        "label_set",
        *_with_intervals(SHARES),
        *_with_intervals([*MEANS]),
        "n_placed",
        "n_ambiguous",
        "n",
    ]
    return Table(
        labelled(rows, models, study, columns).with_columns(pl.lit(hierarchy_label).alias("hierarchy")),
        "Granularity of answers (%), and severity of mistakes",
        f"{subtitle(study, rows)}; hierarchy: {hierarchy_label}",
        _columns(),
    )


def _with_intervals(names: list[str]) -> list[str]:
    return [f"{name}{end}" for name in names for end in ("", "_low", "_high")]


def _severity(answers: pl.DataFrame, images: pl.Series, count: int) -> pl.DataFrame:
    """The columns of MEANS with their intervals, by KEYS."""
    place = {image: number for number, image in enumerate(images.sort())}
    parts = list(answers.sort(KEYS).group_by(KEYS, maintain_order=True))
    found = []
    for start in range(0, len(parts), AT_ONCE):
        some = parts[start : start + AT_ONCE]
        values = np.zeros((len(place), len(some), len(SUMMED)), dtype=np.float32)
        for number, (_, part) in enumerate(some):
            rows = [place[image] for image in part["image_id"]]
            values[rows, number] = part.select(pl.col(SUMMED).fill_null(0)).to_numpy()
        flat = values.reshape(len(place), -1)
        drawn = np.concatenate([block @ flat for block in draws(len(place), count)]).reshape(-1, *values.shape[1:])
        exact = _ratios(values.sum(axis=0, dtype=np.float64))
        low, high = percentiles(_ratios(drawn.astype(np.float64)))
        each = np.stack([exact, low, high], axis=-1).reshape(len(some), -1)
        found += [(*key, *row) for (key, _), row in zip(some, each.tolist(), strict=True)]
    schema = dict.fromkeys(KEYS, pl.String) | dict.fromkeys(_with_intervals([*MEANS]), pl.Float64)
    return pl.DataFrame(found, schema=schema, orient="row").fill_nan(None)


def _ratios(sums: Floats) -> Floats:
    """The columns of MEANS from sums of SUMMED, both along the last axis; NaN where the divisor is 0."""
    at = {name: sums[..., number] for number, name in enumerate(SUMMED)}
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.stack(
            [at[over] / at[under] * (100 if name in ("hP", "hR") else 1) for name, (over, under) in MEANS.items()],
            axis=-1,
        )


def _columns() -> dict[str, Column]:
    return {
        "model": MODEL,
        "task": TASK,
        "reading": READING,
        "label_set": Column("Labels", "Images to which no class applies are left out.", words=True),
        "right": Column("Right", "Of several meanings of an answer, and of several labels, the best counts."),
        "right_interval": Column("95 % CI", "CI: Wilson.", latex=False),
        "too_specific": Column("Too specific", "Too specific: a kind of what the label names; too general: what the label is a kind of."),
        "too_general": Column("Too general"),
        "too_general_interval": ASIDE,
        "sibling": Column("Sibling", "Sibling: of a kind with the label, or a kind of what is. Far: all others."),
        "far": Column("Far"),
        "unplaced": Column(
            "Unplaced", "Unplaced: answers that are no name in the hierarchy, that stand for no class, and errors."
        ),
        "height": Column(
            "Height",
            "Height of the lowest common ancestor of answer and label above the classes: mean over placed answers, and over those "
            "that are not right.",
        ),
        "height_of_mistakes": Column("of mistakes"),
        "height_of_mistakes_interval": ASIDE,
        "hP": Column("hP", "hP, hR: of all that the answer is a kind of, itself among it, the share (%) that the label is, too, and the reverse."),
        "hR": Column("hR"),
        "n": Column("n"),
    }  # fmt: skip
