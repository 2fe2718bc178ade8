"""The comparison of two studies as one page, which runs no script and loads nothing, and as CSV files."""

from pathlib import Path

import polars as pl

from mllm_classify.io.text import cell, short
from mllm_classify.report.overview import FOLDER, STYLE, environment, policy

TEMPLATE = Path(__file__).parent / "compare.html"
MOST = 200
"""So many settings, and changed answers, are on the page; CSV files have all."""
LONGEST = 300
"""So many characters of an answer."""
TINY = 1e-12
"""Smaller p are not told apart."""


def as_csv(frame: pl.DataFrame) -> str:
    """A frame as CSV: accuracies with two decimals, p with three digits, and text that no spreadsheet computes."""
    return _as_text(frame).write_csv()


def page(sides: tuple[str, str], frames: dict[str, pl.DataFrame], remarks: list[str]) -> str:
    """The page. `frames` are settings, shared, differences and answers."""
    templates = environment()
    templates.filters["short"] = lambda text: None if text is None else short(text, LONGEST)
    style = (FOLDER / STYLE).read_text("utf-8")
    return templates.from_string(TEMPLATE.read_text("utf-8")).render(
        a=sides[0],
        b=sides[1],
        style=style,
        policy=policy(style),
        remarks=remarks,
        most=MOST,
        sizes={name: frame.height for name, frame in frames.items()},
        **{name: _as_text(frame.head(MOST) if name in ("settings", "answers") else frame, escaped=False).to_dicts()
           for name, frame in frames.items()},
    )  # fmt: skip


def _as_text(frame: pl.DataFrame, *, escaped: bool = True) -> pl.DataFrame:
    """Numbers as people read them; with `escaped`, text as a cell of a CSV."""
    made = []
    for name, dtype in frame.schema.items():
        column = pl.col(name)
        if dtype == pl.Float64:
            made.append(column.map_elements(_p if name.startswith("p") else lambda it: f"{it:z.2f}", pl.String))
        elif dtype == pl.String and escaped:
            made.append(column.map_elements(cell, pl.String))
    return frame.with_columns(made)


def _p(value: float) -> str:
    return f"{value:.3g}" if value >= TINY else f"<{TINY:g}"
