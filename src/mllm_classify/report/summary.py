"""What `make table3` prints: Table 3 as a terminal shows it, what its figures say, and where to look next."""

import itertools
import textwrap

import polars as pl
from tabulate import tabulate

from mllm_classify.io.text import short, span, visible

WIDTH = 100
"""Columns of a terminal."""
HEADINGS = ("Model", "Task", "ImGT", "95 % CI", "ReGT", "95 % CI", "Change", "OOP")
NOTE = (
    "ImGT: one label per image. ReGT: all labels that apply; Change: ReGT minus ImGT, in points. Task: for models that "
    "answer in words, the better of OW and CW+. OOP: answers to CW that are not on the class list. CI: Wilson."
)
NEXT = (
    ("make demo", "a page: figures, tables, and every picture with every answer"),
    (".venv/bin/snakemake --cores 2", "all other tables and figures"),
    ("results/table3.csv", "all columns of this table; .html and .tex lie beside it"),
)
"""What to do next, or where to look, and why."""


def summary(table3: pl.DataFrame, table4: pl.DataFrame, table5: pl.DataFrame) -> str:
    """Lines of at most WIDTH characters; the tables are as their CSV files have them."""
    first = table3.row(0, named=True)
    about = [first["dataset"], f"ImGT: {first['imgt']}", f"ReGT: {first['regt'] or 'none'}"]
    subtitle = "; ".join([*map(visible, about), f"n = {span(map(int, table3['n']))}"])
    said = [sentence for sentence in (_labels(table3), _mapping(table4, table5), _models(table3)) if sentence]
    column = max(len(what) for what, _ in NEXT)
    parts = [
        "Table 3. Accuracy (%) of every model at its best task\n" + _wrapped(subtitle),
        _table(table3, dict(table5.select("model", "A").iter_rows())),
        _wrapped(NOTE),
        "What this says\n" + "\n".join(_wrapped(sentence, "- ") for sentence in said),
        "Where to look next\n" + "\n".join(f"  {what:{column}}  {why}" for what, why in NEXT),
    ]
    return "\n\n".join(parts) + "\n"


def _table(table3: pl.DataFrame, out_of_prompt: dict[str, str | None]) -> str:
    """The rows of Table 3. Long names lose their middle, so that a row fits."""

    def cells(row: dict[str, str | None], longest: int) -> list[str]:
        change = f"{float(row['change']):+.2f}" if row["change"] else ""
        return [
            short(row["model"] or "", longest),
            row["task"] or "",
            *(text for name in ("ImGT_A", "ReGT_A") for text in (row[name] or "", _interval(row, name))),
            change,
            out_of_prompt.get(row["model"] or "") or "",
        ]

    def drawn(longest: int) -> str:
        rows = [cells(row, longest) for row in table3.iter_rows(named=True)]
        align = ["left", "left", *["right"] * (len(HEADINGS) - 2)]
        return str(tabulate(rows, HEADINGS, tablefmt="simple", disable_numparse=True, colalign=align))

    whole = drawn(WIDTH)
    excess = max(map(len, whole.splitlines())) - WIDTH
    longest = max(len(short(model, WIDTH)) for model in table3["model"])
    return drawn(max(longest - excess, len(HEADINGS[0]))) if excess > 0 else whole


def _interval(row: dict[str, str | None], name: str) -> str:
    low, high = row[f"{name}_low"], row[f"{name}_high"]
    return f"{low} to {high}" if low and high else ""


def _labels(table3: pl.DataFrame) -> str:
    """What the second label set does to accuracies and to the order of the models."""
    changes = sorted(table3["change"].drop_nulls().cast(pl.Float64))
    if not changes:
        return ""
    ends = " to ".join(dict.fromkeys(f"{it:+.2f}" for it in (changes[0], changes[-1])))
    if table3.height == 1:
        return f"ReGT instead of ImGT changes the model's accuracy by {ends} points."
    same = table3["ImGT_A_rank"].to_list() == table3["ReGT_A_rank"].to_list()
    order = "the models keep their order" if same else "it changes the order of the models"
    return f"ReGT instead of ImGT changes accuracy by {ends} points, and {order}."


def _mapping(table4: pl.DataFrame, table5: pl.DataFrame) -> str:
    """What CW+ adds to CW for the model with the most out-of-prompt answers."""
    if table5.is_empty():
        return ""
    name, rate = table5.sort(pl.col("A").cast(pl.Float64), maintain_order=True).select("model", "A").row(-1)
    column = "ReGT_A" if table4["ReGT_A"].count() else "ImGT_A"
    right = dict(table4.filter(pl.col("model") == name).select("task", column).iter_rows())
    if not {"CW", "CW+"} <= right.keys():
        return ""
    return (
        f"{short(name, 40)} answers {rate} % of the closed-world questions with words that are not on the class list. With "
        f"these counted as wrong (CW), its {column[:4]} accuracy is {right['CW']} %; with each mapped to the nearest class "
        f"(CW+), {right['CW+']} %."
    )


def _models(table3: pl.DataFrame) -> str:
    """Whether the intervals tell models apart."""
    column = "ReGT_A" if table3["ReGT_A"].count() else "ImGT_A"
    ends = table3.select(pl.col(f"{column}_low", f"{column}_high").cast(pl.Float64)).drop_nulls().rows()
    pairs = list(itertools.combinations(ends, 2))
    apart = sum(one[1] < other[0] or other[1] < one[0] for one, other in pairs)
    if not pairs:
        return ""
    if apart:
        return f"In {apart} of {len(pairs)} pairs of models the 95 % intervals under {column[:4]} do not overlap."
    images = span(map(int, table3["n"]))
    return f"All 95 % intervals under {column[:4]} overlap: {images} images hardly tell these models apart."


def _wrapped(text: str, bullet: str = "") -> str:
    return textwrap.fill(text, WIDTH, initial_indent=bullet, subsequent_indent=" " * len(bullet))
