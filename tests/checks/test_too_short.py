from __future__ import annotations

import pytest

from diagnose.finding import OutcomeKind, Severity
from tests.curves import decay, defaults, fix_ids, healthy, look, one, outcome, run

CHECK = "too-short"
LEAST = int(defaults(CHECK).least_epochs)


@pytest.mark.parametrize("n", [0, 1, LEAST - 1])
def test_too_few_epochs_are_said_to_be_so(n):
    finding = one(CHECK, run(loss=decay(n)))
    assert (finding.severity, finding.confidence, finding.epoch) == (Severity.INFO, 1.0, None)
    assert (finding.evidence[0].value, finding.evidence[0].threshold) == (n, LEAST)
    assert f"Only {n} epoch{'' if n == 1 else 's'} logged" in finding.summary
    assert fix_ids(finding) == ["train-longer"]


@pytest.mark.parametrize("n", [LEAST, 10_000])
def test_enough_epochs_are_left_alone(n):
    assert look(CHECK, run(loss=decay(n))) == ()


def test_the_longest_curve_counts():
    assert look(CHECK, run(loss=decay(60), val_loss=decay(2))) == ()


def test_a_log_without_any_curve_is_too_short():
    assert one(CHECK, run()).evidence[0].value == 0


def test_it_waits_for_the_end_of_a_training():
    assert outcome(CHECK, run(loss=decay(2)), live=True).kind == OutcomeKind.NOT_APPLICABLE


def test_a_healthy_run_is_left_alone():
    assert look(CHECK, healthy()) == ()
