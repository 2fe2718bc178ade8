"""Tables as files: CSV for machines, and Markdown, HTML and LaTeX for people."""

import re
from pathlib import Path

import polars as pl
from great_tables import GT
from tabulate import tabulate

from mllm_classify.io.files import written
from mllm_classify.io.text import visible
from mllm_classify.tables.table import Column, Table


def write(table: Table, path: Path) -> None:
    """Write `path` (.csv), and beside it .md, .html and .tex."""
    for suffix, content in {
        ".csv": table.rows.write_csv(),
        ".md": as_markdown(table),
        ".html": as_html(table),
        ".tex": as_latex(table),
    }.items():
        with written(path.with_suffix(suffix)) as temporary:
            temporary.write_text(content)


def as_markdown(table: Table) -> str:
    rows = [[in_markdown(value) for value in row] for row in _shown(table, table.columns).rows()]
    align = ["left" if column.words else "right" for column in table.columns.values()]
    headings = [in_markdown(visible(column.heading)) for column in table.columns.values()]
    body = tabulate(rows, headings, tablefmt="pipe", disable_numparse=True, colalign=align)
    title, subtitle = (in_markdown(visible(text)) for text in (table.title, table.subtitle))
    return "\n\n".join([f"**{title}**", subtitle, body, *_notes(table.columns)]) + "\n"


def in_markdown(text: str) -> str:
    """Text that ends no cell of a table, and is neither a tag nor a link to those who render it."""
    return re.sub(r"\||<(?=[a-zA-Z/!?])|(?<=\])\(", r"\\\g<0>", text)


def as_html(table: Table) -> str:
    return _great_table(table, table.columns).as_raw_html(make_page=True)


def as_latex(table: Table) -> str:
    columns = {name: column for name, column in table.columns.items() if column.latex}
    return _great_table(table, columns).tab_options(table_font_size="7pt").as_latex() + "\n"


def _great_table(table: Table, columns: dict[str, Column]) -> GT:
    headings = {name: visible(column.heading) for name, column in columns.items()}
    great = GT(_shown(table, columns), id="table").cols_label(**headings)  # type: ignore[arg-type]
    great = great.tab_header(title=visible(table.title), subtitle=visible(table.subtitle))
    great = great.cols_align("right", columns=[name for name, column in columns.items() if not column.words])
    for note in _notes(columns):
        great = great.tab_source_note(note)
    return great


def _notes(columns: dict[str, Column]) -> list[str]:
    return [column.note for column in columns.values() if column.note]


def _shown(table: Table, columns: dict[str, Column]) -> pl.DataFrame:
    """The cells that people see, as text."""
    words = pl.col(*columns).cast(pl.String).fill_null("").map_elements(visible, return_dtype=pl.String)
    return _with_joined(table.rows.head(table.first or table.rows.height)).select(words)


def _with_joined(rows: pl.DataFrame) -> pl.DataFrame:
    """Rows with, for people, intervals and cross-fitted accuracies in one column each."""
    lows = [column.removesuffix("_low") for column in rows.columns if column.endswith("_low")]
    joined = {
        **{f"{name}_interval": (" to ", [f"{name}_low", f"{name}_high"]) for name in lows},
        "crossfit": (" / ", ["crossfit_ImGT_A", "crossfit_ReGT_A"]),
    }
    return rows.with_columns(
        pl.concat_str(parts, separator=separator).alias(name)
        for name, (separator, parts) in joined.items()
        if set(parts) <= set(rows.columns)
    ).with_columns(
        # one repeat has no interval
        pl.coalesce(
            pl.concat_str([name.removesuffix("_ci95"), name], separator=" ± "), name.removesuffix("_ci95")
        ).alias(name)
        for name in rows.columns
        if name.endswith("_ci95")
    )
