"""Effective robustness once more: lines through all other models, from counts of correct answers."""

import math
from statistics import linear_regression

import numpy as np

Flags = dict[str, list[bool]]
"""Whether each model's answers are right, an answer for each image of a data set in the order of ids."""


def logit(correct: int, images: int) -> float:
    """A share of 0 or 1 is half an image from there."""
    inside = min(max(correct, 0.5), images - 0.5)
    return math.log(inside / (images - inside))


def line(base: dict[str, int], shifted: dict[str, int], n_base: int, n: int, model: str) -> float | None:
    """The share on the shifted set that the other models' line says of a model, from numbers of correct answers."""
    others = [name for name in base if name != model]
    x = [logit(base[name], n_base) for name in others]
    if len(others) < 3 or max(x) - min(x) < 1e-6:
        return None
    slope, intercept = linear_regression(x, [logit(shifted[name], n) for name in others])
    return 1 / (1 + math.exp(-(intercept + slope * logit(base[model], n_base))))


def robustness(base: Flags, shifted: Flags, resamples: int) -> dict[str, dict[str, float | None]]:
    """Loss, line and effective robustness of every model in percent, with the ends of the middle 95 % of resamples.

    Resample number k draws as many images of a set as it has by the generator of (20260, k); that of the shifted set is
    the one before, and the first's is the last.
    """

    def figures(one: dict[str, int], other: dict[str, int]) -> dict[str, dict[str, float | None]]:
        n_base, n = (len(next(iter(flags.values()))) for flags in (base, shifted))
        found: dict[str, dict[str, float | None]] = {}
        for model in base:
            x, y, said = one[model] / n_base, other[model] / n, line(one, other, n_base, n, model)
            found[model] = {
                "base_A": 100 * x,
                "A": 100 * y,
                "loss": 100 * (x - y),
                "line_A": None if said is None else 100 * said,
                "robustness": None if said is None else 100 * (y - said),
            }
        return found

    def drawn(flags: Flags, number: int) -> dict[str, int]:
        images = len(next(iter(flags.values())))
        places = np.random.default_rng([20260, number]).integers(0, images, images)
        return {model: sum(answers[place] for place in places) for model, answers in flags.items()}

    found = figures(*({model: sum(answers) for model, answers in flags.items()} for flags in (base, shifted)))
    many = [figures(drawn(base, number), drawn(shifted, (number - 1) % resamples)) for number in range(resamples)]
    for model, own in found.items():
        for name in ("base_A", "A", "loss", "robustness"):
            values = [each[model][name] for each in many]
            for end, share in (("low", 0.025), ("high", 0.975)):
                own[f"{name}_{end}"] = None if None in values else float(np.quantile(np.array(values, float), share))
    return found
