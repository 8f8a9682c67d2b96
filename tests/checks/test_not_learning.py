from __future__ import annotations

import math

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
)

CHECK = "not-learning"
OPTIONS = defaults(CHECK)
TEN = {"classes": 10}


def guessing(accuracy: float = 0.1, loss: float = math.log(10), n: int = 30, config=None):
    """A loss that falls from 5 to a level and stays there: not flat, so that only its level can give it away."""
    return run(
        loss=path(n, (0, 5.0), (0.3, loss), (1, loss)) + noise(n, 0.002),
        accuracy=np.full(n, accuracy) + noise(n, 0.002, 1),
        config=config or {},
    )


# -- at chance ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("config", [{}, TEN])
def test_a_run_that_guesses_among_ten_classes(config):
    finding = one(CHECK, guessing(config=config))
    assert (finding.severity, finding.epoch) == (Severity.CRITICAL, 0)
    assert "10 classes" in finding.summary
    loss, accuracy = finding.evidence
    assert loss.value <= loss.threshold
    assert accuracy.value == pytest.approx(0.1, abs=0.01)
    assert accuracy.value <= accuracy.threshold


@pytest.mark.parametrize("classes", [2, 3, 10, 100, 1000])
def test_chance_is_ln_k(classes):
    """Golden: the cross-entropy of guessing among K classes is ln K."""
    finding = one(CHECK, guessing(1 / classes, math.log(classes), config={"classes": classes}))
    assert f"ln {classes} = {math.log(classes):.3f}" in finding.summary


@pytest.mark.parametrize(("factor", "fires"), [(UNDER, True), (OVER, False)])
def test_how_near_the_loss_must_be_to_ln_k(factor, fires):
    """A model that is sure of its guesses lies above ln K; hardly any lies below."""
    below, above = (
        math.log(10) * (1 - factor * OPTIONS.chance_tolerance),
        math.log(10) * (1 + factor * OPTIONS.above_chance),
    )
    assert bool(look(CHECK, guessing(loss=below, config=TEN))) == fires
    assert bool(look(CHECK, guessing(loss=above, config=TEN))) == fires


@pytest.mark.xfail(strict=True, reason="the evidence shows chance_tolerance where above_chance decided")
def test_above_ln_k_the_evidence_names_the_threshold_that_decided():
    loss = math.log(10) * (1 + UNDER * OPTIONS.above_chance)
    distance, _ = one(CHECK, guessing(loss=loss, config=TEN)).evidence
    assert distance.value <= distance.threshold


def test_an_accuracy_above_guessing_is_learning():
    assert look(CHECK, guessing(accuracy=0.1 + 2.5 * OPTIONS.chance_margin, config=TEN)) == ()
    assert look(CHECK, guessing(accuracy=0.1 + UNDER * OPTIONS.chance_margin, config=TEN))


def test_a_loss_at_ln_k_alone_proves_nothing():
    a_run = guessing()
    assert look(CHECK, run(loss=a_run.get("loss").values)) == ()


# -- flat --------------------------------------------------------------------------------------------------------------


def test_a_flat_loss():
    finding = one(CHECK, run(loss=7.5 + noise(40, 0.01), first=1))
    assert finding.severity != Severity.INFO
    assert finding.epoch == 1
    assert "flat" in finding.summary
    assert abs(finding.evidence[0].value) < finding.evidence[0].threshold


def test_a_flat_loss_is_more_certain_beside_a_score_that_shows_no_skill():
    alone = one(CHECK, run(loss=7.5 + noise(40, 0.01)))
    beside = one(CHECK, run(loss=7.5 + noise(40, 0.01), accuracy=0.1 + noise(40, 0.002, 1), config=TEN))
    assert beside.severity == Severity.CRITICAL
    assert beside.confidence > alone.confidence


@pytest.mark.parametrize(("factor", "fires"), [(UNDER, True), (OVER, False)])
def test_how_little_a_flat_loss_may_fall(factor, fires):
    n = 200
    fall = factor * OPTIONS.flat
    values = path(n, (0, 1), (0.25, 1), (0.75, 1 - fall), (1, 1 - fall)) + noise(n, OPTIONS.flat / 100)
    assert bool(look(CHECK, run(loss=values))) == fires


def test_a_fall_within_the_noise_is_none():
    n = 40
    rough = line(n, 1.0, 0.97) + noise(n, 0.2, 3)
    assert look(CHECK, run(loss=rough, accuracy=0.1 + noise(n, 0.002, 1), config=TEN))
    assert look(CHECK, run(loss=rough)) == ()  # too rough to be called flat without a score


@pytest.mark.parametrize("scale", [1e9, 1e-6])
def test_a_flat_loss_is_flat_in_any_unit(scale):
    values = 3 + noise(40, 0.005)
    ours, theirs = one(CHECK, run(loss=values)), one(CHECK, run(loss=scale * values))
    assert fix_ids(ours) == fix_ids(theirs)
    assert ours.evidence[0].value == pytest.approx(theirs.evidence[0].value)


def test_a_flat_loss_below_zero_is_flat_too():
    assert look(CHECK, run(loss=-3 + noise(40, 0.005)))


# -- healthy look-alikes -----------------------------------------------------------------------------------------------


def test_a_flat_loss_at_a_good_score_is_no_fault():
    flat = 0.05 + noise(40, 0.0004)
    assert look(CHECK, run(loss=flat, accuracy=0.98 + noise(40, 0.001, 1))) == ()
    assert look(CHECK, run(loss=flat, accuracy=0.5 + noise(40, 0.001, 1)))


def test_a_score_that_improves_is_learning():
    """A loss with a large constant part (a regularization term) hardly moves while the model learns."""
    assert look(CHECK, run(loss=100 + noise(40, 0.1), mae=decay(40, 1, 0.4) + noise(40, 0.01, 1))) == ()


def test_a_run_that_learned_it_all_in_the_first_epoch():
    assert look(CHECK, run(loss=np.r_[1.0, 0.1 + noise(30, 0.001)])) == ()


def test_a_healthy_run_is_left_alone():
    assert look(CHECK, healthy()) == ()


# -- fixes -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("values", "suspects"),
    [
        (line(30, 1.0, 0.995), {"raise-learning-rate"}),  # always downhill
        (np.r_[1.8, 1.0 + noise(30, 0.002)], {"lower-learning-rate"}),  # thrown off in the first epoch
        (np.full(30, 0.7), {"unfreeze", "use-leaky-relu"}),  # does not move at all
        (1.0 + noise(30, 0.01), {"check-labels"}),  # moves, without direction
    ],
    ids=["creeps", "thrown off", "frozen", "wanders"],
)
def test_candidates_are_ranked_by_what_the_curve_suggests(values, suspects):
    finding = one(CHECK, run(loss=values))
    first, suspect, *_ = fix_ids(finding)
    assert first == "monitor-layers"
    assert suspect in suspects
    assert len(set(fix_ids(finding))) == len(finding.fixes)
    assert all(fix.addresses for fix in finding.fixes[1:])


def test_without_a_loss_it_cannot_look():
    assert "log the training loss" in not_applicable(CHECK, run(accuracy=np.full(9, 0.1)))
    assert too_few(CHECK) in not_applicable(CHECK, run(loss=[1.0, 1.0]))
