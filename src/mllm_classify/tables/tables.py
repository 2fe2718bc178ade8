"""Scores as tables: the paper's 2 to 5, every accuracy with its intervals, and comparisons between models.

Each is a CSV, or Parquet, for machines; those that people read are Markdown, HTML and LaTeX too.
"""

import hashlib
import re
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import polars as pl
from great_tables import GT
from tabulate import tabulate

from mllm_classify.io.files import written
from mllm_classify.io.text import visible
from mllm_classify.measures import statistics

SUBSETS: dict[str, list[str | None]] = {
    "A": ["S+", "S-", "M+", "M-", "N"],
    "S": ["S+", "S-"],
    "S+": ["S+"],
    "S-": ["S-"],
    "M": ["M+", "M-"],
    "M+": ["M+"],
    "M-": ["M-"],
    "N": ["N"],
}
"""Label categories by the disjoint ones that they are made of (Table 1)."""
STATUSES = {"errors": "error", "empty": "empty", "several": "several"}
"""Answers that are counted apart, by the name of the count."""
EXTREMES = [f"{label_set}_A_{case}" for label_set in ("ImGT", "ReGT") for case in ("worst", "best")]
"""Accuracy if all errors were wrong, as they are scored, and if all were right."""
REGT = {f"ReGT_{subset}": subset for subset in SUBSETS if subset != "N"}
ALL: list[str | None] = [None, *SUBSETS["A"]]
RULES: dict[str, list[str | None]] = {
    "correct": SUBSETS["A"],
    "excluded": [category for category in SUBSETS["A"] if category != "N"],
}
"""The categories that ReGT accuracy is over, by the rule for images in N: the paper's, and ReaL's."""
ACCURACIES = ["ImGT_A", *REGT, "ImGT_and_ReGT"]
SELECTABLE = ["OW", "CW+"]
"""Scorings among which a model that answers in words is shown at its best in Table 3; the first wins a full tie."""
SCORINGS = ["OW", "CW+", "CW", "CW-constrained"]
WORDS = {
    *(
        "statistic",
        "model",
        "family",
        "task",
        "class",
        "distractors",
        "protocol",
        "used_by",
        "what",
        "variant",
        "differs",
    ),
    *("label_set", "signal", "text", "nearest", "other", "ranking", "criterion", "paradigm", "category", "image_id"),
    *("imgt_label", "regt_labels", "prediction", "taken_for", "part", "item", "value", "digest"),
    *("encoder", "templates", "answers", "chosen", "differs_from", "members"),
}
"""Columns of words, which stand on the left; figures stand on the right."""
NOT_IN_LATEX = {
    *("family", "ImGT_A_interval", "ReGT_A_interval", "crossfit", "what", "differs", "random_minus_ImGT_A_interval"),
    *("templates", "OOP_ImGT_interval", "members"),
    *("share_random", "share_confusion", "share_tie", "share_fallback"),
}
"""Columns that a page of a paper has no room for; the paper's own tables do not have them either."""


class Study(NamedTuple):
    """What the figures are of. Every table carries it."""

    dataset: str
    imgt: str
    regt: str | None
    equivalences: str | None
    classes: str
    n_images: str = "correct"  # or excluded: the rule for images without a label
    excluded: int = 0  # images that a label set leaves open

    def columns(self) -> list[pl.Expr]:
        fields = self._asdict() | {"excluded": str(self.excluded)}
        return [pl.lit(value, dtype=pl.String).alias(name) for name, value in fields.items()]

    def named(self, column: str) -> str:
        """ImGT or ReGT with the label set's own name."""
        name = self.imgt if column == "ImGT" else self.regt
        return f"{column} ({name})" if name else column

    def __str__(self) -> str:
        parts = [
            self.dataset,
            f"ImGT: {self.imgt}",
            f"ReGT: {self.regt or 'none'}",
            f"equivalences: {self.equivalences or 'none'}",
            f"classes: {self.classes}",
        ]
        if self.excluded:
            parts.append(f"{self.excluded} images with an open label left out")
        return "; ".join(parts)


class Table(NamedTuple):
    """One table. `figures` are for machines, and their first columns are the paper's; the rest is for people."""

    figures: pl.DataFrame
    title: str
    subtitle: str
    headers: dict[str, str]  # of the columns that people see; `_interval` stands for `_low` and `_high`
    notes: dict[str, str]  # by the column that they explain


def in_subset(subset: str) -> pl.Expr:
    return pl.col("category").is_in(SUBSETS[subset])


def fixed(column: str, decimals: int) -> pl.Expr:
    """Figures as text with so many decimals; null stays null."""
    return pl.col(column).map_elements(lambda value: f"{value:z.{decimals}f}", return_dtype=pl.String)


def fold(image_id: str) -> int:
    """Which half of the images one belongs to when tasks are chosen on the other half: 0 or 1, from its id alone."""
    return hashlib.sha256(f"fold:{image_id}".encode()).digest()[0] % 2


def counts(scores: pl.DataFrame) -> pl.DataFrame:
    """Numbers of images, and of correct ones, per model, scoring, fold and category: what tables 3 to 5 are made of.

    `common` are images of which a model was asked every task that is chosen among: a pilot of one of them has fewer.
    """
    ids = scores["image_id"].unique()
    folds = pl.DataFrame({"image_id": ids, "fold": [fold(image_id) for image_id in ids]})
    return (
        scores.join(folds, on="image_id", how="left")
        .join(common_images(scores), on=["model", "image_id"], how="left")
        .with_columns(pl.col("common").fill_null(value=True))
        .group_by("model", "scoring", "fold", "category", "common")
        .agg(
            pl.len().alias("n"),
            pl.col("imgt").sum(),
            pl.col("regt").sum(),
            (pl.col("imgt") & pl.col("regt")).sum().alias("both"),
            pl.col("oop").sum(),
            *(pl.col("status").eq(kind).sum().alias(f"n_{name}") for name, kind in STATUSES.items()),
            (pl.col("regt").is_not_null() & (pl.col("status") == "error")).sum().alias("regt_errors"),
        )
        .sort("model", "scoring", "fold", "category", "common", nulls_last=True)
    )


def common_images(scores: pl.DataFrame) -> pl.DataFrame:
    """Whether an image (columns model, image_id) has all of the model's SELECTABLE scorings; all have, where none has."""
    chosen_among = scores.filter(pl.col("scoring").is_in(SELECTABLE))
    asked = chosen_among.group_by("model").agg(pl.col("scoring").n_unique().alias("asked"))
    has_all = pl.col("len") == pl.col("asked")
    return (
        chosen_among.group_by("model", "image_id")
        .len()
        .join(asked, on="model")
        .select("model", "image_id", common=has_all | ~has_all.any().over("model"))
    )


def accuracy(counted: pl.DataFrame, n_images: str) -> pl.DataFrame:
    """Accuracy in percent (eq. 2) per model and scoring, its 95 % Wilson interval, and the number of images.

    Columns of ACCURACIES, each with `_low` and `_high`, null where there is no image; `n`, and `n_` of every subset.
    Where images in N are excluded, ReGT_A and ImGT_and_ReGT leave them out.
    """
    parts = {
        "ImGT_A": ("imgt", pl.lit(value=True)),
        **{name: ("regt", in_subset(subset)) for name, subset in REGT.items()},
        "ReGT_A": ("regt", judged(n_images)),
        "ImGT_and_ReGT": ("both", judged(n_images)),
    }
    result = counted.group_by("model", "scoring", maintain_order=True).agg(
        *(pl.col(count).filter(among).sum().alias(name) for name, (count, among) in parts.items()),
        *(pl.col("n").filter(among).sum().alias(f"{name}_total") for name, (_, among) in parts.items()),
        *(pl.col(f"n_{name}").sum() for name in STATUSES),
        pl.col("regt_errors").filter(judged(n_images)).sum(),
        *sizes(),
    )
    gains = {"ImGT_A": pl.col("n_errors"), "ReGT_A": pl.col("regt_errors")}
    extremes = [
        pl.when(pl.col(f"{name}_total") > 0)
        .then((pl.col(name) + gain) / pl.col(f"{name}_total") * 100)
        .alias(f"{name}_{case}")
        for name, errors in gains.items()
        for case, gain in {"worst": pl.lit(0), "best": errors}.items()
    ]
    return percentages(result.with_columns(extremes), ACCURACIES)


def percentages(counted: pl.DataFrame, names: list[str]) -> pl.DataFrame:
    """Numbers of images as percentages of `_total`, with Wilson's interval as `_low` and `_high`; null of none."""
    for name in names:
        total = pl.col(f"{name}_total")
        low, high = statistics.wilson(counted[name].to_numpy(), counted[f"{name}_total"].to_numpy())
        counted = counted.with_columns(
            pl.when(total > 0).then(pl.col(name) / total * 100).alias(name),
            pl.Series(f"{name}_low", low * 100).fill_nan(None),
            pl.Series(f"{name}_high", high * 100).fill_nan(None),
        )
    return counted.drop(f"{name}_total" for name in names)


def sizes() -> list[pl.Expr]:
    """Number of images, and in every subset; without a second label set, in all of them together only."""
    known = pl.col("category").is_not_null().any()
    return [
        pl.col("n").sum(),
        *(
            pl.when(known).then(pl.col("n").filter(in_subset(subset)).sum()).alias(f"n_{subset}")
            for subset in SUBSETS
            if subset != "A"
        ),
    ]


def judged(n_images: str) -> pl.Expr:
    """Whether ReGT accuracy is over a category, by the rule for N."""
    return pl.col("category").is_in(RULES[n_images])


def best_scoring(counted: pl.DataFrame, n_images: str) -> pl.DataFrame:
    """For each model that answers in words, the scoring of highest ImGT accuracy; ties by ReGT, then OW.

    Columns model, scoring.
    """
    order = {name: rank for rank, name in enumerate(SELECTABLE)}
    return (
        counted.filter(pl.col("scoring").is_in(SELECTABLE) & pl.col("common"))
        .group_by("model", "scoring")
        .agg(
            pl.col("imgt").sum() / pl.col("n").sum(),
            (pl.col("regt").filter(judged(n_images)).sum() / pl.col("n").filter(judged(n_images)).sum()).fill_nan(0),
        )
        .sort("model", "imgt", "regt", pl.col("scoring").replace_strict(order), descending=[False, True, True, False])
        .group_by("model", maintain_order=True)
        .agg(pl.col("scoring").first())
    )


def shown_rows(counted: pl.DataFrame, n_images: str) -> pl.DataFrame:
    """The rows of Table 3, as model and scoring: words at their best task, rankings as they are."""
    best = best_scoring(counted, n_images)
    rankings = counted.filter((pl.col("scoring") == "CW") & ~pl.col("model").is_in(best["model"].implode()))
    return pl.concat([best, rankings.select("model", "scoring").unique(maintain_order=True)])


def cross_fitted(counted: pl.DataFrame, n_images: str) -> pl.DataFrame:
    """Accuracy when each half of the images is scored by the task that was best on the other half.

    Columns model, crossfit_task (the choices for half 0 and half 1), crossfit_ImGT_A, crossfit_ReGT_A.
    """
    kept = pl.concat(
        counted.filter(pl.col("fold") == half).join(
            best_scoring(counted.filter(pl.col("fold") != half), n_images), on=["model", "scoring"], how="semi"
        )
        for half in (0, 1)
    )
    images = pl.col("n").filter(judged(n_images)).sum()
    return kept.group_by("model").agg(
        pl.col("scoring").sort_by("fold").unique(maintain_order=True).str.join(" / ").alias("crossfit_task"),
        (pl.col("imgt").sum() / pl.col("n").sum() * 100).alias("crossfit_ImGT_A"),
        pl.when(images > 0).then(pl.col("regt").filter(judged(n_images)).sum() / images * 100).alias("crossfit_ReGT_A"),
    )


class Matrices(NamedTuple):
    """Answers of every row (model and scoring) to every image, and correct ones among them. Shapes: images x rows.

    0 or 1, or more where a question was asked repeatedly.
    """

    rows: pl.DataFrame  # model, scoring
    categories: list[str | None]  # of each image
    present: statistics.Flags
    imgt: statistics.Flags
    regt: statistics.Flags  # zeros without a second label set
    both: statistics.Flags


def matrices(scores: pl.DataFrame, images: pl.DataFrame) -> Matrices:
    """Images in the order of their ids, rows in the order of model and scoring.

    Scores with a column `answers` count these: imgt, regt and both say how many of them are correct.

    `images`, with image_id and category, are all that are evaluated, whether or not a model has them: what is drawn
    from them then depends on no model.
    """
    rows = scores.select("model", "scoring").unique().sort("model", "scoring").with_row_index("row")
    images = images.sort("image_id").with_row_index("image")
    if "answers" not in scores.columns:
        once = [pl.lit(1).alias("answers"), (pl.col("imgt") & pl.col("regt")).alias("both")]
        scores = scores.with_columns(once)
    places = (
        scores.select("model", "scoring", "image_id", "answers", "imgt", "regt", "both")
        .join(images.select("image_id", "image"), on="image_id", how="left")
        .join(rows, on=["model", "scoring"], how="left")
    )
    flat = places["image"].to_numpy().astype(np.int64) * rows.height + places["row"].to_numpy()

    def matrix(column: str) -> statistics.Flags:
        result = np.zeros(images.height * rows.height, dtype=np.float32)
        result[flat] = places[column].cast(pl.Float32).fill_null(0)
        return result.reshape(images.height, rows.height)

    return Matrices(
        rows.drop("row"),
        images["category"].to_list(),
        *(matrix(column) for column in ("answers", "imgt", "regt", "both")),
    )


class Sums(NamedTuple):
    """Correct answers, and all, per category, over resamples of the images. Shapes: resamples x categories x rows."""

    categories: list[str | None]
    imgt: statistics.Floats
    regt: statistics.Floats
    both: statistics.Floats
    present: statistics.Floats

    def total(self, measure: str, among: list[str | None]) -> statistics.Floats:
        """Sums of one measure over these categories. Shape: resamples x rows."""
        kept = [number for number, category in enumerate(self.categories) if category in among]
        found: statistics.Floats = getattr(self, measure)[:, kept].sum(axis=1)
        return found

    def accuracy(self, measure: str, among: list[str | None]) -> statistics.Floats:
        """The share of correct answers, in percent; NaN where there is none. Shape: resamples x rows."""
        with np.errstate(invalid="ignore", divide="ignore"):
            return self.total(measure, among) / self.total("present", among) * 100


def sums(found: Matrices, blocks: Iterable[statistics.Flags]) -> Sums:
    categories = sorted(set(found.categories), key=str)
    codes = np.array([categories.index(category) for category in found.categories])
    columns = np.concatenate([found.imgt, found.regt, found.both, found.present], axis=1)
    each = statistics.category_sums(blocks, columns, codes, len(categories)).astype(np.float64)
    return Sums(categories, *np.split(each, 4, axis=2))


def resampled(found: Matrices, count: int) -> tuple[Sums, Sums]:
    """Sums over the images as they are (one resample), and over `count` resamples of them."""
    images = len(found.categories)
    return sums(found, [np.ones((1, images), np.float32)]), sums(found, statistics.resamples(images, count))


MEASURES = {"ImGT": "imgt", "ReGT": "regt", "ImGT and ReGT": "both"}
CHANGE = "change"


def figure(of: Sums, measure: str, among: list[str | None]) -> statistics.Floats:
    """Accuracy by a measure over some categories; the change is ReGT's over these minus ImGT's over all images."""
    if measure == CHANGE:
        return of.accuracy("regt", among) - of.accuracy("imgt", ALL)
    return of.accuracy(MEASURES[measure], among)


def accuracies(
    scores: pl.DataFrame, images: pl.DataFrame, models: pl.DataFrame, study: Study, count: int
) -> pl.DataFrame:
    """Every accuracy in percent, long: per model, task, measure, rule for N and subset, with two 95 % intervals.

    Measures: ImGT, ReGT, `ImGT and ReGT` (correct under both), and `change`, ReGT minus ImGT in points, whose interval
    is paired: both are taken on the same resamples of the images. The rule for N does not concern ImGT, which is over
    all images. There is no row for a subset without images. `images` are as in `matrices`.
    """
    found = matrices(scores, images)
    exact, drawn = resampled(found, count)
    cells: list[tuple[str, str | None, str, list[str | None]]] = [
        ("ImGT", None, "A", ALL),
        *(("ImGT", None, subset, parts) for subset, parts in SUBSETS.items() if subset != "A"),
        *(
            (measure, rule, "A", among)
            for measure in ("ReGT", "ImGT and ReGT", CHANGE)
            for rule, among in RULES.items()
        ),
        *(("ReGT", "correct", subset, SUBSETS[subset]) for subset in REGT.values() if subset != "A"),
    ]
    frames = []
    for measure, rule, subset, among in cells:
        total = exact.total("present", among)[0]
        correct = None if measure == CHANGE else exact.total(MEASURES[measure], among)[0]
        bounds = {"bootstrap": statistics.percentiles(figure(drawn, measure, among))}
        if correct is not None:
            bounds["wilson"] = tuple(bound * 100 for bound in statistics.wilson(correct, total))  # type: ignore[assignment]
        columns = {"n": total, "correct": correct, "accuracy": figure(exact, measure, among)[0]}
        columns |= {
            f"{kind}_{end}": bounds[kind][place] if kind in bounds else None
            for kind in ("wilson", "bootstrap")
            for place, end in enumerate(("low", "high"))
        }
        frames.append(
            found.rows.with_columns(
                pl.lit(measure).alias("measure"),
                pl.lit(rule, dtype=pl.String).alias("n_images"),
                pl.lit(subset).alias("subset"),
                *(
                    pl.lit(None, dtype=pl.Float64).alias(name)
                    if values is None
                    else pl.Series(name, values, dtype=pl.Float64).fill_nan(None)
                    for name, values in columns.items()
                ),
            )
        )
    integers = [pl.col("n").cast(pl.Int64), pl.col("correct").cast(pl.Int64)]
    about = [column for column in study.columns() if column.meta.output_name() != "n_images"]
    return named(pl.concat(frames).filter(pl.col("n") > 0).with_columns(integers), models).with_columns(about)


def named(figures: pl.DataFrame, models: pl.DataFrame) -> pl.DataFrame:
    """Models under their labels, and `task` for scoring; the names stay as `name`."""
    return figures.rename({"model": "name", "scoring": "task"}).join(
        models.rename({"model": "name", "label": "model"}), on="name", how="left", maintain_order="left"
    )


def ranking(scores: pl.DataFrame, images: pl.DataFrame, models: pl.DataFrame, study: Study, count: int) -> Table:
    """The rows of Table 3 ranked under both label sets: intervals of ranks and of the change, and Kendall's tau.

    `images` are as in `matrices`.
    """
    shown = scores.join(shown_rows(counts(scores), study.n_images), on=["model", "scoring"], how="semi")
    found = matrices(shown, images)
    exact, drawn = resampled(found, count)
    among = RULES[study.n_images]
    columns: dict[str, np.ndarray] = {}
    for measure, over in {"ImGT": ALL, "ReGT": among}.items():
        values = figure(exact, measure, over)
        columns[f"{measure}_A"] = values[0]
        if not np.isnan(values).any():
            columns[f"{measure}_A_rank"] = statistics.dense_ranks(values)[0]
            low, high = statistics.rank_intervals(figure(drawn, measure, over))
            columns |= {f"{measure}_A_rank_low": low, f"{measure}_A_rank_high": high}
    columns["change"] = figure(exact, CHANGE, among)[0]
    columns["change_low"], columns["change_high"] = statistics.percentiles(figure(drawn, CHANGE, among))
    one, other = figure(drawn, "ImGT", ALL), figure(drawn, "ReGT", among)
    rows = found.rows.height
    taus = np.array([statistics.tau(*pair) for pair in zip(one, other, strict=True)])
    columns["tau"] = np.full(rows, statistics.tau(columns["ImGT_A"], columns["ReGT_A"]))
    columns["tau_low"], columns["tau_high"] = (np.full(rows, bound) for bound in statistics.percentiles(taus))
    ranks = [f"{measure}_A_rank{end}" for measure in ("ImGT", "ReGT") for end in ("", "_low", "_high")]
    figures = found.rows.with_columns(
        *(pl.Series(name, values).fill_nan(None) for name, values in columns.items() if name not in ranks),
        *(
            pl.Series(name, columns.get(name, [None] * rows), dtype=pl.Float64).fill_nan(None).cast(pl.Int64)
            for name in ranks
        ),
        pl.Series("n", exact.total("present", ALL)[0]).cast(pl.Int64),
    ).sort("ImGT_A", "ReGT_A", "model", nulls_last=True)
    tau = figures.select("tau", "tau_low", "tau_high").row(0) if rows else (None, None, None)
    notes = {"ImGT_A_rank": "Ranks: 1 is best, equal accuracies share one; beside them where 95 % of the bootstrap's resamples put them. "
             "Change: ReGT minus ImGT, in points, with a paired bootstrap interval."}  # fmt: skip
    if tau[0] is not None:
        interval = f" ({tau[1]:.2f} to {tau[2]:.2f})" if None not in tau else ""
        notes["change"] = f"Kendall's tau between both rankings: {tau[0]:.2f}{interval}."
    return Table(
        labelled(
            figures,
            models,
            study,
            ["ImGT_A", "ImGT_A_rank", "ImGT_A_rank_low", "ImGT_A_rank_high", "ReGT_A", "ReGT_A_rank", "ReGT_A_rank_low",
             "ReGT_A_rank_high", "change", "change_low", "change_high", "tau", "tau_low", "tau_high", "family", "n"],
        ),
        "Ranking under both label sets",
        subtitle(study, figures),
        {
            "model": "Model",
            "family": "Family",
            "task": "Task",
            **_n(figures),
            "ImGT_A": study.named("ImGT"),
            "ImGT_A_rank": "Rank",
            "ImGT_A_rank_interval": "95 %",
            "ReGT_A": study.named("ReGT"),
            "ReGT_A_rank": "Rank",
            "ReGT_A_rank_interval": "95 %",
            "change": "Change",
            "change_interval": "95 % CI",
        },
        notes,
    )  # fmt: skip


def mcnemar(scores: pl.DataFrame, images: pl.DataFrame, models: pl.DataFrame, study: Study) -> pl.DataFrame:
    """McNemar's exact test between any two rows (model and task), on the images that both have.

    All pairs under one label set are one family for Holm's correction. Images in N are left out under ReGT where the
    rule says so. Columns: measure, model_a, task_a, model_b, task_b, n, only_a, only_b (images that only this one has
    right), difference (a minus b, points) with its 95 % interval, p, p_holm, tests (the family's size).
    """
    found = matrices(scores, images)
    rows = named(found.rows, models)
    pairs = compared(found, study.n_images)
    sides = [
        rows[column].gather(pairs[side]).alias(f"{column}_{side}")
        for side in ("a", "b")
        for column in ("model", "task")
    ]
    return as_text(pairs.select("measure", *sides, pl.exclude("measure", "a", "b"))).with_columns(*study.columns())


def compared(found: Matrices, n_images: str) -> pl.DataFrame:
    """McNemar's exact test between any two rows, on the images that both have, corrected for all of them.

    Columns: measure, a, b (the places of both rows), n, only_a, only_b, difference (points) with its 95 % interval, p,
    p_holm, tests (their number). Images in N are left out under ReGT where the rule says so.
    """
    frames = []
    for measure, among in {"ImGT": ALL, "ReGT": RULES[n_images]}.items():
        kept = np.array([category in among for category in found.categories])
        if not kept.any():
            continue
        pairs = statistics.mcnemar(getattr(found, MEASURES[measure])[kept], found.present[kept])
        frames.append(
            pl.DataFrame(
                {
                    "measure": pl.Series([measure] * len(pairs.first), dtype=pl.String),
                    "a": pairs.first,
                    "b": pairs.second,
                    "n": pairs.images,
                    "only_a": pairs.only_first,
                    "only_b": pairs.only_second,
                    "difference": pairs.difference * 100,
                    "difference_low": pairs.low * 100,
                    "difference_high": pairs.high * 100,
                    "p": pairs.p,
                    "p_holm": pairs.p_holm,
                }
            ).with_columns(pl.lit(len(pairs.first)).alias("tests"))
        )
    return pl.concat(frames)


def as_text(pairs: pl.DataFrame) -> pl.DataFrame:
    """Differences and p of compared pairs as the CSV has them."""
    percent = [fixed(name, 2) for name in ("difference", "difference_low", "difference_high")]
    p = [
        # smaller ones than a float can hold come as 0
        pl.col(name).map_elements(lambda value: f"{value:.3g}" if value else "<1e-300", return_dtype=pl.String)
        for name in ("p", "p_holm")
    ]
    return pairs.fill_nan(None).with_columns(*percent, *p)


def mustelidae(
    scores: pl.DataFrame, labels: pl.DataFrame, classes: pl.DataFrame, models: pl.DataFrame, study: Study
) -> Table:
    """Accuracy on the weasel family under ImGT and under the expert labels, by ImGT class.

    The rule for images in N holds for those to which the expert gave no class.
    """
    names = classes.select(pl.col("class_id").alias("imgt_class"), pl.col("name").alias("class"))
    original = labels.select("image_id", pl.col("imgt").alias("imgt_class")).join(names, on="imgt_class", how="left")
    none = labels.filter((pl.col("expert").list.len() == 0) & pl.col("excluded").is_null())["image_id"]
    seen = scores.filter(pl.col("expert").is_not_null()).join(original, on="image_id", how="left")
    if study.n_images == "excluded":
        seen = seen.filter(~pl.col("image_id").is_in(none.implode()))
    every = pl.concat([seen, seen.with_columns(pl.lit("all").alias("class"), pl.lit(-1, pl.Int32).alias("imgt_class"))])
    counted = (
        every.group_by("model", "scoring", "imgt_class", "class")
        .agg(pl.len().alias("n"), pl.col("imgt").sum(), pl.col("expert").sum())
        .sort("model", pl.col("scoring").replace_strict({name: i for i, name in enumerate(SCORINGS)}), "imgt_class")
    )
    columns = []
    for name, column in {"ImGT": "imgt", "expert": "expert"}.items():
        low, high = statistics.wilson(counted[column].to_numpy(), counted["n"].to_numpy())
        columns += [
            (counted[column] / counted["n"] * 100).alias(name),
            pl.Series(f"{name}_low", low * 100),
            pl.Series(f"{name}_high", high * 100),
        ]
    figures = counted.drop("imgt", "expert").with_columns(*columns)
    return Table(
        labelled(
            figures, models, study,
            ["class", "n", "ImGT", "expert", "ImGT_low", "ImGT_high", "expert_low", "expert_high", "family"],
        ),
        f"Weasel family: accuracy (%) by class of {study.imgt}",
        str(study),
        {"model": "Model", "task": "Task", "class": "Class", "n": "n", "ImGT": study.named("ImGT"), "ImGT_interval": "95 % CI",
         "expert": "Expert", "expert_interval": "95 % CI"},
        {
            "expert": "Expert: labels of the weasel family by a specialist (Kisel et al., 2025). Images on which the expert "
            f"could not decide are left out; of {none.len()} images, to which no class applies, "
            f"{'every answer is right' if study.n_images == 'correct' else 'none counts'}. CI: Wilson."
        },
    )  # fmt: skip


def table2(categories: pl.Series, study: Study) -> Table:
    """Images per label category, from the category of every evaluated image (Table 2)."""
    frame = categories.alias("category").to_frame().with_columns(pl.lit(1).alias("n"))
    numbers = dict(zip(SUBSETS, frame.select(sizes()).row(0), strict=True))
    rows = [
        {"statistic": "count"} | {key: None if n is None else str(n) for key, n in numbers.items()},
        {"statistic": "percent"}
        | {key: None if n is None else f"{100 * n / frame.height:.1f}" for key, n in numbers.items()},
    ]
    figures = pl.DataFrame(rows, schema=dict.fromkeys(["statistic", *SUBSETS], pl.String)).with_columns(
        pl.lit(frame.height).alias("n"), *study.columns()
    )
    return Table(
        figures,
        "Table 2. Images per label category",
        f"{study}; n = {frame.height}",
        {name: name for name in ["statistic", *SUBSETS]},
        {"S": "S: one ReGT label, M: several, N: none; +: the ImGT label is among "
              "them, -: it is not (Table 1 of the paper)."},
    )  # fmt: skip


def table3(scores: pl.DataFrame, models: pl.DataFrame, study: Study) -> Table:
    """Every model at its best task: OW or CW+ for those that answer in words, CW for the others (Table 3).

    `models` has columns model (the name in `scores`), label and family.
    """
    counted = counts(scores)
    chosen = accuracy(counted, study.n_images).join(
        shown_rows(counted, study.n_images), on=["model", "scoring"], how="semi"
    )
    worded = pl.col("scoring").is_in(SELECTABLE)
    figures = (
        chosen.join(cross_fitted(counted, study.n_images), on="model", how="left")
        .with_columns(
            pl.when(worded)
            .then(pl.lit("best ImGT_A of OW and CW+ on these same images (optimistic)"))
            .otherwise(pl.lit("only task"))
            .alias("selection"),
            pl.when(worded).then("crossfit_task").otherwise("scoring").alias("crossfit_task"),
            pl.when(worded).then("crossfit_ImGT_A").otherwise("ImGT_A").alias("crossfit_ImGT_A"),
            pl.when(worded).then("crossfit_ReGT_A").otherwise("ReGT_A").alias("crossfit_ReGT_A"),
            (pl.col("ReGT_A") - pl.col("ImGT_A")).alias("change"),
            # the same counts give the same quotient, so equal figures tie exactly
            *(pl.col(name).rank("dense", descending=True).alias(f"{name}_rank") for name in ACCURACIES),
        )
        .sort("ImGT_A", "ReGT_A", "model", nulls_last=True)
    )
    return Table(
        labelled(
            figures,
            models,
            study,
            [
                *ACCURACIES,
                "family",
                "change",
                *(f"{name}_rank" for name in ACCURACIES),
                *_intervals(),
                *_sizes(),
                *_errors(),
                "selection",
                "crossfit_task",
                "crossfit_ImGT_A",
                "crossfit_ReGT_A",
            ],
        ),
        "Table 3. Accuracy (%) of every model at its best task",
        subtitle(study, figures),
        {
            "model": "Model",
            "family": "Family",
            "task": "Task",
            **_headers(figures, study),
            "ImGT_and_ReGT": "Both",
            "crossfit": "Cross-fit",
            **_error_headers(figures),
        },
        {
            "task": "Task: for models that answer in words, whichever of OW and CW+ has the higher ImGT accuracy on these "
            "same images, ties by ReGT. That is the paper's choice, and optimistic.",
            "crossfit": "Cross-fit: both accuracies when that task is chosen on one half of the images and scored on the "
            "other.",
            **_accuracy_notes(study),
            **ERROR_NOTES,
        },
    )


def table4(scores: pl.DataFrame, models: pl.DataFrame, study: Study) -> Table:
    """Every model that answers in words, under OW, CW+ and CW (Table 4)."""
    counted = counts(scores)
    worded = best_scoring(counted, study.n_images)["model"].implode()
    figures = accuracy(
        counted.filter(pl.col("model").is_in(worded) & pl.col("scoring").is_in(SCORINGS)), study.n_images
    )
    baseline = figures.filter(pl.col("scoring") == "CW").select("model", *ACCURACIES)
    figures = (
        figures.join(baseline, on="model", how="left", suffix="_CW")
        .with_columns(
            (pl.col("ReGT_A") - pl.col("ImGT_A")).alias("change"),
            *((pl.col(name) - pl.col(f"{name}_CW")).alias(f"{name}_vs_CW") for name in ACCURACIES),
        )
        .with_columns(pl.col("ImGT_A").max().over("model").alias("best"))
        .sort("best", "model", pl.col("scoring").replace_strict({name: i for i, name in enumerate(SCORINGS)}))
    )
    columns = [name for name in ACCURACIES if name != "ImGT_and_ReGT"]
    constrained = "CW-constrained" in figures["scoring"]
    return Table(
        labelled(
            figures,
            models,
            study,
            [*columns, "change", *(f"{name}_vs_CW" for name in columns), *_intervals(columns), *_sizes(), *_errors()],
        ),
        "Table 4. Accuracy (%) by task of the models that answer in words",
        subtitle(study, figures),
        {"model": "Model", "task": "Task", **_headers(figures, study), **_error_headers(figures)},
        {
            "task": "OW: no class list, nearest class embedding. CW: the class list is in the prompt, other answers are "
            "wrong. CW+: such answers go to the nearest class embedding."
            + (" CW-constrained: the server lets the model answer with names on the list only." if constrained else ""),
            **_accuracy_notes(study),
            **ERROR_NOTES,
        },
    )


def table5(scores: pl.DataFrame, models: pl.DataFrame, study: Study) -> Table:
    """Out-of-prompt rate: answers to CW that are none of the listed classes, in percent per category (Table 5)."""
    listed = counts(scores.filter((pl.col("scoring") == "CW") & pl.col("oop").is_not_null()))
    members = {subset: pl.lit(value=True) if subset == "A" else in_subset(subset) for subset in SUBSETS}
    figures = listed.group_by("model", maintain_order=True).agg(
        *(pl.col("oop").filter(among).sum().alias(subset) for subset, among in members.items()),
        *(pl.col("n").filter(among).sum().alias(f"{subset}_total") for subset, among in members.items()),
        *(pl.col(f"n_{name}").sum() for name in STATUSES),
        *sizes(),
    )
    figures = percentages(figures, [*SUBSETS]).with_columns(pl.lit("CW").alias("scoring")).sort("A", "model")
    table = labelled(
        figures, models, study, [*SUBSETS, *_intervals([*SUBSETS]), *_sizes(), "n_empty", "n_several"], decimals=1
    ).drop("task")
    return Table(
        table,
        "Table 5. Out-of-prompt answers (%) to the closed-world task",
        subtitle(study, figures),
        {
            "model": "Model",
            **_n(figures),
            **{subset: _sized(figures, subset) for subset in SUBSETS},
            "n_empty": "Empty",
            "n_several": "Several",
        },
        {
            "A": "Answers that are none of the listed class names after lower-casing and stripping; empty answers among "
            "them. The number of images is in brackets. Empty: answers without a word. Several: answers that list "
            "several class names and nothing else; out of prompt unless mapping.several says otherwise."
        },
    )


ERROR_NOTES = {
    "n_errors": "Errors: images without an answer that could be read. They count as wrong, on images without a label (N) "
    "too; at best, all of them would be right."
}


def _accuracy_notes(study: Study) -> dict[str, str]:
    rule = {
        "correct": "every answer to an image without a label (N) is correct",
        "excluded": "images without a label (N) are left out (ReaL's rule)",
    }[study.n_images]
    return {
        "ReGT_S": f"S to M-: ReGT accuracy by label category, the number of images in brackets; under ReGT {rule}. Change: "
        "ReGT minus ImGT, in points."
        if study.regt
        else "There is no second label set: the columns from ReGT on are empty.",
        "ImGT_A_interval": "CI: Wilson.",
    }


def _sized(figures: pl.DataFrame, subset: str) -> str:
    """A subset's sign with its number of images, where that is the same in all rows."""
    numbers = figures["n" if subset == "A" else f"n_{subset}"].unique()
    return subset + (f" ({numbers[0]})" if numbers.len() == 1 and numbers[0] is not None else "")


def _headers(figures: pl.DataFrame, study: Study) -> dict[str, str]:
    """Headings of the accuracies that both tables of accuracies show."""
    return {
        **_n(figures),
        "ImGT_A": study.named("ImGT"),
        "ImGT_A_interval": "95 % CI",
        "ReGT_A": study.named("ReGT"),
        "ReGT_A_interval": "95 % CI",
        "change": "Change",
        **{name: _sized(figures, subset) for name, subset in REGT.items() if subset != "A"},
    }


def _n(figures: pl.DataFrame) -> dict[str, str]:
    """A column of the rows' numbers of images, where these differ; else the subtitle's number says it."""
    return {"n": "n"} if figures["n"].n_unique() > 1 else {}


def _errors() -> list[str]:
    return ["n_errors", *EXTREMES]


def _error_headers(figures: pl.DataFrame) -> dict[str, str]:
    """What people see of errors, where there are any."""
    heads = {"n_errors": "Errors", "ImGT_A_best": "ImGT at best", "ReGT_A_best": "ReGT at best"}
    return heads if figures["n_errors"].sum() else {}


def _intervals(names: list[str] = ACCURACIES) -> list[str]:
    return [f"{name}_{end}" for name in names for end in ("low", "high")]


def _sizes() -> list[str]:
    return ["n", *(f"n_{subset}" for subset in SUBSETS if subset != "A")]


def subtitle(study: Study, figures: pl.DataFrame) -> str:
    numbers = figures["n"].unique().sort().to_list()
    ends = numbers[:1] + numbers[-1:] if len(numbers) > 1 else numbers
    return f"{study}; n = {' to '.join(map(str, ends)) or 0}"


def labelled(
    figures: pl.DataFrame, models: pl.DataFrame, study: Study, columns: list[str], decimals: int = 2
) -> pl.DataFrame:
    """The columns model (its label) and task, then `columns`, then the study's; percentages as text."""
    shown = named(figures, models).select("model", "task", *columns, *study.columns())
    floats = [name for name, dtype in shown.schema.items() if dtype == pl.Float64]
    return shown.with_columns(fixed(name, decimals) for name in floats)


def write(table: Table, path: Path, shown: int | None = None) -> None:
    """Write `path` (.csv), and beside it .md, .html and .tex, of which people see the first `shown` rows."""
    people = table._replace(figures=table.figures.head(shown or table.figures.height))
    for suffix, content in {
        ".csv": table.figures.write_csv(),
        ".md": as_markdown(people),
        ".html": as_html(people),
        ".tex": as_latex(people),
    }.items():
        with written(path.with_suffix(suffix)) as temporary:
            temporary.write_text(content)


def _with_joined(figures: pl.DataFrame) -> pl.DataFrame:
    """The figures with, for people, intervals and cross-fitted accuracies in one column each."""
    lows = [column.removesuffix("_low") for column in figures.columns if column.endswith("_low")]
    joined = {
        **{f"{name}_interval": (" to ", [f"{name}_low", f"{name}_high"]) for name in lows},
        "crossfit": (" / ", ["crossfit_ImGT_A", "crossfit_ReGT_A"]),
    }
    return figures.with_columns(
        pl.concat_str(parts, separator=separator).alias(name)
        for name, (separator, parts) in joined.items()
        if set(parts) <= set(figures.columns)
    ).with_columns(
        # one repeat has no interval
        pl.coalesce(
            pl.concat_str([name.removesuffix("_ci95"), name], separator=" ± "), name.removesuffix("_ci95")
        ).alias(name)
        for name in figures.columns
        if name.endswith("_ci95")
    )


def _shown(table: Table, without: set[str]) -> tuple[pl.DataFrame, dict[str, str], list[str]]:
    """What people see: figures, headings, and the notes that explain them."""
    headers = {name: visible(heading) for name, heading in table.headers.items() if name not in without}
    notes = [note for name, note in table.notes.items() if name in headers]
    words = pl.col(*headers).cast(pl.String).fill_null("").map_elements(visible, return_dtype=pl.String)
    return _with_joined(table.figures).select(words), headers, notes


def as_markdown(table: Table) -> str:
    shown, headers, notes = _shown(table, set())
    rows = [[in_markdown(value) for value in row] for row in shown.rows()]
    align = ["left" if name in WORDS else "right" for name in headers]
    heads = map(in_markdown, headers.values())
    body = tabulate(rows, list(heads), tablefmt="pipe", disable_numparse=True, colalign=align)
    title, subtitle = (in_markdown(visible(text)) for text in (table.title, table.subtitle))
    return "\n\n".join([f"**{title}**", subtitle, body, *notes]) + "\n"


def in_markdown(text: str) -> str:
    """Text that ends no cell of a table, and is neither a tag nor a link to those who render it."""
    return re.sub(r"\||<(?=[a-zA-Z/!?])|(?<=\])\(", r"\\\g<0>", text)


def _great_table(table: Table, without: set[str]) -> GT:
    shown, headers, notes = _shown(table, without)
    great = GT(shown, id="table").cols_label(**headers)  # type: ignore[arg-type]
    great = great.tab_header(title=visible(table.title), subtitle=visible(table.subtitle))
    great = great.cols_align("right", columns=[name for name in headers if name not in WORDS])
    for note in notes:
        great = great.tab_source_note(note)
    return great


def as_html(table: Table) -> str:
    return _great_table(table, set()).as_raw_html(make_page=True)


def as_latex(table: Table) -> str:
    return _great_table(table, NOT_IN_LATEX).tab_options(table_font_size="7pt").as_latex() + "\n"
