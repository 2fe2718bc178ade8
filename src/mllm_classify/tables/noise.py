"""Label noise: what the second label set does to each learning paradigm, and which labels deserve a second look."""

from collections.abc import Iterable

import numpy as np
import polars as pl

from mllm_classify.io.text import cell, short
from mllm_classify.measures import statistics
from mllm_classify.score import predicted_by_ranking, predicted_by_text
from mllm_classify.tables.tables import (
    ALL,
    CHANGE,
    RULES,
    Study,
    Table,
    counts,
    figure,
    fixed,
    judged,
    matrices,
    resampled,
    shown_rows,
    subtitle,
)

SUPERVISED = "supervised"
"""The paradigm with which others are compared, as the paper does (Sec. 3.1)."""
EVERY = "all models"
FIRST = [10, 100, 1_000, 10_000]
"""How many suspects are looked at."""
RANKINGS = {"rank": "disagreement of models", "quality_rank": "label quality (cleanlab)"}
CRITERIA = {
    "ReGT has other labels (S-, M-)": pl.col("category").is_in(["S-", "M-"]),
    "ReGT lacks the label (S-, M-, N)": pl.col("category").is_in(["S-", "M-", "N"]),
    "the experts lack the label": pl.col("expert") == "differs",
}
"""What makes a suspect's ImGT label one that had to be looked at."""
SHOWN = 50
"""Suspects that people see; the CSV has all images."""
LONGEST = 60


def best_task(scores: pl.DataFrame, n_images: str) -> pl.DataFrame:
    """The scores of every model at its task of Table 3; of a repeated question, the first answer."""
    rows = shown_rows(counts(scores), n_images)
    return scores.filter(pl.col("repeat") == 0).join(rows, on=["model", "scoring"], how="semi")


def gains(scores: pl.DataFrame, images: pl.DataFrame, models: pl.DataFrame, study: Study, count: int) -> Table:
    """ReGT minus ImGT accuracy in points, mean over the models of a learning paradigm (their `family`), and how much
    more that is than for supervised models.

    Intervals are of a paired bootstrap over the images: for these models, on other images like these. `images` are as in
    `tables.matrices`.
    """
    found = matrices(best_task(scores, study.n_images), images)
    exact, drawn = resampled(found, count)
    among = RULES[study.n_images]
    shown = found.rows.join(models, on="model", how="left", maintain_order="left")
    families = shown["family"].to_list()
    members = {family: [family == other for other in families] for family in sorted(set(families))}
    if len(members) != 1:
        members[EVERY] = [True] * len(families)
    rows: list[dict[str, str | int | float]] = []
    one, many = (figure(of, CHANGE, among) for of in (exact, drawn))
    for family, mine in members.items():
        row: dict[str, str | int | float] = {"paradigm": family, "models": sum(mine)}
        if family != EVERY:
            row["members"] = ", ".join(shown.filter(mine)["label"])
        for name, over in {"ImGT": ALL, "ReGT": among}.items():
            row[f"{name}_A"] = float(figure(exact, name, over)[0, mine].mean())
        row |= _interval("gain", one[:, mine].mean(axis=1), many[:, mine].mean(axis=1))
        row |= {"gain_min": float(one[0, mine].min()), "gain_max": float(one[0, mine].max())}
        if SUPERVISED in members and family not in (SUPERVISED, EVERY):
            base = members[SUPERVISED]
            more = [of[:, mine].mean(axis=1) - of[:, base].mean(axis=1) for of in (one, many)]
            row |= _interval("vs_supervised", *more)
        rows.append(row)
    columns = [
        *_ends("ImGT_A")[:1],
        *_ends("ReGT_A")[:1],
        *_ends("gain"),
        "gain_min",
        "gain_max",
        *_ends("vs_supervised"),
    ]
    schema = {
        "paradigm": pl.String(),
        "models": pl.Int64(),
        "members": pl.String(),
        **dict.fromkeys(columns, pl.Float64()),
    }
    figures = (
        pl.DataFrame(rows, schema=schema)
        .fill_nan(None)
        .with_columns(pl.lit(images.height).alias("n"))
        # equal gains are equal whatever the order of the sums
        .sort(pl.col("paradigm") == EVERY, pl.col("gain").round(9), "paradigm", nulls_last=True)
    )
    compared = figures["vs_supervised"].is_not_null().any()
    return Table(
        figures.with_columns(*(fixed(name, 2) for name in columns), *study.columns()),
        "Gains: ReGT minus ImGT accuracy (points) by learning paradigm",
        subtitle(study, figures),
        {"paradigm": "Paradigm", "models": "Count", "members": "Models", "ImGT_A": study.named("ImGT"), "ReGT_A": study.named("ReGT"),
         "gain": "Gain", "gain_interval": "95 % CI", "gain_min": "Least", "gain_max": "Most",
         **({"vs_supervised": "vs supervised", "vs_supervised_interval": "95 % CI"} if compared else {})},
        {"gain": "Means over the models of a paradigm, each at its task of Table 3. CI: paired bootstrap over the images; other "
         "models of the same paradigm may differ by more, as least and most say.",
         "vs_supervised": "vs supervised: the mean gain minus that of supervised models, on the same resamples."},
    )  # fmt: skip


def _ends(name: str) -> list[str]:
    return [name, f"{name}_low", f"{name}_high"]


def _interval(name: str, exact: statistics.Floats, drawn: statistics.Floats) -> dict[str, float]:
    """A figure (one value) with the interval that its resamples give."""
    low, high = statistics.percentiles(drawn)
    return dict(zip(_ends(name), (float(exact[0]), float(low), float(high)), strict=True))


def named_classes(
    shown: pl.DataFrame, rankings: dict[str, pl.DataFrame], mappings: dict[str, pl.DataFrame], classes: pl.DataFrame
) -> pl.DataFrame:
    """The classes that models name, each image and model once per name: columns model, image_id, class_id.

    A name that several classes share stands under the first of them. `shown` are of `best_task`; `rankings` are
    predictions, and `mappings` those of models that answer in words, by the model's name.
    """
    found = [(name, predicted_by_ranking(frame)) for name, frame in rankings.items()]
    found += [(name, predicted_by_text(frame, classes)) for name, frame in mappings.items()]
    keys = ["model", "image_id", "task", "variant", "repeat", "scoring"]
    first = classes.select(pl.col("class_id").alias("predicted"), pl.col("same_name").list.first().alias("class_id"))
    return pl.concat(
        frame.filter(pl.col("status") != "error")
        .with_columns(pl.lit(name).alias("model"))
        .select(*keys, "predicted")
        .join(shown.select(keys), on=keys, how="semi")
        .explode("predicted")
        .join(first, on="predicted")
        .select("model", "image_id", "class_id")
        .unique()
        for name, frame in found
    )


def votes(named: pl.DataFrame, labels: pl.DataFrame) -> pl.DataFrame:
    """The class that most models name besides those that ImGT admits: columns image_id, other, votes.

    Of equally many votes the lowest id counts. An image has no row where no model names another class.
    """
    return (
        named.join(labels.select("image_id", "imgt_admissible"), on="image_id")
        .filter(~pl.col("class_id").is_in(pl.col("imgt_admissible")))
        .group_by("image_id", pl.col("class_id").alias("other"))
        .agg(pl.len().cast(pl.Int64).alias("votes"))
        .sort("image_id", "votes", "other", descending=[False, True, False])
        .unique("image_id", keep="first", maintain_order=True)
    )


def quality(predictions: Iterable[pl.DataFrame], labels: pl.DataFrame) -> pl.DataFrame:
    """The quality of each ImGT label (cleanlab's normalised margin), mean over models with probabilities.

    The margin is of the label's probability over that of the likeliest other class (Northcutt et al., 2021), from 0, a
    label that is surely wrong, to 1. Rankings are cut: a label that is not among the classes kept counts as 0. Columns
    image_id, quality (six decimals, so that equal ones tie), and quality_rank, the lowest first, ties by id; errors have none.
    """
    from cleanlab.rank import get_normalized_margin_for_each_label

    parts = []
    for predicted in predictions:
        known = (
            predicted.filter((pl.col("status") == "ok") & (pl.col("scores").list.len() > 0))
            .join(labels.select("image_id", "imgt_admissible"), on="image_id")
            .select("image_id", "imgt_admissible", "class_ids", "scores")
            .explode("class_ids", "scores")
            .with_columns(pl.col("class_ids").is_in(pl.col("imgt_admissible")).alias("label"))
            .group_by("image_id", maintain_order=True)
            .agg(
                pl.col("scores").filter("label").sum().cast(pl.Float64).alias("of_label"),
                pl.col("scores").filter(~pl.col("label")).max().fill_null(0).cast(pl.Float64).alias("of_other"),
            )
        )
        # the margin depends on these two columns only: so many images by a thousand classes need not be there
        pair = known.select("of_label", "of_other").to_numpy()
        if known.height:
            margins = get_normalized_margin_for_each_label(np.zeros(known.height, dtype=int), pair)
            parts.append(known.select("image_id").with_columns(pl.Series("quality", margins)))
    empty = pl.DataFrame(schema={"image_id": pl.String(), "quality": pl.Float64()})
    return (
        pl.concat([empty, *parts])
        .group_by("image_id", maintain_order=True)
        .agg(pl.col("quality").mean().round(6))
        .sort("quality", "image_id")
        .with_row_index("quality_rank", 1)
    )


def suspects(
    shown: pl.DataFrame,
    named: pl.DataFrame,
    qualities: pl.DataFrame,
    labels: pl.DataFrame,
    classes: pl.DataFrame,
    study: Study,
) -> Table:
    """All evaluated images, first those whose ImGT label most models contradict with one voice.

    By the share of models that name one other class, then by the share that is right under ImGT, the lowest first, then
    by the image's id. `gained` and `lost` are the models that become right and wrong from ImGT to ReGT. `shown` are of
    `best_task`, `named` of `named_classes`, `qualities` of `quality`, `labels` of evaluated images.
    """
    right = pl.col("right") / pl.col("models")
    ranked = (
        shown.group_by("image_id")
        .agg(
            pl.len().cast(pl.Int64).alias("models"),
            pl.col("imgt").sum().cast(pl.Int64).alias("right"),
            *(
                pl.when(pl.col("regt").is_not_null().any() & judged(study.n_images).any())
                .then(moved.sum().cast(pl.Int64))
                .alias(name)
                for name, moved in {
                    "gained": ~pl.col("imgt") & pl.col("regt"),
                    "lost": pl.col("imgt") & ~pl.col("regt"),
                }.items()
            ),
        )
        .join(votes(named, labels), on="image_id", how="left")
        .with_columns(pl.col("votes").fill_null(0))
        .sort(pl.col("votes") / pl.col("models"), right, "image_id", descending=[True, False, False])
        .with_row_index("rank", 1)
        .join(qualities, on="image_id", how="left")
        .join(labels.select("image_id", "imgt", "regt", "category", "expert"), on="image_id", maintain_order="left")
        .sort("rank")
    )
    figures = _with_names(ranked, classes).select(
        "rank", "image_id", "imgt_label", "other", "votes", "right", "models", "regt_labels", "category", "gained", "lost",
        fixed("quality", 4), "quality_rank",
        pl.when(pl.col("expert").is_not_null()).then(
            pl.when(pl.col("expert").list.contains(pl.col("imgt"))).then(pl.lit("agrees")).otherwise(pl.lit("differs"))
        ).alias("expert"),
        *study.columns(),
    )  # fmt: skip
    heads = {
        "rank": "Rank", "image_id": "Image", "imgt_label": study.named("ImGT"), "other": "Models say", "votes": "Votes",
        "right": "Right", "models": "Models", "regt_labels": study.named("ReGT"), "category": "Category",
        "gained": "Gained", "lost": "Lost", "quality": "Quality", "quality_rank": "Rank by it",
    }  # fmt: skip
    empty = {name for name in heads if not figures[name].is_not_null().any()}
    return Table(
        figures,
        f"Suspects: {study.imgt} labels that deserve a second look",
        f"{study}; n = {figures.height}; here the first {min(SHOWN, figures.height)}",
        {name: heading for name, heading in heads.items() if name not in empty},
        {
            "votes": "Votes: models that name this one other class; right: models that are right by ImGT. Were the label what "
            "models say, the first would become right and the second wrong. Ranked by votes, then by fewest right, then by the "
            "image's name; ReGT is not used.",
            "gained": "Gained, lost: models that become right, and wrong, from ImGT to ReGT.",
            "quality": "Quality: cleanlab's normalised margin of the ImGT label, 0 to 1, mean over models that give "
            "probabilities.",
        },
    )


def _with_names(ranked: pl.DataFrame, classes: pl.DataFrame) -> pl.DataFrame:
    """Class ids as names, and text of others made safe for spreadsheets."""
    names = dict(classes.select("class_id", "name").iter_rows())
    found = ranked.with_columns(
        pl.col("imgt").replace_strict(names, return_dtype=pl.String).alias("imgt_label"),
        pl.col("other").replace_strict(names, return_dtype=pl.String),
        pl.col("regt").list.eval(pl.element().replace_strict(names, return_dtype=pl.String)).list.join(" | ")
        .alias("regt_labels"),
    )  # fmt: skip
    return found.with_columns(
        pl.col("image_id").map_elements(cell, return_dtype=pl.String),
        *(
            pl.col(name).map_elements(lambda text: cell(short(text, LONGEST)), return_dtype=pl.String)
            for name in ("imgt_label", "other", "regt_labels")
        ),
    )


def precision(rows: pl.DataFrame, study: Study) -> Table:
    """How many of the first suspects, by each ranking, have a label that ReGT, or the experts, do not: precision among
    the first k, its 95 % Wilson interval, the share among all (base), and average precision.

    `rows` are suspects.csv as it is written.
    """
    from sklearn.metrics import average_precision_score

    found: list[dict[str, str | int | float | None]] = []
    for ranking, what in RANKINGS.items():
        for criterion, flag in CRITERIA.items():
            known = "expert" if "expert" in criterion else "category"
            among = rows.filter(pl.col(ranking).is_not_null() & pl.col(known).is_not_null())
            ranked = among.select(pl.col(ranking).cast(pl.Int64), hit=flag).sort(ranking)
            hits = ranked["hit"].to_numpy()
            total = len(hits)
            for first in [*(k for k in FIRST if k < total), *([total] if total else [])]:
                (low,), (high,) = statistics.wilson([hits[:first].sum()], [first])
                found.append(
                    {
                        "ranking": what,
                        "criterion": criterion,
                        "first": first,
                        "hits": int(hits[:first].sum()),
                        "precision": hits[:first].mean() * 100,
                        "precision_low": low * 100,
                        "precision_high": high * 100,
                        "base": hits.mean() * 100,
                        "average_precision": average_precision_score(hits, -np.arange(total)) * 100
                        if hits.any()
                        else None,
                        "n": total,
                    }
                )
    percents = [*_ends("precision"), "base", "average_precision"]
    schema = {"ranking": pl.String(), "criterion": pl.String(), "first": pl.Int64(), "hits": pl.Int64(),
              **dict.fromkeys(percents, pl.Float64()), "n": pl.Int64()}  # fmt: skip
    figures = pl.DataFrame(found, schema=schema)
    return Table(
        figures.with_columns(*(fixed(name, 2) for name in percents), *study.columns()),
        "Precision: how many of the first suspects have another label",
        subtitle(study, figures),
        {"ranking": "Ranking by", "criterion": "Counted", "first": "First", "hits": "Hits", "precision": "Precision (%)",
         "precision_interval": "95 % CI", "base": "Base (%)", "average_precision": "AP (%)"},
        {"precision": "Precision: the share of hits among the first k suspects of results/suspects.csv. CI: Wilson. Base: among "
         "all. AP: average precision.",
         "criterion": "S-: one other label, M-: several others, N: none. Experts: of the weasel family."},
    )  # fmt: skip
