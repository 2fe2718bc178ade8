"""Shares, intervals, ranks and tests by their definitions, with fractions and `math` only."""

import math
from fractions import Fraction

Z = 1.959963984540054


def wilson(correct: int, total: int) -> tuple[float | None, float | None]:
    """Wilson's 95 % interval: (p + z2/2n -+ z sqrt(p(1 - p)/n + z2/4n2)) / (1 + z2/n), as percentages."""
    if not total:
        return None, None
    p = correct / total
    middle = p + Z * Z / (2 * total)
    half = Z * math.sqrt(p * (1 - p) / total + Z * Z / (4 * total * total))
    scale = 1 + Z * Z / total
    return 100 * max(0.0, (middle - half) / scale), 100 * min(1.0, (middle + half) / scale)


def tau(pairs: list[tuple[Fraction, Fraction]]) -> float | None:
    """Kendall's tau-b: concordant less discordant pairs, over the root of the pairs that are no tie in each."""
    score = first = second = 0
    for place, (a, x) in enumerate(pairs):
        for b, y in pairs[:place]:
            one, other = (a > b) - (a < b), (x > y) - (x < y)
            score += one * other
            first += one != 0
            second += other != 0
    return score / math.sqrt(first * second) if first * second else None


def exact_p(only_a: int, only_b: int) -> Fraction:
    """Twice the probability of so few heads, or fewer, in as many throws of a coin as there are discordant images."""
    throws = only_a + only_b
    ways = sum(math.comb(throws, heads) for heads in range(min(only_a, only_b) + 1))
    return min(Fraction(1), Fraction(2 * ways, 2**throws))


def holm(p: list[Fraction]) -> list[Fraction]:
    """The smallest p times the number of tests, the next times one less, and so on; never less than one before it."""
    corrected = list(p)
    highest = Fraction(0)
    for rank, place in enumerate(sorted(range(len(p)), key=lambda place: p[place])):
        highest = max(highest, min(Fraction(1), p[place] * (len(p) - rank)))
        corrected[place] = highest
    return corrected


def t_quantile(freedom: int) -> float:
    """The 97.5 % quantile of Student's t, by bisection on Simpson's integral of its density."""
    scale = math.gamma((freedom + 1) / 2) / math.sqrt(freedom * math.pi) / math.gamma(freedom / 2)

    def below(limit: float, steps: int = 20000) -> float:
        """P(0 < T < limit), with x = tan(u), by which the tail is short."""
        end = math.atan(limit)
        width = end / steps

        def density(u: float) -> float:
            return scale * (1 + math.tan(u) ** 2 / freedom) ** (-(freedom + 1) / 2) / math.cos(u) ** 2

        inner = sum((4 if step % 2 else 2) * density(step * width) for step in range(1, steps))
        return width / 3 * (density(0) + inner + density(end))

    low, high = 0.0, 13.0
    for _ in range(40):
        middle = (low + high) / 2
        low, high = (middle, high) if below(middle) < 0.475 else (low, middle)
    return low


def mean_and_half(values: list[float | None], quantile: float | None) -> tuple[float | None, float | None]:
    known = [value for value in values if value is not None]
    if not known:
        return None, None
    mean = sum(known) / len(known)
    if quantile is None:
        return mean, None
    variance = sum((value - mean) ** 2 for value in known) / (len(known) - 1)
    return mean, quantile * math.sqrt(variance / len(known))


def dense_ranks(values: list[Fraction | None]) -> list[str]:
    descending = sorted({value for value in values if value is not None}, reverse=True)
    return ["" if value is None else str(descending.index(value) + 1) for value in values]


def competition_ranks(values: list[Fraction]) -> list[int]:
    """One more than the number of greater values."""
    return [1 + sum(other > value for other in values) for value in values]


def share(flags: list[bool]) -> Fraction | None:
    return Fraction(sum(flags), len(flags)) if flags else None


def percent(correct: int, total: int) -> float | None:
    return correct / total * 100 if total else None
