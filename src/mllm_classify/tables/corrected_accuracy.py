"""Accuracy under earlier corrections of labels, beside both label sets on the same images."""

import polars as pl

from mllm_classify.measures.counting import SUBSETS, percentages
from mllm_classify.measures.earlier import corrected
from mllm_classify.measures.selection import best_task, main_scores
from mllm_classify.tables.table import ASIDE, INTERVAL, MODEL, TASK, Column, Study, Table, labelled, subtitle

UNDER = ["ImGT", "earlier", "ReGT"]


def corrected_accuracy(scores: pl.DataFrame, labels: pl.DataFrame, models: pl.DataFrame, study: Study) -> Table:
    """One row a model, at its task of Table 3, earlier label set and subset of its categories that has images: accuracy under
    ImGT, under that set, and under the second label set, with Wilson's intervals. Experiment E9 of ReImageNet's authors.
    """
    keys = ["model", "scoring", "set"]
    admitted = (pl.col("predicted").list.set_intersection("admissible").list.len() > 0).fill_null(value=False)
    shown = (
        best_task(main_scores(scores), study.n_images)
        .join(corrected(labels), on="image_id", how="inner")
        .with_columns(earlier=(pl.col("status") != "error") & ((pl.col("classes").list.len() == 0) | admitted))
        .rename({"imgt": "ImGT", "regt": "ReGT"})
    )
    counted = [
        shown.filter(pl.col("before").is_in(categories))
        .group_by(keys)
        .agg(pl.col(*UNDER).sum(), *(pl.len().alias(f"{it}_total") for it in UNDER), pl.len().alias("n"))
        .with_columns(subset=pl.lit(subset), place=pl.lit(place))
        for place, (subset, categories) in enumerate(SUBSETS.items())
    ]
    rows = percentages(pl.concat(counted), UNDER).sort(*keys, "place")
    columns = [f"{it}{end}" for it in UNDER for end in ("", "_low", "_high")]
    return Table(
        labelled(rows, models, study, ["set", "subset", *columns, "n"]),
        "Accuracy (%) under earlier corrections, and under both label sets, on the images that they have",
        subtitle(study, rows),
        {
            "model": MODEL,
            "task": TASK,
            "set": Column("Earlier labels", words=True),
            "subset": Column(
                "Category",
                "Category: by the earlier labels, which count as they are; + where one is ImGT or equivalent to it.",
                words=True,
            ),
            "n": Column("n"),
            "ImGT": Column(study.named("ImGT")),
            "ImGT_interval": ASIDE,
            "earlier": Column(
                "Earlier", "Every answer to an image without an earlier label is right under these. CI: Wilson."
            ),
            "earlier_interval": INTERVAL,
            "ReGT": Column(study.named("ReGT")),
            "ReGT_interval": ASIDE,
        },
    )
