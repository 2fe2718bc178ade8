"""Every accuracy of every model, for machines."""

import polars as pl

from mllm_classify.measures.bootstrap import CHANGE, MEASURES, matrices, resampled
from mllm_classify.measures.counting import ALL, REGT, RULES, SUBSETS, Categories
from mllm_classify.measures.intervals import percentiles, wilson
from mllm_classify.measures.selection import main_scores
from mllm_classify.tables.table import Study, named

CELLS: list[tuple[str, str | None, str, Categories]] = [
    ("ImGT", None, "A", ALL),
    *(("ImGT", None, subset, parts) for subset, parts in SUBSETS.items() if subset != "A"),
    *((measure, rule, "A", among) for measure in ("ReGT", "ImGT and ReGT", CHANGE) for rule, among in RULES.items()),
    *(("ReGT", "correct", subset, SUBSETS[subset]) for subset in REGT.values() if subset != "A"),
]
"""Measure, rule for images in N, subset, and the categories of its images."""


def accuracy(
    scores: pl.DataFrame, images: pl.DataFrame, models: pl.DataFrame, study: Study, resamples: int
) -> pl.DataFrame:
    """Every accuracy in percent, long: per model, task, measure, rule for N and subset, with two 95 % intervals.

    Measures: ImGT, ReGT, `ImGT and ReGT` (correct under both), and `change`, ReGT minus ImGT on the same images in points,
    whose interval is paired: both are taken on the same resamples. The rule for N does not concern ImGT itself, which is
    over all images. There is no row for a subset without images. `images` are as in `matrices`.
    """
    answers = matrices(main_scores(scores), images)
    exact, drawn = resampled(answers, resamples)
    frames = []
    for measure, rule, subset, among in CELLS:
        total = exact.total("present", among)[0]
        correct = None if measure == CHANGE else exact.total(MEASURES[measure], among)[0]
        bounds = {"bootstrap": percentiles(drawn.accuracy(measure, among))}
        if correct is not None:
            bounds["wilson"] = tuple(bound * 100 for bound in wilson(correct, total))  # type: ignore[assignment]
        columns = {"n": total, "correct": correct, "accuracy": exact.accuracy(measure, among)[0]}
        columns |= {
            f"{kind}_{end}": bounds[kind][place] if kind in bounds else None
            for kind in ("wilson", "bootstrap")
            for place, end in enumerate(("low", "high"))
        }
        frames.append(
            answers.rows.with_columns(
                pl.lit(measure).alias("measure"),
                pl.lit(rule, dtype=pl.String).alias("n_images"),
                pl.lit(subset).alias("subset"),
                *(
                    pl.lit(None, dtype=pl.Float64).alias(name)
                    if values is None
                    else pl.Series(name, values, dtype=pl.Float64).fill_nan(None)
                    for name, values in columns.items()
                ),
            )
        )
    integers = [pl.col("n").cast(pl.Int64), pl.col("correct").cast(pl.Int64)]
    about = [column for column in study.columns() if column.meta.output_name() != "n_images"]
    return named(pl.concat(frames).filter(pl.col("n") > 0).with_columns(integers), models).with_columns(about)
