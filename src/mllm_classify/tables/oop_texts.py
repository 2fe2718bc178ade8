"""The most frequent out-of-prompt (OOP) answers, and where they go."""

import polars as pl

from mllm_classify.io.keys import ANSWER, QUESTION
from mllm_classify.io.text import cell, short
from mllm_classify.measures.out_of_prompt import LABELLED, MEMBERS, SIGNALS, out_of_prompt
from mllm_classify.tables.table import MODEL, Column, Study, Table, fixed, labelled

TEXTS = 50
"""Distinct OOP answers that are shown of each model."""
LONGEST = 120
"""Characters of an answer."""


def oop_texts(
    scores: pl.DataFrame,
    worded_predictions: dict[str, pl.LazyFrame],
    mappings: dict[str, pl.LazyFrame],
    classes: pl.DataFrame,
    models: pl.DataFrame,
    study: Study,
) -> Table:
    """The most frequent OOP answers of each model, the class nearest to each, and on how many images that is right.

    `worded_predictions` and `mappings` are by the model's name.
    """
    said = pl.concat(
        predictions.select(pl.lit(name).alias("model"), *QUESTION, "text")
        for name, predictions in worded_predictions.items()
    ).collect()
    answers = out_of_prompt(mappings, scores).join(said, on=ANSWER, how="left", maintain_order="left")
    return Table(
        labelled(
            most_frequent(answers, classes),
            models,
            study,
            ["text", "answers", "share", "nearest", *SIGNALS, "ImGT_right", "ReGT_right", "n_N"],
        ).drop("task"),
        "The most frequent out-of-prompt answers, and where they go",
        str(study),
        _columns(study),
    )


def most_frequent(answers: pl.DataFrame, classes: pl.DataFrame) -> pl.DataFrame:
    """Distinct answers of each model, the most frequent first, with their nearest class and on how many images it is right.

    `answers` are as `out_of_prompt` returns them, with their `text`. Columns model, scoring, text, answers, share (%),
    nearest (a name), SIGNALS, ImGT_right, ReGT_right, n_N; the text of others is safe for spreadsheets.
    """
    names = classes.select(pl.col("class_id").alias("nearest_class"), pl.col("name").alias("nearest"))
    on_labelled = pl.col("regt").filter(MEMBERS[LABELLED]).sum()
    return (
        # as it was embedded
        answers.with_columns(pl.col("text").fill_null("").str.strip_chars())
        .group_by("model", "scoring", "text")
        .agg(
            pl.len().alias("answers"),
            pl.col("nearest_class", *SIGNALS).first(),
            pl.col("imgt").sum().alias("ImGT_right"),
            pl.when(pl.col("regt").is_not_null().any()).then(on_labelled).alias("ReGT_right"),
            pl.when(pl.col("category").is_not_null().any()).then((pl.col("category") == "N").sum()).alias("n_N"),
        )
        .with_columns((pl.col("answers") / pl.col("answers").sum().over("model") * 100).alias("share"))
        .sort("model", "answers", "text", descending=[False, True, False])
        .group_by("model", maintain_order=True)
        .head(TEXTS)
        .join(names, on="nearest_class", how="left", maintain_order="left")
        .with_columns(
            pl.when(pl.col("text") == "").then(pl.lit("(empty)")).otherwise("text").alias("text"),
            *(fixed(signal, 3) for signal in SIGNALS),
        )
        .with_columns(
            pl.col(name).map_elements(lambda text: cell(short(text, LONGEST)), return_dtype=pl.String)
            for name in ("text", "nearest")
        )
    )


def _columns(study: Study) -> dict[str, Column]:
    second = {
        "ReGT_right": Column(study.named("ReGT")),
        "n_N": Column("N", "N: images in N; under ReGT they are not counted as right here."),
    }
    return {
        "model": MODEL,
        "text": Column("Answer", words=True),
        "answers": Column(
            "Images",
            f"Up to {TEXTS} of each model. Similarity: cosine to the nearest class. Margin: how far it is ahead of the nearest "
            "class of another name.",
        ),
        "share": Column("% of OOP"),
        "nearest": Column("Nearest class", words=True),
        "similarity": Column("Similarity"),
        "margin": Column("Margin"),
        "ImGT_right": Column(
            study.named("ImGT"),
            "Under the names of the label sets: on how many of these images the nearest class is right.",
        ),
        **(second if study.regt else {}),
    }
