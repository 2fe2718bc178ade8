"""The key figures of a study, from its tables as they are written: every column is text, and null where there is nothing.

No number is computed twice: what a table has is shown as it stands there. Frames are for people, one row a line of the page.
"""

from typing import NamedTuple

import polars as pl

from mllm_classify.io.text import span
from mllm_classify.report.categories import CATEGORIES

SIGNIFICANT = 0.05
"""Pairs of models with a smaller p, corrected by Holm's method, are told apart."""


class KeyFigure(NamedTuple):
    """One number, what it is, what it means, and the output that it comes from."""

    value: str
    what: str
    meaning: str
    output: str


def standings(table3: pl.DataFrame, ranking: pl.DataFrame) -> pl.DataFrame:
    """Every model at its task of Table 3, the best first, by ReGT where there is one.

    Columns: model, family, task, n; for each label set its accuracy (ImGT_A), interval (Wilson) and place with the range of
    the bootstrap's resamples; change with its paired bootstrap interval.
    """
    ranks = ranking.select(
        "model",
        "task",
        "change",
        interval("change"),
        *(it for name in ("ImGT", "ReGT") for it in (f"{name}_A_place", interval(f"{name}_A_place"))),
    )
    joined = table3.drop("change").join(ranks, on=["model", "task"], how="left", maintain_order="left")
    best = [pl.col(f"{name}_A").cast(pl.Float64) for name in ("ReGT", "ImGT")]
    return joined.select(
        *("model", "family", "task", "n"),
        *(it for name in ("ImGT", "ReGT") for it in _accuracy(name)),
        *("change", "change_interval"),
    ).sort(*best, descending=True, nulls_last=True, maintain_order=True)


def _accuracy(name: str) -> list[str | pl.Expr]:
    return [f"{name}_A", interval(f"{name}_A"), f"{name}_A_place", f"{name}_A_place_interval"]


def interval(column: str) -> pl.Expr:
    """Both ends of a column's interval as one text, `COLUMN_interval`; null where an end is missing."""
    return pl.concat_str(f"{column}_low", f"{column}_high", separator=" to ").alias(f"{column}_interval")


def added(table4: pl.DataFrame, table5: pl.DataFrame, mcnemar: pl.DataFrame, label_set: str) -> pl.DataFrame:
    """What CW+ adds to CW, by model, under one label set (ImGT or ReGT); the largest gain first.

    Columns: model, n, CW, CW_plus (accuracies), gain (points) with its interval (Wald, paired), p_holm (McNemar's exact
    test), oop (percent of the answers to CW). Models that were not asked CW are left out.
    """
    accuracy = f"{label_set}_A"
    plain, mapped = (
        table4.filter(pl.col("task") == task).select("model", "n", pl.col(accuracy).alias(column))
        for task, column in (("CW", "CW"), ("CW+", "CW_plus"))
    )
    # rows of a model are in the order of their tasks' names: the differences are CW minus CW+
    tests = mcnemar.filter(
        pl.col("measure") == label_set,
        pl.col("model_a") == pl.col("model_b"),
        pl.col("task_a") == "CW",
        pl.col("task_b") == "CW+",
    ).select(
        pl.col("model_a").alias("model"),
        _turned("difference").alias("gain"),
        pl.concat_str(_turned("difference_high"), _turned("difference_low"), separator=" to ").alias("gain_interval"),
        "p_holm",
    )
    return (
        plain.join(mapped.drop("n"), on="model", maintain_order="left")
        .join(tests, on="model", how="left", maintain_order="left")
        .join(table5.select("model", pl.col("A").alias("oop")), on="model", how="left", maintain_order="left")
        .sort(pl.col("gain").cast(pl.Float64), descending=True, nulls_last=True, maintain_order=True)
    )


def _turned(column: str) -> pl.Expr:
    """Points with the other sign, which stands in front."""
    turned = pl.col(column).cast(pl.Float64) * -1
    return turned.map_elements(lambda value: f"{value:+z.2f}", return_dtype=pl.String)


def label_noise(table2: pl.DataFrame) -> pl.DataFrame:
    """Images by label category: category, meaning, images, percent. Empty without a second label set."""
    by_statistic = {row["statistic"]: row for row in table2.iter_rows(named=True)}
    count, percent = by_statistic["count"], by_statistic["percent"]
    rows = [
        (name, meaning, count[name], percent[name]) for name, meaning in CATEGORIES.items() if count[name] is not None
    ]
    return pl.DataFrame(
        rows, schema=dict.fromkeys(["category", "meaning", "images", "percent"], pl.String), orient="row"
    )


def headlines(
    models: pl.DataFrame, noise: pl.DataFrame, worded: pl.DataFrame, ranking: pl.DataFrame, mcnemar: pl.DataFrame
) -> list[KeyFigure]:
    """The numbers that the page begins with: those that the study has.

    `models`, `noise` and `worded` are as `standings`, `label_noise` and `added` make them.
    """
    label_set = "ReGT" if models["ReGT_A"].is_not_null().any() else "ImGT"
    found = [_best(models, label_set), _told_apart(models, mcnemar, label_set)]
    if label_set == "ReGT":
        found += [_wrong_labels(noise), _changes(models), _moves(models, ranking)]
    if worded.height:
        found += [_gains(worded, label_set), _out_of_prompt(worded)]
    return [it for it in found if it is not None]


def _best(models: pl.DataFrame, label_set: str) -> KeyFigure | None:
    """The accuracy of the best model, or of those that share it."""
    scored = models.filter(pl.col(f"{label_set}_A").is_not_null())
    if not scored.height:
        return None
    accuracy = scored[f"{label_set}_A"][0]
    first = scored.filter(pl.col(f"{label_set}_A") == accuracy)["model"].to_list()
    others = f" and {len(first) - 1} more with the same accuracy" if len(first) > 1 else ""
    between = scored[f"{label_set}_A_interval"][0]
    return KeyFigure(
        f"{accuracy} %",
        f"best accuracy under {label_set}",
        f"{first[0]}{others}; 95 % interval {between}.",
        "table3",
    )


def _told_apart(models: pl.DataFrame, mcnemar: pl.DataFrame, label_set: str) -> KeyFigure | None:
    """Of how many pairs of models the data say which one is better."""
    shown = models.select("model", "task")
    pairs = mcnemar.filter(pl.col("measure") == label_set)
    for side in ("a", "b"):
        pairs = pairs.join(shown, left_on=[f"model_{side}", f"task_{side}"], right_on=["model", "task"], how="semi")
    if not pairs.height:
        return None
    # a p that no float can hold is written as <1e-300
    different = pairs.filter(pl.col("p_holm").str.strip_prefix("<").cast(pl.Float64) < SIGNIFICANT).height
    return KeyFigure(
        f"{different} of {pairs.height}",
        "pairs of models told apart",
        f"McNemar's exact test under {label_set}, Holm-corrected p < {SIGNIFICANT}. Of the other pairs, these "
        f"{span(map(int, models['n']))} images do not say which model is better (mcnemar.csv).",
        "mcnemar",
    )


def _wrong_labels(noise: pl.DataFrame) -> KeyFigure | None:
    """How many images have an ImGT label that the second label set does not have."""
    images = {name: int(number) for name, number in noise.select("category", "images").iter_rows()}
    labelled = sum(images.get(name, 0) for name in CATEGORIES if name != "N")
    wrong = images.get("S-", 0) + images.get("M-", 0)
    if not labelled:
        return None
    none = images.get("N", 0)
    return KeyFigure(
        f"{100 * wrong / labelled:.1f} %",
        "of labelled images have an ImGT label that ReGT rejects",
        f"{wrong} of {labelled} images; {none} more show no class of the list (N)."
        if none
        else f"{wrong} of {labelled} images.",
        "table2",
    )


def _changes(models: pl.DataFrame) -> KeyFigure | None:
    """How far accuracies move from ImGT to ReGT."""
    changes = models.filter(pl.col("change").is_not_null()).sort(pl.col("change").cast(pl.Float64))
    if not changes.height:
        return None
    least, most = (f"{float(changes['change'][place]):+z.2f}" for place in (0, -1))
    return KeyFigure(
        least if least == most else f"{least} to {most}",
        "points from ImGT to ReGT",
        f"The change of accuracy on the same images: least for {changes['model'][0]}, most for {changes['model'][-1]}.",
        "ranking",
    )


def _moves(models: pl.DataFrame, ranking: pl.DataFrame) -> KeyFigure | None:
    """How many models have another place under ReGT, and how far the rankings agree."""
    ranked = models.filter(pl.col("ImGT_A_place").is_not_null(), pl.col("ReGT_A_place").is_not_null())
    if ranked.height < 2:
        return None
    moved = ranked.filter(pl.col("ImGT_A_place") != pl.col("ReGT_A_place")).height
    tau, low, high = ranking.select("tau", "tau_low", "tau_high").row(0)
    between = "" if low is None or high is None else f" (95 % interval {low} to {high})"
    return KeyFigure(
        f"{moved} of {ranked.height}",
        "models change place under ReGT",
        f"Kendall's tau between both rankings: {tau}{between}." if tau is not None else "",
        "ranking",
    )


def _gains(worded: pl.DataFrame, label_set: str) -> KeyFigure | None:
    """What CW+ adds to CW."""
    known = worded.filter(pl.col("gain").is_not_null())
    if not known.height:
        return None
    ends = list(dict.fromkeys([known["gain"][-1], known["gain"][0]]))
    first = known.row(0, named=True)
    return KeyFigure(
        " to ".join(ends),
        f"points from CW to CW+ under {label_set}",
        f"What the nearest class adds. {first['model']}: {first['CW']} % to {first['CW_plus']} %, 95 % interval of the gain "
        f"{first['gain_interval']}.",
        "table4",
    )


def _out_of_prompt(worded: pl.DataFrame) -> KeyFigure | None:
    rates = worded.filter(pl.col("oop").is_not_null()).sort(pl.col("oop").cast(pl.Float64))["oop"]
    if not rates.len():
        return None
    return KeyFigure(
        " to ".join(dict.fromkeys([rates[0], rates[-1]])) + " %",
        "of answers out of prompt",
        "Answers to CW that are none of the listed classes. CW counts them as wrong, CW+ takes the nearest class.",
        "table5",
    )
