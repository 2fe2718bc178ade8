"""Table 5: out-of-prompt answers."""

import polars as pl

from mllm_classify.measures.counting import COUNTED, SUBSETS, counts, in_subset, percentages, sizes
from mllm_classify.measures.out_of_prompt import closed_world
from mllm_classify.tables.accuracy_columns import SIZES, intervals, number_column, sized, truncated_column
from mllm_classify.tables.table import MODEL, Column, Study, Table, labelled, subtitle

NOTE = (
    "Answers that are none of the listed class names after lower-casing and stripping; empty answers among them. The "
    "number of images is in brackets. Empty: answers without a word. Several: answers that list several class names and "
    "nothing else; out of prompt unless mapping.several says otherwise."
)


def table5(scores: pl.DataFrame, models: pl.DataFrame, study: Study) -> Table:
    """Out-of-prompt rate: answers to CW that are none of the listed classes, in percent per category (Table 5)."""
    listed = counts(closed_world(scores, "CW").filter(pl.col("oop").is_not_null()))
    members = {subset: pl.lit(value=True) if subset == "A" else in_subset(subset) for subset in SUBSETS}
    counted = listed.group_by("model", maintain_order=True).agg(
        *(pl.col("oop").filter(among).sum().alias(subset) for subset, among in members.items()),
        *(pl.col("n").filter(among).sum().alias(f"{subset}_total") for subset, among in members.items()),
        *(pl.col(name).sum() for name in COUNTED),
        *sizes(),
    )
    rows = percentages(counted, [*SUBSETS]).with_columns(pl.lit("CW").alias("scoring")).sort("A", "model")
    columns = [*SUBSETS, *intervals([*SUBSETS]), *SIZES, "n_empty", "n_several", "n_truncated"]
    return Table(
        labelled(rows, models, study, columns, decimals=1).drop("task"),
        "Table 5. Out-of-prompt answers (%) to the closed-world task",
        subtitle(study, rows),
        {
            "model": MODEL,
            **number_column(rows),
            **{subset: Column(sized(rows, subset), NOTE if subset == "A" else "") for subset in SUBSETS},
            "n_empty": Column("Empty"),
            "n_several": Column("Several"),
            **truncated_column(rows),
        },
    )
