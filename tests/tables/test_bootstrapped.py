import math
from fractions import Fraction

import numpy as np
import polars as pl
import pytest

from mllm_classify.measures.bootstrap import SEED
from tests import plain
from tests.tables.studies import MODELS, RESAMPLES, STUDY, long, random_frames, rows_of


def quantile(values, share):
    """Linear interpolation between order statistics."""
    values = sorted(values)
    place = share * (len(values) - 1)
    below = math.floor(place)
    above = min(below + 1, len(values) - 1)
    return values[below] + (values[above] - values[below]) * (place - below)


def interval(values):
    if None in values:
        return None, None
    return quantile(values, 0.025), quantile(values, 0.975)


def drawn_images(images, number):
    """The images of one resample, from its number alone."""
    return [images[place] for place in np.random.default_rng([SEED, number]).integers(0, len(images), len(images))]


def naive(flags, drawn, measure, rule, subset):
    """One row's accuracy on drawn images: (category, imgt, regt) by image."""
    seen = [flags[image] for image in drawn if image in flags]
    if measure == "change":
        # both on the images that ReGT accuracy is over
        judged = {image: row for image, row in flags.items() if not (rule == "excluded" and row[0] == "N")}
        one, other = (naive(judged, drawn, name, rule, "A") for name in ("ImGT", "ReGT"))
        return None if one is None or other is None else other - one
    if measure != "ImGT":
        seen = [row for row in seen if not (rule == "excluded" and row[0] == "N")]
    seen = [row for row in seen if subset == "A" or row[0].startswith(subset)]
    right = {
        "ImGT": [imgt for _, imgt, _ in seen],
        "ReGT": [regt for *_, regt in seen],
        "ImGT and ReGT": [imgt and regt for _, imgt, regt in seen],
    }[measure]
    return 100 * sum(right) / len(right) if right else None


def image_level(frames):
    """Per label of a model and task: (category, imgt, regt) by image."""
    labels = dict(MODELS.select("model", "label").rows())
    found = {}
    for row in pl.concat(frames).to_dicts():
        flags = found.setdefault((labels[row["model"]], row["scoring"]), {})
        flags[row["image_id"]] = (row["category"], row["imgt"], row["regt"])
    return found


def some_frames():
    """Of 30 images, of which one row lacks a third."""
    *frames, last = random_frames(5, images=30, rankers="vw")
    return [*frames, last.head(20)]


def test_bootstrap_intervals_are_those_of_a_loop_over_images():
    frames = some_frames()
    by_row = image_level(frames)
    images = sorted(by_row["Vision", "CW"])
    resamples = [drawn_images(images, number) for number in range(RESAMPLES)]
    found = long(*frames)
    assert {key[:2] for key in found} == set(by_row)
    for (model, task, measure, rule, subset), row in found.items():
        flags = by_row[model, task]
        assert row["accuracy"] == pytest.approx(naive(flags, images, measure, rule, subset), abs=1e-9)
        expected = interval([naive(flags, drawn, measure, rule, subset) for drawn in resamples])
        assert (row["bootstrap_low"], row["bootstrap_high"]) == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("n_images", ["correct", "excluded"])
def test_intervals_of_change_ranks_and_tau_are_those_of_a_loop_over_images(n_images):
    frames = some_frames()
    by_row = image_level(frames)
    images = sorted(by_row["Vision", "CW"])
    resamples = [drawn_images(images, number) for number in range(RESAMPLES)]
    judged = {
        key: {image: row for image, row in flags.items() if not (n_images == "excluded" and row[0] == "N")}
        for key, flags in by_row.items()
    }
    found = rows_of("ranking", *frames, study=STUDY._replace(n_images=n_images))
    keys = [(row["model"], row["task"]) for row in found]
    assert len(keys) == 4
    ranks = {"ImGT": [], "ReGT": []}
    taus = []
    for drawn in resamples:
        exact = {}
        for measure, listed in ranks.items():
            exact[measure] = [
                Fraction(naive(judged[key], drawn, measure, n_images, "A")).limit_denominator(10**6) for key in keys
            ]
            listed.append(plain.statistics.competition_ranks(exact[measure]))
        taus.append(plain.statistics.tau(list(zip(exact["ImGT"], exact["ReGT"], strict=True))))
    for place, row in enumerate(found):
        changes = [naive(by_row[keys[place]], drawn, "change", n_images, "A") for drawn in resamples]
        shown = {"change": interval(changes), "tau": interval(taus)}
        for name, expected in shown.items():
            assert [float(row[f"{name}_{end}"]) for end in ("low", "high")] == pytest.approx(expected, abs=0.00501)
        for measure, listed in ranks.items():
            # the smallest rank that 2.5 % of the resamples do not exceed, and the same for 97.5 %
            of_row = sorted(rank[place] for rank in listed)
            ends = [of_row[math.ceil(share * RESAMPLES) - 1] for share in (0.025, 0.975)]
            assert [int(row[f"{measure}_A_place_{end}"]) for end in ("low", "high")] == ends
