import polars as pl

from mllm_classify.tables.precision import precision
from tests.tables.small import suspected
from tests.tables.studies import STUDY, as_read, rows


def test_precision_among_the_first():
    """By disagreement the hits are 1 and 2 of 3, by quality too."""
    found = rows(precision(as_read(suspected()), STUDY))
    assert [(row["ranking"], row["criterion"][:9], row["first"], row["hits"], row["precision"], row["base"],
             row["average_precision"]) for row in found] == [
        (name, criterion, "3", "2", "66.67", "66.67", "100.00")
        for name in ("disagreement of models", "label quality (cleanlab)")
        for criterion in ("ReGT has ", "ReGT lack")
    ]  # fmt: skip


def test_precision_of_many_and_of_experts_and_where_nothing_is_known():
    """Of 30 the tenth, and every third of those that experts saw; without categories or experts there is no row."""
    frame = pl.DataFrame(
        {
            "rank": [str(n) for n in range(1, 31)],
            "quality_rank": None,
            "category": ["S+"] * 9 + ["M-"] + ["S+"] * 20,
            "expert": [("differs" if n % 3 == 0 else "agrees") if n < 15 else None for n in range(30)],
        },
        schema_overrides={"quality_rank": pl.String},
    )
    found = {(row["criterion"], row["first"]): row for row in rows(precision(frame, STUDY))}
    assert {key: (row["hits"], row["n"]) for key, row in found.items()} == {
        ("ReGT has other labels (S-, M-)", "10"): ("1", "30"),
        ("ReGT has other labels (S-, M-)", "30"): ("1", "30"),
        ("ReGT lacks the label (S-, M-, N)", "10"): ("1", "30"),
        ("ReGT lacks the label (S-, M-, N)", "30"): ("1", "30"),
        ("the experts lack the label", "10"): ("4", "15"),
        ("the experts lack the label", "15"): ("5", "15"),
    }
    assert found["ReGT has other labels (S-, M-)", "30"]["average_precision"] == "10.00"
    nothing = frame.with_columns(pl.lit(None, pl.String).alias(name) for name in ("category", "expert"))
    assert precision(nothing, STUDY).rows.height == 0
