from __future__ import annotations

import numpy as np
import pytest

from diagnose.finding import Severity
from diagnose.run import Run
from tests.curves import decay, fix_ids, healthy, look, not_applicable, one, run
from tests.telemetry import a_run, flat, found

CHECK = "nan-loss"


def broken_from(at: int, value: float = np.nan, n: int = 20) -> np.ndarray:
    values = decay(n)
    values[at:] = value
    return values


def test_a_loss_that_becomes_nan_is_lost_from_that_epoch_on():
    finding = one(CHECK, run(loss=broken_from(7), val_loss=broken_from(9), first=1))
    assert (finding.severity, finding.confidence) == (Severity.CRITICAL, 1.0)
    assert finding.epoch == 8  # numbered as in the log, which starts at 1
    assert finding.evidence[0].value == 13
    assert "NaN at epoch 8" in finding.summary
    assert fix_ids(finding)[:2] == ["find-non-finite", "lower-learning-rate"]


@pytest.mark.parametrize("value", [np.inf, -np.inf])
def test_an_infinite_loss_is_called_infinite(value):
    assert "became infinite" in one(CHECK, run(loss=broken_from(3, value))).summary


def test_nan_from_the_first_epoch_on():
    finding = one(CHECK, run(loss=np.full(5, np.nan)))
    assert finding.epoch == 0
    assert "from the first epoch on" in finding.summary


def test_a_single_nan_counts():
    values = decay(20)
    values[4] = np.nan
    finding = one(CHECK, run(loss=values))
    assert (finding.epoch, finding.evidence[0].value) == (4, 1)


def test_nan_on_the_validation_side_alone_points_to_the_validation_data():
    finding = one(CHECK, run(loss=decay(20), val_loss=broken_from(5)))
    assert finding.epoch == 5
    assert "validation data" in finding.summary
    assert "lower-learning-rate" not in fix_ids(finding)


@pytest.mark.parametrize("largest", [1e30, 1.7e308])
def test_a_huge_loss_is_still_a_number(largest):
    assert look(CHECK, run(loss=broken_from(7, largest))) == ()


def test_an_epoch_that_was_not_logged_is_no_nan():
    """Readers leave out what was not logged: an absent value is not in the series."""
    a_run = run(loss=decay(20), val_loss=decay(4))
    assert look(CHECK, a_run) == ()


def test_a_healthy_run_is_left_alone():
    assert look(CHECK, healthy()) == ()


def test_a_metric_may_be_no_number():
    """F1 without any positive is 0/0; the training goes on."""
    assert look(CHECK, run(loss=decay(20), f1=broken_from(7))) == ()
    assert look(CHECK, run(accuracy=broken_from(7))) == ()


def test_without_a_loss_or_a_metric_it_cannot_look():
    assert "log the training loss" in not_applicable(CHECK, run(learning_rate=np.full(9, 0.1)))


class TestWeights:
    """Weights that are NaN behind a loss that is not: ReLU makes zeros of NaN."""

    def weights(self, since: int, layers: int = 3) -> Run:
        norms = np.full((20, layers), 5.0)
        norms[since:, 0] = np.nan
        return a_run({"weight_norm": norms}, loss=flat(20))

    def test_are_found_with_the_layer_and_the_epoch(self):
        (finding,) = found(CHECK, self.weights(4))
        assert finding.severity == Severity.CRITICAL
        assert finding.layers == ("dense_0",)
        assert finding.epoch == 4
        assert finding.fixes[0].id == "find-non-finite"

    def test_a_layer_that_was_not_sampled_for_a_while_is_none(self):
        norms = np.full((20, 3), 5.0)
        norms[4:9, 0] = np.nan
        assert not found(CHECK, a_run({"weight_norm": norms}, loss=flat(20)))

    def test_epochs_without_any_sample_are_none(self):
        norms = np.full((20, 3), 5.0)
        norms[-3:] = np.nan
        assert not found(CHECK, a_run({"weight_norm": norms}, loss=flat(20)))
