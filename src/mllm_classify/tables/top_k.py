"""Accuracy when any of the first k classes of a ranking, or answers of a list, may be right."""

from collections.abc import Iterator

import polars as pl

from mllm_classify.io.keys import QUESTION
from mllm_classify.measures.counting import ACCURACIES, accuracies, counts
from mllm_classify.measures.selection import evaluated, main_scores
from mllm_classify.score.score import predicted_by_text, score
from mllm_classify.tables.accuracy_columns import CHANGE, ERRORS, SIZES, accuracy_columns, error_columns, intervals
from mllm_classify.tables.table import FAMILY, MODEL, TASK, Column, Study, Table, labelled, subtitle

FRAME = ["task", "variant", "repeat", "encoder", "scoring", "oop", "status", "group", "finish_reason"]
"""What scoring must know beside the image and the classes."""
PLACES = pl.List(pl.List(pl.Int32))
"""Classes by place, best first: several where an answer names several."""


def top_k(
    rankings: dict[str, pl.LazyFrame],
    mappings: dict[str, pl.LazyFrame],
    labels: pl.DataFrame,
    classes: pl.DataFrame,
    models: pl.DataFrame,
    study: Study,
    k: list[int],
) -> Table:
    """Accuracy in percent of every model that ranks, for each number of `k`: an image is right where any of the first k
    classes, or of the classes that the first k answers of a list stand for, is admissible.

    Under ReGT without images in N that is ReaL's accuracy (Beyer et al., 2020) for k = 1, and for other k as timm's
    evaluator of ReaL extends it. Images in N, errors and equivalences follow the same rules as everywhere. `rankings` are all models' predictions, and they and
    `mappings` are by the model's name. A k that no list of a model reaches has no row: nothing is known of its further guesses.
    """
    parts = []
    for model, lists in ranked(rankings, mappings, classes, max(k)):
        longest = lists["places"].list.len().max() or 0
        for number in k:
            if number > 1 and number > longest:  # type: ignore[operator]
                continue
            first = pl.col("places").list.head(number).list.eval(pl.element().explode()).list.drop_nulls()
            scored = main_scores(score(model, lists.with_columns(predicted=first), labels))
            parts.append(accuracies(counts(scored), study.n_images).join(shorter(lists, labels, number), on="scoring"))
    rows = pl.concat(parts) if parts else _empty(study)
    rows = rows.sort("k", "ImGT_A", "ReGT_A", "model", "scoring", nulls_last=True)
    columns = ["k", *ACCURACIES, "family", *CHANGE, *intervals(ACCURACIES), *SIZES, *ERRORS, "n_shorter"]
    return Table(
        labelled(rows, models, study, columns),
        "Top-k accuracy (%): any of the first k classes may be right",
        subtitle(study, rows),
        {
            "model": MODEL,
            "family": FAMILY,
            "task": TASK,
            "k": Column(
                "k",
                "k: right where any of the first k classes of a ranking, or of the first k answers of a list, is admissible. "
                "Under ReGT without images in N, k = 1 is ReaL's accuracy.",
            ),
            **accuracy_columns(rows, study),
            **error_columns(rows),
            **_shorter_column(rows),
        },
    )


def _shorter_column(rows: pl.DataFrame) -> dict[str, Column]:
    if not rows["n_shorter"].sum():
        return {}
    return {"n_shorter": Column("Shorter", "Shorter: images of which the list has fewer than k. What it has counts.")}


def ranked(
    rankings: dict[str, pl.LazyFrame], mappings: dict[str, pl.LazyFrame], classes: pl.DataFrame, most: int
) -> Iterator[tuple[str, pl.DataFrame]]:
    """The first `most` of every ranking, and of every list of answers, as `places`, a row each image and scoring, of
    questions as they are asked without a variant.

    A task of a model counts where it has any ranking, or any list; its single answers are lists of one.
    """
    for model, frame in sorted(rankings.items()):
        main = frame.filter((pl.col("variant") == "") & (pl.col("repeat") == 0))
        rows = main.select(*QUESTION, "status", "group", "finish_reason", pl.col("class_ids").list.head(most)).collect()
        of_tasks = rows.filter(pl.col("class_ids").is_not_null().any().over("task"))
        if of_tasks.height:
            one = pl.concat_list(pl.element()).cast(pl.List(pl.Int32))
            yield (
                model,
                of_tasks.select(
                    "image_id",
                    *QUESTION[1:],
                    pl.lit(None, pl.String).alias("encoder"),
                    pl.col("task").alias("scoring"),
                    pl.lit(None, pl.Boolean).alias("oop"),
                    *FRAME[6:],
                    pl.col("class_ids").list.eval(one).cast(PLACES).alias("places"),
                ),
            )
        if model in mappings:
            yield from _answers(model, mappings[model], classes, most)


def _answers(model: str, mapping: pl.LazyFrame, classes: pl.DataFrame, most: int) -> Iterator[tuple[str, pl.DataFrame]]:
    """The same of a model's lists of answers, by each scoring."""
    rows = mapping.filter((pl.col("variant") == "") & (pl.col("repeat") == 0)).collect()
    rows = rows.filter(pl.col("ranked").is_not_null().any().over("task"))
    if not rows.height:
        return
    read = [field.name for field in rows.schema["ranked"].inner.fields]  # type: ignore[attr-defined]
    each = (
        rows.select(*QUESTION, "encoder", pl.col("ranked").fill_null(pl.concat_list(pl.struct(read))).list.head(most))
        .explode("ranked")
        .unnest("ranked")
    )
    first = rows.select(*QUESTION, pl.col("status").alias("whole"))
    yield (
        model,
        predicted_by_text(each, classes)
        .group_by(*QUESTION, "encoder", "scoring", maintain_order=True)
        .agg(
            pl.col("oop").first(),
            pl.lit(None, pl.Int32).alias("group"),
            pl.lit(None, pl.String).alias("finish_reason"),
            pl.col("predicted").alias("places"),
        )
        .join(first, on=QUESTION, how="left", maintain_order="left")
        .rename({"whole": "status"})
        .select("image_id", *FRAME, "places"),
    )


def shorter(lists: pl.DataFrame, labels: pl.DataFrame, k: int) -> pl.DataFrame:
    """Per scoring, k, and how many of the evaluated images that were answered have a list of fewer than k."""
    return (
        lists.join(evaluated(labels), on="image_id", how="semi")
        .group_by("scoring")
        .agg(
            pl.lit(k, pl.Int64).alias("k"),
            ((pl.col("places").list.len() < k) & (pl.col("status") != "error")).sum().cast(pl.Int64).alias("n_shorter"),
        )
    )


def _empty(study: Study) -> pl.DataFrame:
    """The table's rows where no model ranks."""
    from mllm_classify.score.score import SCORES

    nothing = accuracies(counts(pl.DataFrame(schema=SCORES)), study.n_images)
    return nothing.with_columns(k=pl.lit(None, pl.Int64), n_shorter=pl.lit(None, pl.Int64))
