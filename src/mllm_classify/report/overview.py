"""The page on which a study opens: its key figures, the figures behind them, and links to everything else.

One file that holds all it shows. It runs no script and loads nothing; its links lead to files beside it.
"""

import base64
import hashlib
from pathlib import Path
from typing import NamedTuple

import polars as pl
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from mllm_classify.io.text import span, visible
from mllm_classify.report.key_figures import added, headlines, label_noise, standings
from mllm_classify.tables.table import Study

FOLDER = Path(__file__).parent
TEMPLATE, STYLE = "overview.html", "overview.css"


class Entry(NamedTuple):
    """A file beside the page, and what it shows."""

    file: str
    title: str


def overview(
    tables: dict[str, pl.DataFrame],
    drawings: dict[str, bytes],
    entries: dict[str, list[Entry]],
    study: Study,
    start: str | None = None,
) -> str:
    """The page, as HTML.

    `tables` are table2, table3, table4, table5, ranking, mcnemar, and gains where there is a second label set, each as its
    CSV is read; `drawings` the figures that the page shows, as SVG, by name; `entries` everything that it links to, by
    heading; `start` the page of all data sets, where there are several.
    """
    label_set = "ReGT" if study.regt else "ImGT"
    models = standings(tables["table3"], tables["ranking"])
    noise = label_noise(tables["table2"])
    worded = added(tables["table4"], tables["table5"], tables["mcnemar"], label_set)
    return page(
        TEMPLATE,
        start=start,
        study=study,
        label_set=label_set,
        images=span(map(int, tables["table3"]["n"])),
        headlines=headlines(models, noise, worded, tables["ranking"], tables["mcnemar"]),
        models=models.to_dicts(),
        noise=noise.to_dicts(),
        worded=worded.to_dicts(),
        gains=tables["gains"].to_dicts() if "gains" in tables else [],
        drawings={name: base64.b64encode(content).decode() for name, content in drawings.items()},
        entries=entries,
        # of a page and its pictures the page, which comes first
        links={Path(it.file).stem: it for group in entries.values() for it in reversed(group)},
    )


def page(template: str, **values: object) -> str:
    """A page of this folder's style, of a template and what it is told. No script runs in it, and it loads nothing."""
    style = (FOLDER / STYLE).read_text("utf-8")
    content = (FOLDER / template).read_text("utf-8")
    return environment().from_string(content).render(policy=policy(style), style=style, **values)


def policy(style: str) -> str:
    """What a page with this style may load: nothing but pictures that are in it."""
    source = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    return f"default-src 'none'; img-src data:; style-src 'sha256-{source}'; base-uri 'none'; form-action 'none'"


def environment() -> Environment:
    """Templates in which all that is inserted is text, and visible. Pages begin with this folder's head.html."""
    made = Environment(loader=FileSystemLoader(FOLDER), autoescape=True, undefined=StrictUndefined, trim_blocks=True,
                       lstrip_blocks=True, finalize=_shown)  # fmt: skip
    made.filters["signed"] = lambda text: f"{float(text):+z.2f}"
    return made


def _shown(value: object) -> object:
    """What stands for a value on the page: nothing for none."""
    if value is None:
        return ""
    return visible(value) if type(value) is str else value
