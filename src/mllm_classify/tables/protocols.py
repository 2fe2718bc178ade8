"""The same models under the protocols of earlier work, so that it is seen where papers disagree."""

from typing import NamedTuple

import polars as pl

from mllm_classify.choices.variants import FIRST, SEMANTIC
from mllm_classify.measures import statistics
from mllm_classify.tables.table6 import answers
from mllm_classify.tables.tables import ALL, RULES, Study, Table, figure, labelled, matrices, resampled, subtitle


class Protocol(NamedTuple):
    """What is asked, what counts as right, and whose it is."""

    name: str
    used_by: str
    what: str


STORED = {
    "OW inclusion": Protocol("OW, inclusion", "Zhang et al. 2024; Conti et al. 2025",
                             "no list; right if the answer contains the class name"),
    "OW": Protocol("OW, embedding", "Conti et al. 2025; Kisel et al. 2026", "no list; nearest class name by text embedding"),
    "CW inclusion": Protocol("CW, inclusion", "Zhang et al. 2024", "all classes listed; right if the answer contains the class name"),
    "CW": Protocol("CW", "Wu et al. 2024; Kisel et al. 2026", "all classes listed; other answers (OOP) are wrong"),
    "CW+": Protocol("CW+", "Kisel et al. 2026", "all classes listed; other answers (OOP) go to the nearest class name"),
}  # fmt: skip
"""Scorings of answers that every study has."""


def asked(few: int, n: int, classes: int, encoder: str) -> dict[str, Protocol]:
    """Questions of their own, by variant, with these numbers of options."""
    return {
        "ImGT + random": Protocol(f"MC, {few} random", "common; Kisel et al. 2026", f"ImGT and {few - 1} random classes"),
        "ImGT + confEVA(ImGT)": Protocol(f"MC, {few} confused", "Kisel et al. 2026",
                                         f"ImGT and {few - 1} classes that a classifier confuses with it"),
        "MC random": Protocol(f"MC, {n} random", "Liu et al. 2024 (our reading)", f"ImGT and {n - 1} random classes"),
        SEMANTIC: Protocol(f"MC, {n} semantic", "Liu et al. 2024 (our reading)",
                           f"ImGT and the {n - 1} classes of the most similar names, by {encoder}"),
        "CW random": Protocol(f"CW, {classes} random", "Zhang et al. 2024 (their code's n_labels)",
                              f"ImGT and {classes - 1} random classes listed, shuffled for each image; OOP wrong, where theirs is inclusion"),
        FIRST: Protocol(f"CW, first {classes}", "shortened lists (our reading)",
                        f"the first {classes} classes listed, shuffled, for images of these classes; OOP wrong"),
    }  # fmt: skip


def protocols(
    scores: pl.DataFrame,
    images: pl.DataFrame,
    models: pl.DataFrame,
    study: Study,
    count: int,
    by_variant: dict[str, Protocol],
) -> Table:
    """Every protocol for every model that answers in words, each from answers to its own questions.

    Accuracies are means over repeats, with 95 % bootstrap intervals over the images of the row. `scores` are all there
    are; `images`, with image_id and category, all that are evaluated; `by_variant` is made by `asked`.
    """
    worded = scores.filter(pl.col("encoder").is_not_null())
    stored = worded.filter(pl.col("scoring").is_in(list(STORED)))
    parts = [_intervals(stored, images, study.n_images, count)]
    for variant in by_variant:
        rows = worded.filter((pl.col("scoring") == "MC") & (pl.col("variant") == variant)).with_columns(
            scoring="variant"
        )
        if rows.height:
            among = images.filter(pl.col("image_id").is_in(rows["image_id"].unique().implode()))
            parts.append(_intervals(rows, among, study.n_images, count))
    every = STORED | by_variant
    figures = pl.concat(parts).sort(
        pl.col("model"), pl.col("scoring").replace_strict({key: place for place, key in enumerate(every)})
    )
    said = {
        column: pl.col("scoring").replace_strict({key: getattr(protocol, field) for key, protocol in every.items()})
        for column, field in {"protocol": "name", "used_by": "used_by", "what": "what"}.items()
    }
    columns = [f"{name}{end}" for name in ("ImGT_A", "ReGT_A") for end in ("", "_low", "_high")]
    shown = labelled(
        figures.with_columns(**said), models, study, ["protocol", "used_by", "what", *columns, "OOP", "repeats", "n"]
    ).drop("task")
    return Table(
        shown,
        "The same models under the protocols of earlier work: accuracy (%)",
        subtitle(study, figures),
        {
            "model": "Model",
            "protocol": "Protocol",
            "used_by": "Used by",
            "what": "What is asked and what is right",
            "n": "n",
            "ImGT_A": study.named("ImGT"),
            "ImGT_A_interval": "95 % CI",
            "ReGT_A": study.named("ReGT"),
            "ReGT_A_interval": "95 % CI",
            "OOP": "OOP",
        },
        {
            "protocol": "OW and CW rows score the same stored answers by different rules; every other row has questions of its "
            "own. Rows of different n are of different images.",
            "ImGT_A_interval": "CI: bootstrap over the images.",
            "OOP": "OOP: answers that are none of the options, or of the listed classes.",
        },
    )


def _intervals(scores: pl.DataFrame, images: pl.DataFrame, n_images: str, count: int) -> pl.DataFrame:
    """Accuracies of these rows with their intervals, the share of OOP answers, repeats, and n."""
    found = matrices(answers(scores), images)
    exact, drawn = resampled(found, count)
    columns = {}
    for name, among in {"ImGT": ALL, "ReGT": RULES[n_images]}.items():
        columns[f"{name}_A"] = figure(exact, name, among)[0]
        columns[f"{name}_A_low"], columns[f"{name}_A_high"] = statistics.percentiles(figure(drawn, name, among))
    about = scores.group_by("model", "scoring").agg(
        pl.col("oop").mean().alias("OOP") * 100,
        pl.col("repeat").n_unique().alias("repeats"),
        pl.col("image_id").n_unique().alias("n"),
    )
    return found.rows.with_columns(pl.Series(name, values).fill_nan(None) for name, values in columns.items()).join(
        about, on=["model", "scoring"]
    )
