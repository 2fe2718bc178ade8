"""The same models under the protocols of earlier work, so that it is seen where papers disagree."""

from typing import Any, NamedTuple

import polars as pl

from mllm_classify.choices.variants import FIRST, SEMANTIC
from mllm_classify.measures.bootstrap import by_image, matrices, resampled
from mllm_classify.measures.counting import ALL, RULES
from mllm_classify.measures.intervals import percentiles
from mllm_classify.tables.table import ASIDE, MODEL, Column, Study, Table, labelled, subtitle


class Protocol(NamedTuple):
    """What is asked, what counts as right, and whose it is."""

    name: str
    used_by: str
    what: str


STORED = {
    "OW inclusion": Protocol("OW, inclusion", "Zhang et al. 2024; Conti et al. 2025",
                             "no list; right if the answer contains the class name"),
    "OW": Protocol("OW, embedding", "Conti et al. 2025; Kisel et al. 2026", "no list; nearest class name by text embedding"),
    "OW judged": Protocol("OW, judged", "this project", "no list; the class of that name, else the nearest class name that a judge accepts"),
    "OW LLM inclusion": Protocol("OW, LLM inclusion", "Conti et al. 2025",
                                 "no list; right if a judge says that the answer names the class, or a kind of it; its prompt is ours"),
    "CW inclusion": Protocol("CW, inclusion", "Zhang et al. 2024", "all classes listed; right if the answer contains the class name"),
    "CW": Protocol("CW", "Wu et al. 2024; Kisel et al. 2026", "all classes listed; other answers (OOP) are wrong"),
    "CW+": Protocol("CW+", "Kisel et al. 2026", "all classes listed; other answers (OOP) go to the nearest class name"),
    "CW+ judged": Protocol("CW+, judged", "this project", "all classes listed; other answers (OOP) go to the nearest class name that a judge accepts"),
}  # fmt: skip
"""Scorings of answers that every study has, and those of studies with a judge."""


def with_options(few: int, n: int, classes: int, encoder: str) -> dict[str, Protocol]:
    """Protocols with questions of their own, by variant.

    Options of a question: `few` or `n` of multiple choice, `classes` of a shortened list; `encoder` tells similar names.
    """
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
    resamples: int,
    options: dict[str, Any] | None,
) -> Table:
    """Every protocol for every model that answers in words, each from answers to its own questions.

    Accuracies are means over repeats, with 95 % bootstrap intervals over the images of the row. `options` are the
    arguments of `with_options`; None where no question has options.
    """
    by_variant = with_options(**options) if options else {}
    worded = scores.filter(pl.col("encoder").is_not_null())
    stored = worded.filter((pl.col("variant") == "") & pl.col("scoring").is_in(list(STORED)))
    parts = [_accuracies(stored, images, study.n_images, resamples)]
    for variant in by_variant:
        put = worded.filter((pl.col("scoring") == "MC") & (pl.col("variant") == variant)).with_columns(
            scoring="variant"
        )
        if put.height:
            among = images.filter(pl.col("image_id").is_in(put["image_id"].unique().implode()))
            parts.append(_accuracies(put, among, study.n_images, resamples))
    every = STORED | by_variant
    rows = pl.concat(parts).sort(
        pl.col("model"), pl.col("scoring").replace_strict({key: place for place, key in enumerate(every)})
    )
    said = {
        column: pl.col("scoring").replace_strict({key: getattr(protocol, field) for key, protocol in every.items()})
        for column, field in {"protocol": "name", "used_by": "used_by", "what": "what"}.items()
    }
    accuracies = [f"{name}{end}" for name in ("ImGT_A", "ReGT_A") for end in ("", "_low", "_high")]
    columns = ["protocol", "used_by", "what", *accuracies, "OOP", "repeats", "n"]
    return Table(
        labelled(rows.with_columns(**said), models, study, columns).drop("task"),
        "The same models under the protocols of earlier work: accuracy (%)",
        subtitle(study, rows),
        {
            "model": MODEL,
            "protocol": Column(
                "Protocol",
                "OW and CW rows score the same stored answers by different rules; every other row has questions of its "
                "own. Rows of different n are of different images.",
                words=True,
            ),
            "used_by": Column("Used by", words=True),
            "what": Column("What is asked and what is right", words=True, latex=False),
            "n": Column("n"),
            "ImGT_A": Column(study.named("ImGT")),
            "ImGT_A_interval": Column("95 % CI", "CI: bootstrap over the images.", latex=False),
            "ReGT_A": Column(study.named("ReGT")),
            "ReGT_A_interval": ASIDE,
            "OOP": Column("OOP", "OOP: answers that are none of the options, or of the listed classes."),
        },
    )


def _accuracies(scores: pl.DataFrame, images: pl.DataFrame, n_images: str, count: int) -> pl.DataFrame:
    """Accuracies of these rows with their intervals, the share of OOP answers, repeats, and n."""
    answers = matrices(by_image(scores), images)
    exact, drawn = resampled(answers, count)
    columns = {}
    for name, among in {"ImGT": ALL, "ReGT": RULES[n_images]}.items():
        columns[f"{name}_A"] = exact.accuracy(name, among)[0]
        columns[f"{name}_A_low"], columns[f"{name}_A_high"] = percentiles(drawn.accuracy(name, among))
    about = scores.group_by("model", "scoring").agg(
        pl.col("oop").mean().alias("OOP") * 100,
        pl.col("repeat").n_unique().alias("repeats"),
        pl.col("image_id").n_unique().alias("n"),
    )
    return answers.rows.with_columns(pl.Series(name, values).fill_nan(None) for name, values in columns.items()).join(
        about, on=["model", "scoring"]
    )
