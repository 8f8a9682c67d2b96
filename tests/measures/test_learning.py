from __future__ import annotations

import math

import numpy as np
import pytest

from diagnose.measures.curve import curve_of
from diagnose.measures.learning import (
    GOOD_SCORE,
    arrived_at,
    best_skill,
    chance_accuracy,
    explained,
    gain_left,
    is_good,
    late_share,
    longest_level,
    skill,
)
from tests.curves import decay, hovering, line, noise, path, run, series, steps


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
    measured = skill(series(quantity, hovering(20, value)), chance)
    assert measured == (None if expected is None else pytest.approx(expected, abs=2e-3))


def test_an_accuracy_that_stands_still_is_the_share_of_a_class():
    assert skill(series("accuracy", np.full(20, 0.9)), 0.5) == 0.0
    assert skill(series("accuracy", np.r_[0.5, 0.7, np.full(18, 0.9)]), 0.5) == 0.0
    assert skill(series("accuracy", np.full(20, 0.99)), 0.5) == pytest.approx(0.98)
    assert skill(series("accuracy", np.full(5, 0.9)), 0.5) == pytest.approx(0.8)


def test_nothing_logged_has_no_skill():
    assert skill(series("accuracy", [math.nan, math.nan]), 0.5) is None


def test_the_better_side_counts():
    """Dropout and augmentation hold the training score down."""
    a_run = run(accuracy=hovering(9, 0.55), val_accuracy=hovering(9, 0.91), config={"classes": 10})
    assert best_skill(a_run) == pytest.approx(0.9, abs=2e-3)
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


# -- good by itself ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("skill", "good"), [(0.79, False), (0.81, True)])
def test_a_run_is_good_from_a_skill_on(skill, good):
    accuracy = hovering(20, 0.1 + 0.9 * skill)
    assert is_good(run(accuracy=accuracy, config={"classes": 10}), 0.8) == good
    assert is_good(run(accuracy=np.full(20, 0.1), val_accuracy=accuracy, config={"classes": 10}), 0.8) == good


@pytest.mark.parametrize("quantity", ["map50", "dice", "iou", "f1"])
@pytest.mark.parametrize("split", ["", "val_"])
@pytest.mark.parametrize(("above", "good"), [(-0.01, False), (0.01, True)])
def test_a_score_without_a_known_chance_level_is_good_from_another_limit_on(quantity, split, above, good):
    a_run = run(loss=decay(20), **{split + quantity: np.full(20, GOOD_SCORE + above)})
    assert is_good(a_run, 0.1) == is_good(a_run, 1.0) == good


def test_where_a_skill_is_known_it_alone_counts():
    assert not is_good(run(accuracy=np.full(20, 0.6), val_dice=np.full(20, 0.9)), 0.8)


@pytest.mark.parametrize("curves", [{}, {"mae": np.full(20, 0.9)}, {"loss": decay(20)}, {"dice": [math.nan] * 3}])
def test_nothing_that_could_be_good_is_not(curves):
    assert not is_good(run(**curves), 0.0)


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


@pytest.mark.parametrize("scale", [1e9, 1e-6])
@pytest.mark.parametrize("offset", [0.0, -3.0])
def test_what_is_left_is_a_share_of_the_fall_whatever_the_unit_and_the_floor(scale, offset):
    values = decay(100, tau=40)
    assert gain_left(of(scale * (values + offset))) == pytest.approx(gain_left(of(values)), rel=1e-6)


def test_the_start_of_a_run_follows_another_law():
    """A steep first third tells nothing of what is left; it only makes the fall larger."""
    level_since = path(300, (0, 5.0), (0.3, 1.0), (1, 1.0))
    assert gain_left(of(level_since)) < 0.01


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


# -- level stretches ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("begin", "end"), [(0.0, 0.4), (0.2, 0.6), (0.5, 1.0)])
def test_the_longest_level_stretch_wherever_it_lies(begin, end):
    """Downhill before, level for two fifths or a half of the run, downhill again."""
    n = 201
    values = path(n, (0, 1 + begin), (begin, 1.0), (end, 1.0), (1, end))
    first, last = longest_level(of(values), 0.01, until=10**6)
    assert first == pytest.approx(begin * (n - 1), abs=6)
    assert last == pytest.approx(end * (n - 1), abs=6)


def test_of_two_stretches_the_longer_one():
    assert longest_level(of(np.r_[np.full(30, 1.0), np.full(50, 0.5), np.full(20, 0.1)]), 0.01, until=10**6) == (32, 77)


def test_of_two_equal_ones_the_first():
    first, last = longest_level(of(steps(60, 1.0, 0.5)), 0.01, until=10**6)
    assert (first, last) == (0, 28)


def test_a_level_stretch_spans_no_more_than_the_band():
    """A straight descent by 1 over 100 epochs: a band of a tenth holds ten of them."""
    first, last = longest_level(of(line(101, 1.0, 0.0)), 0.1, until=10**6)
    assert last - first == pytest.approx(10, abs=2)
    assert longest_level(of(line(101, 1.0, 0.0)), 2.0, until=10**6) == (0, 100)


@pytest.mark.parametrize("values", [[], [1.0]])
def test_a_point_is_its_own_level(values):
    assert longest_level(of(values), 0.1, until=10**6) == (0, 0)
