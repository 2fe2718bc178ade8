"""How often a model's valid answers disagree with ReGT, by label category."""

import polars as pl

from mllm_classify.tables.tables import Study, Table, fixed, percentages

ANSWERS = {
    "agrees": "agrees",
    "disputed": "disputed",
    "out_of_prompt": "out of prompt",
    "n_errors": "error",
    "unasked": "unasked",
}


def disputed(examined: pl.DataFrame, model: str, task: str, categories: list[str], study: Study) -> Table:
    """One row for each of the categories, and one for all of them: images by what the model's answer is.

    `examined` is as tasks.examined has it; `model` the model's label; `task` what it was asked, as the table says it.
    The share of disputed answers is of all the category's images that the model was asked about (Figure 7).
    """
    among = examined.filter(pl.col("category").is_in(categories))
    groups = {category: pl.col("category") == category for category in categories} | {"all": pl.lit(value=True)}
    figures = pl.concat(
        among.filter(members).select(
            pl.lit(category).alias("category"),
            pl.len().alias("images"),
            *(pl.col("answer").eq(answer).sum().alias(name) for name, answer in ANSWERS.items()),
        )
        for category, members in groups.items()
    )
    figures = percentages(
        figures.with_columns(share=pl.col("disputed"), share_total=pl.col("images") - pl.col("unasked")), ["share"]
    )
    counted = ["images", *ANSWERS]
    shown = figures.select(
        pl.lit(model).alias("model"),
        pl.lit(task).alias("task"),
        "category",
        *counted,
        *(fixed(name, 2) for name in ("share", "share_low", "share_high")),
        *study.columns(),
    )
    heads = {"n_errors": "Errors"} if figures["n_errors"].sum() else {}
    heads |= {"unasked": "Unasked"} if figures["unasked"].sum() else {}
    return Table(
        shown,
        "Disputed: valid answers that disagree with ReGT",
        str(study),
        {"model": "Model", "task": "Task", "category": "Category", "images": "Images", "agrees": "Agrees",
         "disputed": "Disputed", "share": "Disputed, %", "share_interval": "95 % CI", "out_of_prompt": "Out of prompt",
         **heads},
        {"disputed": "Disputed: the answer is a listed class, and not admissible under ReGT; these images are annotated "
                     "again. Agrees: it is admissible. On an image without a label (N) no class is.",
         "share": "Disputed, %: of the images that the model was asked about.",
         "share_interval": "CI: Wilson."},
    )  # fmt: skip
