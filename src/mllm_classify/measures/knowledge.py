"""What models know of each class, beside how often they recognise it."""

import polars as pl

from mllm_classify.measures.counting import judged
from mllm_classify.measures.selection import best_task, evaluated, main_scores

KEYS = ["model", "class_id"]


def by_class(
    probes: dict[str, pl.LazyFrame], scores: pl.DataFrame, labels: pl.DataFrame, n_images: str
) -> pl.DataFrame:
    """One row for each model and class that it was asked about: numbers of questions and of right answers, and accuracies.

    Columns: model, class_id, scoring (the model's task of Table 3), questions, known (right answers), unnamed (answers that
    name none of the options, errors among them), options (the mean of 1 / their number), n (images of the class, by ImGT),
    ImGT, n_ReGT and ReGT: shares of its images that are answered correctly, null without such an image. Sorted by model and
    class_id.
    """
    frames = [
        frame.select(pl.lit(name).alias("model"), "class_id", "options", "chosen", "right")
        for name, frame in probes.items()
    ]
    asked = (
        pl.concat(frames)
        .collect()
        .group_by(KEYS)
        .agg(
            pl.len().alias("questions"),
            pl.col("right").sum().alias("known"),
            pl.col("chosen").is_null().sum().alias("unnamed"),
            (1 / pl.col("options").list.len()).mean().alias("options"),
        )
    )
    shown = best_task(
        main_scores(scores).join(evaluated(labels).select("image_id", class_id="imgt"), on="image_id", how="inner"),
        n_images,
    )
    under_regt = pl.col("regt").is_not_null() & judged(n_images)
    recognised = shown.group_by(KEYS).agg(
        pl.col("scoring").first(),
        pl.len().alias("n"),
        pl.col("imgt").mean().alias("ImGT"),
        under_regt.sum().alias("n_ReGT"),
        pl.col("regt").filter(under_regt).mean().alias("ReGT"),
    )
    tasks = shown.select("model", task="scoring").unique()
    return (
        asked.join(recognised, on=KEYS, how="left")
        .join(tasks, on="model", how="left")
        .with_columns(pl.coalesce("scoring", "task").alias("scoring"), pl.col("n", "n_ReGT").fill_null(0))
        .drop("task")
        .sort(KEYS)
    )
