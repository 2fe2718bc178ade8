"""ImageNet's weasel family under the expert labels."""

import polars as pl

from mllm_classify.measures.intervals import wilson
from mllm_classify.measures.selection import evaluated, main_scores
from mllm_classify.tables.table import INTERVAL, MODEL, TASK, Column, Study, Table, labelled
from mllm_classify.tasks import MAIN_SCORINGS


def mustelidae(
    scores: pl.DataFrame, labels: pl.DataFrame, classes: pl.DataFrame, models: pl.DataFrame, study: Study
) -> Table:
    """Accuracy on the weasel family under ImGT and under the expert labels, by ImGT class.

    The rule for images in N holds for those to which the expert gave no class.
    """
    names = classes.select(pl.col("class_id").alias("imgt_class"), pl.col("name").alias("class"))
    original = labels.select("image_id", pl.col("imgt").alias("imgt_class")).join(names, on="imgt_class", how="left")
    none = evaluated(labels).filter(pl.col("expert").list.len() == 0)["image_id"]
    seen = main_scores(scores).filter(pl.col("expert").is_not_null()).join(original, on="image_id", how="left")
    if study.n_images == "excluded":
        seen = seen.filter(~pl.col("image_id").is_in(none.implode()))
    every = pl.concat([seen, seen.with_columns(pl.lit("all").alias("class"), pl.lit(-1, pl.Int32).alias("imgt_class"))])
    places = {name: place for place, name in enumerate(MAIN_SCORINGS)}
    counted = (
        every.group_by("model", "scoring", "imgt_class", "class")
        .agg(pl.len().alias("n"), pl.col("imgt").sum(), pl.col("expert").sum())
        .sort("model", pl.col("scoring").replace_strict(places), "imgt_class")
    )
    columns = []
    for name, column in {"ImGT": "imgt", "expert": "expert"}.items():
        low, high = wilson(counted[column].to_numpy(), counted["n"].to_numpy())
        columns += [
            (counted[column] / counted["n"] * 100).alias(name),
            pl.Series(f"{name}_low", low * 100),
            pl.Series(f"{name}_high", high * 100),
        ]
    rows = counted.drop("imgt", "expert").with_columns(*columns)
    return Table(
        labelled(
            rows,
            models,
            study,
            ["class", "n", "ImGT", "expert", "ImGT_low", "ImGT_high", "expert_low", "expert_high", "family"],
        ),
        f"Weasel family: accuracy (%) by class of {study.imgt}",
        str(study),
        {
            "model": MODEL,
            "task": TASK,
            "class": Column("Class", words=True),
            "n": Column("n"),
            "ImGT": Column(study.named("ImGT")),
            "ImGT_interval": INTERVAL,
            "expert": Column(
                "Expert",
                "Expert: labels of the weasel family by a specialist (Kisel et al., 2025). Images on which the expert "
                f"could not decide are left out; of {none.len()} images, to which no class applies, "
                f"{'every answer is right' if study.n_images == 'correct' else 'none counts'}. CI: Wilson.",
            ),
            "expert_interval": INTERVAL,
        },
    )
