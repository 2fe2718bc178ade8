"""Judged mapping beside the nearest class: what it changes in accuracy, in answers without a class, and in ranks."""

from typing import Any

import numpy as np
import polars as pl

from mllm_classify.measures.bootstrap import matrices, resampled
from mllm_classify.measures.counting import ALL, RULES
from mllm_classify.measures.intervals import Floats, percentiles
from mllm_classify.measures.ranks import dense_ranks
from mllm_classify.tables.table import ASIDE, INTERVAL, MODEL, TASK, Column, Study, Table, labelled, subtitle
from mllm_classify.tasks import JUDGED

OWN = "own judge"
"""Marks a model that is the judge itself."""
MEASURES = ("ImGT", "ReGT")
RANKS = [f"{measure}_rank{end}" for measure in MEASURES for end in ("", "_judged")]
NUMBERS = [
    f"{measure}_{what}"
    for measure in MEASURES
    for what in ("A", "A_judged", "change", "change_low", "change_high", "rank", "rank_judged")
]


def judged(
    scores: pl.DataFrame,
    images: pl.DataFrame,
    models: pl.DataFrame,
    study: Study,
    resamples: int,
    judging: dict[str, Any],
) -> Table:
    """OW beside OW judged, and CW+ beside CW+ judged, of every model that answers in words.

    The change is judged minus nearest on the same images, with a paired bootstrap interval; ranks are among the models of
    the same task. `judging` has the judge's label, `nearest`, the number of classes that it is asked about, and `own`, the
    names of models that are the judge itself. `images` are as in `matrices`.
    """
    shown = scores.filter((pl.col("variant") == "") & pl.col("scoring").is_in([*JUDGED, *JUDGED.values()]))
    rows = _compared(shown, images, study.n_images, resamples)
    rows = (
        rows.join(_without_class(shown), on=["model", "scoring"], how="left", maintain_order="left")
        .with_columns(
            pl.lit(judging["judge"]).alias("judge"),
            pl.lit(judging["nearest"], dtype=pl.Int64).alias("nearest"),
            pl.when(pl.col("model").is_in(judging["own"])).then(pl.lit(OWN)).alias("is_judge"),
        )
        .sort("model", pl.col("scoring").replace_strict({name: place for place, name in enumerate(JUDGED)}))
    )
    return Table(
        labelled(rows, models, study, [*NUMBERS, "OOP", "no_class", "is_judge", "judge", "nearest", "n"]),
        "Judged mapping beside the nearest class: accuracy (%)",
        f"{subtitle(study, rows)}; judge: {judging['judge']}, on the nearest {judging['nearest']} classes",
        _columns(study),
    )


def _columns(study: Study) -> dict[str, Column]:
    regt = {
        "ReGT_A": Column(study.named("ReGT")),
        "ReGT_A_judged": Column("judged"),
        "ReGT_change": Column("Change"),
        "ReGT_change_interval": ASIDE,
        "ReGT_rank": Column("Rank"),
        "ReGT_rank_judged": Column("judged"),
    }
    return {
        "model": MODEL,
        "task": TASK,
        "ImGT_A": Column(
            study.named("ImGT"),
            "An answer that is a class's name stands for that class. Of any other, the judge is asked about the nearest classes "
            "by text embedding, and the first that it takes for the same counts; of none, none.",
        ),
        "ImGT_A_judged": Column("judged"),
        "ImGT_change": Column(
            "Change", "Change: judged minus nearest on the same images, in points, with a paired bootstrap interval."
        ),
        "ImGT_change_interval": INTERVAL,
        "ImGT_rank": Column("Rank", "Rank: among the models with this task; equal accuracies share one."),
        "ImGT_rank_judged": Column("judged"),
        **(regt if study.regt else {}),
        "OOP": Column(
            "OOP", "OOP: answers (%) that are out of prompt. No class: answers (%) for which none is accepted."
        ),
        "no_class": Column("No class"),
        "is_judge": Column("", f"{OWN}: the model judges its own answers.", words=True),
    }


def _compared(shown: pl.DataFrame, images: pl.DataFrame, n_images: str, count: int) -> pl.DataFrame:
    """Columns model, scoring (the judged one), those of NUMBERS, and n; what has no image is null."""
    answers = matrices(shown, images)
    exact, drawn = resampled(answers, count)
    places = {row: place for place, row in enumerate(answers.rows.iter_rows())}
    pairs = [(place, places[model, JUDGED[scoring]]) for (model, scoring), place in places.items() if scoring in JUDGED]
    after, before = np.array(pairs, dtype=np.int64).reshape(-1, 2).T
    rows = answers.rows[after]
    columns: dict[str, Floats] = {}
    for measure, among in {"ImGT": ALL, "ReGT": RULES[n_images]}.items():
        whole, resamples_of = exact.accuracy(measure, among)[0], drawn.accuracy(measure, among)
        low, high = percentiles(resamples_of[:, after] - resamples_of[:, before])
        numbers = [whole[before], whole[after], whole[after] - whole[before], low, high]
        numbers += [_ranks(whole[which], rows["scoring"]) for which in (before, after)]
        columns |= zip((name for name in NUMBERS if name.startswith(measure)), numbers, strict=True)
    return rows.with_columns(
        *(pl.Series(name, columns[name], dtype=pl.Float64).fill_nan(None) for name in NUMBERS),
        pl.Series("n", exact.total("present", ALL)[0][after]).cast(pl.Int64),
    ).with_columns(pl.col(RANKS).cast(pl.Int64))


def _ranks(accuracies: Floats, scorings: pl.Series) -> Floats:
    """Ranks among the rows of the same scoring."""
    ranks = np.full(len(accuracies), np.nan)
    for scoring in scorings.unique():
        alike = (scorings == scoring).to_numpy()
        ranks[alike] = dense_ranks(accuracies[alike])
    return ranks


def _without_class(shown: pl.DataFrame) -> pl.DataFrame:
    """Shares of answers, in percent: out of prompt, and, of judged ones, without a class. Errors are neither."""
    return (
        shown.filter(pl.col("scoring").is_in(list(JUDGED)))
        .group_by("model", "scoring")
        .agg(
            pl.col("oop").mean().alias("OOP") * 100,
            ((pl.col("predicted").list.len() == 0) & (pl.col("status") != "error")).mean().alias("no_class") * 100,
        )
    )
