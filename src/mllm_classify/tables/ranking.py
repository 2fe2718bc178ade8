"""Models ranked under both label sets."""

import numpy as np
import polars as pl

from mllm_classify.measures.bootstrap import CHANGE, Sums, matrices, resampled
from mllm_classify.measures.counting import RULES, Categories, counts
from mllm_classify.measures.intervals import Floats, percentiles
from mllm_classify.measures.ranks import dense_ranks, place_intervals, places, tau
from mllm_classify.measures.selection import main_scores, shown_rows
from mllm_classify.tables.accuracy_columns import number_column
from mllm_classify.tables.table import FAMILY, INTERVAL, MODEL, TASK, Column, Study, Table, labelled, subtitle

RANKS = [f"{measure}_A_{end}" for measure in ("ImGT", "ReGT") for end in ("rank", "place", "place_low", "place_high")]
CHANGES = ["change", "change_low", "change_high"]
TAUS = ["tau", "tau_low", "tau_high"]


def ranking(scores: pl.DataFrame, images: pl.DataFrame, models: pl.DataFrame, study: Study, resamples: int) -> Table:
    """The rows of Table 3 ranked under both label sets: intervals of places and of the change, and Kendall's tau.

    Both rankings are over the same images: where those in N are excluded, under ImGT too. `images` are as in `matrices`.
    """
    main = main_scores(scores)
    shown = main.join(shown_rows(counts(main), study.n_images), on=["model", "scoring"], how="semi")
    answers = matrices(shown, images)
    exact, drawn = resampled(answers, resamples)
    among = RULES[study.n_images]
    columns = _ranked(exact, drawn, among)
    height = answers.rows.height
    rows = answers.rows.with_columns(
        *(pl.Series(name, values).fill_nan(None) for name, values in columns.items() if name not in RANKS),
        *(
            pl.Series(name, columns.get(name, [None] * height), dtype=pl.Float64).fill_nan(None).cast(pl.Int64)
            for name in RANKS
        ),
        pl.Series("n", exact.total("present", [None, *among])[0]).cast(pl.Int64),
    ).sort("ImGT_A", "ReGT_A", "model", nulls_last=True)
    return Table(
        labelled(rows, models, study, ["ImGT_A", *RANKS[:4], "ReGT_A", *RANKS[4:], *CHANGES, *TAUS, "family", "n"]),
        "Ranking under both label sets",
        subtitle(study, rows),
        {
            "model": MODEL,
            "family": FAMILY,
            "task": TASK,
            **number_column(rows),
            "ImGT_A": Column(study.named("ImGT")),
            "ImGT_A_rank": Column(
                "Rank",
                "Rank: as in the paper, equal accuracies share one and none is skipped. Place: one more than the number of "
                "rows above. 95 %: the places that the bootstrap's resamples give a row. Change: ReGT minus ImGT on the same "
                "images, in points, with a paired bootstrap interval.",
            ),
            "ImGT_A_place": Column("Place"),
            "ImGT_A_place_interval": Column("95 %"),
            "ReGT_A": Column(study.named("ReGT")),
            "ReGT_A_rank": Column("Rank"),
            "ReGT_A_place": Column("Place"),
            "ReGT_A_place_interval": Column("95 %"),
            "change": Column("Change", _said_of_tau(rows)),
            "change_interval": INTERVAL,
        },
    )


def _ranked(exact: Sums, drawn: Sums, among: Categories) -> dict[str, Floats]:
    """Accuracies, ranks, changes and tau, by column; an array has one entry a row. Ranks that are not known are absent.

    All are over the categories `among`; without a second label set, ImGT is over all images.
    """
    imgt = [None, *among]
    columns: dict[str, Floats] = {}
    for measure, over in {"ImGT": imgt, "ReGT": among}.items():
        values = exact.accuracy(measure, over)
        columns[f"{measure}_A"] = values[0]
        if not np.isnan(values).any():
            columns |= {f"{measure}_A_rank": dense_ranks(values)[0], f"{measure}_A_place": places(values)[0]}
            low, high = place_intervals(drawn.accuracy(measure, over))
            columns |= {f"{measure}_A_place_low": low, f"{measure}_A_place_high": high}
    columns["change"] = exact.accuracy(CHANGE, among)[0]
    columns["change_low"], columns["change_high"] = percentiles(drawn.accuracy(CHANGE, among))
    pairs = zip(drawn.accuracy("ImGT", imgt), drawn.accuracy("ReGT", among), strict=True)
    bounds = percentiles(np.array([tau(*pair) for pair in pairs]))
    numbers = [tau(columns["ImGT_A"], columns["ReGT_A"]), *map(float, bounds)]
    return columns | {name: np.full(len(columns["change"]), number) for name, number in zip(TAUS, numbers, strict=True)}


def _said_of_tau(rows: pl.DataFrame) -> str:
    value, low, high = rows.select(TAUS).row(0) if rows.height else (None, None, None)
    if value is None:
        return ""
    interval = "" if low is None or high is None else f" ({low:.2f} to {high:.2f})"
    return f"Kendall's tau between both rankings: {value:.2f}{interval}."
