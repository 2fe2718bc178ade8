"""Gains by factors once more, from answers image by image."""

import numpy as np

Answers = dict[str, dict[str, bool]]
"""Whether a model is right, by model and image."""


def gains(answers: Answers, images: list[str], pairs: list[tuple[str, str]], resamples: int) -> list[dict[str, object]]:
    """A row for each pair that shares an image, and one for their mean, of percentages and points.

    Resample number k draws as many images by the generator of (20260, k), of all in the order of ids.
    """
    having = [pair for pair in pairs if any(all(image in answers[it] for it in pair) for image in images)]
    groups = [[pair] for pair in having] + ([having] if len(having) > 1 else [])
    found = []
    for group in groups:
        figures = mean_of(answers, images, group)
        assert figures is not None
        many = []
        for number in range(resamples):
            places = np.random.default_rng([20260, number]).integers(0, len(images), len(images))
            many.append(mean_of(answers, [sorted(images)[place] for place in places], group))
        ends: list[float | None] = [None, None]
        if all(it is not None for it in many):
            ends = [float(np.quantile([it[2] for it in many if it is not None], end)) for end in (0.025, 0.975)]
        shared = [sum(all(image in answers[it] for it in pair) for image in images) for pair in group]
        row = dict(zip(("A", "other_A", "gain", "gain_low", "gain_high"), [*figures, *ends], strict=True))
        found.append(row | {"pairs": len(group), "n": min(shared), "models": group[0] if len(group) == 1 else None})
    return found


def mean_of(answers: Answers, images: list[str], group: list[tuple[str, str]]) -> list[float] | None:
    sums = [0.0, 0.0, 0.0]
    for one, other in group:
        both = [image for image in images if image in answers[one] and image in answers[other]]
        if not both:
            return None
        first, second = (100 * sum(answers[model][image] for image in both) / len(both) for model in (one, other))
        sums = [total + value for total, value in zip(sums, (first, second, second - first), strict=True)]
    return [total / len(group) for total in sums]
