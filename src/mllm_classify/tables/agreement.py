"""Agreement: whether a chat model that is asked the same again answers the same, beside how accurate it is."""

import polars as pl

from mllm_classify.io.keys import ANSWER, QUESTION
from mllm_classify.measures.clusters import answered, interval, layouts, with_clusters
from mllm_classify.measures.counting import LABEL_SETS
from mllm_classify.tables.sensitivity import KEYS, PLACES, WAYS
from mllm_classify.tables.table import ASIDE, MODEL, TASK, Column, Study, Table, labelled, subtitle
from mllm_classify.tasks import MAIN_SCORINGS

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


def agreement(
    scores: pl.DataFrame,
    chat_predictions: dict[str, pl.LazyFrame],
    repeated: list[list[str]],
    models: pl.DataFrame,
    study: Study,
    resamples: int,
) -> Table:
    """How far the repeats of every variant agree, per model, task and variant.

    `repeated` are model, variant, and in what its repeats differ, in the order of the configuration. `_all` is the share
    of images on which all repeats agree, `_pairs` that of pairs of repeats, in percent. An image counts where every repeat
    was answered.
    """
    varied = scores.filter(pl.col("scoring").is_in(MAIN_SCORINGS) & (pl.col("variant") != ""))
    answers = read(with_clusters(varied), chat_predictions)
    cells = [
        dict(zip(KEYS, key, strict=True)) | _numbers(of, study.n_images, resamples)
        for key, of in answers.group_by(KEYS, maintain_order=True)
        if of["repeat"].n_unique() > 1
    ]
    rows = (
        pl.DataFrame(cells, schema={**dict.fromkeys(KEYS, pl.String()), **SCHEMA})
        .join(
            pl.DataFrame(repeated, schema=WAYS, orient="row").with_row_index("order"),
            on=["model", "variant"],
            how="left",
        )
        .sort("model", pl.col("scoring").replace_strict(PLACES, return_dtype=pl.Int32), "order")
    )
    kappa = pl.col("class_kappa").map_elements(lambda value: f"{value:z.3f}", pl.String)
    return Table(
        labelled(rows.with_columns(kappa), models, study, ["variant", "differs", *SCHEMA]),
        "Agreement between repeats",
        subtitle(study, rows),
        _columns(study),
    )


def _columns(study: Study) -> dict[str, Column]:
    return {
        "model": MODEL,
        "task": TASK,
        "variant": Column("Variant", words=True),
        "differs": Column("Repeats differ in", words=True, latex=False),
        "n": Column("n"),
        "repeats": Column("Repeats"),
        "text_all": Column(
            "Text",
            "Text: images (%) on which all repeats answer the same to the letter. Class: on which all answers stand for the "
            "same class, or all for none. Right or wrong: on which all are right, or all wrong, under ImGT.",
        ),
        "text_pairs": Column(
            "pairs",
            "pairs: the same for any two repeats. Kappa: Fleiss' (1971), of classes. Images that were not answered in every "
            "repeat are left out of these.",
        ),
        "class_all": Column("Class"),
        "class_pairs": Column("pairs"),
        "class_kappa": Column("kappa"),
        "ImGT_all": Column("Right or wrong"),
        "ImGT_A": Column(study.named("ImGT")),
        "ImGT_A_interval": Column(
            "95 % CI",
            "CI: bootstrap of images, or of requests about several, of the mean over repeats. SD: standard deviation between "
            "repeats.",
            latex=False,
        ),
        "ImGT_A_sd": Column("SD"),
        "ReGT_A": Column(study.named("ReGT")),
        "ReGT_A_interval": ASIDE,
        "ReGT_A_sd": Column("SD"),
    }


def read(scores: pl.DataFrame, predictions: dict[str, pl.LazyFrame]) -> pl.DataFrame:
    """Scores with what was said: `text` as it came, and `class`, the ids of the classes that it stands for, or nothing.

    `predictions` are by the model's name.
    """
    said = pl.concat(
        frame.select(pl.lit(name).alias("model"), *QUESTION, "text") for name, frame in predictions.items()
    ).collect()
    ids = pl.col("predicted").list.sort().cast(pl.List(pl.String)).list.join(" ")
    return scores.with_columns(pl.when(pl.col("status") != "unasked").then(ids).alias("class")).join(
        said, on=ANSWER, how="left", maintain_order="left"
    )


def _numbers(of: pl.DataFrame, n_images: str, count: int) -> dict[str, float | int | None]:
    """One row's numbers, without its keys."""
    repeats, images = of["repeat"].n_unique(), of["image_id"].n_unique()
    whole = of.filter(((pl.col("status") != "error").sum() == repeats).over("image_id"))
    row: dict[str, float | int | None] = {
        "n": images,
        "repeats": repeats,
        "n_unanswered": images - whole["image_id"].n_unique(),
    }
    for reading in READINGS:
        values = (
            whole.select("image_id", value=reading) if reading in whole.columns else answered(whole, reading, n_images)
        )
        row[f"{reading}_all"], row[f"{reading}_pairs"] = agreeing(values)
    row["class_kappa"] = fleiss_kappa(whole.select("image_id", value="class"))
    for name in LABEL_SETS:
        right = answered(of, name, n_images)
        if right.height:
            low, high = interval(layouts(right), count)
            by_repeat = right.group_by("repeat").agg(pl.col("value").mean() * 100)["value"]
            row |= {f"{name}_A": float(right["value"].mean()) * 100, f"{name}_A_sd": by_repeat.std()}  # type: ignore[arg-type, dict-item]
            row |= {f"{name}_A_low": low * 100, f"{name}_A_high": high * 100}
    return row


def agreeing(values: pl.DataFrame) -> tuple[float | None, float | None]:
    """The share of images, in percent, of which all values are equal, and that of equal pairs of one image's values.

    Columns image_id and value, equally many of each image, and at least two. Both are None without an image.
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
