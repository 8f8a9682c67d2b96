from __future__ import annotations

import math

import numpy as np
import pytest

from diagnose.blueprint import LayerScale, Optimizer
from diagnose.checks.model.one_batch_fit import Options
from diagnose.finding import OutcomeKind, Severity
from tests.blueprints import classifier, dry_run, findings, planned, report

CHECK = "one-batch-fit"
OPTIONS = Options()
N = 41


def losses(fall: float, first: float = 2.4, noise: float = 0.0, n: int = N) -> tuple[float, ...]:
    """Losses that use up a share of their way to zero, and stand for the last third."""
    course = first * (1 - fall * np.minimum(np.linspace(0, 1.5, n), 1))
    return tuple(course + noise * np.random.default_rng(0).normal(size=n) * (np.arange(n) > 0))


def look(course, optimizer: Optimizer | None = None, **more):
    a_model = classifier() if optimizer is None else classifier(optimizer=optimizer)
    return findings(CHECK, planned(a_model, dry_run=dry_run(losses=tuple(course), **more)))


SICK = planned(classifier(), dry_run=dry_run(losses=losses(0.0)))


def test_a_loss_that_stands_still():
    (finding,) = findings(CHECK, SICK)
    assert finding.severity is Severity.WARNING
    assert "40 steps" in finding.summary
    assert "2.4 to 2.4" in finding.summary
    assert finding.fixes[0].id == "try-one-batch"


@pytest.mark.parametrize(("factor", "fires"), [(0.9, True), (1.1, False)])
def test_how_far_it_must_fall(factor, fires):
    assert bool(look(losses(factor * OPTIONS.fall))) == fires


def test_a_batch_that_is_learned_by_heart():
    assert look(losses(0.95)) == ()


def test_soft_labels_leave_a_loss_that_cannot_be_undercut():
    """Of 2.4 to 2.3 with a floor of 2.25 two thirds of the way are done."""
    assert look(losses(0.1 / 2.4), floor=2.25) == ()
    (finding,) = look(losses(0.001), floor=1.0)
    assert "least possible is 1" in finding.summary


@pytest.mark.parametrize("steps", [2, 10, OPTIONS.steps - 1])
def test_a_few_steps_say_nothing(steps):
    assert look(losses(0.0, n=int(steps) + 1)) == ()


def test_dropout_may_hide_a_fall():
    assert look(losses(0.0, noise=0.4)) == ()
    assert look(losses(0.0, noise=0.01))


@pytest.mark.parametrize(
    "optimizer",
    [
        Optimizer("adam", 1e-5),
        Optimizer("adamw", 0.0),  # of a schedule that warms up
        Optimizer("adam", None),
        Optimizer("adagrad", 1e-3),
        Optimizer("sgd", 1e-5),
        Optimizer("sgd", 0.1, {"clipnorm": 1e-3}),
    ],
    ids=lambda optimizer: f"{optimizer.name}-{optimizer.learning_rate}",
)
def test_rates_at_which_no_fall_could_be_seen(optimizer):
    assert look(losses(0.0), optimizer) == ()


def scales(grad_norm: float = 2.0, weight_norm: float = 5.0) -> tuple[LayerScale, ...]:
    return (LayerScale(layer="dense", grad_norm=grad_norm, weight_norm=weight_norm), LayerScale(layer="dropout"))


@pytest.mark.parametrize(
    ("optimizer", "fires"),
    [
        (Optimizer("adam", 0.9 * OPTIONS.least_rate), True),
        (Optimizer("adam", 1.1 * OPTIONS.least_rate), False),
        (Optimizer("sgd", 0.9 * OPTIONS.least_update * 2.5), True),
        (Optimizer("sgd", 1.1 * OPTIONS.least_update * 2.5), False),
        (Optimizer("sgd", 0.9 * OPTIONS.least_update * 2.5, {"momentum": 0.9}), False),
        (Optimizer("adam", 1e-9, {"schedule": "CosineDecay"}), False),
        (Optimizer("adagrad", 1e-9), False),
        (Optimizer("prodigy", 1e-9), False),
    ],
)
def test_a_rate_at_which_nothing_moves(optimizer, fires):
    assert bool(look(losses(0.0), optimizer, scales=scales())) == fires


def test_a_rate_at_which_nothing_moves_is_raised_to_the_usual_one():
    (finding,) = look(losses(0.0), Optimizer("sgd", 1e-9), scales=scales())
    assert "a step of sgd changes the weights by 4e-10 of their size" in finding.summary
    (fix,) = finding.fixes
    assert fix.title == "Raise the learning rate from 1e-09 to 0.01"
    assert [(edit.layer, edit.setting, edit.value) for edit in fix.edits] == [("", "learning_rate", 0.01)]


def test_gradients_that_vanished_are_not_the_fault_of_the_rate():
    assert look(losses(0.0), Optimizer("sgd", 0.01), scales=scales(grad_norm=1e-9)) == ()


def test_sizes_that_are_not_known_say_nothing():
    assert look(losses(0.0), Optimizer("sgd", 1e-12), scales=()) == ()
    assert look(losses(0.0), Optimizer("sgd", 1e-12), scales=scales(weight_norm=0.0)) == ()
    assert look(losses(0.0), Optimizer("sgd", 1e-12), scales=scales(grad_norm=math.nan)) == ()


def test_gradient_descent_that_promises_a_fall_and_does_not_keep_it():
    assert look(losses(0.0), Optimizer("sgd", 0.1), scales=scales())


@pytest.mark.parametrize("end", [math.nan, math.inf])
def test_a_loss_that_breaks(end):
    (finding,) = look((2.4, 9.0, 800.0, end))
    assert finding.severity is Severity.CRITICAL
    assert "after 3 steps" in finding.summary
    assert finding.fixes[0].id == "lower-learning-rate"


def test_a_loss_that_rises_and_rises():
    (finding,) = look(losses(-1.5 * OPTIONS.rise))
    assert finding.severity is Severity.CRITICAL


def test_a_loss_that_overshoots_at_first():
    course = np.array(losses(0.9))
    course[2:8] *= 5
    assert look(course) == ()


def test_made_up_samples_and_failed_runs_are_left_alone():
    assert look(losses(0.0), is_made_up=True) == ()
    assert look(()) == ()
    assert look((0.0,) * N) == ()
    assert look((math.nan,) * N) == ()


def test_without_a_model_the_rate_is_not_known():
    (outcome,) = report(CHECK, planned(dry_run=dry_run(losses=losses(0.0)))).outcomes
    assert outcome.kind is OutcomeKind.NOT_APPLICABLE
