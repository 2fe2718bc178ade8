"""How often a model's valid answers disagree with ReGT, by label category."""

from typing import Any

import polars as pl

from mllm_classify.measures.counting import percentages
from mllm_classify.measures.examined import examined_answers
from mllm_classify.tables.table import MODEL, TASK, Column, Study, Table, fixed

ANSWERS = {
    "agrees": "agrees",
    "disputed": "disputed",
    "out_of_prompt": "out of prompt",
    "n_errors": "error",
    "unasked": "unasked",
}
"""Columns that count answers, and what those are."""


def disputed(examined: pl.LazyFrame, labels: pl.DataFrame, study: Study, examination: dict[str, Any]) -> Table:
    """One row for each label category that is examined, and one for all of them: images by what the model's answer is.

    `examined` is the mapping of the examined model; `examination` has its label, the task, the variant (or None), and the
    categories. The share of disputed answers is of all the category's images that the model was asked about (Figure 7).
    """
    task, variant, categories = (examination[key] for key in ("task", "variant", "categories"))
    answers = examined_answers(examined.collect(), labels, task, variant)
    among = answers.filter(pl.col("category").is_in(categories))
    groups = {category: pl.col("category") == category for category in categories} | {"all": pl.lit(value=True)}
    counted = pl.concat(
        among.filter(members).select(
            pl.lit(category).alias("category"),
            pl.len().alias("images"),
            *(pl.col("answer").eq(answer).sum().alias(name) for name, answer in ANSWERS.items()),
        )
        for category, members in groups.items()
    )
    shares = percentages(
        counted.with_columns(share=pl.col("disputed"), share_total=pl.col("images") - pl.col("unasked")), ["share"]
    )
    rows = shares.select(
        pl.lit(examination["label"]).alias("model"),
        pl.lit(f"{task}, {variant}" if variant else task).alias("task"),
        "category",
        "images",
        *ANSWERS,
        *(fixed(name, 2) for name in ("share", "share_low", "share_high")),
        *study.columns(),
    )
    seldom = {"n_errors": Column("Errors"), "unasked": Column("Unasked")}
    return Table(
        rows,
        "Disputed: valid answers that disagree with ReGT",
        str(study),
        {
            "model": MODEL,
            "task": TASK,
            "category": Column("Category", words=True),
            "images": Column("Images"),
            "agrees": Column("Agrees"),
            "disputed": Column(
                "Disputed",
                "Disputed: the answer is a listed class, and not admissible under ReGT; these images are annotated again. "
                "Agrees: it is admissible. On an image without a label (N) no class is.",
            ),
            "share": Column("Disputed, %", "Disputed, %: of the images that the model was asked about."),
            "share_interval": Column("95 % CI", "CI: Wilson."),
            "out_of_prompt": Column("Out of prompt"),
            **{name: column for name, column in seldom.items() if rows[name].sum()},
        },
    )
