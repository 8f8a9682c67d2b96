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
    path,
    run,
    too_few,
    turning,
    wobble,
)

CHECK = "overfitting"
OPTIONS = defaults(CHECK)


def overfitted(rise: float = 0.3, n: int = 60, turn: float = 0.5, sigma: float = 1e-3, **curves):
    """A validation loss that turns at epoch 30 of 60, beside a training loss that goes on falling."""
    return run(
        loss=decay(n, 1.0, 0.05, tau=n / 4) + noise(n, 1e-3, 1),
        val_loss=turning(n, rise, turn) + noise(n, sigma),
        **curves,
    )


def test_the_validation_loss_rises_while_the_training_loss_falls():
    finding = one(CHECK, overfitted(first=1))
    assert finding.severity == Severity.WARNING
    assert 22 <= finding.epoch <= 32  # on the floor of the validation loss
    relative, sigmas = finding.evidence
    assert relative.value == pytest.approx(30, abs=2)
    assert relative.threshold == pytest.approx(100 * OPTIONS.rise)
    assert sigmas.value > sigmas.threshold
    assert (relative.start, relative.end) == (finding.epoch, 60)
    assert f"epoch {finding.epoch:g}" in finding.summary
    assert fix_ids(finding)[0] == "stop-early"


def test_a_doubled_validation_loss_is_critical():
    assert one(CHECK, overfitted(1.5)).severity == Severity.CRITICAL


@pytest.mark.parametrize(("factor", "fires"), [(UNDER, False), (OVER, True)])
def test_how_far_it_must_rise(factor, fires):
    assert bool(look(CHECK, overfitted(factor * OPTIONS.rise, n=200, sigma=1e-4), of_progress=0.0)) == fires


@pytest.mark.parametrize(("factor", "fires"), [(UNDER, False), (OVER, True)])
def test_a_rise_that_is_small_beside_the_progress_must_be_large_beside_the_level(factor, fires):
    """After a fall from 2 to 0.5."""
    values = turning(200, factor * OPTIONS.small_rise, start=2.0) + noise(200, 1e-4)
    assert bool(look(CHECK, run(loss=decay(200), val_loss=values))) == fires


@pytest.mark.parametrize(("factor", "fires"), [(UNDER, False), (OVER, True)])
def test_a_rise_that_is_nothing_beside_the_progress_must_double_the_loss(factor, fires):
    """After a fall from 25 to 0.5."""
    values = turning(200, factor * OPTIONS.doubling, start=25.0) + noise(200, 1e-4)
    assert bool(look(CHECK, run(loss=decay(200), val_loss=values))) == fires


@pytest.mark.parametrize(("factor", "fires"), [(UNDER, False), (OVER, True)])
def test_the_rise_must_stand_out_of_the_noise(factor, fires):
    """100 epochs are smoothed over 5: a smoothed value has the noise of one point over the root of 5."""
    rise = 0.5 * 0.6
    values = turning(100, 0.6) + wobble(100, rise / (factor * OPTIONS.sigmas) * np.sqrt(5))
    assert bool(look(CHECK, run(loss=decay(100), val_loss=values), rise=0.0, sustained=0.0)) == fires


@pytest.mark.parametrize(("factor", "fires"), [(UNDER, False), (OVER, True)])
def test_the_rise_must_last(factor, fires):
    """Level at the best value, and up for a share of the epochs since."""
    up = min(0.95, factor * OPTIONS.sustained)
    since = 1 - 0.8 * up
    values = path(200, (0, 1.0), (0.2, 0.5), (0.21, 0.52), (since, 0.52), (since + 0.01, 1.0), (1, 1.0))
    assert bool(look(CHECK, run(val_loss=values + noise(200, 1e-4)))) == fires


def lucky(trend: float, sigmas: float, n: int = 100):
    """A minimum some sigmas below the rest, whose second half lies above its first by a share of that rise."""
    end, best = 0.7, 0.5
    lower = end - trend * (end - best)
    values = path(n, (0, 1.0), (0.2, best), (0.25, best), (0.27, lower), (0.61, lower), (0.63, end), (1, end))
    return run(loss=decay(n), val_loss=values + wobble(n, (end - best) / sigmas * np.sqrt(5)))


@pytest.mark.parametrize(("factor", "fires"), [(UNDER, False), (OVER, True)])
def test_a_rise_of_a_few_sigmas_must_go_on_after_the_minimum(factor, fires):
    between = (OPTIONS.sigmas + OPTIONS.sure_sigmas) / 2
    assert bool(look(CHECK, lucky(factor * OPTIONS.trend, between))) == fires


@pytest.mark.parametrize(("factor", "fires"), [(UNDER, False), (OVER, True)])
def test_from_how_many_sigmas_on_no_trend_is_asked(factor, fires):
    assert bool(look(CHECK, lucky(0.0, factor * OPTIONS.sure_sigmas))) == fires


@pytest.mark.parametrize(("factor", "fires"), [(UNDER, False), (OVER, True)])
def test_a_run_too_short_to_know_its_noise_must_rise_far(factor, fires):
    """Of four points, the last three smooth to the minimum."""
    rise = factor * OPTIONS.short_rise
    last = 2 / (3 / (1 + rise) - 1)  # so that it lies by `rise` above the mean of 1, 1 and itself
    assert bool(look(CHECK, run(val_loss=[9.0, 1.0, 1.0 + 1e-9, last]))) == fires


def test_a_short_run_must_rise_unbroken():
    assert look(CHECK, run(val_loss=[9.0, 0.5, 0.7, 2.0]))
    assert look(CHECK, run(val_loss=[9.0, 0.5, 2.0, 1.9])) == ()


def test_the_score_is_judged_where_no_loss_was_logged():
    n = 60
    finding = one(CHECK, run(accuracy=1 - decay(n), val_accuracy=path(n, (0, 0.1), (0.4, 0.9), (0.8, 0.6), (1, 0.6))))
    assert finding.severity == Severity.WARNING
    assert "val_accuracy fell" in finding.summary
    assert "best level (0.9 " in finding.summary or "best level (0.8" in finding.summary


def test_without_the_training_curve_it_is_less_sure():
    a_run = overfitted()
    alone = run(val_loss=a_run.get("val_loss").values)
    assert one(CHECK, alone).confidence < one(CHECK, a_run).confidence


def test_a_validation_loss_below_zero_is_held_against_its_own_descent():
    a_run = overfitted()
    for rise, fires in ((0.3, True), (0.01, False)):
        lowered = turning(60, rise) - 3 + noise(60, 1e-3)
        assert bool(look(CHECK, run(loss=a_run.get("loss").values, val_loss=lowered))) == fires


@pytest.mark.parametrize("scale", [1e9, 1e-6])
def test_the_unit_of_the_loss_does_not_matter(scale):
    a_run = overfitted()
    other = run(loss=scale * a_run.get("loss").values, val_loss=scale * a_run.get("val_loss").values)
    ours, theirs = one(CHECK, a_run), one(CHECK, other)
    assert (ours.epoch, ours.severity) == (theirs.epoch, theirs.severity)
    assert [e.value for e in ours.evidence] == pytest.approx([e.value for e in theirs.evidence])


# -- healthy look-alikes -----------------------------------------------------------------------------------------------


def test_both_losses_rise_together():
    """That is a training gone wrong, not one that learned its samples by heart."""
    n = 60
    assert look(CHECK, run(loss=turning(n, 0.5) + noise(n, 1e-3), val_loss=turning(n, 0.5) + noise(n, 1e-3, 1))) == ()


def test_the_patience_of_early_stopping():
    """Five epochs past the best of sixty, a few percent up."""
    n = 60
    values = path(n, (0, 1.0), (55 / 60, 0.3), (1, 0.32)) + noise(n, 1e-3)
    assert look(CHECK, run(loss=decay(n), val_loss=values)) == ()


def test_a_gap_without_a_rise():
    n = 60
    assert look(CHECK, run(loss=decay(n, 1, 0.01), val_loss=decay(n, 1, 0.4) + noise(n, 1e-3))) == ()


def test_a_spike_that_recovers():
    values = decay(60) + noise(60, 2e-3)
    values[40:43] += (1.0, 0.6, 0.2)
    assert look(CHECK, run(loss=decay(60), val_loss=values)) == ()


@pytest.mark.parametrize(("sigma", "tolerated"), [(0.02, 0.0), (0.05, 0.1)])
def test_noise_around_a_level(sigma, tolerated):
    """The minimum of a noisy curve is a lucky one: of many runs a few may seem to have risen from it."""
    n, seeds = 80, 60
    false_alarms = sum(
        bool(look(CHECK, run(loss=decay(n), val_loss=decay(n, 1.0, 0.3, tau=5) + noise(n, sigma, seed))))
        for seed in range(seeds)
    )
    assert false_alarms <= tolerated * seeds


@pytest.mark.parametrize("fall", [0.0, 1.0], ids=["level", "level after a fall"])
def test_level_noise_of_any_size_in_runs_of_any_length(fall):
    """Among 12 to 200 noisy epochs of 3 to 25 % one is the best, and the end lies above it: seldom by a trend."""
    rng, runs, false_alarms = np.random.default_rng(7), 300, 0
    for _ in range(runs):
        n, sigma = int(rng.integers(12, 201)), rng.uniform(0.03, 0.25)
        level = 0.5 * (1 + fall * decay(n, floor=0.0, tau=n / 20))
        false_alarms += bool(look(CHECK, run(loss=decay(n), val_loss=level * (1 + rng.normal(0, sigma, n)))))
    assert false_alarms <= 0.07 * runs


def test_a_rise_from_almost_nothing_to_almost_nothing():
    """From 1e-4 to 3e-4 after a fall from 1."""
    n = 60
    assert look(CHECK, run(loss=decay(n, floor=0), val_loss=path(n, (0, 1.0), (0.4, 1e-4), (1, 3e-4)))) == ()


def test_a_straight_descent():
    assert look(CHECK, run(loss=line(60, 1, 0.1), val_loss=line(60, 1, 0.2))) == ()


def test_a_healthy_run_is_left_alone():
    assert look(CHECK, healthy()) == ()


def test_without_a_validation_curve_it_cannot_look():
    assert "pass validation_data to fit" in not_applicable(CHECK, run(loss=decay(60)))
    assert too_few(CHECK) in not_applicable(CHECK, run(val_loss=[1.0, 2.0]))
