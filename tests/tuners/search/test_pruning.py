"""Pruning: what is lost ends, what is sick ends if it is poor too, what is good goes on."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from diagnose.run import Series, Split
from tuners.objective import Objective
from tuners.search.pruning import PEERS, Pruning
from tuners.search.records import EpochReport, State, Stop

ACCURACY = Objective("val_accuracy", "max")


def finding(check: str, *, severity: str = "critical", lost: bool = False, epoch: float | None = 2.0) -> dict[str, Any]:
    return {"check": check, "severity": severity, "epoch": epoch, "summary": "...", "lost": lost}


def report(epoch: int, value: float, *findings: dict[str, Any]) -> EpochReport:
    return EpochReport(0, 1, epoch, 10, {"val_accuracy": value}, findings)


def with_peers(*values: float, epochs: int = 5, **options: Any) -> Pruning:
    """Trials 100, 101 ... that have been through some epochs, each at its value."""
    pruning = Pruning(ACCURACY, **options)
    for number, value in enumerate(values, 100):
        for epoch in range(epochs):
            assert pruning.report(number, report(epoch, value)) is None
    return pruning


def test_a_healthy_trial_goes_on_however_poor():
    pruning = with_peers(0.9, 0.9, 0.9, 0.9)
    assert all(pruning.report(0, report(epoch, 0.1)) is None for epoch in range(5))


def test_what_is_lost_ends_also_where_there_is_nothing_to_compare_with():
    stop = Pruning(ACCURACY).report(0, report(3, 0.1, finding("divergence", lost=True)))
    assert stop == Stop(State.PRUNED, "divergence at epoch 2")


def test_what_is_sick_goes_on_where_there_is_nothing_to_compare_with():
    pruning = with_peers(*[0.9] * (PEERS - 1))
    assert pruning.report(0, report(3, 0.1, finding("not-learning"))) is None


def test_what_is_sick_and_in_the_worse_half_ends():
    pruning = with_peers(0.9, 0.8, 0.7, 0.1)
    assert pruning.report(0, report(3, 0.2, finding("not-learning"))) == Stop(State.PRUNED, "not-learning at epoch 2")


def test_what_is_sick_and_in_the_better_half_goes_on():
    pruning = with_peers(0.9, 0.3, 0.2, 0.1)
    assert pruning.report(0, report(3, 0.8, finding("dying-relu"))) is None


def test_the_best_quarter_is_protected_even_where_it_is_lost():
    pruning = with_peers(0.5, 0.3, 0.2, 0.1)
    assert pruning.report(0, report(3, 0.9, finding("divergence", lost=True))) is None
    worse = pruning.report(1, report(3, 0.4, finding("divergence", lost=True)))
    assert worse is not None
    assert worse.state is State.PRUNED


def test_trials_are_compared_at_the_same_epoch_by_their_best_so_far():
    pruning = with_peers(0.9, 0.9, 0.9, 0.9, epochs=1)  # these are good at once
    late = Pruning(ACCURACY)
    for number in range(100, 104):
        for epoch, value in enumerate((0.1, 0.1, 0.1, 0.95)):
            late.report(number, report(epoch, value))
    sick = report(1, 0.2, finding("not-learning"))
    assert pruning.report(0, sick) is not None
    assert late.report(0, sick) is None  # they were worse still after two epochs


def test_a_loss_that_is_no_number_fails_whatever_was_reached():
    pruning = with_peers(0.5, 0.3, 0.2, 0.1, is_on=False)
    stop = pruning.report(0, report(3, 0.99, finding("nan-loss", lost=True, epoch=3.0)))
    assert stop == Stop(State.FAILED, "nan-loss at epoch 3")


@pytest.mark.parametrize("check", ["overfitting", "noisy-validation", "slow-convergence"])
def test_other_findings_end_nothing(check: str):
    pruning = with_peers(0.9, 0.9, 0.9, 0.9)
    assert pruning.report(0, report(3, 0.1, finding(check))) is None


def test_a_warning_ends_nothing():
    pruning = with_peers(0.9, 0.9, 0.9, 0.9)
    assert pruning.report(0, report(3, 0.1, finding("not-learning", severity="warning"))) is None


def test_switched_off_it_ends_nothing_but_nan():
    pruning = with_peers(0.9, 0.9, 0.9, 0.9, is_on=False)
    assert pruning.report(0, report(3, 0.1, finding("divergence", lost=True))) is None


def test_a_trial_without_a_number_is_the_worst():
    pruning = with_peers(0.9, 0.8, 0.7, 0.6)
    nothing = report(0, math.nan)
    pruning.report(0, nothing)
    assert pruning.rank(0, nothing) == 1.0


def test_a_trial_that_is_run_again_begins_anew():
    pruning = with_peers(0.9, 0.8, 0.7, 0.6)
    pruning.report(0, report(0, 0.95))
    pruning.forget(0)
    again = report(0, 0.1)
    pruning.report(0, again)
    assert pruning.rank(0, again) == 1.0


def test_what_went_on_from_another_is_compared_with_all_that_it_reached():
    pruning = with_peers(0.9, 0.8, 0.7, 0.6, epochs=9)
    values = np.array([0.95, 0.1, 0.1, 0.1, 0.1])
    pruning.recall(0, 0, [Series("val_accuracy", "accuracy", Split.VALIDATION, np.arange(5.0), values)])
    sick = report(5, 0.1, finding("divergence", lost=True))
    assert pruning.report(0, sick) is None
    assert pruning.rank(0, sick) == 0.0


def test_those_that_had_not_begun_by_an_epoch_are_no_peers_at_it():
    pruning = Pruning(ACCURACY)
    for number in range(100, 104):
        pruning.report(number, report(7, 0.9))  # they began late, and nothing is known of before
    early = report(1, 0.2, finding("not-learning"))
    assert pruning.report(0, early) is None
    assert pruning.rank(0, early) is None


def test_folds_are_compared_with_the_same_fold_of_others():
    pruning = Pruning(ACCURACY)
    for number in range(100, 104):
        for part, value in ((0, 0.9), (1, 0.1)):
            pruning.report(number, EpochReport(part, 2, 0, 9, {"val_accuracy": value}))
    mine = EpochReport(1, 2, 0, 9, {"val_accuracy": 0.5})
    pruning.report(0, mine)
    assert pruning.rank(0, mine) == 0.0
