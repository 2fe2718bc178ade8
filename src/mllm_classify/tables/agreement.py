"""Agreement: whether a chat model that is asked the same again answers the same, beside how accurate it is."""

import polars as pl

from mllm_classify.measures import clusters
from mllm_classify.score import predicted_by_text
from mllm_classify.tables.sensitivity import KEYS, LABEL_SETS, answered
from mllm_classify.tables.tables import SCORINGS, Study, Table, labelled, subtitle

READINGS = ["text", "class", "ImGT", "ReGT"]
"""On what repeats may agree: the answer as it came, the class that it stands for, and whether that is right."""
SCHEMA: dict[str, pl.DataType] = {
    "n": pl.Int64(),
    "repeats": pl.Int64(),
    "n_unanswered": pl.Int64(),
    **{f"{reading}_{kind}": pl.Float64() for reading in READINGS for kind in ("all", "pairs")},
    "class_kappa": pl.Float64(),
    **{f"{name}_A{end}": pl.Float64() for name in LABEL_SETS for end in ("", "_low", "_high", "_sd")},
}


def meanings(predictions: pl.DataFrame, mapping: pl.DataFrame, classes: pl.DataFrame) -> pl.DataFrame:
    """What each answer of one model says, and what it stands for under every scoring of its task.

    Columns image_id, task, variant, repeat, scoring, text as it came, and class: the classes' ids, or nothing.
    """
    keys = ["image_id", "task", "variant", "repeat"]
    classed = predicted_by_text(mapping.filter(pl.col("status") != "unasked"), classes).select(
        *keys, "scoring", pl.col("predicted").list.sort().cast(pl.List(pl.String)).list.join(" ").alias("class")
    )
    said = predictions.select(*keys, "text")
    return classed.join(said, on=keys, how="left", maintain_order="left")


def agreement(scores: pl.DataFrame, differing: pl.DataFrame, models: pl.DataFrame, study: Study, count: int) -> Table:
    """How far the repeats of every variant agree, per model, task and variant.

    `scores` have the columns text and class (`meanings`) and cluster (`clusters.with_clusters`); `differing` has model,
    variant and differs, in the order of the configuration. `_all` is the share of images on which all repeats agree,
    `_pairs` that of pairs of repeats, in percent. An image counts where every repeat was answered.
    """
    scores = scores.filter(pl.col("scoring").is_in(SCORINGS) & (pl.col("variant") != ""))
    rows = [
        dict(zip(KEYS, key, strict=True)) | _figures(of, study.n_images, count)
        for key, of in scores.group_by(KEYS, maintain_order=True)
        if of["repeat"].n_unique() > 1
    ]
    places = {name: place for place, name in enumerate(SCORINGS)}
    figures = (
        pl.DataFrame(rows, schema={**dict.fromkeys(KEYS, pl.String()), **SCHEMA})
        .join(differing.with_row_index("order"), on=["model", "variant"], how="left")
        .sort("model", pl.col("scoring").replace_strict(places, return_dtype=pl.Int32), "order")
    )
    kappa = pl.col("class_kappa").map_elements(lambda value: f"{value:z.3f}", pl.String)
    return Table(
        labelled(figures.with_columns(kappa), models, study, ["variant", "differs", *SCHEMA]),
        "Agreement between repeats",
        subtitle(study, figures),
        {
            "model": "Model", "task": "Task", "variant": "Variant", "differs": "Repeats differ in", "n": "n",
            "repeats": "Repeats", "text_all": "Text", "text_pairs": "pairs", "class_all": "Class", "class_pairs": "pairs",
            "class_kappa": "kappa", "ImGT_all": "Right or wrong", "ImGT_A": study.named("ImGT"),
            "ImGT_A_interval": "95 % CI", "ImGT_A_sd": "SD", "ReGT_A": study.named("ReGT"), "ReGT_A_interval": "95 % CI",
            "ReGT_A_sd": "SD",
        },
        {
            "text_all": "Text: images (%) on which all repeats answer the same to the letter. Class: on which all answers "
            "stand for the same class, or all for none. Right or wrong: on which all are right, or all wrong, under ImGT.",
            "text_pairs": "pairs: the same of any two repeats. Kappa: Fleiss' (1971), of classes. Images that were not "
            "answered in every repeat are left out of these.",
            "ImGT_A_interval": "CI: bootstrap of images, or of requests about several, of the mean over repeats. SD: "
            "standard deviation between repeats.",
        },
    )  # fmt: skip


def _figures(of: pl.DataFrame, n_images: str, count: int) -> dict[str, float | int | None]:
    """One row's figures, without its keys."""
    repeats, images = of["repeat"].n_unique(), of["image_id"].n_unique()
    whole = of.filter(((pl.col("status") != "error").sum() == repeats).over("image_id"))
    row: dict[str, float | int | None] = {
        "n": images,
        "repeats": repeats,
        "n_unanswered": images - whole["image_id"].n_unique(),
    }
    for reading in READINGS:
        told = (
            whole.select("image_id", value=reading) if reading in whole.columns else answered(whole, reading, n_images)
        )
        row[f"{reading}_all"], row[f"{reading}_pairs"] = agreeing(told)
    row["class_kappa"] = fleiss_kappa(whole.select("image_id", value="class"))
    for name in LABEL_SETS:
        right = answered(of, name, n_images)
        if right.height:
            low, high = clusters.interval(clusters.layouts(right), count)
            by_repeat = right.group_by("repeat").agg(pl.col("value").mean() * 100)["value"]
            row |= {f"{name}_A": float(right["value"].mean()) * 100, f"{name}_A_sd": by_repeat.std()}  # type: ignore[arg-type, dict-item]
            row |= {f"{name}_A_low": low * 100, f"{name}_A_high": high * 100}
    return row


def agreeing(values: pl.DataFrame) -> tuple[float | None, float | None]:
    """The share of images, in percent, of which all values are equal, and that of equal pairs of one image's values.

    Columns image_id and value, equally many of each image, and at least two. None of no image.
    """
    counted = values.group_by("image_id", "value").len().with_columns(of=pl.col("len").sum().over("image_id"))
    equal = pl.col("len") * (pl.col("len") - 1.0) / (pl.col("of") * (pl.col("of") - 1.0))
    each = counted.group_by("image_id").agg(all=pl.len() == 1, pairs=equal.sum())
    return each.select(pl.col("all", "pairs").mean() * 100).row(0)


def fleiss_kappa(values: pl.DataFrame) -> float | None:
    """Fleiss' kappa (1971): agreement beyond that of repeats which draw from all answers; None where these are all equal.

    Columns as for `agreeing`.
    """
    pairs = agreeing(values)[1]
    chance = sum((count / values.height) ** 2 for count in values["value"].value_counts()["count"])
    return None if pairs is None or chance == 1 else (pairs / 100 - chance) / (1 - chance)
