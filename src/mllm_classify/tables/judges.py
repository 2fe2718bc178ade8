"""Judges: what they say, how far they agree with themselves and with the main one, and how they do on known pairs."""

from typing import Any

import polars as pl

from mllm_classify.judge.verdicts import INSTRUCTING, KINDS, SAME, VERDICTS, of_pairs
from mllm_classify.tables.agreement import agreeing, fleiss_kappa
from mllm_classify.tables.table import Column, Study, Table, fixed

PAIR = ["answer", "class_id"]
TOKENS = ["prompt_tokens", "cached_tokens", "completion_tokens"]
SHARES: dict[str, pl.DataType] = {
    **{verdict.replace(" ", "_"): pl.Float64() for verdict in VERDICTS},
    "accepted": pl.Float64(),
    "self_all": pl.Float64(),
    "self_pairs": pl.Float64(),
    "self_kappa": pl.Float64(),
    "main_verdict": pl.Float64(),
    "main_kappa": pl.Float64(),
    "main_same": pl.Float64(),
}
SCHEMA: dict[str, pl.DataType] = {
    "judge": pl.String(),
    "n": pl.Int64(),
    "repeats": pl.Int64(),
    "n_errors": pl.Int64(),
    **SHARES,
    "shared": pl.Int64(),
    **{f"{kind}_{what}": pl.Int64() for kind in KINDS for what in ("right", "controls")},
    "obeyed": pl.Int64(),
    **{name: pl.Int64() for name in TOKENS},
    "nearest": pl.Int64(),
    "prompt": pl.String(),
}


def judges(judgements: dict[str, pl.LazyFrame], judge_entries: list[dict[str, Any]], study: Study) -> Table:
    """One row for each judge, the main one first. `n` pairs of an answer and a class.

    Shares are in percent: of pairs, by verdict; of answers of which a class is accepted; of pairs on which all repeats, or
    two of them, agree; of the `shared` pairs, of which the main judge was asked, too, on which both say the same, and on
    which both accept or both do not. Of several repeats, the commonest verdict counts, of equally common ones the earlier
    in VERDICTS. `judge_entries` are name, label, nearest and prompt of each, in the order of `judgements`.
    """
    found = {name: frame.collect() for name, frame in judgements.items()}
    main = _commonest(of_pairs(next(iter(found.values())).lazy()).collect())
    cells = [
        _numbers(found[entry["name"]], main, first=place == 0) | _said(entry)
        for place, entry in enumerate(judge_entries)
    ]
    rows = pl.DataFrame(cells, schema=SCHEMA)
    kappas = [name for name in SHARES if name.endswith("kappa")]
    return Table(
        rows.with_columns(*(fixed(name, 3 if name in kappas else 2) for name in SHARES), *study.columns()),
        "Judges of answers",
        str(study),
        _columns(),
    )


def _said(entry: dict[str, Any]) -> dict[str, Any]:
    return {"judge": entry["label"], "nearest": entry["nearest"], "prompt": entry["prompt"]}


def _numbers(judgements: pl.DataFrame, main: pl.DataFrame, *, first: bool) -> dict[str, Any]:
    """One judge's numbers."""
    pairs = judgements.filter(pl.col("control").is_null())
    said = _commonest(pairs)
    row: dict[str, Any] = {
        "n": pairs.select(PAIR).unique().height,
        "repeats": judgements["repeat"].n_unique(),
        "n_errors": (judgements["status"] == "error").sum(),
    }
    if said.height:
        row |= {verdict.replace(" ", "_"): _share(said["verdict"] == verdict) for verdict in VERDICTS}
        near = _commonest(pairs.filter(pl.col("rank").is_not_null()))
        row["accepted"] = _share(near.group_by("answer").agg((pl.col("verdict") == SAME).any())["verdict"])
    if row["repeats"] > 1:
        whole = pairs.filter((pl.col("verdict").is_not_null().sum() == row["repeats"]).over(PAIR)).select(
            pl.concat_str(pl.col("class_id"), "answer", separator=" ").alias("image_id"), value="verdict"
        )
        row["self_all"], row["self_pairs"] = agreeing(whole)
        row["self_kappa"] = fleiss_kappa(whole) if whole.height else None
    if not first:
        both = said.join(main, on=PAIR, suffix="_main")
        row |= {"shared": both.height} | (_with_main(both) if both.height else {})
    for kind in KINDS:
        known = judgements.filter(pl.col("control") == kind)
        row[f"{kind}_controls"] = known.height
        row[f"{kind}_right"] = (known["verdict"] == known["expected"]).sum()
    row["obeyed"] = ((judgements["control"] == INSTRUCTING) & (judgements["verdict"] == SAME)).sum()
    return row | {name: judgements[name].cast(pl.Int64).sum() if judgements[name].count() else None for name in TOKENS}


def _commonest(pairs: pl.DataFrame) -> pl.DataFrame:
    """One verdict a pair: columns of PAIR and verdict."""
    places = pl.col("verdict").replace_strict(
        {verdict: place for place, verdict in enumerate(VERDICTS)}, return_dtype=pl.Int32
    )
    return (
        pairs.filter(pl.col("verdict").is_not_null())
        .group_by(*PAIR, "verdict")
        .len()
        .sort(*PAIR, -pl.col("len").cast(pl.Int64), places)
        .group_by(PAIR, maintain_order=True)
        .agg(pl.col("verdict").first())
    )


def _with_main(both: pl.DataFrame) -> dict[str, float | None]:
    """Agreement of two judges: on verdicts, in percent and as Cohen's kappa (1960), and on whether the class is accepted."""
    agreed = _share(both["verdict"] == both["verdict_main"]) / 100
    chance = sum(
        _share(both["verdict"] == verdict) * _share(both["verdict_main"] == verdict) / 100**2 for verdict in VERDICTS
    )
    accepting = (both["verdict"] == SAME) == (both["verdict_main"] == SAME)
    return {
        "main_verdict": agreed * 100,
        "main_kappa": None if chance == 1 else (agreed - chance) / (1 - chance),
        "main_same": _share(accepting),
    }


def _share(flags: pl.Series) -> float:
    return float(flags.sum()) / len(flags) * 100


def _columns() -> dict[str, Column]:
    return {
        "judge": Column("Judge", words=True),
        "n": Column(
            "Pairs",
            "Pairs: of an answer and one of its nearest classes, each asked once however many models answered so.",
        ),
        "repeats": Column("Repeats"),
        "n_errors": Column("Errors"),
        **{verdict.replace(" ", "_"): Column(verdict.capitalize()) for verdict in VERDICTS},
        "accepted": Column(
            "Accepted", "Same to other: pairs (%). Accepted: answers (%) of which it takes any class for the same."
        ),
        "self_pairs": Column("Itself", "Itself: pairs (%) on which two repeats agree, with Fleiss' kappa."),
        "self_kappa": Column("kappa"),
        "main_verdict": Column(
            "Main judge",
            "Main judge: pairs of both (%) of which both say the same, with Cohen's kappa; same or not: on which both accept the "
            "class, or neither does.",
        ),
        "main_kappa": Column("kappa"),
        "main_same": Column("same or not"),
        "plain_right": Column("Controls right"),
        "plain_controls": Column(
            "of", "Controls: pairs whose verdict is known; instructing: answers that address the judge."
        ),
        "instructing_right": Column("Instructing right"),
        "instructing_controls": Column("of"),
        "obeyed": Column("Obeyed", "Obeyed: instructing ones that it takes for the class, as they say."),
    }
