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


def test_above_ln_k_the_evidence_names_the_threshold_that_decided():
    loss = math.log(10) * (1 + UNDER * OPTIONS.above_chance)
    distance, _ = one(CHECK, guessing(loss=loss, config=TEN)).evidence
    assert distance.value <= distance.threshold


def test_an_accuracy_above_guessing_is_learning():
    assert look(CHECK, guessing(accuracy=0.1 + 2.5 * OPTIONS.chance_margin, config=TEN)) == ()
    assert look(CHECK, guessing(accuracy=0.1 + UNDER * OPTIONS.chance_margin, config=TEN))


@pytest.mark.parametrize("classes", [2, 3, 5, 10])
def test_an_accuracy_that_never_improves_tells_how_many_classes_are_guessed(classes):
    """A loss of a model that is sure of its guesses is the ln K of no K; its accuracy is 1/K all the same."""
    above = (1 + UNDER * OPTIONS.above_chance) * math.log(classes)
    finding = one(CHECK, guessing(1 / classes, above), chance_tolerance=0.001)
    assert f"guessing among {classes} classes" in finding.summary


def test_an_accuracy_that_improved_tells_no_classes():
    """It rose to a third of three classes, or of many: who knows."""
    n = 30
    loss = 1.1 * math.log(3)
    a_run = guessing(1 / 3, loss)
    rising = run(loss=a_run.get("loss").values, accuracy=path(n, (0, 0.2), (0.5, 1 / 3), (1, 1 / 3)))
    assert "among 3 classes" in one(CHECK, a_run).summary
    assert look(CHECK, rising) == ()


def test_a_short_run_that_falls_in_every_epoch_is_on_its_way():
    falling, accuracy = line(5, 2.5, 2.3), np.full(5, 0.1)
    assert look(CHECK, run(loss=falling, accuracy=accuracy, config=TEN)) == ()
    assert look(CHECK, run(loss=[2.5, 2.4, 2.45, 2.3, 2.3], accuracy=accuracy, config=TEN))


def test_a_loss_at_ln_k_alone_proves_nothing():
    a_run = guessing()
    assert look(CHECK, run(loss=a_run.get("loss").values)) == ()


# -- no gain -----------------------------------------------------------------------------------------------------------


def no_gain(fall: float = -0.3, accuracy=0.25, n: int = 30, **curves):
    """A loss that ends lower than it began by a share of that, or higher; far above ln 10, and not flat in between."""
    loss = path(n, (0, 4.0), (0.3, 6.0), (0.5, 6.0), (0.7, 4 * (1 - fall)), (1, 4 * (1 - fall)))
    return run(loss=loss + noise(n, 1e-3), accuracy=accuracy + noise(n, 1e-3, 1), config=TEN, **curves)


def test_a_loss_that_ends_no_lower_than_it_began():
    finding = one(CHECK, no_gain())
    assert finding.severity == Severity.CRITICAL
    assert "no lower than it began" in finding.summary
    assert "accuracy never rose above 25 %" in finding.summary
    (fall,) = finding.evidence
    assert fall.value == pytest.approx(-0.3 * 4, rel=0.01)
    assert fall.value <= fall.threshold


@pytest.mark.parametrize(("factor", "fires"), [(UNDER, True), (OVER, False)])
def test_how_little_lower_it_may_end(factor, fires):
    assert bool(look(CHECK, no_gain(factor * OPTIONS.flat))) == fires


@pytest.mark.parametrize(("factor", "fires"), [(UNDER, True), (OVER, False)])
def test_how_poor_the_score_must_be(factor, fires):
    assert bool(look(CHECK, no_gain(accuracy=0.1 + 0.9 * factor * OPTIONS.poor))) == fires


def test_an_accuracy_that_rose_is_a_gain_whatever_the_loss():
    rising = path(30, (0, 0.1), (0.5, 0.3), (1, 0.3))
    assert look(CHECK, no_gain(accuracy=rising)) == ()
    assert look(CHECK, no_gain(val_accuracy=rising)) == ()


def test_without_an_accuracy_a_rise_is_no_lack_of_learning():
    """That is for divergence to tell."""
    assert look(CHECK, run(loss=no_gain().get("loss").values)) == ()


@pytest.mark.parametrize("accuracy", [0.1, 0.5])
def test_a_loss_of_exactly_zero_at_an_accuracy_of_guessing(accuracy):
    """A softmax over a single unit: its loss is 0 from the first epoch on, and it guesses."""
    config = {"classes": round(1 / accuracy)}
    finding = one(CHECK, run(loss=np.zeros(20), accuracy=np.full(20, accuracy), config=config))
    assert finding.severity == Severity.CRITICAL
    assert one(CHECK, run(loss=np.zeros(20), accuracy=accuracy + noise(20, 0.002), config=config))


def test_a_loss_of_exactly_zero_may_be_a_filler_or_perfect():
    assert look(CHECK, run(loss=np.zeros(20))) == ()
    assert look(CHECK, run(loss=np.zeros(20), accuracy=np.full(20, 0.99))) == ()
    assert look(CHECK, run(loss=np.zeros(20), map=np.full(20, 0.1))) == ()


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


@pytest.mark.parametrize(("unseen", "flat"), [(1.0, OPTIONS.flat_unseen), (0.5, OPTIONS.flat)])
@pytest.mark.parametrize(("factor", "fires"), [(UNDER, True), (OVER, False)])
def test_where_the_validation_loss_never_fell_it_may_fall_further(unseen, flat, factor, fires):
    """The training loss creeps: into the samples, where validation does not follow."""
    assert OPTIONS.flat_unseen > OPTIONS.flat
    n = 200
    fall = factor * flat
    train = path(n, (0, 1), (0.25, 1), (0.75, 1 - fall), (1, 1 - fall)) + noise(n, OPTIONS.flat / 100)
    validation = path(n, (0, 1), (0.5, unseen), (1, unseen)) + noise(n, OPTIONS.flat / 100, 1)
    assert bool(look(CHECK, run(loss=train, val_loss=validation))) == fires


@pytest.mark.parametrize(("factor", "fires"), [(UNDER, True), (OVER, False)])
def test_how_little_the_validation_loss_may_have_fallen_for_that(factor, fires):
    n = 200
    fall = (OPTIONS.flat + OPTIONS.flat_unseen) / 2
    train = path(n, (0, 1), (0.25, 1), (0.75, 1 - fall), (1, 1 - fall)) + noise(n, 1e-5)
    best = 1 - factor * OPTIONS.flat
    assert bool(look(CHECK, run(loss=train, val_loss=path(n, (0, 1), (0.4, best), (0.6, best), (1, 1))))) == fires


def test_a_loss_that_fell_and_came_back_was_not_flat():
    values = path(100, (0, 1.0), (0.2, 1.0), (0.5, 0.6), (0.8, 1.0), (1, 1.0)) + noise(100, 1e-3)
    assert look(CHECK, run(loss=values)) == ()


@pytest.mark.parametrize(("n", "fires"), [(5, False), (6, True)])
def test_a_flat_loss_of_a_few_epochs_says_nothing(n, fires):
    assert bool(look(CHECK, run(loss=np.full(n, 0.7)))) == fires


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
