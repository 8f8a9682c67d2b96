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
    line,
    look,
    noise,
    not_applicable,
    one,
    run,
    steps,
    too_few,
    wobble,
)

CHECK = "oscillating-loss"
OPTIONS = defaults(CHECK)


def swinging(sigma: float, start: float = 1.0, end: float = 1.0, n: int = 400):
    """A straight descent with noise; its first epochs are exact, so that the net descent is."""
    swings = noise(n, sigma)
    swings[:3] = 0
    return line(n, start, end) + swings


def test_swings_without_progress():
    finding = one(CHECK, run(loss=swinging(0.3)))
    assert finding.severity == Severity.WARNING
    of_descent, of_level = finding.evidence
    assert of_descent.value > of_descent.threshold
    assert of_level.value == pytest.approx(30, rel=0.15)
    assert (of_level.start, of_level.end) == (0, 399)
    assert fix_ids(finding)[:2] == ["lower-learning-rate", "decay-learning-rate"]


@pytest.mark.parametrize(("factor", "fires"), [(UNDER, False), (OVER, True)])
def test_the_noise_against_the_level(factor, fires):
    assert bool(look(CHECK, run(loss=swinging(factor * OPTIONS.of_level)))) == fires


@pytest.mark.parametrize(("factor", "fires"), [(UNDER, False), (OVER, True)])
def test_the_noise_against_the_net_descent(factor, fires):
    """From 3 to 1: a descent of 2 around a level of 2."""
    border = 2 * max(OPTIONS.of_descent, OPTIONS.of_level)
    assert bool(look(CHECK, run(loss=swinging(factor * border, 3.0, 1.0)), roughness=1e9)) == fires


@pytest.mark.parametrize(("factor", "fires"), [(UNDER, False), (OVER, True)])
def test_the_roughness_of_the_second_half(factor, fires):
    loss = decay(400, 5.0, 1.0, tau=20) + wobble(400, factor * OPTIONS.roughness)
    assert bool(look(CHECK, run(loss=loss), of_descent=1e9)) == fires


def test_swings_up_and_down_every_epoch_count_like_noise():
    assert look(CHECK, run(loss=1 + 0.3 * (-1.0) ** np.arange(40)))


@pytest.mark.parametrize("scale", [1e9, 1e-6])
def test_the_unit_of_the_loss_does_not_matter(scale):
    ours, theirs = one(CHECK, run(loss=swinging(0.3))), one(CHECK, run(loss=scale * swinging(0.3)))
    assert [e.value for e in ours.evidence] == pytest.approx([e.value for e in theirs.evidence])


# -- healthy look-alikes -----------------------------------------------------------------------------------------------


def test_noise_of_any_size_changes_sign_and_is_no_oscillation():
    values = decay(60, 2.0, 0.5) + noise(60, 0.01)
    assert (np.diff(np.sign(np.diff(values))) != 0).mean() > 0.3  # what rules that count changes of sign look at
    assert look(CHECK, run(loss=values)) == ()


def test_swings_around_a_floor_far_below_the_start():
    assert look(CHECK, run(loss=decay(100, 1.0, 0.01) + np.abs(noise(100, 0.003)))) == ()


def test_a_straight_descent_has_no_noise():
    assert look(CHECK, run(loss=line(60, 1.0, 0.2))) == ()


def test_a_spike_that_recovers():
    values = decay(60) + noise(60, 0.005)
    values[40:43] += (5, 2, 0.5)
    assert look(CHECK, run(loss=values)) == ()


def test_drops_of_a_stepped_rate():
    loss = steps(90, 1.0, 0.5, 0.4) + noise(90, 0.005)
    assert look(CHECK, run(loss=loss, learning_rate=steps(90, 0.1, 0.01, 0.001))) == ()


def test_warm_restarts_do_not_count():
    """A restart in every fourth epoch: most second differences hold a part of its jump."""
    at = np.arange(60)
    loss = 1.0 - 0.005 * at + np.where(at % 4 == 0, 0.4, 0) + noise(60, 0.003)
    assert look(CHECK, run(loss=loss))
    assert look(CHECK, run(loss=loss, learning_rate=np.where(at % 4 == 0, 0.1, 0.01))) == ()


def test_a_healthy_run_is_left_alone():
    assert look(CHECK, healthy()) == ()


def test_without_a_loss_it_cannot_look():
    assert "log the training loss" in not_applicable(CHECK, run(val_loss=swinging(0.3)))
    assert too_few(CHECK) in not_applicable(CHECK, run(loss=swinging(0.3, n=7)))
