from __future__ import annotations

import numpy as np
import pytest

from diagnose.finding import Severity
from tests.curves import (
    OVER,
    UNDER,
    decay,
    defaults,
    fix_ids,
    healthy,
    hovering,
    line,
    look,
    noise,
    not_applicable,
    one,
    path,
    run,
    steps,
    too_few,
    wobble,
)

CHECK = "learning-rate-too-high"
OPTIONS = defaults(CHECK)
TEN = {"classes": 10}


# -- it blew up --------------------------------------------------------------------------------------------------------


def blown_up(factor: float):
    return [1.0, 0.9, 0.8, 0.8 * factor, np.nan]


def test_a_loss_that_grew_before_it_was_no_number():
    finding = one(CHECK, run(loss=blown_up(100), first=1))
    assert (finding.severity, finding.epoch) == (Severity.CRITICAL, 1)
    assert finding.evidence[0].value == pytest.approx(100)
    assert finding.evidence[0].threshold == OPTIONS.blow_up
    assert fix_ids(finding)[0] == "lower-learning-rate"


@pytest.mark.parametrize(("factor", "fires"), [(UNDER, False), (OVER, True)])
def test_how_far_it_must_have_grown(factor, fires):
    assert bool(look(CHECK, run(loss=blown_up(factor * OPTIONS.blow_up)), blind_climb=1e9)) == fires


def test_nan_out_of_the_blue_is_not_the_step_size():
    assert look(CHECK, run(loss=[*decay(20), np.nan, np.nan])) == ()


# -- it climbed --------------------------------------------------------------------------------------------------------


def climbing(climb: float, accuracy: float | None = 0.3, n: int = 100, **curves):
    """A fall from 2 to 1, where it stays until the middle, and a climb by a share of that, at a poor accuracy."""
    if accuracy is not None:
        curves["accuracy"] = hovering(n, accuracy)
    loss = path(n, (0, 2.0), (0.2, 1.0), (0.5, 1.0), (0.75, 1 + climb), (1, 1 + climb)) + noise(n, 1e-3 * climb)
    return run(loss=loss, config=TEN, **curves)


@pytest.mark.parametrize(("factor", "fires"), [(UNDER, False), (OVER, True)])
def test_a_poor_run_that_climbs_out_of_its_minimum(factor, fires):
    assert bool(look(CHECK, climbing(factor * OPTIONS.climb))) == fires


@pytest.mark.parametrize(("factor", "fires"), [(UNDER, False), (OVER, True)])
def test_without_a_score_only_a_large_climb_counts(factor, fires):
    assert OPTIONS.blind_climb > OPTIONS.climb
    assert bool(look(CHECK, climbing(factor * OPTIONS.blind_climb, accuracy=None))) == fires


@pytest.mark.parametrize(("factor", "fires"), [(UNDER, True), (OVER, False)])
def test_a_climb_at_a_good_score_is_let_pass(factor, fires):
    assert bool(look(CHECK, climbing(2 * OPTIONS.climb, accuracy=0.1 + 0.9 * factor * OPTIONS.poor))) == fires


@pytest.mark.parametrize(("factor", "fires"), [(UNDER, False), (OVER, True)])
def test_a_climb_within_the_noise_is_none(factor, fires):
    """100 epochs are smoothed over 5: a smoothed value has the noise of one point over the root of 5."""
    loss = path(100, (0, 2.0), (0.2, 1.0), (0.5, 1.0), (0.75, 1.5), (1, 1.5))
    loss += wobble(100, 0.5 / (factor * OPTIONS.climb_sigmas) * np.sqrt(5))
    a_run = run(loss=loss, accuracy=np.full(100, 0.3), config=TEN)
    assert bool(look(CHECK, a_run, noise_of_level=1e9)) == fires


def test_a_logged_warm_restart_may_make_the_loss_climb():
    assert look(CHECK, climbing(0.5))
    assert look(CHECK, climbing(0.5, learning_rate=np.repeat([0.01, 0.1], 50))) == ()
    assert look(CHECK, climbing(5.0, learning_rate=np.repeat([0.01, 0.1], 50)))  # but not above where it began


@pytest.mark.parametrize("factor", [1.1, 2.0])
def test_a_rate_that_rises_in_every_epoch_is_no_restart(factor):
    assert one(CHECK, climbing(0.5, learning_rate=1e-6 * factor ** np.arange(100))).severity == Severity.WARNING


@pytest.mark.parametrize("n", [60, 100, 400])
def test_a_loss_that_falls_to_its_last_epoch_has_not_climbed(n):
    assert look(CHECK, run(loss=line(n, 2.3, 1.0) + noise(n, 1e-3), accuracy=line(n, 0.1, 0.4), config=TEN)) == ()


# -- it was thrown off -------------------------------------------------------------------------------------------------


def thrown_off(factor: float, accuracy: float | None = 0.1, n: int = 20):
    """A first epoch far above the level at which the run then stays, as good as guessing."""
    curves = {} if accuracy is None else {"accuracy": np.full(n, accuracy)}
    return run(loss=np.r_[2.3 * factor, 2.3 + noise(n - 1, 0.005)], config=TEN, **curves)


def test_a_first_epoch_that_threw_the_weights_away():
    finding = one(CHECK, thrown_off(500))
    assert (finding.severity, finding.epoch) == (Severity.WARNING, 0)
    assert finding.evidence[0].value == pytest.approx(500, rel=0.01)


@pytest.mark.parametrize(("factor", "fires"), [(UNDER, False), (OVER, True)])
def test_how_high_the_first_epoch_must_be(factor, fires):
    assert bool(look(CHECK, thrown_off(factor * OPTIONS.overshoot))) == fires


def test_a_run_that_learned_it_all_in_the_first_epoch():
    assert look(CHECK, thrown_off(500, accuracy=0.99)) == ()


def test_without_a_score_nobody_knows_whether_the_level_is_bad():
    assert look(CHECK, thrown_off(500, accuracy=None)) == ()


def test_a_loss_that_stands_still_after_its_first_epoch_does_not_swing():
    loss = np.r_[1150.0, np.full(19, 2.3)]
    assert look(CHECK, run(loss=loss, accuracy=np.full(20, 0.99))) == ()


# -- it swings ---------------------------------------------------------------------------------------------------------


def swinging(sigma: float, start: float = 1.0, end: float = 1.0, n: int = 400):
    swings = noise(n, sigma)
    swings[:3] = 0
    return line(n, start, end) + swings


def test_swings_of_the_size_of_the_progress():
    finding = one(CHECK, run(loss=swinging(0.5)))
    assert finding.severity == Severity.WARNING
    assert finding.evidence[0].value > finding.evidence[0].threshold


@pytest.mark.parametrize(("factor", "fires"), [(UNDER, False), (OVER, True)])
def test_how_wide_the_swings_must_be(factor, fires):
    border = 2 * max(OPTIONS.noise_of_descent, OPTIONS.noise_of_level)
    assert bool(look(CHECK, run(loss=swinging(factor * border, 3.0, 1.0)))) == fires
    assert bool(look(CHECK, run(loss=swinging(factor * OPTIONS.noise_of_level)))) == fires


def test_it_asks_for_wider_swings_than_oscillating_loss():
    assert OPTIONS.noise_of_level > defaults("oscillating-loss").of_level
    assert OPTIONS.noise_of_descent > defaults("oscillating-loss").of_descent


# -- a cut of the rate relieved it -------------------------------------------------------------------------------------


def relieved(fall: float, before: float = 0.1, after: float = 0.01, first: float = 0):
    """A descent from 1 to 0.6, and a further fall by a share of it in epoch 30 of 60, when the rate was cut."""
    loss = np.r_[decay(30, 1.0, 0.6, tau=4), np.full(30, 0.6 - 0.4 * fall)]
    return run(loss=loss, learning_rate=np.repeat([before, after], 30), first=first)


def test_a_cut_of_the_rate_after_which_the_loss_fell_at_once():
    finding = one(CHECK, relieved(0.6, first=1))
    assert finding.severity == Severity.INFO  # the schedule has already mended it
    assert "cut at epoch 31" in finding.summary
    assert finding.evidence[0].value == pytest.approx(60, rel=0.05)


@pytest.mark.parametrize(("factor", "fires"), [(UNDER, False), (OVER, True)])
def test_how_far_it_must_fall_at_the_cut(factor, fires):
    assert bool(look(CHECK, relieved(factor * OPTIONS.relief))) == fires


def test_a_fall_without_a_cut_is_luck():
    assert look(CHECK, relieved(0.6, after=0.1)) == ()


def test_a_cut_by_a_third_is_not_half_or_more():
    assert look(CHECK, relieved(0.6, 0.1, 0.06)) == ()


def test_a_rate_that_was_raised_was_not_cut():
    loss = np.r_[decay(30, 1.0, 0.6, tau=4), np.full(30, 0.3)]
    rate = np.r_[np.full(15, 0.1), np.full(15, 0.001), np.full(30, 0.05)]
    assert look(CHECK, run(loss=loss, learning_rate=rate)) == ()


# -- healthy look-alikes -----------------------------------------------------------------------------------------------


def test_drops_of_a_stepped_rate_are_no_more_than_worth_knowing():
    loss = steps(90, 1.0, 0.5, 0.4) + noise(90, 0.005)
    found = look(CHECK, run(loss=loss, learning_rate=steps(90, 0.1, 0.01, 0.001)))
    assert all(f.severity == Severity.INFO for f in found)


@pytest.mark.parametrize("scale", [1e9, 1e-6])
def test_the_unit_of_the_loss_does_not_matter(scale):
    for loss in (np.array(blown_up(100)), swinging(0.5)):
        ours, theirs = one(CHECK, run(loss=loss)), one(CHECK, run(loss=scale * loss))
        assert ours.severity == theirs.severity
        assert ours.evidence[0].value == pytest.approx(theirs.evidence[0].value)


def test_a_healthy_run_is_left_alone():
    assert look(CHECK, healthy()) == ()


def test_without_a_loss_it_cannot_look():
    assert "log the training loss" in not_applicable(CHECK, run(learning_rate=np.full(9, 10.0)))
    assert too_few(CHECK) in not_applicable(CHECK, run(loss=[1.0, np.nan]))


def test_a_long_log_of_numbers_did_not_end_in_nan():
    """Beyond 4096 epochs a curve has fewer points than the log has rows."""
    values = path(10_000, (0, 1.0), (0.3, 0.1), (1, 0.5)) + noise(10_000, 1e-3)
    assert "no number" not in "".join(f.summary for f in look(CHECK, run(loss=values)))


def test_one_nan_that_the_run_recovered_from_is_no_blow_up():
    values = np.r_[path(20, (0, 1.0), (1, 0.1)), np.nan, path(20, (0, 0.4), (1, 0.35))]
    assert "no number" not in "".join(f.summary for f in look(CHECK, run(loss=values)))
