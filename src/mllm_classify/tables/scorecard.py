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
}
"""The columns of the paper's tables that ours are compared in."""
Row = dict[str, str]


def scorecard(
    table2: pl.DataFrame,
    table3: pl.DataFrame,
    table4: pl.DataFrame,
    table5: pl.DataFrame,
    published: list[list[str]],
    other_names: str | None,
    official_pairs: bool,
    paper: dict[str, list[Row]],
) -> pl.DataFrame:
    """One row per published figure of every model that names a published row, where ours has that task.

    Our tables are as their CSVs are read, all columns text; `paper` are the rows of the published ones, by table.
    `published` are the label of every model that names a row, in the order of names, and that row's model.
    `other_names` is the paper's class list, where ours has other names, `official_pairs` says whether the equivalences are. Columns of
    SCORECARD.

    Raises InputError where a model names a row that the published Table 3 does not have.
    """
    names = [row["model"] for row in paper["table3"]]
    ours = {
        name: table.fill_null("").to_dicts()
        for name, table in {"table3": table3, "table4": table4, "table5": table5}.items()
    }
    (counts,) = table2.filter(statistic="count").fill_null("").to_dicts()
    (paper_counts,) = (row for row in paper["table2"] if row["statistic"] == "count")
    rows = []
    for label, name in published:
        if name not in names:
            msg = f"models: {label}: published: {name!r} is not a row of Table 3; write one of {', '.join(names)}"
            raise InputError(msg)
        for table, columns in COMPARED.items():
            for theirs in (row for row in paper[table] if row["model"] == name):
                task = theirs.get("task", "CW")
                row = next((it for it in ours[table] if it["model"] == label and it.get("task", "CW") == task), None)
                if row is None:
                    continue
                reasons = mismatches(counts, paper_counts, row, other_names=other_names, official_pairs=official_pairs)
                about = {"model": label, "published": name, "table": table, "task": task}
                about |= {column: row[column] for column in STUDY}
                rows += [about | _compared(column, row, theirs, reasons) for column in columns]
    return pl.DataFrame(rows, schema=SCORECARD)


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
