"""Right or wrong, per image and scoring, under both label sets."""

import polars as pl

SCORES: dict[str, pl.DataType] = {
    "model": pl.String(),
    "image_id": pl.String(),
    "task": pl.String(),
    "variant": pl.String(),
    "repeat": pl.Int32(),
    "encoder": pl.String(),  # null where no text was mapped
    "scoring": pl.String(),  # OW, OW inclusion, CW, CW+, CW inclusion, CW-constrained, MC
    "status": pl.String(),  # as mapped: ok, error, empty, several, unasked
    "oop": pl.Boolean(),  # null where the prompt lists no classes, and for errors
    "imgt": pl.Boolean(),  # correct under ImGT
    "regt": pl.Boolean(),  # correct under ReGT; null without a second label set
    "category": pl.String(),
    "expert": pl.Boolean(),  # correct under the expert labels of the weasel family; null elsewhere
}
KEYS = ["image_id", "task", "variant", "repeat"]


def predicted_by_ranking(predictions: pl.DataFrame) -> pl.DataFrame:
    """The first of every ranking, as the answer to CW."""
    return predictions.with_columns(
        pl.lit(None, dtype=pl.String).alias("encoder"),
        pl.lit("CW").alias("scoring"),
        pl.lit(None, dtype=pl.Boolean).alias("oop"),
        pl.col("class_ids").list.head(1).alias("predicted"),
    )


def predicted_by_text(mapping: pl.DataFrame, classes: pl.DataFrame) -> pl.DataFrame:
    """The classes that an answer stands for, under every scoring of its task.

    OW: the nearest class. CW: the exact classes, none when out of prompt. CW+: the exact classes, else the nearest.
    Inclusion: all classes that the answer names somewhere (Zhang et al., 2024). MC: the option that it names.
    A name that several classes share stands for all of them, whether it was matched or nearest.
    """
    same_name = classes.select(pl.col("class_id").alias("nearest_class"), pl.col("same_name").alias("nearest"))
    mapped = mapping.join(same_name, on="nearest_class", how="left", maintain_order="left")
    nothing = pl.lit([], dtype=pl.List(pl.Int32))
    nearest = pl.col("nearest").fill_null(nothing)
    exact = pl.col("exact_classes")
    included = pl.col("included_classes")
    rules = [
        ("OW", "OW", nearest),
        ("OW", "OW inclusion", included),
        ("CW", "CW", exact),
        ("CW", "CW+", pl.when(pl.col("in_prompt")).then(exact).otherwise(nearest)),
        ("CW", "CW inclusion", included),
        ("CW-constrained", "CW-constrained", exact),
        ("MC", "MC", exact),
    ]
    return pl.concat(
        mapped.filter(pl.col("task") == task).with_columns(
            pl.lit(scoring).alias("scoring"), (~pl.col("in_prompt")).alias("oop"), rule.alias("predicted")
        )
        for task, scoring, rule in rules
    )


def score(model: str, predicted: pl.DataFrame, labels: pl.DataFrame) -> pl.DataFrame:
    """Accuracy's summands alpha_i (eq. 2) of one model, on the images that no label set excludes.

    A prediction is correct when it is admissible, or, under ReGT and the expert labels, when the image has no label at
    all (N): then everything is correct, an empty answer too, and a question of MC that was not asked, because no option
    would be right. A row with an error is wrong everywhere.
    """

    def admissible(labels: str) -> pl.Expr:
        return (pl.col("predicted").list.set_intersection(f"{labels}_admissible").list.len() > 0).fill_null(value=False)

    def correct(labels: str) -> pl.Expr:
        return pl.when(pl.col(labels).is_not_null()).then(
            (pl.col("status") != "error") & ((pl.col(labels).list.len() == 0) | admissible(labels))
        )

    return (
        predicted.select(*KEYS, "encoder", "scoring", "oop", "predicted", "status")
        .join(labels.filter(pl.col("excluded").is_null()), on="image_id", how="inner", maintain_order="left")
        .select(
            pl.lit(model).alias("model"),
            *KEYS,
            "encoder",
            "scoring",
            "status",
            "oop",
            ((pl.col("status") != "error") & admissible("imgt")).alias("imgt"),
            correct("regt").alias("regt"),
            "category",
            correct("expert").alias("expert"),
        )
    )
