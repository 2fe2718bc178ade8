"""Scores as the paper's tables 2 to 5, each as CSV, and as Markdown, HTML and LaTeX for people."""

import hashlib
from pathlib import Path
from typing import NamedTuple

import polars as pl
from great_tables import GT
from scipy.stats import binomtest
from tabulate import tabulate

from mllm_classify.files import written

SUBSETS: dict[str, list[str]] = {
    "A": ["S+", "S-", "M+", "M-", "N"],
    "S": ["S+", "S-"],
    "S+": ["S+"],
    "S-": ["S-"],
    "M": ["M+", "M-"],
    "M+": ["M+"],
    "M-": ["M-"],
    "N": ["N"],
}
"""Label categories by the disjoint ones that they are made of (Table 1)."""
REGT = {f"ReGT_{subset}": subset for subset in SUBSETS if subset != "N"}
ACCURACIES = ["ImGT_A", *REGT, "ImGT_and_ReGT"]
SELECTABLE = ["OW", "CW+"]
"""Scorings among which a model that answers in words is shown at its best in Table 3; the first wins a full tie."""
CONFIDENCE = 0.95
WORDS = {"statistic", "model", "family", "task"}
"""Columns of words, which stand on the left; figures stand on the right."""
ACCURACY_NOTES = {
    "ReGT_S": "S to M-: ReGT accuracy by label category, the number of images in brackets; under ReGT every answer to an "
    "image without a label (N) is correct. Change: ReGT minus ImGT, in points.",
    "ImGT_A_interval": "CI: Wilson.",
}
NOT_IN_LATEX = {"family", "ImGT_A_interval", "ReGT_A_interval", "crossfit"}
"""Columns that a page of a paper has no room for; the paper's own tables do not have them either."""
WORDS = {"statistic", "model", "family", "task"}
"""Columns of words, which stand on the left; figures stand on the right."""
CATEGORY_NOTE = (
    "S to M-: ReGT accuracy by label category, the number of images in brackets; under ReGT every answer "
    "to an image without a label (N) is correct. Change: ReGT minus ImGT, in points. CI: Wilson."
)


class Table(NamedTuple):
    """One table. `figures` are for machines, and their first columns are the paper's; the rest is for people."""

    figures: pl.DataFrame
    title: str
    headers: dict[str, str]  # of the columns that people see; `_interval` stands for `_low` and `_high`
    notes: dict[str, str]  # by the column that they explain


def in_subset(subset: str) -> pl.Expr:
    return pl.col("category").is_in(SUBSETS[subset])


def fixed(column: str, decimals: int) -> pl.Expr:
    """Figures as text with so many decimals; null stays null."""
    return pl.col(column).map_elements(lambda value: f"{value:z.{decimals}f}", return_dtype=pl.String)


def accuracy(scores: pl.DataFrame) -> pl.DataFrame:
    """Accuracy in percent (eq. 2) per model and scoring, its 95 % Wilson interval, and the number of images.

    Columns of ACCURACIES, each with `_low` and `_high`, null where there is no image; `n_` of every subset.
    """
    known = pl.col("category").is_not_null()
    correct = {
        "ImGT_A": (pl.col("imgt"), pl.col("imgt").is_not_null()),
        **{name: (pl.col("regt"), in_subset(subset)) for name, subset in REGT.items()},
        "ImGT_and_ReGT": (pl.col("imgt") & pl.col("regt"), known),
    }
    counts = scores.group_by("model", "scoring", maintain_order=True).agg(
        *((flag & among).sum().alias(name) for name, (flag, among) in correct.items()),
        *(among.sum().alias(f"{name}_n") for name, (_, among) in correct.items()),
        *_size_columns(),
    )
    return counts.with_columns(
        column
        for name in ACCURACIES
        for column in _percent_with_interval(name, counts[name].to_list(), counts[f"{name}_n"].to_list())
    ).drop(f"{name}_n" for name in ACCURACIES)


def _size_columns() -> list[pl.Expr]:
    """Number of images in every subset; without a second label set, in all of them together only."""
    known = pl.col("category").is_not_null().any()
    parts = [pl.when(known).then(in_subset(subset).sum()).alias(f"n_{subset}") for subset in SUBSETS if subset != "A"]
    return [pl.len().alias("n_A"), *parts]


def _percent_with_interval(name: str, correct: list[int], total: list[int]) -> list[pl.Series]:
    intervals = [
        binomtest(k, n).proportion_ci(CONFIDENCE, method="wilson") if n else (None, None)
        for k, n in zip(correct, total, strict=True)
    ]
    values = {
        name: [k / n if n else None for k, n in zip(correct, total, strict=True)],
        f"{name}_low": [low for low, _ in intervals],
        f"{name}_high": [high for _, high in intervals],
    }
    return [pl.Series(column, value, dtype=pl.Float64) * 100 for column, value in values.items()]


def fold(image_id: str) -> int:
    """Which half of the images one belongs to when tasks are chosen on the other half: 0 or 1, from its id alone."""
    return hashlib.sha256(f"fold:{image_id}".encode()).digest()[0] % 2


def best_scoring(scores: pl.DataFrame) -> pl.DataFrame:
    """For each model that answers in words, the scoring of highest ImGT accuracy; ties by ReGT, then OW.

    Columns model, scoring.
    """
    order = {name: rank for rank, name in enumerate(SELECTABLE)}
    return (
        scores.filter(pl.col("scoring").is_in(SELECTABLE))
        .group_by("model", "scoring")
        .agg(pl.col("imgt").mean(), pl.col("regt").mean().fill_null(0))
        .sort("model", "imgt", "regt", pl.col("scoring").replace_strict(order), descending=[False, True, True, False])
        .group_by("model", maintain_order=True)
        .agg(pl.col("scoring").first())
    )


def cross_fitted(scores: pl.DataFrame) -> pl.DataFrame:
    """Accuracy when each half of the images is scored by the task that was best on the other half.

    Columns model, crossfit_task (the choices for half 0 and half 1), crossfit_ImGT_A, crossfit_ReGT_A.
    """
    halves = scores.with_columns(pl.col("image_id").map_elements(fold, return_dtype=pl.Int64).alias("fold"))
    kept = pl.concat(
        halves.filter(pl.col("fold") == half).join(
            best_scoring(halves.filter(pl.col("fold") != half)), on=["model", "scoring"], how="semi"
        )
        for half in (0, 1)
    )
    return kept.group_by("model").agg(
        pl.col("scoring").sort_by("fold").unique(maintain_order=True).str.join(" / ").alias("crossfit_task"),
        (pl.col("imgt").mean() * 100).alias("crossfit_ImGT_A"),
        (pl.col("regt").mean() * 100).alias("crossfit_ReGT_A"),
    )


def table2(categories: pl.Series, dataset: str) -> Table:
    """Images per label category, from the category of every image (Table 2)."""
    frame = categories.alias("category").to_frame()
    counts = dict(zip(SUBSETS, frame.select(_size_columns()).row(0), strict=True))
    rows = [
        {"statistic": "count"} | {key: None if n is None else str(n) for key, n in counts.items()},
        {"statistic": "percent"}
        | {key: None if n is None else f"{100 * n / frame.height:.1f}" for key, n in counts.items()},
    ]
    figures = pl.DataFrame(rows, schema=dict.fromkeys(["statistic", *SUBSETS], pl.String)).with_columns(
        pl.lit(dataset).alias("dataset"), pl.lit(frame.height).alias("n")
    )
    return Table(
        figures,
        f"Table 2. Images per label category: {dataset}, n = {frame.height}",
        {name: name for name in ["statistic", *SUBSETS]},
        {"S": "S: one ReGT label, M: several, N: none; +: ImGT is among them, -: it is not (Table 1 of the paper)."},
    )


def table3(scores: pl.DataFrame, models: pl.DataFrame, dataset: str) -> Table:
    """Every model at its best task: OW or CW+ for those that answer in words, CW for the others (Table 3).

    `models` has columns model (the name in `scores`), label and family.
    """
    best = best_scoring(scores)
    worded = pl.col("model").is_in(best["model"].implode())
    rows = accuracy(scores)
    chosen = pl.concat(
        [rows.join(best, on=["model", "scoring"], how="semi"), rows.filter(~worded & (pl.col("scoring") == "CW"))]
    )
    figures = (
        chosen.join(cross_fitted(scores), on="model", how="left")
        .with_columns(
            pl.when(worded)
            .then(pl.lit("best ImGT_A of OW and CW+ on these same images (optimistic)"))
            .otherwise(pl.lit("only task"))
            .alias("selection"),
            pl.when(worded).then("crossfit_task").otherwise("scoring").alias("crossfit_task"),
            pl.when(worded).then("crossfit_ImGT_A").otherwise("ImGT_A").alias("crossfit_ImGT_A"),
            pl.when(worded).then("crossfit_ReGT_A").otherwise("ReGT_A").alias("crossfit_ReGT_A"),
            (pl.col("ReGT_A") - pl.col("ImGT_A")).alias("change"),
            # the same counts give the same quotient, so equal figures tie exactly
            *(pl.col(name).rank("dense", descending=True).alias(f"{name}_rank") for name in ACCURACIES),
        )
        .sort("ImGT_A", "ReGT_A", "model", nulls_last=True)
    )
    return Table(
        _labelled(
            figures,
            models,
            dataset,
            [
                *ACCURACIES,
                "family",
                "change",
                *(f"{name}_rank" for name in ACCURACIES),
                *_intervals(),
                *_sizes(),
                "selection",
                "crossfit_task",
                "crossfit_ImGT_A",
                "crossfit_ReGT_A",
            ],
        ),
        _title("Table 3. Accuracy (%) of every model at its best task", dataset, figures),
        {
            "model": "Model",
            "family": "Family",
            "task": "Task",
            **_headers(figures),
            "ImGT_and_ReGT": "Im and Re",
            "crossfit": "Cross-fit",
        },
        {
            "task": "Task: for models that answer in words, whichever of OW and CW+ has the higher ImGT accuracy on these "
            "same images, ties by ReGT. That is the paper's choice, and optimistic.",
            "crossfit": "Cross-fit: ImGT and ReGT accuracy when that task is chosen on one half of the images and scored "
            "on the other.",
            **ACCURACY_NOTES,
        },
    )


def table4(scores: pl.DataFrame, models: pl.DataFrame, dataset: str) -> Table:
    """Every model that answers in words, under OW, CW+ and CW (Table 4)."""
    scorings = ["OW", "CW+", "CW"]
    worded = scores.filter(pl.col("scoring").is_in(SELECTABLE))["model"].unique()
    figures = accuracy(scores.filter(pl.col("model").is_in(worded.implode()) & pl.col("scoring").is_in(scorings)))
    baseline = figures.filter(pl.col("scoring") == "CW").select("model", *ACCURACIES)
    figures = (
        figures.join(baseline, on="model", how="left", suffix="_CW")
        .with_columns(
            (pl.col("ReGT_A") - pl.col("ImGT_A")).alias("change"),
            *((pl.col(name) - pl.col(f"{name}_CW")).alias(f"{name}_vs_CW") for name in ACCURACIES),
        )
        .with_columns(pl.col("ImGT_A").max().over("model").alias("best"))
        .sort("best", "model", pl.col("scoring").replace_strict({name: i for i, name in enumerate(scorings)}))
    )
    columns = [name for name in ACCURACIES if name != "ImGT_and_ReGT"]
    return Table(
        _labelled(
            figures,
            models,
            dataset,
            [*columns, "change", *(f"{name}_vs_CW" for name in columns), *_intervals(columns), *_sizes()],
        ),
        _title("Table 4. Accuracy (%) by task of the models that answer in words", dataset, figures),
        {"model": "Model", "task": "Task", **_headers(figures)},
        {
            "task": "OW: no class list, nearest class embedding. CW: the class list is in the prompt, other answers are "
            "wrong. CW+: such answers go to the nearest class embedding.",
            **ACCURACY_NOTES,
        },
    )


def table5(scores: pl.DataFrame, models: pl.DataFrame, dataset: str) -> Table:
    """Out-of-prompt rate: answers to CW that are none of the listed classes, in percent per category (Table 5)."""
    listed = scores.filter((pl.col("scoring") == "CW") & pl.col("oop").is_not_null())
    members = {subset: pl.col("oop").is_not_null() if subset == "A" else in_subset(subset) for subset in SUBSETS}
    figures = (
        listed.group_by("model", maintain_order=True)
        .agg(
            *((pl.col("oop").filter(among).mean() * 100).alias(subset) for subset, among in members.items()),
            *_size_columns(),
        )
        .with_columns(pl.lit("CW").alias("scoring"))
        .sort("A", "model")
    )
    table = _labelled(figures, models, dataset, [*SUBSETS, *_sizes()], decimals=1).drop("task")
    return Table(
        table,
        _title("Table 5. Out-of-prompt answers (%) to the closed-world task", dataset, figures),
        {"model": "Model", **{subset: _sized(figures, subset) for subset in SUBSETS}},
        {
            "A": "Answers that are none of the listed class names after lower-casing and stripping; empty answers among "
            "them. The number of images is in brackets."
        },
    )


def _sized(figures: pl.DataFrame, subset: str) -> str:
    """A subset's sign with its number of images, where that is the same in all rows."""
    sizes = figures[f"n_{subset}"].unique()
    return subset + (f" ({sizes[0]})" if sizes.len() == 1 and sizes[0] is not None else "")


def _headers(figures: pl.DataFrame) -> dict[str, str]:
    """Headings of the accuracies that both tables of accuracies show."""
    return {
        "ImGT_A": "ImGT",
        "ImGT_A_interval": "95 % CI",
        "ReGT_A": "ReGT",
        "ReGT_A_interval": "95 % CI",
        "change": "Change",
        **{name: _sized(figures, subset) for name, subset in REGT.items() if subset != "A"},
    }


def _intervals(names: list[str] = ACCURACIES) -> list[str]:
    return [f"{name}_{end}" for name in names for end in ("low", "high")]


def _sizes() -> list[str]:
    return [f"n_{subset}" for subset in SUBSETS]


def _title(text: str, dataset: str, figures: pl.DataFrame) -> str:
    sizes = figures["n_A"].unique().sort().to_list()
    return f"{text}: {dataset}, n = {' to '.join(str(n) for n in (sizes[:1] + sizes[-1:] if len(sizes) > 1 else sizes)) or 0}"


def _labelled(
    figures: pl.DataFrame, models: pl.DataFrame, dataset: str, columns: list[str], decimals: int = 2
) -> pl.DataFrame:
    """The columns model (its label) and task, then `columns`, then dataset; percentages as text."""
    named = figures.rename({"model": "name", "scoring": "task"}).join(
        models.rename({"model": "name", "label": "model"}), on="name", how="left", maintain_order="left"
    )
    shown = named.select("model", "task", *columns, pl.lit(dataset).alias("dataset"))
    floats = [name for name, dtype in shown.schema.items() if dtype == pl.Float64]
    return shown.with_columns(fixed(name, decimals) for name in floats)


def write(table: Table, path: Path) -> None:
    """Write `path` (.csv), and beside it .md, .html and .tex."""
    for suffix, content in {
        ".csv": table.figures.write_csv(),
        ".md": as_markdown(table),
        ".html": as_html(table),
        ".tex": as_latex(table),
    }.items():
        with written(path.with_suffix(suffix)) as temporary:
            temporary.write_text(content)


def _with_joined(figures: pl.DataFrame) -> pl.DataFrame:
    """The figures with, for people, intervals and cross-fitted accuracies in one column each."""
    joined = {
        **{f"{name}_interval": ("\N{EN DASH}", [f"{name}_low", f"{name}_high"]) for name in ("ImGT_A", "ReGT_A")},
        "crossfit": (" / ", ["crossfit_ImGT_A", "crossfit_ReGT_A"]),
    }
    return figures.with_columns(
        pl.concat_str(parts, separator=separator).alias(name)
        for name, (separator, parts) in joined.items()
        if set(parts) <= set(figures.columns)
    )


def _shown(table: Table, without: set[str]) -> tuple[pl.DataFrame, dict[str, str], list[str]]:
    """What people see: figures, headings, and the notes that explain them."""
    headers = {name: heading for name, heading in table.headers.items() if name not in without}
    notes = [note for name, note in table.notes.items() if name in headers]
    return _with_joined(table.figures).select(list(headers)).fill_null(""), headers, notes


def as_markdown(table: Table) -> str:
    shown, headers, notes = _shown(table, set())
    rows = [[str(value).replace("|", "\\|") for value in row] for row in shown.rows()]
    align = ["left" if name in WORDS else "right" for name in headers]
    body = tabulate(rows, list(headers.values()), tablefmt="pipe", disable_numparse=True, colalign=align)
    return "\n\n".join([f"**{table.title}**", body, *notes]) + "\n"


def _great_table(table: Table, without: set[str]) -> GT:
    shown, headers, notes = _shown(table, without)
    great = GT(shown, id="table").tab_header(title=table.title).cols_label(**headers)  # type: ignore[arg-type]
    great = great.cols_align("right", columns=[name for name in headers if name not in WORDS])
    for note in notes:
        great = great.tab_source_note(note)
    return great


def as_html(table: Table) -> str:
    return _great_table(table, set()).as_raw_html(make_page=True)


def as_latex(table: Table) -> str:
    return _great_table(table, NOT_IN_LATEX).tab_options(table_font_size="7pt").as_latex() + "\n"
