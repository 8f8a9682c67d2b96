from __future__ import annotations

import math

import numpy as np
import pytest

from diagnose.measures.curve import curve_of
from diagnose.measures.learning import arrived_at, best_skill, chance_accuracy, explained, gain_left, late_share, skill
from tests.curves import decay, line, noise, path, run, series


def of(values, role: str = "loss"):
    return curve_of(series(role, values))


# -- skill -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("quantity", "value", "chance", "expected"),
    [
        ("accuracy", 0.1, 0.1, 0.0),
        ("accuracy", 1.0, 0.1, 1.0),
        ("accuracy", 0.55, 0.1, 0.5),
        ("accuracy", 0.05, 0.5, -0.9),
        ("auc", 0.75, 0.1, 0.5),  # an AUC of guessing is 1/2 whatever the classes
        ("r2", 0.3, 0.1, 0.3),  # R2 is a skill already
        ("map", 0.3, 0.1, None),
        ("mae", 0.3, 0.1, None),
    ],
)
def test_skill_is_the_share_of_the_way_from_guessing_to_perfect(quantity, value, chance, expected):
    measured = skill(series(quantity, np.full(20, value)), chance)
    assert measured == (None if expected is None else pytest.approx(expected))


def test_nothing_logged_has_no_skill():
    assert skill(series("accuracy", [math.nan, math.nan]), 0.5) is None


def test_the_better_side_counts():
    """Dropout and augmentation hold the training score down."""
    a_run = run(accuracy=np.full(9, 0.55), val_accuracy=np.full(9, 0.91), config={"classes": 10})
    assert best_skill(a_run) == pytest.approx(0.9)
    assert best_skill(run(loss=decay(9))) is None


@pytest.mark.parametrize(
    ("config", "start", "chance"),
    [
        ({"classes": 4}, 2.3, 1 / 4),
        ({"num_classes": 100}, None, 1 / 100),
        ({}, math.log(10), 1 / 10),
        ({}, None, 1 / 2),
        ({}, 0.3, 1 / 2),  # below ln 2
        ({}, 5e6, 1 / 2),  # no cross-entropy of a thousand classes or less
        ({}, -1.0, 1 / 2),
    ],
)
def test_what_guessing_gives(config, start, chance):
    loss = None if start is None else of([start, start / 2])
    assert chance_accuracy(config, loss) == pytest.approx(chance)


# -- what a loss has lost ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("end", "share"), [(1.0, 0.0), (0.25, 0.75), (2.0, -1.0)])
def test_the_share_of_the_first_loss_that_is_gone(end, share):
    assert explained(of(np.r_[1.0, np.full(19, end)])) == pytest.approx(share)


def test_a_loss_that_crossed_zero_has_lost_it_all():
    assert explained(of(line(20, 1, -1))) == 1.0
    assert explained(of(line(20, -1, 1))) == 1.0


@pytest.mark.parametrize(
    ("values", "share"),
    [(line(300, 1, 0), 1 / 3), (path(300, (0, 1), (0.5, 0.2), (1, 0.2)), 0.0), (line(300, 0, 1), 0.0)],
)
def test_a_straight_descent_brings_a_third_in_its_last_third(values, share):
    assert late_share(of(values)) == pytest.approx(share, abs=0.01)


# -- what is left ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("c", [0.25, 0.5, 1.0, 2.0])
def test_a_power_law_is_recognized(c):
    """a + b t^-c gains b (n^-c - (2n)^-c) from n to 2n epochs."""
    n = 400
    curve = of(0.2 + np.arange(1, n + 1) ** -c)
    gain = (n**-c - (2 * n) ** -c) / float(curve.smooth[1] - curve.smooth[-1])
    assert gain_left(curve) == pytest.approx(gain, rel=0.35, abs=0.01)


def test_the_straighter_the_descent_the_more_is_left():
    n = 100
    straight, bent, settled = (gain_left(of(v)) for v in (line(n, 1, 0.5), decay(n, tau=40), decay(n, tau=8)))
    assert straight > bent > settled
    assert settled < 0.1


@pytest.mark.parametrize("values", [line(20, 0, 1), np.ones(20), [3.0, 2.0, 1.0]])
def test_without_a_descent_nothing_is_left(values):
    assert gain_left(of(values)) == 0.0


# -- arrival -----------------------------------------------------------------------------------------------------------


def test_from_where_a_curve_stays_near_its_end():
    curve = of(path(101, (0, 1.0), (0.6, 0.1), (1, 0.1)))
    assert arrived_at(curve, 0.01) == pytest.approx(60, abs=3)
    assert arrived_at(curve, 2.0) == 0
    assert arrived_at(of(np.ones(9)), 0.0) == 0


def test_a_curve_that_left_its_end_again_arrives_late():
    values = np.full(100, 0.1) + noise(100, 1e-6)
    values[70:75] = 1.0
    assert arrived_at(of(values), 0.01) >= 75
