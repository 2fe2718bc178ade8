"""The table across data sets once more, from counts of correct answers."""

import math
from statistics import mean, stdev

from tests.plain.statistics import t_quantile, wilson

Counts = dict[tuple[str, str, str], dict[str, tuple[int, int]]]
"""Correct answers and images of each data set, by label set, task and model."""


STUDENT = {number: t_quantile(number - 1) for number in (2, 3, 4)}


def datasets(counts: Counts) -> dict[tuple[str, str, str], dict[str, float | None]]:
    """Figures of each row across data sets, in percent; none of a row that lacks one of its label set's data sets."""
    needed: dict[str, set[str]] = {}
    for (measure, _, _), cells in counts.items():
        needed.setdefault(measure, set()).update(cells)
    whole = {row: cells for row, cells in counts.items() if set(cells) == needed[row[0]]}
    found = {}
    for row in counts:
        if row not in whole:
            found[row] = dict.fromkeys(("macro", "mean_rank", "wins", "datasets"))
            continue
        rivals = [cells for other, cells in whole.items() if other[:2] == row[:2]]
        found[row] = _summary(whole[row], rivals)
    return found


def _summary(cells: dict[str, tuple[int, int]], rivals: list[dict[str, tuple[int, int]]]) -> dict[str, float | None]:
    shares = [correct / images * 100 for correct, images in cells.values()]
    bounds = [wilson(correct, images) for correct, images in cells.values()]
    number = len(shares)
    below = math.sqrt(sum((share - low) ** 2 for share, (low, _) in zip(shares, bounds, strict=True))) / number
    above = math.sqrt(sum((high - share) ** 2 for share, (_, high) in zip(shares, bounds, strict=True))) / number
    half = STUDENT[number] * stdev(shares) / math.sqrt(number) if number > 1 else None
    ranks, wins = [], 0
    for name, (correct, images) in cells.items():
        better = sum(other[name][0] * images > correct * other[name][1] for other in rivals)
        same = sum(other[name][0] * images == correct * other[name][1] for other in rivals)
        ranks.append(better + (same + 1) / 2)
        wins += better == 0
    return {
        "macro": mean(shares),
        "macro_images_low": mean(shares) - below,
        "macro_images_high": mean(shares) + above,
        "macro_datasets_low": None if half is None else max(mean(shares) - half, 0),
        "macro_datasets_high": None if half is None else min(mean(shares) + half, 100),
        "mean_rank": mean(ranks),
        "wins": wins,
        "datasets": number,
    }
