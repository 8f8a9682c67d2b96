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

CHECK = "divergence"
OPTIONS = defaults(CHECK)


def valley(end: float, n: int = 100, start: float = 1.0, best: float = 0.5, sigma: float = 1e-3):
    """A fall to `best`, level until the middle, a climb to `end`, level again."""
    return path(n, (0, start), (0.25, best), (0.5, best), (0.75, end), (1, end)) + noise(n, sigma)


def test_a_loss_that_climbed_for_good():
    finding = one(CHECK, run(loss=valley(2.0), first=1))
    assert finding.severity == Severity.CRITICAL
    assert 25 <= finding.epoch <= 52  # on the valley's floor
    (rise,) = finding.evidence
    assert rise.value > rise.threshold
    assert (rise.start, rise.end) == (finding.epoch, 100)
    assert fix_ids(finding)[0] == "lower-learning-rate"


@pytest.mark.parametrize(("factor", "fires"), [(UNDER, False), (OVER, True)])
def test_how_far_it_must_climb(factor, fires):
    """The rise must be a share of the descent (here 0.5) and of the minimum (0.5); the start stays out of reach."""
    border = 0.5 * max(OPTIONS.rise, OPTIONS.relative)
    assert bool(look(CHECK, run(loss=valley(0.5 + factor * border)), start_factor=1e9)) == fires


@pytest.mark.parametrize(("factor", "fires"), [(UNDER, False), (OVER, True)])
def test_a_loss_far_above_its_first_value_has_diverged_however_it_went(factor, fires):
    end = 1 + factor * (OPTIONS.start_factor - 1)
    assert bool(look(CHECK, run(loss=valley(end, best=0.95)), relative=1e9)) == fires


@pytest.mark.parametrize(("sigmas", "fires"), [(UNDER, False), (OVER, True)])
def test_a_rise_within_the_noise_is_none(sigmas, fires):
    """100 epochs are smoothed over 5: a smoothed value has the noise of one point over the root of 5."""
    sigma = 1.0 / (sigmas * OPTIONS.sigmas) * np.sqrt(5)
    values = valley(1.5, start=1.1, sigma=0) + wobble(100, sigma)
    assert bool(look(CHECK, run(loss=values), start_factor=1e9, rise=0.0, relative=0.0)) == fires


def lasting(rise: float, turn: float = 0.5, n: int = 200):
    """After a fall from 10 to 0.01: small beside what was gained, but many times the minimum."""
    top = 0.01 + rise
    loss = path(n, (0, 10.0), (turn - 0.15, 0.02), (turn, 0.01), (turn + 0.02, top), (1, top))
    return run(loss=loss + noise(n, 1e-5))


@pytest.mark.parametrize(("factor", "fires"), [(UNDER, False), (OVER, True)])
def test_a_loss_that_more_than_doubled_for_the_rest_of_the_run(factor, fires):
    assert bool(look(CHECK, lasting(factor * OPTIONS.lasting_rise * 10))) == fires
    assert bool(look(CHECK, lasting(2 * OPTIONS.lasting_rise * 10, turn=1 - factor * OPTIONS.lasting))) == fires


def test_it_works_on_three_epochs():
    assert one(CHECK, run(loss=[1.0, 30.0, 900.0])).severity == Severity.CRITICAL
    assert look(CHECK, run(loss=[1.0, 0.9, 0.8])) == ()


def test_a_negative_loss_diverges_too():
    assert look(CHECK, run(loss=valley(0.5) - 3)) == ()
    assert look(CHECK, run(loss=valley(2.0) - 3))


@pytest.mark.parametrize("scale", [1e9, 1e-6])
def test_the_unit_of_the_loss_does_not_matter(scale):
    ours, theirs = one(CHECK, run(loss=valley(2.0))), one(CHECK, run(loss=scale * valley(2.0)))
    assert (ours.epoch, ours.severity) == (theirs.epoch, theirs.severity)
    assert ours.evidence[0].value == pytest.approx(theirs.evidence[0].value)


# -- under a rate that rises ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("factor", [1.1, 1.3, 2.0])
@pytest.mark.parametrize("end", [0.9, 3.0], ids=["below its start", "above its start"])
def test_a_rate_that_rises_in_every_epoch_is_the_cause_and_no_excuse(factor, end):
    """A schedule with the wrong sign: each epoch raises the rate, and none of them is a warm restart."""
    n = 60
    loss = path(n, (0, 1.0), (0.3, 0.3), (0.5, 0.3), (0.9, end), (1, end)) + noise(n, 1e-3)
    assert one(CHECK, run(loss=loss, learning_rate=1e-6 * factor ** np.arange(n))).severity == Severity.CRITICAL


@pytest.mark.parametrize(("left", "fires"), [(0.05, False), (0.15, True)])
def test_how_late_a_warm_restart_must_be(left, fires):
    """What has not come down in a tenth of the run stays up."""
    n = 200
    restarted = np.arange(n) >= n * (1 - left)
    loss = decay(n) + noise(n, 0.005) + np.where(restarted, 0.5, 0.0)
    assert bool(look(CHECK, run(loss=loss, learning_rate=np.where(restarted, 1e-1, 1e-3)))) == fires


def test_a_warm_restart_lifts_no_loss_above_where_it_began():
    values = decay(60) + noise(60, 0.005)
    values[57:] += 5
    rate = np.r_[np.full(57, 1e-3), np.full(3, 1e-1)]
    assert look(CHECK, run(loss=values, learning_rate=rate))


# -- healthy look-alikes -----------------------------------------------------------------------------------------------


def test_a_spike_that_recovers():
    values = decay(60) + noise(60, 0.005)
    values[40:43] += (5, 2, 0.5)
    assert look(CHECK, run(loss=values)) == ()


def test_a_warm_restart_at_the_end():
    values = decay(60) + noise(60, 0.005)
    values[57:] += 0.5
    rate = np.r_[np.full(57, 1e-3), np.full(3, 1e-1)]
    assert look(CHECK, run(loss=values))  # nothing else tells that the rise was meant
    assert look(CHECK, run(loss=values, learning_rate=rate)) == ()


def test_warm_restarts_after_which_the_loss_comes_down_again():
    """SGDR: the rate follows a cosine in each of three cycles, and the loss jumps at each restart."""
    phase = np.tile(np.linspace(0, 1, 30), 3)
    loss = np.repeat([0.6, 0.4, 0.3], 30) * (1 + 0.8 * np.exp(-phase * 8)) + noise(90, 0.003)
    rate = 0.05 * (1 + np.cos(np.pi * phase)) + 1e-5
    assert look(CHECK, run(loss=loss, learning_rate=rate)) == ()


def test_drops_of_a_stepped_rate():
    loss = steps(90, 1.0, 0.5, 0.4) + noise(90, 0.005)
    assert look(CHECK, run(loss=loss, learning_rate=steps(90, 0.1, 0.01, 0.001))) == ()


def test_a_healthy_run_is_left_alone():
    assert look(CHECK, healthy()) == ()


def test_without_a_loss_it_cannot_look():
    assert "log the training loss" in not_applicable(CHECK, run(val_loss=valley(2.0)))
    assert too_few(CHECK) in not_applicable(CHECK, run(loss=[1.0, 2.0]))


def test_a_loss_ten_times_its_first_value_leaves_no_doubt():
    """A training that goes on may be ended for it at once."""
    assert one(CHECK, run(loss=np.array([2.3, 2.1, 40.0, 300.0]))).confidence == 0.99
    assert one(CHECK, run(loss=np.array([2.3, 2.1, 4.0, 9.0]))).confidence < 0.9
