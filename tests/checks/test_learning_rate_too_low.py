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
    too_few,
    wobble,
)

CHECK = "learning-rate-too-low"
OPTIONS = defaults(CHECK)
TEN = {"classes": 10}


def creeping(fall: float, n: int = 200, sigma: float = 1e-4):
    return line(n, 1.0, 1.0 - fall) + noise(n, sigma)


def test_a_straight_descent_that_gets_nowhere():
    finding = one(CHECK, run(loss=creeping(OPTIONS.little / 3), first=1))
    assert finding.severity == Severity.WARNING
    fall, late = finding.evidence
    assert fall.value == pytest.approx(100 * OPTIONS.little / 3, rel=0.1)
    assert (fall.start, fall.end) == (1, 200)
    assert late.value == pytest.approx(100 / 3, rel=0.1)  # straight: a third of the run brings a third of the fall
    assert fix_ids(finding)[0] == "raise-learning-rate"


@pytest.mark.parametrize(("factor", "fires"), [(UNDER, True), (OVER, False)])
def test_how_little_it_must_have_fallen(factor, fires):
    assert bool(look(CHECK, run(loss=creeping(factor * OPTIONS.little)))) == fires


@pytest.mark.parametrize(("factor", "fires"), [(UNDER, False), (OVER, True)])
def test_how_straight_the_descent_must_be(factor, fires):
    late = factor * OPTIONS.late_share
    fall = OPTIONS.little / 2
    values = path(300, (0, 1.0), (2 / 3, 1 - fall * (1 - late)), (1, 1 - fall)) + noise(300, 1e-4)
    assert bool(look(CHECK, run(loss=values))) == fires


@pytest.mark.parametrize(("factor", "fires"), [(UNDER, False), (OVER, True)])
def test_the_descent_must_stand_out_of_the_noise(factor, fires):
    """400 epochs are smoothed over 20: a smoothed value has the noise of one point over the root of 20."""
    fall = OPTIONS.little / 2
    sigma = fall / (factor * OPTIONS.sigmas) * np.sqrt(20)
    values = line(400, 1.0, 1.0 - fall) + wobble(400, sigma)
    assert bool(look(CHECK, run(loss=values), late_share=0.0)) == fires


@pytest.mark.parametrize(("factor", "fires"), [(UNDER, True), (OVER, False)])
def test_a_good_score_is_no_fault(factor, fires):
    accuracy = 0.1 + 0.9 * factor * OPTIONS.good
    a_run = run(loss=creeping(OPTIONS.little / 3), accuracy=hovering(200, accuracy), config=TEN)
    assert bool(look(CHECK, a_run)) == fires


@pytest.mark.parametrize(("factor", "fires"), [(UNDER, True), (OVER, False)])
def test_a_score_that_gained_much_is_no_fault(factor, fires):
    """An average precision has no skill; that it rose from nothing shows that ground was covered."""
    score = line(200, 0.0, factor * OPTIONS.score_gain)
    assert bool(look(CHECK, run(loss=creeping(OPTIONS.little / 3), map=score))) == fires


def test_a_loss_that_rose_first_is_no_straight_descent():
    values = path(200, (0, 1.0), (0.2, 1.2), (1, 0.9)) + noise(200, 1e-4)
    assert look(CHECK, run(loss=values)) == ()


@pytest.mark.parametrize("scale", [1e9, 1e-6])
def test_the_unit_of_the_loss_does_not_matter(scale):
    loss = creeping(OPTIONS.little / 3)
    ours, theirs = one(CHECK, run(loss=loss)), one(CHECK, run(loss=scale * loss))
    assert [e.value for e in ours.evidence] == pytest.approx([e.value for e in theirs.evidence])


# -- a schedule that took the rate away --------------------------------------------------------------------------------


def decayed_away(
    realized: float = 0.0, at: float = 1 / 3, n: int = 60, rate: float = 1e-4, sigma: float = 1e-4, **more
):
    """A straight descent from 2 to 1, then what came of the half of it that the remaining epochs promised."""
    gone = round(n * at)
    promised = 1.0 / (gone - 1) * (n - gone) / 2
    loss = np.r_[line(gone, 2.0, 1.0), np.full(n - gone, 1.0 - realized * promised)] + noise(n, sigma)
    return run(**{"loss": loss, "learning_rate": np.where(np.arange(n) < gone, 0.1, rate)} | more)


def test_a_rate_that_was_gone_while_the_loss_still_fell():
    finding = one(CHECK, decayed_away(first=1))
    assert (finding.severity, finding.epoch) == (Severity.WARNING, 21)
    assert "took the rate away at epoch 21" in finding.summary
    assert fix_ids(finding)[0] == "slower-decay"


@pytest.mark.parametrize(("factor", "fires"), [(UNDER, True), (OVER, False)])
def test_how_little_came_of_what_the_old_pace_promised(factor, fires):
    assert bool(look(CHECK, decayed_away(factor * OPTIONS.kept), little=0.0)) == fires


@pytest.mark.parametrize(("factor", "fires"), [(UNDER, False), (OVER, True)])
def test_how_much_the_old_pace_must_have_promised(factor, fires):
    """A fall from 2 to 1 that had slowed down: half of the remaining 60 epochs at that pace bring a share of it."""
    pace = factor * OPTIONS.promised / 30
    loss = np.r_[path(30, (0, 2.0), (0.5, 1 + 15 * pace), (1, 1.0)), np.full(60, 1.0)] + noise(90, 1e-6)
    rate = np.where(np.arange(90) < 30, 0.1, 1e-4)
    assert bool(look(CHECK, run(loss=loss, learning_rate=rate))) == fires


@pytest.mark.parametrize(("factor", "fires"), [(UNDER, True), (OVER, False)])
def test_how_low_the_rate_must_have_fallen(factor, fires):
    assert bool(look(CHECK, decayed_away(rate=factor * 0.01))) == fires


@pytest.mark.parametrize("schedule", ["smooth", "stepped"])
def test_the_schedule_may_have_any_shape(schedule):
    at = np.arange(60)
    rate = 0.1 * 0.89**at if schedule == "smooth" else np.where(at < 10, 0.1, np.where(at < 20, 0.03, 0.003))
    assert one(CHECK, decayed_away(learning_rate=rate)).epoch == 20


def test_only_a_logged_rate_can_have_been_taken_away():
    assert look(CHECK, decayed_away(learning_rate=[])) == ()
    assert look(CHECK, decayed_away(learning_rate=np.full(60, 0.1))) == ()
    assert look(CHECK, decayed_away(learning_rate=[*np.full(20, 0.1), *np.full(35, 1e-4), *np.full(5, 0.1)])) == ()


@pytest.mark.parametrize(("factor", "fires"), [(UNDER, True), (OVER, False)])
def test_a_good_score_is_no_fault_whatever_the_schedule(factor, fires):
    accuracy = hovering(60, 0.1 + 0.9 * factor * OPTIONS.good)
    assert bool(look(CHECK, decayed_away(accuracy=accuracy, config=TEN))) == fires


def test_a_pace_within_the_noise_promises_nothing():
    assert look(CHECK, decayed_away(sigma=0.2)) == ()


@pytest.mark.parametrize(("factor", "fires"), [(UNDER, False), (OVER, True)])
def test_how_much_of_the_run_must_be_left(factor, fires):
    a_run = decayed_away(at=1 - factor * OPTIONS.left)
    assert bool(look(CHECK, a_run, little=0.0, promised=0.0)) == fires


def test_a_rate_that_decays_when_the_loss_has_arrived():
    n = 60
    rate = np.where(np.arange(n) < 40, 0.1, 1e-4)
    assert look(CHECK, run(loss=decay(n, 2.0, 0.5, tau=5) + noise(n, 1e-3), learning_rate=rate)) == ()


# -- healthy look-alikes -----------------------------------------------------------------------------------------------


def test_a_run_that_levelled_off_high_is_not_slow():
    assert look(CHECK, run(loss=decay(100, 1.0, 0.9) + noise(100, 1e-4))) == ()


def test_noise_around_a_level_is_no_descent():
    assert look(CHECK, run(loss=1 + noise(100, 0.01))) == ()


def test_a_loss_that_crosses_zero_has_no_share_of_its_start():
    assert look(CHECK, run(loss=line(60, 0.05, -0.05))) == ()
    assert look(CHECK, run(loss=line(60, -1.0, -1.1))) == ()


def test_a_healthy_run_is_left_alone():
    assert look(CHECK, healthy()) == ()


def test_without_a_loss_it_cannot_look():
    assert "log the training loss" in not_applicable(CHECK, run(val_loss=creeping(0.1)))
    assert too_few(CHECK) in not_applicable(CHECK, run(loss=creeping(0.1, n=4)))
