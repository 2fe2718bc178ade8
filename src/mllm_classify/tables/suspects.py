"""Which labels deserve a second look: images whose ImGT label models contradict."""

from collections.abc import Iterable

import numpy as np
import polars as pl

from mllm_classify.io.text import cell, short
from mllm_classify.measures.counting import judged
from mllm_classify.measures.selection import best_task, evaluated, main_scores
from mllm_classify.tables.table import Column, Study, Table, fixed

FIRST = 50
"""Suspects that people see; the CSV has all images."""
LONGEST = 60
"""Characters of a label."""


def suspects(
    scores: pl.DataFrame,
    labels: pl.DataFrame,
    classes: pl.DataFrame,
    probable_rankings: dict[str, pl.LazyFrame],
    study: Study,
) -> Table:
    """All evaluated images, first those whose ImGT label most models contradict with one voice.

    By the share of models that name one other class, then by the share that is right under ImGT, the lowest first, then
    by the image's id. `gained` and `lost` are the models that become right and wrong from ImGT to ReGT.
    `probable_rankings` are predictions of models whose scores are probabilities, by name.
    """
    labels = evaluated(labels)
    shown = best_task(main_scores(scores), study.n_images)
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
        .join(votes(shown, labels, classes), on="image_id", how="left")
        .with_columns(pl.col("votes").fill_null(0))
        .sort(
            pl.col("votes") / pl.col("models"),
            pl.col("right") / pl.col("models"),
            "image_id",
            descending=[True, False, False],
        )
        .with_row_index("rank", 1)
        .join(quality(probable_rankings.values(), labels), on="image_id", how="left")
        .join(labels.select("image_id", "imgt", "regt", "category", "expert"), on="image_id", maintain_order="left")
        .sort("rank")
    )
    agrees = pl.col("expert").list.contains(pl.col("imgt"))
    rows = _with_names(ranked, classes).select(
        *("rank", "image_id", "imgt_label", "other", "votes", "right", "models"),
        *("regt_labels", "category", "gained", "lost"),
        fixed("quality", 4),
        "quality_rank",
        pl.when(pl.col("expert").is_not_null())
        .then(pl.when(agrees).then(pl.lit("agrees")).otherwise(pl.lit("differs")))
        .alias("expert"),
        *study.columns(),
    )
    return Table(
        rows,
        f"Suspects: {study.imgt} labels that deserve a second look",
        f"{study}; n = {rows.height}; here the first {min(FIRST, rows.height)}",
        {name: column for name, column in _columns(study).items() if rows[name].is_not_null().any()},
        FIRST,
    )


def _columns(study: Study) -> dict[str, Column]:
    return {
        "rank": Column("Rank"),
        "image_id": Column("Image", words=True),
        "imgt_label": Column(study.named("ImGT"), words=True),
        "other": Column("Models say", words=True),
        "votes": Column(
            "Votes",
            "Votes: models that are wrong by ImGT and name this one other class; right: models that are right by ImGT. If the "
            "label were what models say, the first would become right and the second wrong. Ranked by votes, then by fewest "
            "right, then by the image's name; ReGT is not used.",
        ),
        "right": Column("Right"),
        "models": Column("Models"),
        "regt_labels": Column(study.named("ReGT"), words=True),
        "category": Column("Category", words=True),
        "gained": Column("Gained", "Gained, lost: models that become right, and wrong, from ImGT to ReGT."),
        "lost": Column("Lost"),
        "quality": Column(
            "Quality",
            "Quality: cleanlab's normalised margin of the ImGT label, 0 to 1, mean over models that give probabilities.",
        ),
        "quality_rank": Column("Rank by it"),
    }


def votes(shown: pl.DataFrame, labels: pl.DataFrame, classes: pl.DataFrame) -> pl.DataFrame:
    """The class that most models name against ImGT: columns image_id, other, votes.

    `shown` are scores as `best_task` returns them. An answer that is right under ImGT contradicts nothing, whatever else
    it names. A name that several classes share counts once a model, under the first of them, and contradicts no label that
    admits one of them. Of equally many votes the lowest id counts. An image has no row where no model contradicts ImGT.
    """
    return (
        shown.filter((pl.col("status") != "error") & ~pl.col("imgt"))
        .select("model", "image_id", "predicted")
        .explode("predicted")
        .join(classes.select("same_name", predicted="class_id"), on="predicted")
        .join(labels.select("image_id", "imgt_admissible"), on="image_id")
        .filter(pl.col("same_name").list.set_intersection("imgt_admissible").list.len() == 0)
        .select("model", "image_id", other=pl.col("same_name").list.first())
        .unique()
        .group_by("image_id", "other")
        .agg(pl.len().cast(pl.Int64).alias("votes"))
        .sort("image_id", "votes", "other", descending=[False, True, False])
        .unique("image_id", keep="first", maintain_order=True)
    )


def quality(predictions: Iterable[pl.LazyFrame], labels: pl.DataFrame) -> pl.DataFrame:
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
            .select("image_id", "class_ids", "scores")
            .collect()
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


def _with_names(ranked: pl.DataFrame, classes: pl.DataFrame) -> pl.DataFrame:
    """Class ids as names, and text of others made safe for spreadsheets."""
    names = dict(classes.select("class_id", "name").iter_rows())
    return ranked.with_columns(
        pl.col("image_id").map_elements(cell, return_dtype=pl.String),
        pl.col("imgt").replace_strict(names, return_dtype=pl.String).alias("imgt_label"),
        pl.col("other").replace_strict(names, return_dtype=pl.String),
        pl.col("regt").list.eval(pl.element().replace_strict(names, return_dtype=pl.String)).list.join(" | ")
        .alias("regt_labels"),
    ).with_columns(
        pl.col(name).map_elements(lambda text: cell(short(text, LONGEST)), return_dtype=pl.String)
        for name in ("imgt_label", "other", "regt_labels")
    )  # fmt: skip
