import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import softmax
from sklearn.calibration import calibration_curve
from sklearn.metrics import brier_score_loss, log_loss

from mllm_classify.measures import calibration as measured
from mllm_classify.measures.calibration import BINNINGS, COLD, HOT, binned, calibration_error, edges
from mllm_classify.tables.abstention import aurc

SURE = st.lists(st.tuples(st.integers(0, 32), st.booleans()), min_size=1, max_size=60)
"""Confidences in 32nds, so that many are equal, and whether they came true."""


def arrays(events):
    confidence, right = zip(*events, strict=True)
    return np.array(confidence) / 32, np.array(right)


def once(confidence):
    return np.ones((1, len(confidence)))


def ece(confidence, right, binning="equal width", bins=15):
    places = binned(confidence, edges(confidence, binning, bins))
    return calibration_error(confidence, right, places, once(confidence))[0]


def test_the_worked_example_of_nine_predictions_in_five_bins():
    """A much copied one: first classes' probabilities and whether they were right; 0.104 by hand.

    Bins (0.4, 0.6]: 0.58 right, 0.51 wrong; (0.6, 0.8]: 0.78, 0.64, 0.70 right, 0.63 wrong; (0.8, 1]: 0.85, 0.83 right, 0.92
    wrong. Gaps 0.045, 0.0625, 0.2; weighed by 2, 4, 3 of 9.
    """
    confidence = np.array([0.78, 0.64, 0.92, 0.58, 0.51, 0.85, 0.70, 0.63, 0.83])
    right = np.array([1, 1, 0, 1, 0, 1, 1, 0, 1], dtype=bool)
    by_hand = (2 * abs(0.545 - 1 / 2) + 4 * abs(0.6875 - 3 / 4) + 3 * abs(2.6 / 3 - 2 / 3)) / 9
    assert ece(confidence, right, bins=5) == pytest.approx(by_hand) == pytest.approx(0.10444, abs=5e-6)


def test_briers_forecasts_of_rain():
    """70 % before a day of rain costs 0.09, before a dry one 0.49."""
    assert measured.brier(np.array([0.7, 0.7, 1.0, 0.0]), np.array([True, False, True, True])) == pytest.approx(
        [0.09, 0.49, 0, 1]
    )


def test_log_losses_are_in_nats_and_end_at_certainty():
    found = measured.event_loss(np.array([0.5, 0.25, 1.0, 0.0, 1.0]), np.array([True, False, True, False, False]))
    assert found == pytest.approx([np.log(2), np.log(4 / 3), 0, 0, -np.log(measured.CERTAIN)], abs=2e-7)


def test_risk_over_coverage_by_hand():
    """Risks 0, 1/2, 1/3 and 1/2; with all equally sure, 1/2 at every coverage."""
    right = np.array([True, False, True, False])
    falling = np.array([0.9, 0.8, 0.7, 0.6])
    assert measured.area_under_risk(falling, right, once(right))[0] == pytest.approx(1 / 3)
    assert measured.area_under_risk(np.full(4, 0.5), right, once(right))[0] == pytest.approx(1 / 2)


@given(SURE)
def test_bins_scores_and_losses_are_scikit_learns(events):
    confidence, right = arrays(events)
    for binning, strategy in zip(BINNINGS, ("uniform", "quantile"), strict=True):
        places = binned(confidence, edges(confidence, binning))
        numbers = np.bincount(places, minlength=15)
        accuracy, mean = calibration_curve(right, confidence, n_bins=15, strategy=strategy)
        assert ece(confidence, right, binning) == pytest.approx(
            (numbers[numbers > 0] * np.abs(accuracy - mean)).sum() / len(right)
        )
    assert measured.brier(confidence, right).mean() == pytest.approx(brier_score_loss(right, confidence))
    clipped = np.clip(confidence, measured.CERTAIN, 1 - measured.CERTAIN)
    assert measured.event_loss(confidence, right).mean() == pytest.approx(
        log_loss(right, clipped, labels=[False, True])
    )


@given(SURE, st.lists(st.integers(0, 3), min_size=60, max_size=60))
def test_a_weight_is_so_many_images(events, drawn):
    confidence, right = arrays(events)
    times = np.array(drawn[: len(right)])
    times[0] += 1
    weights = np.stack([times, np.ones_like(times)]).astype(float)
    area = measured.area_under_risk(confidence, right, weights)
    assert area == pytest.approx([aurc(np.repeat(confidence, times), np.repeat(right, times)), aurc(confidence, right)])
    places = binned(confidence, edges(confidence, "equal width"))
    error = calibration_error(confidence, right, places, weights)
    assert error == pytest.approx([ece(np.repeat(confidence, times), np.repeat(right, times)), ece(confidence, right)])


@given(SURE, st.randoms(use_true_random=False))
def test_measures_are_bounded_and_the_order_of_images_changes_none(events, rng):
    confidence, right = arrays(events)
    shuffled = arrays(rng.sample(events, len(events)))
    for binning in BINNINGS:
        error = ece(confidence, right, binning)
        assert abs(confidence.mean() - right.mean()) - 1e-12 <= error <= 1
        assert ece(*shuffled, binning) == pytest.approx(error)
    area = measured.area_under_risk(confidence, right, once(right))[0]
    assert 0 <= area <= 1
    assert measured.area_under_risk(*shuffled, once(right))[0] == pytest.approx(area)
    assert measured.area_under_risk(np.ones(len(right)), right, once(right))[0] == pytest.approx(1 - right.mean())


@given(SURE, st.sampled_from([0.5, 0.8, 0.9, 1.0]))
def test_what_is_kept_is_the_surest_and_enough(events, coverage):
    confidence, _ = arrays(events)
    kept = measured.kept_at(confidence, coverage)
    assert kept.sum() >= coverage * len(kept)
    if not kept.all():
        assert confidence[kept].min() > confidence[~kept].max()
    # without those that are least sure among them it would be too few
    assert (confidence > confidence[kept].min()).sum() < coverage * len(kept)


def test_who_is_as_often_right_as_said_has_no_error():
    confidence = np.repeat([0.25, 0.5, 0.75], 4)
    right = np.array([1, 0, 0, 0, 1, 1, 0, 0, 1, 1, 1, 0], dtype=bool)
    assert [ece(confidence, right, binning) for binning in BINNINGS] == pytest.approx([0, 0])


@pytest.mark.parametrize("spread", [0.5, 1.0, 2.5])
def test_the_temperature_of_who_is_too_sure_is_found(spread):
    """Truths drawn from softmax(z), scores softmax(spread z): the temperature is the spread, and the error goes."""
    rng = np.random.default_rng(0)
    logits = rng.normal(0, 2, (20_000, 10))
    truth = softmax(logits, axis=1)
    drawn = (truth.cumsum(axis=1) > rng.random((len(truth), 1))).argmax(axis=1)
    order = np.argsort(-logits, axis=1)
    said = np.take_along_axis(softmax(spread * logits, axis=1), order, axis=1)
    right = order[:, 0] == drawn
    temperature = measured.fitted_temperature(said, right)
    assert temperature == pytest.approx(spread, rel=0.05)
    softened = measured.softened(said, temperature)
    assert softened.sum(axis=1) == pytest.approx(1)
    assert ece(softened[:, 0], right) < 0.015
    assert measured.softened(said, 1.0) == pytest.approx(said)
    # a temperature changes no order
    assert (np.diff(softened, axis=1) <= 0).all()


def test_temperatures_end_where_everything_is_right_or_wrong():
    said = np.array([[0.6, 0.4, 0.0], [0.9, 0.1, 0.0]])
    assert measured.fitted_temperature(said, np.array([True, True])) == pytest.approx(COLD, rel=0.02)
    assert measured.fitted_temperature(said, np.array([False, False])) == pytest.approx(HOT, rel=0.02)
