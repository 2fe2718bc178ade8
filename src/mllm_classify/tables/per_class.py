"""Accuracy of every model for every class: which classes are hard, for whom, and what they are taken for."""

import polars as pl

from mllm_classify.io.text import cell, short
from mllm_classify.measures.counting import judged, percentages
from mllm_classify.measures.selection import best_task, evaluated, main_scores
from mllm_classify.tables.table import ASIDE, INTERVAL, MODEL, TASK, Column, Study, Table, labelled

FIRST = 60
"""Rows that people see; the CSV has all."""
WRONG = 3
"""Wrong answers that are told."""
LONGEST = 40
"""Characters of a class's name."""
KEYS = ["model", "imgt_class"]


def per_class(
    scores: pl.DataFrame, labels: pl.DataFrame, classes: pl.DataFrame, models: pl.DataFrame, study: Study
) -> Table:
    """One row a class, by ImGT, and model, at its task of Table 3: accuracy under both label sets, the share of OOP answers
    to CW, and the WRONG most frequent classes that are wrong under ImGT, with their numbers; ties by id.

    Classes are in the order of their mean ImGT accuracy, the lowest first, then of their ids.
    """
    main = main_scores(scores).join(
        evaluated(labels).select("image_id", "imgt_admissible", imgt_class="imgt"), on="image_id", how="inner"
    )
    shown = best_task(main, study.n_images)
    under_regt = pl.col("regt").is_not_null() & judged(study.n_images)
    counted = shown.group_by(*KEYS, "scoring").agg(
        pl.len().alias("n"),
        pl.col("imgt").sum().alias("ImGT"),
        pl.len().alias("ImGT_total"),
        pl.col("regt").filter(under_regt).sum().alias("ReGT"),
        pl.col("regt").filter(under_regt).len().alias("ReGT_total"),
    )
    listed = main.filter((pl.col("scoring") == "CW") & (pl.col("repeat") == 0) & pl.col("oop").is_not_null())
    out = listed.group_by(KEYS).agg(pl.col("oop").sum().alias("OOP"), pl.len().alias("OOP_total"))
    names = classes.select(imgt_class="class_id", name="name")
    rows = (
        percentages(
            counted.join(out, on=KEYS, how="left").with_columns(pl.col("OOP", "OOP_total").fill_null(0)),
            ["ImGT", "ReGT", "OOP"],
        )
        .join(mistakes(shown, classes), on=KEYS, how="left")
        .join(names, on="imgt_class", how="left")
        .sort(pl.col("ImGT").mean().over("imgt_class").round(9), "imgt_class", "model")
        .with_columns(
            pl.col("wrong").fill_null(""),
            pl.col("name").map_elements(lambda name: cell(short(name, LONGEST)), return_dtype=pl.String).alias("class"),
        )
        .rename({"imgt_class": "class_id", "name": "class_name"})
    )
    columns = [
        "class_id",
        "class",
        "n",
        *(f"{it}{end}" for it in ("ImGT", "ReGT", "OOP") for end in ("", "_low", "_high")),
    ]
    return Table(
        labelled(rows, models, study, [*columns, "wrong"]),
        f"Accuracy (%) by class of {study.imgt}",
        f"{study}; {rows['class_id'].n_unique()} classes; here the first {min(FIRST, rows.height)} rows",
        _columns(study, has_oop=rows["OOP"].is_not_null().any()),
        FIRST,
    )


def _columns(study: Study, *, has_oop: bool) -> dict[str, Column]:
    regt = {"ReGT": Column(study.named("ReGT")), "ReGT_interval": INTERVAL} if study.regt else {}
    oop = {"OOP": Column("OOP", "OOP: answers to CW that are none of the listed classes (%).")} if has_oop else {}
    return {
        "class": Column(
            "Class",
            "Class: the ImGT label. Classes that models find hardest, by mean ImGT accuracy, come first; the CSV has all.",
            words=True,
        ),
        "model": MODEL,
        "task": TASK,
        "n": Column("n"),
        "ImGT": Column(study.named("ImGT")),
        "ImGT_interval": ASIDE if regt else INTERVAL._replace(note="CI: Wilson."),
        **regt,
        **oop,
        "wrong": Column(
            "Taken for",
            f"Taken for: the {WRONG} most frequent predicted classes that ImGT does not admit. CI: Wilson.",
            words=True,
        ),
    }


def mistakes(shown: pl.DataFrame, classes: pl.DataFrame) -> pl.DataFrame:
    """What images of each class are taken for by each model: columns of KEYS, and wrong, such as `cup 3 | bowl 1`.

    `shown` are scores with imgt_admissible and imgt_class. A name that several classes share counts once an image, under
    the first of them.
    """
    first = classes.select(pl.col("class_id").alias("predicted"), pl.col("same_name").list.first().alias("taken"))
    names = classes.select(taken="class_id", taken_name="name")
    return (
        shown.filter(~pl.col("imgt") & (pl.col("status") != "error"))
        .select(*KEYS, "image_id", "predicted")
        .explode("predicted")
        .join(first, on="predicted")
        .unique([*KEYS, "image_id", "taken"])
        .group_by(*KEYS, "taken")
        .agg(pl.len().alias("images"))
        .join(names, on="taken")
        .sort(*KEYS, "images", "taken", descending=[False, False, True, False])
        .group_by(KEYS, maintain_order=True)
        .head(WRONG)
        .with_columns(
            pl.col("taken_name")
            .map_elements(lambda name: short(name, LONGEST), return_dtype=pl.String)
            .alias("taken_name")
        )
        .group_by(KEYS, maintain_order=True)
        .agg(pl.format("{} {}", "taken_name", "images").str.join(" | ").alias("wrong"))
        .with_columns(pl.col("wrong").map_elements(cell, return_dtype=pl.String))
    )
