"""What two studies share, how their accuracies differ on it, and which answers changed."""

from typing import Any

import numpy as np
import polars as pl

from mllm_classify.io.keys import QUESTION
from mllm_classify.measures.clusters import interval, layouts, sign_flip_p, with_clusters
from mllm_classify.measures.counting import LABEL_SETS, RULES
from mllm_classify.measures.paired import holm

ROW = ["model", "scoring", "variant"]
"""What a row of tables is of."""
DIFFERENCES: dict[str, pl.DataType] = {
    **dict.fromkeys(ROW, pl.String()),
    "measure": pl.String(),  # ImGT or ReGT
    "n": pl.Int64(),  # images that both have
    "repeats": pl.Int64(),
    "A": pl.Float64(),  # accuracy (%) on these images
    "B": pl.Float64(),
    "difference": pl.Float64(),  # B minus A, in points
    "low": pl.Float64(),  # its 95 % interval
    "high": pl.Float64(),
    "only_A": pl.Int64(),  # answers that are right in A alone
    "only_B": pl.Int64(),
    "p": pl.Float64(),
    "p_holm": pl.Float64(),  # corrected for all rows of the measure
}
SHARED: dict[str, pl.DataType] = {"what": pl.String(), "A": pl.Int64(), "B": pl.Int64(), "both": pl.Int64(), "equal": pl.Int64()}  # fmt: skip
CHANGED: dict[str, pl.DataType] = {
    **dict.fromkeys([*ROW, "image_id"], pl.String()),
    "repeat": pl.Int32(),
    **dict.fromkeys([f"{what}_{side}" for what in ("text", "classes") for side in "AB"], pl.String()),
    **dict.fromkeys([f"{measure}_{side}" for measure in LABEL_SETS for side in "AB"], pl.Boolean()),
}
Sides = tuple[pl.DataFrame, pl.DataFrame]
"""The same frame of A and of B."""


def same_pictures(images: Sides) -> pl.DataFrame:
    """The images that both studies have, by their ids, whose pictures are known to be no others. Column image_id."""
    a, b = (it.select("image_id", "sha256") for it in images)
    both = a.join(b, on="image_id", how="inner", maintain_order="left")
    return both.filter((pl.col("sha256") == pl.col("sha256_right")).fill_null(value=True)).select("image_id")


def shared_images(images: Sides, labels: tuple[pl.DataFrame | None, pl.DataFrame | None]) -> list[dict[str, Any]]:
    """Rows of SHARED about images, and about their labels where both studies know them.

    Of images, `equal` counts those whose pictures are the same, or of which one is not known; of labels, equal ones.
    """
    same, (a, b) = same_pictures(images), images
    both = a.join(b, on="image_id", how="inner")
    rows = [{"what": "images", "A": a.height, "B": b.height, "both": both.height, "equal": same.height}]
    one, other = labels
    if one is None or other is None:
        return rows
    joined = one.join(other, on="image_id", how="inner", suffix="_B").join(same, on="image_id", how="semi")
    for what, column in {"ImGT labels": "imgt", "ReGT labels": "regt", "categories": "category"}.items():
        known = joined.filter(pl.col(column).is_not_null() & pl.col(f"{column}_B").is_not_null())
        sizes = [int(it[column].is_not_null().sum()) for it in (one, other)]
        equal = int((known[column] == known[f"{column}_B"]).sum()) if known.height else 0
        rows.append({"what": what, "A": sizes[0], "B": sizes[1], "both": known.height, "equal": equal})
    return rows


def shared_answers(model: str, predictions: Sides, images: pl.DataFrame) -> dict[str, Any]:
    """The row of SHARED about a model's answers: to questions about the same picture, and equal ones among these."""
    a, b = predictions
    both = _joined(predictions, images)
    return {"what": f"answers of {model}", "A": a.height, "B": b.height, "both": both.height,
            "equal": int((~both["changed"]).sum())}  # fmt: skip


def _joined(predictions: Sides, images: pl.DataFrame) -> pl.DataFrame:
    """Answers of both to the same questions: what was said, and whether it changed."""
    a, b = (it.select(*QUESTION, "text", first=pl.col("class_ids").list.first(), status="status") for it in predictions)
    changed = pl.any_horizontal(pl.col(it).ne_missing(pl.col(f"{it}_B")) for it in ("text", "first", "status"))
    joined = a.join(b, on=QUESTION, how="inner", suffix="_B", maintain_order="left")
    return joined.join(images, on="image_id", how="semi", maintain_order="left").with_columns(changed=changed)


def paired(scores: Sides, images: pl.DataFrame) -> pl.DataFrame:
    """Scores of both for the same model, question and way of scoring, of these images; B's columns end with `_B`."""
    a, b = (with_clusters(it) for it in scores)
    keys = ["model", "scoring", *QUESTION]
    columns = ["imgt", "regt", "category", "predicted", "cluster", "group"]
    joined = a.select(*keys, *columns).join(
        b.select(*keys, *columns), on=keys, how="inner", suffix="_B", maintain_order="left"
    )
    return joined.join(images, on="image_id", how="semi", maintain_order="left")


def differences(pairs: pl.DataFrame, n_images: tuple[str, str], count: int) -> pl.DataFrame:
    """Accuracies of every row that both studies have, on the images that both have, and B minus A. Columns of DIFFERENCES.

    `n_images` are the rules for images in N: one counts under ReGT where it does in both studies. The interval is from
    `count` bootstrap resamples of the images, p from sign flips, both of requests where several images share one; Holm's
    correction is over all rows of a measure.
    """
    cells = []
    for measure, column in LABEL_SETS.items():
        known = pl.col(column).is_not_null() & pl.col(f"{column}_B").is_not_null()
        if measure == "ReGT":
            known &= pl.col("category").is_in(RULES[n_images[0]]) & pl.col("category_B").is_in(RULES[n_images[1]])
        # clusters of both that share an image should be one; those of A stand for them, and B's where A has none
        cluster = pl.when(pl.col("group").is_null()).then("cluster_B").otherwise("cluster")
        among = pairs.filter(known).with_columns(
            value=pl.col(f"{column}_B").cast(pl.Int64) - pl.col(column).cast(pl.Int64), cluster=cluster
        )
        found = [
            dict(zip(ROW, key, strict=True)) | {"measure": measure} | _numbers(of, column, count)
            for key, of in among.group_by(ROW, maintain_order=True)
        ]
        for row, p in zip(found, holm(np.array([it["p"] for it in found])), strict=True):
            row["p_holm"] = float(p)
        cells += found
    return pl.DataFrame(cells, schema=DIFFERENCES)


def _numbers(of: pl.DataFrame, column: str, count: int) -> dict[str, Any]:
    both = layouts(of.select("image_id", "repeat", "cluster", "value"))
    low, high = interval(both, count)
    means = [float(of[name].mean()) * 100 for name in (column, f"{column}_B")]  # type: ignore[arg-type]
    return {
        "n": of["image_id"].n_unique(),
        "repeats": of["repeat"].n_unique(),
        "A": means[0],
        "B": means[1],
        "difference": means[1] - means[0],
        "low": low * 100,
        "high": high * 100,
        "only_A": int((of["value"] < 0).sum()),
        "only_B": int((of["value"] > 0).sum()),
        "p": sign_flip_p(both),
    }


def changed_scores(pairs: pl.DataFrame, predictions: Sides, names: tuple[list[str], list[str]]) -> pl.DataFrame:
    """The scored answers whose text or classes changed, of one model. Columns of CHANGED.

    `names` are the classes' names by their ids. Classes are compared by their names.
    """
    texts = [it.select(*QUESTION, "text") for it in predictions]
    with_text = pairs.join(texts[0], on=QUESTION, how="left", maintain_order="left").join(
        texts[1], on=QUESTION, how="left", suffix="_B", maintain_order="left"
    )
    said = with_text.with_columns(
        classes_A=_named("predicted", names[0]), classes_B=_named("predicted_B", names[1])
    ).rename({"text": "text_A", "text_B": "text_B", "imgt": "ImGT_A", "imgt_B": "ImGT_B", "regt": "ReGT_A", "regt_B": "ReGT_B"})  # fmt: skip
    changed = pl.any_horizontal(pl.col(f"{it}_A").ne_missing(pl.col(f"{it}_B")) for it in ("text", "classes"))
    return said.filter(changed).select(*CHANGED)


def changed_predictions(
    model: str, predictions: Sides, images: pl.DataFrame, names: tuple[list[str], list[str]]
) -> pl.DataFrame:
    """The same where one of the studies does not say what is right: answers as they were given, by their tasks."""
    found = _joined(predictions, images).filter("changed")
    one = [pl.concat_list(name).list.drop_nulls().alias(name) for name in ("first", "first_B")]
    return (
        found.with_columns(one)
        .with_columns(
            model=pl.lit(model),
            scoring="task",
            text_A="text",
            classes_A=_named("first", names[0]),
            classes_B=_named("first_B", names[1]),
            **{f"{measure}_{side}": pl.lit(None, pl.Boolean) for measure in LABEL_SETS for side in "AB"},
        )
        .select(*CHANGED)
    )


def _named(column: str, names: list[str]) -> pl.Expr:
    """The names of a list of classes, in the order of their ids; null of none."""
    ids = pl.col(column).list.sort()
    by_id = ids.list.eval(pl.element().replace_strict(dict(enumerate(names)), default="?", return_dtype=pl.String))
    return pl.when(pl.col(column).list.len() > 0).then(by_id.list.join(" | "))
