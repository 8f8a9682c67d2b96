from __future__ import annotations

import numpy as np
import pytest

from diagnose.finding import OutcomeKind, Severity
from diagnose.measures.curve import curve_of
from diagnose.measures.learning import gain_left
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
    outcome,
    path,
    run,
    series,
    too_few,
)

CHECK = "slow-convergence"
OPTIONS = defaults(CHECK)
TEN = {"classes": 10}


def unfinished(end: float = 0.7, n: int = 60, sigma: float = 1e-4):
    """A straight descent from 1, cut off."""
    return line(n, 1.0, end) + noise(n, sigma)


def test_a_run_that_was_cut_off():
    finding = one(CHECK, run(loss=unfinished(), first=1))
    assert (finding.severity, finding.epoch) == (Severity.WARNING, 60)
    gain, late = finding.evidence
    assert gain.value > gain.threshold
    assert late.value == pytest.approx(100 / 3, rel=0.1)
    assert fix_ids(finding)[:2] == ["train-longer", "raise-learning-rate"]


@pytest.mark.parametrize(("factor", "fires"), [(UNDER, False), (OVER, True)])
def test_what_must_remain_of_the_loss(factor, fires):
    """The level at the end is a median: the last epochs stand still."""
    end = factor * OPTIONS.remaining
    values = path(200, (0, 1.0), (0.92, end), (1, end)) + noise(200, 1e-5)
    assert bool(look(CHECK, run(loss=values), gain_left=0.0)) == fires


def test_what_longer_training_must_gain():
    """A power law tells by its exponent; the two lie on either side of the limit."""
    t = np.arange(1, 101)
    slow, fast = (curve_of(series("loss", 0.5 + 0.5 * curve)) for curve in (1 - t / 150, t**-0.5))
    assert gain_left(slow) > OPTIONS.gain_left > gain_left(fast)
    assert look(CHECK, run(loss=slow.values), late_share=0.0)
    assert look(CHECK, run(loss=fast.values), late_share=0.0) == ()


@pytest.mark.parametrize(("factor", "fires"), [(UNDER, False), (OVER, True)])
def test_what_the_last_third_must_have_brought(factor, fires):
    late = factor * OPTIONS.late_share
    values = path(300, (0, 1.0), (2 / 3, 1 - 0.3 * (1 - late)), (1, 0.7)) + noise(300, 1e-5)
    assert bool(look(CHECK, run(loss=values), gain_left=0.0)) == fires


def test_a_short_run_is_always_still_falling():
    settled = int(OPTIONS.settled)
    for n, severity in ((settled - 1, Severity.INFO), (settled, Severity.WARNING)):
        assert one(CHECK, run(loss=unfinished(n=n)), steep_gain_left=1e9).severity == severity


def test_a_shorter_run_counts_where_it_falls_steeply():
    short = int(OPTIONS.short)
    for n, severity in ((short - 1, Severity.INFO), (short, Severity.WARNING)):
        finding = one(CHECK, run(loss=unfinished(n=n)), steep_gain_left=OPTIONS.gain_left, gain_left=0.0)
        assert finding.severity == severity


def test_a_validation_loss_that_has_levelled_off_would_not_gain_by_it():
    assert look(CHECK, run(loss=unfinished(), val_loss=decay(60, 1.0, 0.9, tau=4) + noise(60, 1e-4))) == ()
    assert look(CHECK, run(loss=unfinished(), val_loss=unfinished(0.75)))


@pytest.mark.parametrize(("factor", "fires"), [(UNDER, True), (OVER, False)])
def test_a_good_score_is_no_fault(factor, fires):
    accuracy = hovering(60, 0.1 + 0.9 * factor * OPTIONS.good)
    assert bool(look(CHECK, run(loss=unfinished(), accuracy=accuracy, config=TEN))) == fires


@pytest.mark.parametrize("scale", [1e9, 1e-6])
def test_the_unit_of_the_loss_does_not_matter(scale):
    ours, theirs = one(CHECK, run(loss=unfinished())), one(CHECK, run(loss=scale * unfinished()))
    assert [e.value for e in ours.evidence] == pytest.approx([e.value for e in theirs.evidence])


# -- healthy look-alikes -----------------------------------------------------------------------------------------------


def test_a_run_that_has_settled():
    assert look(CHECK, run(loss=decay(60, 1.0, 0.6) + noise(60, 1e-4))) == ()


def test_noise_around_a_level_is_no_descent():
    assert look(CHECK, run(loss=1 + noise(60, 0.05))) == ()


def test_a_loss_that_crosses_zero_has_no_share_of_its_start_and_must_fall_steeply():
    assert look(CHECK, run(loss=unfinished() - 0.8))
    assert look(CHECK, run(loss=unfinished() - 0.8), steep_gain_left=1e9) == ()


def test_a_healthy_run_is_left_alone():
    assert look(CHECK, healthy()) == ()


def test_it_waits_for_the_end_of_a_training():
    assert outcome(CHECK, run(loss=unfinished()), live=True).kind == OutcomeKind.NOT_APPLICABLE


def test_without_a_loss_it_cannot_look():
    assert "log the training loss" in not_applicable(CHECK, run(val_loss=unfinished()))
    assert too_few(CHECK) in not_applicable(CHECK, run(loss=unfinished(n=4)))
