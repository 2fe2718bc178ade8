"""What every table is: rows for machines, and columns, with their headings and notes, for people."""

from typing import NamedTuple

import polars as pl

from mllm_classify.io.text import span


class Study(NamedTuple):
    """What a table is of. Every table carries it."""

    dataset: str
    imgt: str
    regt: str | None
    equivalences: str | None
    classes: str
    n_images: str = "correct"  # or excluded: the rule for images without a label
    excluded: int = 0  # images that a label set leaves open
    rules: str = ""  # the other rules on which papers differ

    def columns(self) -> list[pl.Expr]:
        """The study as columns of a table, which are the last ones of every CSV."""
        fields = self._asdict() | {"excluded": str(self.excluded)}
        return [pl.lit(value, dtype=pl.String).alias(name) for name, value in fields.items()]

    def named(self, column: str) -> str:
        """ImGT or ReGT with the label set's own name."""
        name = self.imgt if column == "ImGT" else self.regt
        return f"{column} ({name})" if name else column

    def __str__(self) -> str:
        parts = [
            self.dataset,
            f"ImGT: {self.imgt}",
            f"ReGT: {self.regt or 'none'}",
            f"equivalences: {self.equivalences or 'none'}",
            f"classes: {self.classes}",
            *([self.rules] if self.rules else []),
        ]
        if self.excluded:
            parts.append(f"{self.excluded} images with an open label left out")
        return "; ".join(parts)


class Column(NamedTuple):
    """A column that people see."""

    heading: str
    note: str = ""  # stands below the table
    words: bool = False  # words stand on the left, numbers on the right
    latex: bool = True  # whether a page of a paper has room for it


class Table(NamedTuple):
    """One table. `rows` are for machines, and their first columns are the paper's; the rest is for people."""

    rows: pl.DataFrame
    title: str
    subtitle: str
    columns: dict[str, Column]  # that people see; `_interval` stands for `_low` and `_high`
    first: int | None = None  # people see so many rows; the CSV has all


MODEL = Column("Model", words=True)
FAMILY = Column("Family", words=True, latex=False)
TASK = Column("Task", words=True)
INTERVAL = Column("95 % CI")
ASIDE = Column("95 % CI", latex=False)
"""An interval for which a page of a paper has no room."""


def subtitle(study: Study, rows: pl.DataFrame) -> str:
    """What the table is of, and of how many images: the column n, from the smallest to the largest."""
    return f"{study}; n = {span(rows['n'])}"


def fixed(column: str, decimals: int) -> pl.Expr:
    """Numbers as text with so many decimals; null stays null."""
    return pl.col(column).map_elements(lambda value: f"{value:z.{decimals}f}", return_dtype=pl.String)


def named(rows: pl.DataFrame, models: pl.DataFrame) -> pl.DataFrame:
    """Models under their labels, and `task` for scoring; the names stay as `name`."""
    return rows.rename({"model": "name", "scoring": "task"}).join(
        models.rename({"model": "name", "label": "model"}), on="name", how="left", maintain_order="left"
    )


def labelled(
    rows: pl.DataFrame, models: pl.DataFrame, study: Study, columns: list[str], decimals: int = 2
) -> pl.DataFrame:
    """The columns model (its label) and task, then `columns`, then the study's; numbers with a fraction as text."""
    shown = named(rows, models).select("model", "task", *columns, *study.columns())
    floats = [name for name, dtype in shown.schema.items() if dtype == pl.Float64]
    return shown.with_columns(fixed(name, decimals) for name in floats)
