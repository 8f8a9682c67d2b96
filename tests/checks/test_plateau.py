from __future__ import annotations

import numpy as np
import pytest

from diagnose.finding import Severity
from tests.curves import (
    OVER,
    UNDER,
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

CHECK = "plateau"
OPTIONS = defaults(CHECK)
TEN = {"classes": 10}


def level_from(at: float, end: float = 0.1, n: int = 200, sigma: float = 1e-5):
    """A fall from 1 that ends at a share of the run; level from there on."""
    return path(n, (0, 1.0), (at, end), (1, end)) + noise(n, sigma)


def test_a_level_stretch_at_a_good_value_is_convergence():
    finding = one(CHECK, run(loss=level_from(0.25), first=1))
    assert finding.severity == Severity.INFO
    assert finding.epoch == pytest.approx(50, abs=5)
    assert finding.evidence[0].value == pytest.approx(75, abs=3)
    assert "converged" in finding.summary
    assert fix_ids(finding)[0] == "stop-early"


def test_a_level_stretch_at_a_poor_score_is_stuck():
    finding = one(CHECK, run(loss=level_from(0.25), accuracy=np.full(200, 0.2), config=TEN))
    assert finding.severity == Severity.WARNING
    assert "stuck" in finding.summary
    assert fix_ids(finding)[0] == "use-adam"


@pytest.mark.parametrize(("factor", "fires"), [(UNDER, False), (OVER, True)])
def test_which_share_of_the_run_must_be_level(factor, fires):
    assert bool(look(CHECK, run(loss=level_from(1 - factor * OPTIONS.share)))) == fires


@pytest.mark.parametrize(("factor", "fires"), [(UNDER, False), (OVER, True)])
def test_how_many_epochs_must_be_level(factor, fires):
    """A run of twice that many epochs, of which a little more or less than half is level."""
    n = round(2 * OPTIONS.least_epochs)
    assert bool(look(CHECK, run(loss=level_from(1 - factor / 2, n=n)), share=0.0)) == fires


@pytest.mark.parametrize(("factor", "fires"), [(UNDER, True), (OVER, False)])
def test_how_level_it_must_be(factor, fires):
    """After a fall to 0.1 the loss goes on to creep down, by a share of the whole descent."""
    creep = factor * OPTIONS.band * 0.9
    values = path(200, (0, 1.0), (0.25, 0.1 + creep), (0.3, 0.1 + creep), (1, 0.1))
    assert bool(look(CHECK, run(loss=values), share=0.6)) == fires


def test_the_noise_widens_the_band():
    assert look(CHECK, run(loss=level_from(0.25, sigma=0) + wobble(200, 0.1)))


@pytest.mark.parametrize(("factor", "severity"), [(UNDER, Severity.WARNING), (OVER, Severity.INFO)])
def test_which_skill_is_poor(factor, severity):
    accuracy = hovering(200, 0.1 + 0.9 * factor * OPTIONS.skill)
    assert one(CHECK, run(loss=level_from(0.25), accuracy=accuracy, config=TEN)).severity == severity


@pytest.mark.parametrize(("factor", "severity"), [(UNDER, Severity.WARNING), (OVER, Severity.INFO)])
def test_without_a_score_the_loss_itself_tells(factor, severity):
    assert one(CHECK, run(loss=level_from(0.25, 1 - factor * OPTIONS.explained))).severity == severity


def test_a_score_whose_level_means_nothing_excuses():
    """A mean average precision of 0.3 can be excellent."""
    finding = one(CHECK, run(loss=level_from(0.25, 0.9), map=np.full(200, 0.3)))
    assert finding.severity == Severity.INFO


@pytest.mark.parametrize("scale", [1e9, 1e-6])
def test_the_unit_of_the_loss_does_not_matter(scale):
    ours, theirs = one(CHECK, run(loss=level_from(0.25))), one(CHECK, run(loss=scale * level_from(0.25)))
    assert (ours.epoch, ours.evidence[0].value) == (theirs.epoch, pytest.approx(theirs.evidence[0].value))


# -- left again --------------------------------------------------------------------------------------------------------


def left(level: float, drop: float = 0.6, n: int = 400):
    """A fall from 1, a level stretch over a share of the run, and a further fall by a share of the whole descent."""
    height = 0.1 + 0.9 * drop
    end = 0.3 + level
    return run(
        loss=path(n, (0, 1.0), (0.3, height), (end, height), (min(1, end + 0.2), 0.1), (1, 0.1)) + noise(n, 1e-5)
    )


def test_a_plateau_that_was_left_again_is_told_with_its_begin_and_end():
    finding = one(CHECK, left(0.4))
    assert finding.severity == Severity.WARNING
    (stretch,) = finding.evidence
    assert finding.epoch == stretch.start == pytest.approx(0.3 * 400, abs=10)
    assert stretch.end == pytest.approx(0.7 * 400, abs=10)
    assert stretch.value == pytest.approx(40, abs=3)
    assert "then fell to 0.1" in finding.summary
    assert fix_ids(finding)[0] == "use-adam"


def twice_level(first: float, last: float, n: int = 400):
    """Level over a share of the run, then, far below, over another one at its end."""
    values = path(n, (0, 1.0), (0.1, 0.6), (0.1 + first, 0.6), (1 - last, 0.1), (1, 0.1))
    return run(loss=values + noise(n, 1e-5))


def test_the_stretch_at_the_end_is_told_before_one_that_was_left_again():
    assert "converged" in one(CHECK, twice_level(0.3, 0.55)).summary
    assert "then fell" in one(CHECK, twice_level(0.3, 0.25)).summary


def test_a_stretch_that_was_left_again_counts_beside_a_longer_one_at_the_end():
    assert "then fell" in one(CHECK, twice_level(0.3, 0.4)).summary


@pytest.mark.parametrize(("factor", "fires"), [(0.5, True), (2.0, False)])
def test_how_level_a_stretch_must_be_that_was_left_again(factor, fires):
    """After a steep start it creeps down by a share of the whole descent, which is 0.9."""
    creep = 0.9 * factor * OPTIONS.wide_band
    until = 0.05 + 1.6 * OPTIONS.stretch
    values = path(400, (0, 1.0), (0.05, 0.6 + creep), (until, 0.6), (0.85, 0.1), (1, 0.1))
    assert bool(look(CHECK, run(loss=values), share=1.0)) == fires


@pytest.mark.parametrize(("factor", "fires"), [(UNDER, False), (OVER, True)])
def test_how_many_epochs_such_a_stretch_must_fill(factor, fires):
    n = 2 * round(OPTIONS.least_epochs)
    length = factor * OPTIONS.least_epochs / n
    values = path(n, (0, 1.0), (0.2, 0.7), (0.2 + length, 0.7), (min(0.95, 0.3 + length), 0.1), (1, 0.1))
    assert bool(look(CHECK, run(loss=values), share=1.0, stretch=0.0)) == fires


@pytest.mark.parametrize("scale", [1e9, 1e-6])
def test_the_unit_of_the_loss_does_not_matter_there_either(scale):
    a_run = left(0.4)
    ours, theirs = one(CHECK, a_run), one(CHECK, run(loss=scale * a_run.get("loss").values))
    assert (ours.epoch, ours.evidence[0].value) == (theirs.epoch, pytest.approx(theirs.evidence[0].value))


@pytest.mark.parametrize(("factor", "fires"), [(UNDER, False), (OVER, True)])
def test_how_long_a_stretch_must_be_that_was_left_again(factor, fires):
    assert bool(look(CHECK, left(factor * OPTIONS.stretch), share=1.0)) == fires


@pytest.mark.parametrize(("factor", "fires"), [(UNDER, False), (OVER, True)])
def test_how_far_the_loss_must_fall_after_it(factor, fires):
    assert bool(look(CHECK, left(1.5 * OPTIONS.stretch, factor * OPTIONS.drop), share=1.0)) == fires


# -- healthy look-alikes -----------------------------------------------------------------------------------------------


def test_a_halt_on_the_way():
    """Ten epochs of a hundred."""
    assert look(CHECK, run(loss=path(100, (0, 1.0), (0.3, 0.6), (0.4, 0.6), (1, 0.1)))) == ()


def test_a_straight_descent():
    assert look(CHECK, run(loss=line(100, 1.0, 0.1))) == ()


def test_a_healthy_run_has_at_most_converged():
    assert all(f.severity == Severity.INFO for f in look(CHECK, healthy()))


def test_without_a_loss_it_cannot_look():
    assert "log the training loss" in not_applicable(CHECK, run(val_loss=level_from(0.25)))
    assert too_few(CHECK) in not_applicable(CHECK, run(loss=level_from(0.25, n=9)))
