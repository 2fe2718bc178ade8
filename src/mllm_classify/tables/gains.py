"""What the second label set does to each learning paradigm."""

import polars as pl

from mllm_classify.measures.bootstrap import CHANGE, matrices, resampled
from mllm_classify.measures.counting import LABEL_SETS, RULES, judged
from mllm_classify.measures.intervals import Floats, percentiles
from mllm_classify.measures.selection import best_task, main_scores
from mllm_classify.tables.table import INTERVAL, Column, Study, Table, fixed, subtitle

SUPERVISED = "supervised"
"""The paradigm with which others are compared, as the paper does (Sec. 3.1)."""
EVERY = "all models"
NUMBERS = [
    *("ImGT_A", "ReGT_A", "gain", "gain_low", "gain_high", "gain_min", "gain_max"),
    *("vs_supervised", "vs_supervised_low", "vs_supervised_high"),
]


def gains(scores: pl.DataFrame, images: pl.DataFrame, models: pl.DataFrame, study: Study, resamples: int) -> Table:
    """ReGT minus ImGT accuracy in points, mean over the models of a learning paradigm (their `family`), and how much
    more that is than for supervised models. Where images in N are excluded, ImGT accuracy leaves them out, too.

    Intervals are of a paired bootstrap over the images: for these models, on other images like these. `images` are as in
    `matrices`.
    """
    answers = matrices(best_task(main_scores(scores), study.n_images), images)
    exact, drawn = resampled(answers, resamples)
    among = RULES[study.n_images]
    shown = answers.rows.join(models, on="model", how="left", maintain_order="left")
    families = shown["family"].to_list()
    members = {family: [family == other for other in families] for family in sorted(set(families))}
    if len(members) != 1:
        members[EVERY] = [True] * len(families)
    cells: list[dict[str, str | int | float]] = []
    one, many = (of.accuracy(CHANGE, among) for of in (exact, drawn))
    for family, mine in members.items():
        row: dict[str, str | int | float] = {"paradigm": family, "models": sum(mine)}
        if family != EVERY:
            row["members"] = ", ".join(shown.filter(mine)["label"])
        for name in LABEL_SETS:
            row[f"{name}_A"] = float(exact.accuracy(name, among)[0, mine].mean())
        row |= _interval("gain", one[:, mine].mean(axis=1), many[:, mine].mean(axis=1))
        row |= {"gain_min": float(one[0, mine].min()), "gain_max": float(one[0, mine].max())}
        if SUPERVISED in members and family not in (SUPERVISED, EVERY):
            base = members[SUPERVISED]
            more = [of[:, mine].mean(axis=1) - of[:, base].mean(axis=1) for of in (one, many)]
            row |= _interval("vs_supervised", *more)
        cells.append(row)
    schema = {
        "paradigm": pl.String(),
        "models": pl.Int64(),
        "members": pl.String(),
        **dict.fromkeys(NUMBERS, pl.Float64()),
    }
    rows = (
        pl.DataFrame(cells, schema=schema)
        .fill_nan(None)
        .with_columns(pl.lit(images.filter(judged(study.n_images)).height).alias("n"))
        # equal gains are equal whatever the order of the sums
        .sort(pl.col("paradigm") == EVERY, pl.col("gain").round(9), "paradigm", nulls_last=True)
    )
    return Table(
        rows.with_columns(*(fixed(name, 2) for name in NUMBERS), *study.columns()),
        "Gains: ReGT minus ImGT accuracy (points) by learning paradigm",
        subtitle(study, rows),
        _columns(study, compared=bool(rows["vs_supervised"].is_not_null().any())),
    )


def _columns(study: Study, *, compared: bool) -> dict[str, Column]:
    versus = {
        "vs_supervised": Column(
            "vs supervised",
            "vs supervised: the mean gain minus that of supervised models, on the same resamples.",
        ),
        "vs_supervised_interval": INTERVAL,
    }
    return {
        "paradigm": Column("Paradigm", words=True),
        "models": Column("Count"),
        "members": Column("Models", words=True, latex=False),
        "ImGT_A": Column(study.named("ImGT")),
        "ReGT_A": Column(study.named("ReGT")),
        "gain": Column(
            "Gain",
            "Means over the models of a paradigm, each at its task of Table 3. CI: paired bootstrap over the images; other "
            "models of the same paradigm may differ by more, as Least and Most show.",
        ),
        "gain_interval": INTERVAL,
        "gain_min": Column("Least"),
        "gain_max": Column("Most"),
        **(versus if compared else {}),
    }


def _interval(name: str, exact: Floats, drawn: Floats) -> dict[str, float]:
    """A number (one value) with the interval that its resamples give."""
    low, high = percentiles(drawn)
    return {name: float(exact[0]), f"{name}_low": float(low), f"{name}_high": float(high)}
