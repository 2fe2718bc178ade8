"""The paper's published figures beside those of models that name them, and whether they may be compared."""

import polars as pl

from mllm_classify.io.files import InputError

SCORECARD: dict[str, pl.DataType] = {
    "model": pl.String(),
    "published": pl.String(),  # the paper's name of the model
    "table": pl.String(),
    "task": pl.String(),
    "figure": pl.String(),  # the column of that table
    "ours": pl.String(),
    "paper": pl.String(),
    "difference": pl.String(),  # ours minus the paper's, in points
    "comparable": pl.String(),  # yes, or no
    "mismatches": pl.String(),  # in what the protocols differ
    "agrees": pl.String(),  # whether our 95 % interval holds the paper's figure; only of comparable figures
    **dict.fromkeys(["dataset", "imgt", "regt", "equivalences", "classes", "n"], pl.String()),  # of ours
}
STUDY = list(SCORECARD)[-6:]
COMPARED = {
    "table3": ["ImGT_A", "ReGT_A", "ReGT_S", "ReGT_S+", "ReGT_S-", "ReGT_M", "ReGT_M+", "ReGT_M-", "ImGT_and_ReGT"],
    "table4": ["ImGT_A", "ReGT_A", "ReGT_S", "ReGT_S+", "ReGT_S-", "ReGT_M", "ReGT_M+", "ReGT_M-"],
    "table5": ["A", "S", "S+", "S-", "M", "M+", "M-", "N"],
    "table6": ["ImGT_A", "ReGT_A", "ReGT_S", "ReGT_S+", "ReGT_S-", "ReGT_M", "ReGT_M+", "ReGT_M-"],
}
"""The columns of the paper's tables that ours are compared in."""
ASKED_CHOICES = "GPT-4o-2024-08-06"
"""The model of the paper's Table 6, by its name in Table 3."""
QUESTIONS = {
    "n": "625",
    "n_S": "352",
    "n_S+": "316",
    "n_S-": "36",
    "n_M": "240",
    "n_M+": "221",
    "n_M-": "19",
    "repeats": "31",
}
"""How many images Table 6 is of, and how often each was asked about, by our columns (its caption; the repeats by its authors' code)."""
LATER = "ReImageNet, abstract"
"""What the table is called of which the later paper of its authors tells shares of images."""
LATER_RULES = "uncertain: N, categories: equivalent labels count once"
"""The rules by which these shares are."""
VALIDATION_IMAGES = "50000"
Row = dict[str, str]


def scorecard(
    table2: pl.DataFrame,
    table3: pl.DataFrame,
    table4: pl.DataFrame,
    table5: pl.DataFrame,
    table6: pl.DataFrame | None,
    published: list[list[str]],
    other_names: str | None,
    official_pairs: bool,
    paper: dict[str, list[Row]],
    reimagenet: list[Row],
) -> pl.DataFrame:
    """One row per published figure of every model that names a published row, where ours has that task.

    Our tables are as their CSVs are read, all columns text (Table 6 is None without multiple choice); `paper` are the rows of the published ones, by table.
    `published` are the label of every model that names a row, in the order of names, and that row's model.
    `other_names` is the paper's class list, where ours has other names, `official_pairs` says whether the equivalences are.
    `reimagenet` are shares of images that ReImageNet's authors published, where it is the second label set: they are the last rows.
    Columns of SCORECARD.

    Raises InputError where a model names a row that the published Table 3 does not have.
    """
    names = [row["model"] for row in paper["table3"]]
    ours = {
        name: table.fill_null("").to_dicts()
        for name, table in {"table3": table3, "table4": table4, "table5": table5, "table6": table6}.items()
        if table is not None
    }
    (counts,) = table2.filter(statistic="count").fill_null("").to_dicts()
    (paper_counts,) = (row for row in paper["table2"] if row["statistic"] == "count")
    rows = []
    for label, name in published:
        if name not in names:
            msg = f"models: {label}: published: {name!r} is not a row of Table 3; write one of {', '.join(names)}"
            raise InputError(msg)
        for table, columns in COMPARED.items():
            for theirs in (row for row in paper[table] if row.get("model", ASKED_CHOICES) == name):
                task = _task(theirs)
                row = next((it for it in ours.get(table, []) if it["model"] == label and _task(it) == task), None)
                if row is None:
                    continue
                reasons = mismatches(counts, paper_counts, row, other_names=other_names, official_pairs=official_pairs)
                if table == "table6":
                    reasons = other_questions(row) + [it for it in reasons if not it.startswith("images: ")]
                about = {"model": label, "published": name, "table": table, "task": task}
                about |= {column: row[column] for column in STUDY}
                rows += [about | _compared(column, row, theirs, reasons) for column in columns]
    shares = next(iter(table2.filter(statistic="percent").fill_null("").to_dicts()), {})
    rows += [_share(it, shares, counts) for it in reimagenet]
    return pl.DataFrame(rows, schema=SCORECARD)


def _task(row: Row) -> str:
    """What a row of a table is of, beside its model: the task, or the kind of options."""
    return row.get("task") or row.get("distractors") or "CW"


def other_questions(row: Row) -> list[str]:
    """In what the questions of a row of Table 6 differ from the paper's: how many images of each category, and repeats."""
    differing = [name for name, value in QUESTIONS.items() if row[name] != value]
    found = ", ".join(f"{name} {row[name] or 'none'}" for name in differing)
    return (
        [f"questions: {found}, the paper has {', '.join(QUESTIONS[name] for name in differing)}"] if differing else []
    )


def _share(theirs: Row, shares: Row, counts: Row) -> Row:
    """The share of images of one category, beside what ReImageNet's authors say."""
    name, published = theirs["figure"], theirs["percent"]
    reasons = [f"images: {counts['n']}, the paper has {VALIDATION_IMAGES}"] if counts["n"] != VALIDATION_IMAGES else []
    if not counts["rules"].startswith(LATER_RULES):
        reasons.append(f"rules: {counts['rules']}; the paper's are {LATER_RULES}")
    about = {"model": "", "published": "", "table": LATER, "task": ""} | {column: counts[column] for column in STUDY}
    return about | _compared(name, {name: shares[name]}, {name: published}, reasons)


def mismatches(counts: Row, paper: Row, row: Row, *, other_names: str | None, official_pairs: bool) -> list[str]:
    """In what the protocol of a row of ours differs from the paper's.

    The label set is known by its counts: the paper's eight categories over its 31,250 images (Table 2).
    """
    reasons = []
    if row["n"] != paper["A"]:
        reasons.append(f"images: {row['n']}, the paper has {paper['A']}")
    differing = [name for name in paper if name not in ("statistic", "A") and counts[name] != paper[name]]
    if differing:
        reasons.append(
            f"label set {row['regt'] or 'none'}: images in {', '.join(differing)} "
            f"({', '.join(counts[name] or 'none' for name in differing)}) are not the paper's "
            f"({', '.join(paper[name] for name in differing)})"
        )
    if other_names is not None:
        reasons.append(f"class list: {row['classes']} has other names than {other_names}")
    if not official_pairs:
        reasons.append(f"equivalences: {row['equivalences'] or 'none'}, the paper has a set of its own")
    if row["n_images"] != "correct":
        reasons.append("images in N: left out, the paper counts every answer to them as correct")
    return reasons


def _compared(column: str, row: Row, paper: Row, reasons: list[str]) -> Row:
    value = row[column]
    low, high = row.get(f"{column}_low", ""), row.get(f"{column}_high", "")
    agrees = "yes" if low and float(low) <= float(paper[column]) <= float(high) else "no"
    return {
        "figure": column,
        "ours": value,
        "paper": paper[column],
        "difference": f"{float(value) - float(paper[column]):+.2f}" if value else "",
        "comparable": "no" if reasons else "yes",
        "mismatches": "; ".join(reasons),
        "agrees": agrees if low and not reasons else "",
    }
