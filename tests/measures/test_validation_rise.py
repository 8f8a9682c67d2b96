from __future__ import annotations

import math

import numpy as np
import pytest

from diagnose.measures.curve import curve_of
from diagnose.measures.validation_rise import FULL_TAIL, Rise, kept_fitting, rise_of, rose
from tests.curves import decay, line, noise, path, series, turning, wobble


def rise(values, role: str = "val_loss") -> Rise:
    return rise_of(curve_of(series(role, values)))


def test_a_rise_by_the_rule_of_the_field():
    """Knowledge: w = max(3, n / 20); s the moving average; (s_end - s_min) / sigma and / s_min."""
    values = turning(100, 0.4) + wobble(100, 0.02)
    measured = rise(values)
    smooth = np.convolve(values, np.ones(5) / 5, "valid")
    best = smooth.min()
    assert measured.best == pytest.approx(best)
    assert measured.best_epoch == np.argmin(smooth) + 2
    assert measured.end == pytest.approx(np.median(values[-10:]))
    assert measured.relative == pytest.approx((measured.end - best) / best)
    assert measured.sigmas == pytest.approx((measured.end - best) / (0.02 / math.sqrt(5)), rel=0.02)


@pytest.mark.parametrize(("turn", "weight"), [(0.4, 1.0), (1 - FULL_TAIL / 2, 0.5)])
def test_a_short_rise_counts_in_proportion(turn, weight):
    values = path(400, (0, 2.0), (turn, 1.0), (turn + 0.03, 1.5), (1, 1.5))
    measured = rise(values)
    assert measured.weighted / measured.relative == pytest.approx(weight, abs=0.1)


def test_a_rise_that_came_in_the_last_epochs_is_not_sustained():
    assert rise(path(100, (0, 2.0), (0.3, 1.0), (0.32, 2.0), (1, 2.0))).sustained > 0.95
    assert rise(path(100, (0, 2.0), (0.3, 1.0), (0.31, 1.01), (0.85, 1.01), (0.9, 2.0), (1, 2.0))).sustained < 0.3


def test_a_score_falls_where_a_loss_rises():
    measured = rise(path(100, (0, 0.1), (0.4, 0.8), (0.5, 0.8), (0.8, 0.6), (1, 0.6)), "val_accuracy")
    assert (measured.best, measured.end) == (pytest.approx(0.8), pytest.approx(0.6))
    assert measured.relative == pytest.approx(0.25)


def test_a_score_of_almost_nothing_has_not_halved():
    assert rise(path(100, (0, 0.0), (0.5, 0.02), (1, 0.01)), "val_accuracy").relative < 0.05


def test_a_curve_below_zero_is_held_against_its_descent():
    ours, theirs = (rise(turning(100, 0.4) + noise(100, 1e-3) - offset) for offset in (0, 10))
    assert theirs.relative == pytest.approx(0.2 / 0.5, rel=0.15)
    assert theirs.sigmas == pytest.approx(ours.sigmas, rel=1e-3)


def test_a_rise_from_almost_nothing_is_held_against_a_floor():
    assert rise(path(100, (0, 1.0), (0.5, 1e-4), (1, 3e-4))).relative < 0.05


@pytest.mark.parametrize("values", [line(50, 1, 0), decay(50), np.ones(50), line(2, 1, 0)])
def test_a_curve_that_does_not_turn(values):
    measured = rise(values)
    assert measured.weighted < 0.05
    assert not rose(measured)


def test_a_rise_that_counts():
    assert rose(rise(turning(100, 0.4) + noise(100, 1e-3)))
    assert not rose(rise(turning(100, 0.4) + noise(100, 0.3)))


@pytest.mark.parametrize(
    ("values", "kept"),
    [
        (decay(100), True),
        (decay(100, tau=5), True),  # level since
        (turning(100, 0.5), False),
        (path(100, (0, 1), (0.2, 0.1), (0.5, 0.6), (1, 0.6)), False),  # had risen before already
    ],
    ids=["falls", "level", "rises", "had risen"],
)
def test_a_training_curve_that_kept_fitting(values, kept):
    assert kept_fitting(curve_of(series("loss", values + noise(100, 1e-4))), since=50) == kept


def test_without_a_training_curve_after_the_best_it_may_have():
    assert kept_fitting(curve_of(series("loss", [1.0])), since=0)
    assert kept_fitting(curve_of(series("loss", [1.0, 2.0])), since=50)
