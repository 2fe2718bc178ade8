"""Rank correlations once more: by places in sorted lists, and by what a straight line leaves of ranks."""

import math
from statistics import StatisticsError, correlation, linear_regression


def ranks(values: list[float]) -> list[float]:
    """One more than the number of smaller values, and half of the others that are equal."""
    return [1 + sum(it < value for it in values) + (sum(it == value for it in values) - 1) / 2 for value in values]


def spearman(one: list[float], other: list[float]) -> float | None:
    try:
        return correlation(ranks(one), ranks(other))
    except StatisticsError:
        return None


def partial(one: list[float], other: list[float], third: list[float]) -> float | None:
    """The correlation of what the third's ranks do not explain of both."""
    try:
        left = []
        for values in (one, other):
            slope, start = linear_regression(ranks(third), ranks(values))
            left.append([y - start - slope * x for x, y in zip(ranks(third), ranks(values), strict=True)])
        if any(sum(it * it for it in values) < 1e-9 for values in left):
            return None
        return correlation(*left)
    except StatisticsError:
        return None


def interval(rho: float | None, freedom: int) -> tuple[float | None, float | None]:
    if rho is None or freedom < 1:
        return None, None
    if abs(rho) > 1 - 1e-12:
        return rho, rho
    half = 1.959963984540054 * math.sqrt((1 + rho * rho / 2) / freedom)
    middle = math.log((1 + rho) / (1 - rho)) / 2
    return math.tanh(middle - half), math.tanh(middle + half)
