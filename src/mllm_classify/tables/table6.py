"""Table 6: multiple choice with distractors of every kind, and what its questions were."""

import numpy as np
import polars as pl

from mllm_classify.choices import variants
from mllm_classify.measures.bootstrap import by_image, matrices, resampled
from mllm_classify.measures.counting import ALL, REGT, RULES, SUBSETS, in_subset, judged
from mllm_classify.measures.intervals import Floats, percentiles, t_factors
from mllm_classify.measures.selection import evaluated
from mllm_classify.tables.accuracy_columns import SIZES, intervals
from mllm_classify.tables.table import ASIDE, MODEL, Column, Study, Table, labelled, subtitle

ORDER = [*variants.VARIANTS, variants.ALL]
ACCURACIES = ["ImGT_A", *REGT]
HARDER = {
    "ImGT + confEVA(ImGT)": "ImGT + random",
    "ImGT + ReGT + confEVA(ImGT, ReGT)": "ImGT + ReGT + random",
}
"""Variants with distractors of the reference's, and what they are compared with."""
LABELS = ["imgt", "regt", "both"]
DISTRACTORS = ["random", "confusion", "tie", "fallback"]
SHARES = {f"share_{origin}": origin for origin in DISTRACTORS}
EFFECTS = ["random_minus_ImGT_A", "random_minus_ReGT_A"]


def over_repeats(scores: pl.DataFrame, n_images: str) -> pl.DataFrame:
    """Accuracy in percent per model and variant (as scoring): mean over repeats, half-width of its 95 % t-interval.

    Columns of ACCURACIES, each with `_ci95`, null of one repeat; OOP, the share of answers that are no option; repeats,
    n, and n_ of every subset. An accuracy over no image is null.
    """
    among = {"ImGT_A": pl.lit(value=True), **{name: in_subset(subset) for name, subset in REGT.items()}}
    among["ReGT_A"] = judged(n_images)
    each = scores.group_by("model", "scoring", "repeat").agg(
        *(pl.col(name[:4].lower()).filter(parts).mean().alias(name) * 100 for name, parts in among.items()),
        pl.len().alias("n"),
        *(pl.col("category").is_in(parts).sum().alias(f"_{subset}") for subset, parts in SUBSETS.items()),
        pl.col("category").is_not_null().any().alias("known"),
    )
    rates = scores.group_by("model", "scoring").agg(pl.col("oop").mean().alias("OOP") * 100)
    means = each.group_by("model", "scoring").agg(
        *(pl.col(name).mean() for name in ACCURACIES),
        *(pl.col(name).std().alias(f"{name}_ci95") for name in ACCURACIES),
        pl.len().alias("repeats"),
        pl.col("n").first(),
        *(
            pl.when(pl.col("known").first()).then(pl.col(f"_{subset}").first()).alias(f"n_{subset}")
            for subset in SUBSETS
            if subset != "A"
        ),
    )
    factor = pl.Series(t_factors(means["repeats"].to_numpy()))
    return means.with_columns(pl.col(f"{name}_ci95") * factor for name in ACCURACIES).join(
        rates, on=["model", "scoring"], how="left"
    )


def over_images(scores: pl.DataFrame, images: pl.DataFrame, n_images: str, count: int) -> pl.DataFrame:
    """The same accuracies' 95 % bootstrap intervals over the images (`_low`, `_high`), and the distractors' effects.

    EFFECTS stand with the variants whose distractors are the reference's: the accuracy with random ones minus theirs, in
    points, on the same resamples of the images. `images`, with image_id and category, are all that were asked about.
    """
    answers = matrices(by_image(scores), images)
    exact, drawn = resampled(answers, count)
    among = {"ImGT_A": ("ImGT", ALL), **{name: ("ReGT", SUBSETS[subset]) for name, subset in REGT.items()}}
    among["ReGT_A"] = ("ReGT", RULES[n_images])
    columns: dict[str, Floats] = {}
    for name, (measure, parts) in among.items():
        columns[f"{name}_low"], columns[f"{name}_high"] = percentiles(drawn.accuracy(measure, parts))
    rows = {row: place for place, row in enumerate(answers.rows.iter_rows())}
    pairs = [(place, rows.get((model, HARDER.get(variant, "")))) for (model, variant), place in rows.items()]
    for effect, name in zip(EFFECTS, ["ImGT_A", "ReGT_A"], strict=True):
        values = np.full((3, len(rows)), np.nan)
        for place, easy in pairs:
            if easy is not None:
                one, many = (of.accuracy(*among[name]) for of in (exact, drawn))
                low, high = percentiles(many[:, easy] - many[:, place])
                values[:, place] = one[0, easy] - one[0, place], low, high
        columns |= dict(zip([effect, f"{effect}_low", f"{effect}_high"], values, strict=True))
    return answers.rows.with_columns(pl.Series(name, values).fill_nan(None) for name, values in columns.items())


def questions(choices: pl.DataFrame, confusions: pl.DataFrame, labels: pl.DataFrame, classes: int) -> pl.DataFrame:
    """What the questions of each variant (as scoring) are like.

    options: how many a question has. SHARES: of the options that are no label, how many percent were drawn at random,
    are confusions, are chosen among such that tie, or fall back on something else. difficulty: of the reference's
    images of a class that is offered, how many percent it takes for one of the other classes that are offered.
    """
    shares = np.zeros((classes, classes))
    shares[confusions["label"].to_numpy(), confusions["predicted"].to_numpy()] = confusions["share"].to_numpy()
    rows = []
    for variant in ORDER:
        put = choices.filter((pl.col("variant") == variant) & (pl.col("options").list.len() > 0).fill_null(value=True))
        if not put.height:
            continue
        row: dict[str, str | float | None] = {"scoring": variant, **dict.fromkeys(SHARES)}
        if variant == variants.ALL:
            put = put.filter(pl.col("repeat") == 0)
            row |= {"options": classes, "difficulty": _of_all(put.join(labels, on="image_id"), shares)}
        else:
            origins = put["origins"].explode().value_counts(normalize=True)
            kinds = dict(zip(origins["origins"].cast(pl.String), origins["proportion"], strict=True))
            drawn = sum(kinds.get(kind, 0.0) for kind in DISTRACTORS)
            row |= {share: kinds.get(kind, 0.0) / drawn for share, kind in SHARES.items() if drawn}
            row |= {"options": put["options"].list.len()[0], "difficulty": _of_some(put, shares)}
        rows.append(row)
    schema = {"scoring": pl.String(), "options": pl.Int64(), **dict.fromkeys([*SHARES, "difficulty"], pl.Float64())}
    return pl.DataFrame(rows, schema=schema).with_columns(pl.col(*SHARES, "difficulty") * 100)


def _of_some(put: pl.DataFrame, shares: Floats) -> float:
    """Difficulty of questions with a few options each."""
    count = put["options"].list.len()[0]
    shown = put["options"].explode().to_numpy().reshape(-1, count)
    label = put["origins"].explode().cast(pl.String).is_in(LABELS).to_numpy().reshape(-1, count)
    taken = np.zeros(len(shown))
    for one in range(count):
        for other in range(count):
            taken += shares[shown[:, one], shown[:, other]] * (label[:, one] & ~label[:, other])
    return float((taken / label.sum(axis=1)).mean())


def _of_all(put: pl.DataFrame, shares: Floats) -> float:
    """Difficulty of questions whose options are all classes."""
    totals = shares.sum(axis=1)
    taken = []
    for imgt, *right in put.select("imgt", "imgt_admissible", "regt_admissible").iter_rows():
        admissible = sorted({imgt}.union(*(it or [] for it in right)))
        taken.append(totals[imgt] - shares[imgt, admissible].sum())
    return float(np.mean(taken))


def table6(
    scores: pl.DataFrame,
    labels: pl.DataFrame,
    classes: pl.DataFrame,
    choices: pl.DataFrame,
    confusions: pl.DataFrame,
    models: pl.DataFrame,
    study: Study,
    resamples: int,
    reference: str,
) -> Table:
    """Multiple choice by the paper's variants (its Tables 6 and 18), for every model that was asked.

    `choices` and `confusions` are of the choices stage; `reference` says whose confusions they are.
    """
    multiple = scores.filter((pl.col("scoring") == "MC") & pl.col("variant").is_in(ORDER)).with_columns(
        scoring="variant"
    )
    images = evaluated(labels).filter(pl.col("image_id").is_in(multiple["image_id"].unique().implode()))
    rows = (
        over_repeats(multiple, study.n_images)
        .join(over_images(multiple, images, study.n_images, resamples), on=["model", "scoring"])
        .join(questions(choices, confusions, images, classes.height), on="scoring", how="left")
        .with_columns(pl.col("ImGT_A").mean().over("model").alias("mean"))
        .sort("mean", "model", pl.col("scoring").replace_strict({name: i for i, name in enumerate(ORDER)}))
    )
    means = [f"{name}{end}" for name in ACCURACIES for end in ("", "_ci95")]
    effects = [f"{name}{end}" for name in EFFECTS for end in ("", "_low", "_high")]
    columns = [*means, *intervals(ACCURACIES), *effects, "OOP", *SHARES, "difficulty", "options", "repeats", *SIZES]
    return Table(
        labelled(rows, models, study, columns)
        .rename({"task": "distractors"})
        .with_columns(pl.lit(reference).alias("reference")),
        "Table 6. Multiple choice: accuracy (%) by the kind of options",
        f"{subtitle(study, rows)}; {_said(rows, 'options', 'option')}, {_said(rows, 'repeats', 'repeat')}; "
        f"confEVA: confusions of {reference}",
        _columns(rows, study),
    )


def _columns(rows: pl.DataFrame, study: Study) -> dict[str, Column]:
    origins = (
        "Random to Fallback: where the options that are no label come from, in percent. Confused: more often than any class "
        "left out. Tie: as often as one that was left out. Fallback: never; the nearest by probability, name, or a hash."
        + _warning(rows)
    )
    return {
        "model": MODEL,
        "distractors": Column("Options", words=True),
        "ImGT_A_ci95": Column(
            study.named("ImGT"),
            "±: half the width of the 95 % t-interval over repeats, in which the options' order and the random distractors "
            "vary: the noise of the options only. One repeat has none.",
        ),
        "ImGT_A_interval": Column(
            "95 % CI",
            "CI: bootstrap over the images, which are few beside all that there could be.",
            latex=False,
        ),
        "ReGT_A_ci95": Column(study.named("ReGT")),
        "ReGT_A_interval": ASIDE,
        **{f"{name}_ci95": Column(subset) for name, subset in REGT.items() if subset != "A"},
        "OOP": Column("OOP", "OOP: answers that name no option, or several; they are wrong."),
        "random_minus_ImGT_A": Column(
            "Effect",
            "Effect: ImGT accuracy with random distractors minus the row's, in points, on the same images.",
        ),
        "random_minus_ImGT_A_interval": ASIDE,
        "share_random": Column("Random", origins, latex=False),
        "share_confusion": Column("Confused", latex=False),
        "share_tie": Column("Tie", latex=False),
        "share_fallback": Column("Fallback", latex=False),
        "difficulty": Column(
            "Difficulty",
            "Difficulty: the percentage of images of the offered label that the reference takes for another option.",
        ),
    }


def _said(rows: pl.DataFrame, column: str, noun: str) -> str:
    """The column's smallest number, which is that of all rows, or of all but that of all classes."""
    number = min(rows[column], default=0)
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _warning(rows: pl.DataFrame) -> str:
    """Where distractors are hardly the reference's, the table must not be read as if they were."""
    share = rows.filter(pl.col("scoring").is_in(list(HARDER)))["share_fallback"].max()
    if not isinstance(share, float) or share <= 50:
        return ""
    return (
        f" Here up to {share:.0f} % fall back: the reference was wrong on too few images for its confusions to make options, "
        "and the effect says nothing about them."
    )
