"""How many answers are right, and of what; cells of tables, as text."""

from tests.plain.judgements import Judged, belongs
from tests.plain.statistics import percent, wilson

Cells = dict[str, str]
SUBSETS = ["A", "S", "S+", "S-", "M", "M+", "M-", "N"]
REGT = ["ReGT_A", "ReGT_S", "ReGT_S+", "ReGT_S-", "ReGT_M", "ReGT_M+", "ReGT_M-"]
PARTS = ["S", "S+", "S-", "M", "M+", "M-", "N"]
SCORINGS = ["OW", "CW+", "CW", "CW-constrained", "CW-likelihood", "OW-likelihood"]


def counted(row: Judged, n_images: str) -> bool:
    """Whether an image is among those that accuracy under ReGT is over."""
    return row.category is not None and not (n_images == "excluded" and row.category == "N")


def correct_of(rows: list[Judged], n_images: str) -> dict[str, tuple[int, int]]:
    """Per column of accuracies, how many are correct of how many."""
    found = {"ImGT_A": (sum(row.imgt for row in rows), len(rows))}
    judged = [row for row in rows if counted(row, n_images)]
    for column in REGT:
        flags = [bool(row.regt) for row in judged if belongs(row.category, column.removeprefix("ReGT_"))]
        found[column] = (sum(flags), len(flags))
    found["ImGT_and_ReGT"] = (sum(bool(row.imgt and row.regt) for row in judged), len(judged))
    return found


def text(value: float | None, decimals: int = 2) -> str:
    return "" if value is None else f"{value:z.{decimals}f}"


def difference(one: float | None, other: float | None) -> str:
    return "" if one is None or other is None else text(one - other)


def sizes(rows: list[Judged]) -> Cells:
    known = any(row.category for row in rows)
    counts = {f"n_{part}": str(sum(belongs(row.category, part) for row in rows)) if known else "" for part in PARTS}
    return {"n": str(len(rows))} | counts


def accuracies(rows: list[Judged], columns: list[str], n_images: str) -> Cells:
    """Accuracies with their intervals and the numbers of images."""
    found = correct_of(rows, n_images)
    cells = {column: text(percent(*found[column])) for column in columns}
    for column in columns:
        cells[f"{column}_low"], cells[f"{column}_high"] = map(text, wilson(*found[column]))
    cells |= extremes(rows, n_images)
    return cells | sizes(rows) | changed(rows, n_images)


def changed(rows: list[Judged], n_images: str) -> Cells:
    """ReGT less ImGT accuracy, both over the images that ReGT's is over; the latter, its interval, and their number."""
    both = [row for row in rows if counted(row, n_images)]
    before, after = sum(row.imgt for row in both), sum(bool(row.regt) for row in both)
    low, high = map(text, wilson(before, len(both)))
    return {
        "change": difference(percent(after, len(both)), percent(before, len(both))),
        "ImGT_compared": text(percent(before, len(both))),
        "ImGT_compared_low": low,
        "ImGT_compared_high": high,
        "n_compared": str(len(both)) if any(row.category for row in rows) else "",
    }


def extremes(rows: list[Judged], n_images: str) -> Cells:
    """How many answers are errors, and both accuracies if all of these were wrong, or all right."""
    cells = {"n_errors": str(count_status(rows, "error"))}
    for name, among in {"ImGT": rows, "ReGT": [row for row in rows if counted(row, n_images)]}.items():
        sound = [row for row in among if row.status != "error"]
        right = sum(bool(row.imgt if name == "ImGT" else row.regt) for row in sound)
        cells[f"{name}_A_worst"] = text(percent(right, len(among)))
        cells[f"{name}_A_best"] = text(percent(right + len(among) - len(sound), len(among)))
    return cells


def truncated(rows: list[Judged]) -> Cells:
    return {"n_truncated": str(sum(row.finish_reason == "length" and row.status != "error" for row in rows))}


def count_status(rows: list[Judged], status: str) -> int:
    return sum(row.status == status for row in rows)


def oop_rate(rows: list[Judged]) -> str:
    asked = [row.oop for row in rows if row.oop is not None]
    return text(percent(sum(asked), len(asked)))
