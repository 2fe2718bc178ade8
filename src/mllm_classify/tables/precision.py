"""How many of the first suspects have another label."""

from collections.abc import Sequence

import numpy as np
import polars as pl

from mllm_classify.measures.intervals import wilson
from mllm_classify.tables.table import INTERVAL, Column, Study, Table, fixed, subtitle

FIRST = [10, 100, 1_000, 10_000]
"""How many suspects are looked at."""
RANKINGS = {"rank": "disagreement of models", "quality_rank": "label quality (cleanlab)"}
CRITERIA = {
    "ReGT has other labels (S-, M-)": pl.col("category").is_in(["S-", "M-"]),
    "ReGT lacks the label (S-, M-, N)": pl.col("category").is_in(["S-", "M-", "N"]),
    "the experts lack the label": pl.col("expert") == "differs",
}
"""What makes a suspect's ImGT label one that had to be looked at."""
PERCENT = ["precision", "precision_low", "precision_high", "base", "average_precision"]
SCHEMA: dict[str, pl.DataType] = {
    "ranking": pl.String(),
    "criterion": pl.String(),
    "first": pl.Int64(),
    "hits": pl.Int64(),
    **dict.fromkeys(PERCENT, pl.Float64()),
    "n": pl.Int64(),
}


def precision(suspects: pl.DataFrame, study: Study) -> Table:
    """How many of the first suspects, by each ranking, have a label that ReGT, or the experts, do not: precision among
    the first k, its 95 % Wilson interval, the share among all (base), and average precision.

    `suspects` is that table's CSV, all columns of it text.
    """
    cells = []
    for ranking, what in RANKINGS.items():
        for criterion, flag in CRITERIA.items():
            known = "expert" if "expert" in criterion else "category"
            among = suspects.filter(pl.col(ranking).is_not_null() & pl.col(known).is_not_null())
            hits = among.select(pl.col(ranking).cast(pl.Int64), hit=flag).sort(ranking)["hit"]
            cells += [{"ranking": what, "criterion": criterion} | row for row in among_first(hits)]
    rows = pl.DataFrame(cells, schema=SCHEMA)
    return Table(
        rows.with_columns(*(fixed(name, 2) for name in PERCENT), *study.columns()),
        "Precision: how many of the first suspects have another label",
        subtitle(study, rows),
        {
            "ranking": Column("Ranking by", words=True),
            "criterion": Column(
                "Counted",
                "S-: one other label, M-: several others, N: none. Experts: of the weasel family.",
                words=True,
            ),
            "first": Column("First"),
            "hits": Column("Hits"),
            "precision": Column(
                "Precision (%)",
                "Precision: the share of hits among the first k suspects of results/suspects.csv. CI: Wilson. Base: among "
                "all. AP: average precision.",
            ),
            "precision_interval": INTERVAL,
            "base": Column("Base (%)"),
            "average_precision": Column("AP (%)"),
        },
    )


def among_first(ranked: pl.Series, also: Sequence[int] = ()) -> list[dict[str, int | float | None]]:
    """The numbers of SCHEMA for the first of FIRST, of `also`, and for all; `ranked` says of each suspect whether it is a hit."""
    # a second to import, which the other tables need not wait for
    from sklearn.metrics import average_precision_score

    hits, total = ranked.to_numpy(), ranked.len()
    average = average_precision_score(hits, -np.arange(total)) * 100 if hits.any() else None
    rows: list[dict[str, int | float | None]] = []
    for first in sorted({*(k for k in (*FIRST, *also) if k < total), *([total] if total else [])}):
        count = int(hits[:first].sum())
        (low,), (high,) = wilson([count], [first])
        rows.append(
            {
                "first": first,
                "hits": count,
                "precision": count / first * 100,
                "precision_low": low * 100,
                "precision_high": high * 100,
                "base": hits.mean() * 100,
                "average_precision": average,
                "n": total,
            }
        )
    return rows
