from __future__ import annotations

import pytest

from diagnose.finding import OutcomeKind, Severity
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
    outcome,
    path,
    run,
    too_few,
)

CHECK = "overtraining"
OPTIONS = defaults(CHECK)


def done_at(share: float, rise: float = 0.0, n: int = 200, arrived: float = 0.1, **curves):
    """A validation loss with its minimum, 0.5, at a share of the run; the training loss arrived before that."""
    training = path(n, (0, 1.0), (arrived, 0.3), (1, 0.3)) + noise(n, 1e-5, 1)
    validation = path(n, (0, 1.0), (share, 0.5), (1, 0.5 * (1 + rise))) + noise(n, 1e-5)
    return run(loss=training, val_loss=validation, **curves)


def test_most_of_the_run_made_it_worse():
    finding = one(CHECK, done_at(0.25, 0.8, first=1))
    assert finding.severity == Severity.WARNING
    assert finding.epoch == pytest.approx(50, abs=6)
    assert finding.evidence[0].value == pytest.approx(75, abs=3)
    assert "made it worse" in finding.summary
    assert fix_ids(finding) == ["stop-early"]


def test_most_of_the_run_brought_nothing():
    finding = one(CHECK, done_at(0.25, 0.01))
    assert finding.severity == Severity.INFO
    assert "brought nothing" in finding.summary


@pytest.mark.parametrize(("factor", "fires"), [(UNDER, False), (OVER, True)])
def test_which_share_of_the_run_must_be_wasted(factor, fires):
    assert bool(look(CHECK, done_at(1 - factor * OPTIONS.wasted, 0.5))) == fires


@pytest.mark.parametrize(("factor", "fires"), [(UNDER, False), (OVER, True)])
def test_how_many_epochs_must_be_wasted(factor, fires):
    n = round(2 * OPTIONS.least_epochs)
    assert bool(look(CHECK, done_at(1 - factor / 2, 0.5, n), wasted=0.0)) == fires


@pytest.mark.parametrize("scale", [1e9, 1e-6])
def test_the_unit_of_the_loss_does_not_matter(scale):
    a_run = done_at(0.25, 0.8)
    other = run(loss=scale * a_run.get("loss").values, val_loss=scale * a_run.get("val_loss").values)
    ours, theirs = one(CHECK, a_run), one(CHECK, other)
    assert (ours.epoch, ours.severity, ours.evidence) == (theirs.epoch, theirs.severity, theirs.evidence)


# -- healthy look-alikes -----------------------------------------------------------------------------------------------


def test_a_run_that_improves_to_the_end():
    assert look(CHECK, run(loss=line(200, 1, 0.1), val_loss=line(200, 1, 0.1))) == ()


def test_a_training_loss_that_falls_to_the_end_may_yet_bring_the_validation_loss_down():
    a_run = done_at(0.25)
    assert look(CHECK, run(loss=line(200, 1, 0.1), val_loss=a_run.get("val_loss").values)) == ()


def test_early_stopping_with_patience():
    assert look(CHECK, done_at(0.9, 0.1)) == ()


def test_a_healthy_run_has_at_most_gone_on_too_long():
    assert all(f.severity == Severity.INFO for f in look(CHECK, healthy()))


def test_it_waits_for_the_end_of_a_training():
    assert outcome(CHECK, done_at(0.25, 0.5), live=True).kind == OutcomeKind.NOT_APPLICABLE


def test_without_a_validation_loss_it_cannot_look():
    assert "pass validation_data to fit" in not_applicable(CHECK, run(loss=decay(60)))
    assert too_few(CHECK) in not_applicable(CHECK, run(loss=decay(19), val_loss=decay(19)))


def test_a_long_log_is_counted_in_epochs():
    """Beyond 4096 epochs a curve has fewer points than the log has rows."""
    finding = one(CHECK, done_at(0.25, 0.8, n=10_000))
    wasted = int(finding.summary.partition("; the ")[2].partition(" ")[0])
    assert wasted == pytest.approx(7500, rel=0.1)
