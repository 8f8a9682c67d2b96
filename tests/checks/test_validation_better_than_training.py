from __future__ import annotations

import dataclasses

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
    run,
    too_few,
    wobble,
)

CHECK = "validation-better-than-training"
OPTIONS = defaults(CHECK)


def below(share: float = 1.0, margin: float = 0.1, n: int = 100, **curves):
    """A training loss at 1, and a validation loss below it by a margin in the last share of the epochs."""
    training = np.ones(n)
    training[:2] = 1.001  # so that it has a noise, a tiny one
    validation = np.where(np.arange(n) >= n * (1 - share), 1 - margin, 1.2)
    return run(loss=training, val_loss=validation, **curves)


def test_dropout_in_training_alone():
    finding = one(CHECK, run(loss=decay(60, 2.0, 0.5) + noise(60, 0.01), val_loss=decay(60, 1.6, 0.3), first=1))
    assert (finding.severity, finding.epoch) == (Severity.INFO, None)
    assert finding.evidence[0].value == pytest.approx(100, abs=3)
    assert (finding.evidence[0].left, finding.evidence[0].right) == pytest.approx((0.5, 0.3), abs=0.02)
    assert fix_ids(finding) == ["evaluate-training-data", "check-duplicates"]


@pytest.mark.parametrize(("factor", "fires"), [(UNDER, False), (OVER, True)])
def test_in_how_many_epochs_it_must_lie_below(factor, fires):
    assert bool(look(CHECK, below(min(0.99, factor * OPTIONS.share)))) == fires


@pytest.mark.parametrize(("factor", "fires"), [(UNDER, False), (OVER, True)])
def test_how_far_below_it_must_lie(factor, fires):
    assert bool(look(CHECK, below(margin=factor * OPTIONS.margin))) == fires


def test_it_must_lie_below_at_the_end():
    a_run = below()
    validation = a_run.get("val_loss").values.copy()
    validation[-15:] = 1.3
    assert look(CHECK, run(loss=a_run.get("loss").values, val_loss=validation)) == ()


def test_a_distance_within_the_noise_is_none():
    n = 100
    assert look(CHECK, run(loss=1 + wobble(n, 0.5), val_loss=0.9 + wobble(n, 0.5))) == ()
    assert look(CHECK, run(loss=1 + wobble(n, 0.05), val_loss=0.9 + wobble(n, 0.05)))


def test_epochs_are_matched_by_their_number():
    """A validation every tenth epoch."""
    a_run = run(loss=decay(100, 2.0, 0.5), val_loss=decay(100, 1.6, 0.3))
    loss, sparse = a_run.series
    sparse = dataclasses.replace(sparse, epochs=sparse.epochs[::10], values=sparse.values[::10])
    assert look(CHECK, dataclasses.replace(a_run, series=(loss, sparse)))


@pytest.mark.parametrize("scale", [1e9, 1e-6])
def test_the_unit_of_the_loss_does_not_matter(scale):
    loss, validation = decay(60, 2.0, 0.5) + noise(60, 0.01), decay(60, 1.6, 0.3)
    ours = one(CHECK, run(loss=loss, val_loss=validation))
    theirs = one(CHECK, run(loss=scale * loss, val_loss=scale * validation))
    assert ours.evidence[0].value == theirs.evidence[0].value


def test_losses_below_zero_are_compared_too():
    assert look(CHECK, run(loss=decay(60, 2.0, 0.5) - 5, val_loss=decay(60, 1.6, 0.3) - 5))


def test_better_in_the_first_epochs_only():
    """The training loss is the mean over an epoch in which the model still improves."""
    n = 60
    assert look(CHECK, run(loss=decay(n, 3.0, 0.2, tau=4), val_loss=decay(n, 2.0, 0.25, tau=4))) == ()


def test_a_healthy_run_is_left_alone():
    assert look(CHECK, healthy()) == ()


def test_without_a_validation_loss_it_cannot_look():
    assert "pass validation_data to fit" in not_applicable(CHECK, run(loss=decay(60)))
    assert too_few(CHECK) in not_applicable(CHECK, run(loss=decay(2), val_loss=decay(2)))
