"""Columns that several tables of accuracies share."""

import polars as pl

from mllm_classify.measures.counting import COMPARED, REGT, SUBSETS
from mllm_classify.tables.table import ASIDE, Column, Study

SIZES = ["n", *(f"n_{subset}" for subset in SUBSETS if subset != "A")]
"""Numbers of images, as the CSV has them."""
CHANGE = ["change", COMPARED, f"{COMPARED}_low", f"{COMPARED}_high", "n_compared"]
"""The change from ImGT to ReGT, what it is from, and of how many images."""
ERRORS = ["n_errors", *(f"{label_set}_A_{case}" for label_set in ("ImGT", "ReGT") for case in ("worst", "best"))]
"""Errors, and accuracy if all of them were wrong, as they are scored, and if all were right."""


def intervals(names: list[str]) -> list[str]:
    return [f"{name}_{end}" for name in names for end in ("low", "high")]


def number_column(rows: pl.DataFrame) -> dict[str, Column]:
    """A column of the rows' numbers of images, where these differ; else the subtitle's number says it."""
    return {"n": Column("n")} if rows["n"].n_unique() > 1 else {}


def sized(rows: pl.DataFrame, subset: str) -> str:
    """A subset's sign with its number of images, where that is the same in all rows."""
    numbers = rows["n" if subset == "A" else f"n_{subset}"].unique()
    return subset + (f" ({numbers[0]})" if numbers.len() == 1 and numbers[0] is not None else "")


def accuracy_columns(rows: pl.DataFrame, study: Study) -> dict[str, Column]:
    """What people see of accuracies in tables 3 and 4."""
    rule = {
        "correct": "every answer to an image without a label (N) is correct",
        "excluded": "images without a label (N) are left out (ReaL's rule)",
    }[study.n_images]
    apart = bool((rows["n_compared"] != rows["n"]).any())
    of_subsets = (
        f"S to M-: ReGT accuracy by label category, the number of images in brackets; under ReGT {rule}. Change: "
        "ReGT minus ImGT, in points" + (", both on the images with a label." if apart else ".")
        if study.regt
        else "There is no second label set: the columns from ReGT on are empty."
    )
    return {
        **number_column(rows),
        "ImGT_A": Column(study.named("ImGT")),
        "ImGT_A_interval": Column("95 % CI", "CI: Wilson.", latex=False),
        "ReGT_A": Column(study.named("ReGT")),
        "ReGT_A_interval": ASIDE,
        **({COMPARED: Column("ImGT, labelled"), "n_compared": Column("n, labelled")} if apart else {}),
        "change": Column("Change"),
        **{
            name: Column(sized(rows, subset), of_subsets if subset == "S" else "")
            for name, subset in REGT.items()
            if subset != "A"
        },
    }


def error_columns(rows: pl.DataFrame) -> dict[str, Column]:
    """What people see of errors, where there are any."""
    if not rows["n_errors"].sum():
        return {}
    note = (
        "Errors: images without an answer that could be read. They count as wrong, on images without a label (N) too; "
        "at best, all of them would be right."
    )
    return {
        "n_errors": Column("Errors", note),
        "ImGT_A_best": Column("ImGT at best"),
        "ReGT_A_best": Column("ReGT at best"),
    }


def truncated_column(rows: pl.DataFrame) -> dict[str, Column]:
    """What people see of answers that were cut off, where there are any."""
    if not rows["n_truncated"].sum():
        return {}
    note = "Truncated: answers that the server ended at the most tokens allowed (finish_reason length). They are scored as they are."
    return {"n_truncated": Column("Truncated", note)}
