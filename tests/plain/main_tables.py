"""Tables 2 to 5, and the weasel family, once more."""

from fractions import Fraction

from tests.plain.counting import (
    REGT,
    SCORINGS,
    SUBSETS,
    Cells,
    accuracies,
    correct_of,
    count_status,
    difference,
    sizes,
    text,
    truncated,
)
from tests.plain.files import family
from tests.plain.judgements import Judgements, belongs
from tests.plain.selection import choose, cross_fit
from tests.plain.statistics import dense_ranks, percent, share, wilson


def table2(categories: list[str | None]) -> list[Cells]:
    known = any(name is not None for name in categories)
    counts = {subset: sum(belongs(name, subset) for name in categories) if known else None for subset in SUBSETS}
    counts["A"] = total = len(categories)
    return [
        {"statistic": "count", "n": str(total)} | {subset: "" if n is None else str(n) for subset, n in counts.items()},
        {"statistic": "percent", "n": str(total)}
        | {subset: "" if n is None else text(100 * n / total, 1) for subset, n in counts.items()},
    ]


def table3(judged: Judgements, entries: dict[str, dict], n_images: str) -> list[Cells]:
    columns = ["ImGT_A", *REGT, "ImGT_and_ReGT"]
    found = []
    for name, scorings in judged.items():
        best = choose(scorings, n_images)
        rows = scorings[best or "CW"]
        exact = {column: Fraction(*counts) for column, counts in correct_of(rows, n_images).items() if counts[1]}
        cells = {
            "model": entries[name]["label"],
            "task": best or "CW",
            "family": family(entries[name]),
            **accuracies(rows, columns, n_images),
        }
        if best:
            cells["selection"] = "best ImGT_A of OW and CW+ on these same images (optimistic)"
            cells |= cross_fit(scorings, n_images)
        else:
            cells["selection"] = "only task"
            cells["crossfit_task"] = "CW"
            cells |= {f"crossfit_{column}": cells[column] for column in ("ImGT_A", "ReGT_A")}
        found.append((exact, name, cells))
    for column in columns:
        ranks = dense_ranks([exact.get(column) for exact, _, _ in found])
        for rank, (_, _, cells) in zip(ranks, found, strict=True):
            cells[f"{column}_rank"] = rank
    found.sort(key=lambda row: (row[0]["ImGT_A"], row[0].get("ReGT_A", 2), row[1]))
    return [cells for _, _, cells in found]


def table4(judged: Judgements, entries: dict[str, dict], n_images: str) -> list[Cells]:
    columns = ["ImGT_A", *REGT]
    found = []
    for name, scorings in judged.items():
        if not {"OW", "CW+"} & set(scorings):
            continue
        every = {scoring: correct_of(rows, n_images) for scoring, rows in scorings.items()}
        best = max(Fraction(*counts["ImGT_A"]) for counts in every.values())
        for place, scoring in enumerate(SCORINGS):
            if scoring not in scorings:
                continue
            cells = {
                "model": entries[name]["label"],
                "task": scoring,
                **accuracies(scorings[scoring], columns, n_images),
                **truncated(scorings[scoring]),
            }
            for column in columns:
                baseline = percent(*every["CW"][column]) if "CW" in every else None
                cells[f"{column}_vs_CW"] = difference(percent(*every[scoring][column]), baseline)
            found.append((best, name, place, cells))
    return [cells for *_, cells in sorted(found, key=lambda row: row[:3])]


def table5(judged: Judgements, entries: dict[str, dict]) -> list[Cells]:
    found = []
    for name, scorings in judged.items():
        rows = [row for row in scorings.get("CW", []) if row.oop is not None]
        if not rows:
            continue
        cells = {"model": entries[name]["label"], **sizes(rows), **truncated(rows)}
        cells |= {f"n_{status}": str(count_status(rows, status)) for status in ("empty", "several")}
        for subset in SUBSETS:
            flags = [bool(row.oop) for row in rows if subset == "A" or belongs(row.category, subset)]
            cells[subset] = text(percent(sum(flags), len(flags)), 1)
            cells[f"{subset}_low"], cells[f"{subset}_high"] = (
                text(bound, 1) for bound in wilson(sum(flags), len(flags))
            )
        found.append((share([bool(row.oop) for row in rows]), name, cells))
    return [cells for _, _, cells in sorted(found, key=lambda row: row[:2])]


def mustelidae(judged: Judgements, entries: dict[str, dict], names: list[str], n_images: str) -> list[Cells]:
    table = []
    for name, scorings in sorted(judged.items()):
        for scoring in SCORINGS:
            rows = [
                row
                for row in scorings.get(scoring, [])
                if row.expert is not None and not (n_images == "excluded" and row.expert_gave_none)
            ]
            groups = {"all": rows}
            for class_id, class_name in enumerate(names):
                groups[f"{class_id} {class_name}"] = [row for row in rows if row.imgt_class == class_id]
            for group, members in groups.items():
                if not members:
                    continue
                cells = {
                    "model": entries[name]["label"],
                    "task": scoring,
                    "family": family(entries[name]),
                    "class": group if group == "all" else group.split(" ", 1)[1],
                    "n": str(len(members)),
                }
                for column in ("ImGT", "expert"):
                    flags = [bool(row.imgt if column == "ImGT" else row.expert) for row in members]
                    low, high = wilson(sum(flags), len(flags))
                    cells[column] = text(percent(sum(flags), len(flags)))
                    cells |= {f"{column}_low": text(low), f"{column}_high": text(high)}
                table.append(cells)
    return table
