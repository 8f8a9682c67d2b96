from __future__ import annotations

import numpy as np
import pytest

from diagnose.finding import Severity
from tests.curves import OVER, UNDER, decay, defaults, fix_ids, healthy, line, look, not_applicable, one, run

CHECK = "impossible-loss"
TOLERANCE = defaults(CHECK).tolerance


def test_a_cross_entropy_below_zero_is_impossible_from_its_first_negative_epoch_on():
    finding = one(CHECK, run(loss=[0.7, 0.2, 0.05, -0.4, -3.0], accuracy=[0.5] * 5, first=1))
    assert (finding.severity, finding.epoch) == (Severity.CRITICAL, 4)
    assert (finding.evidence[0].value, finding.evidence[0].threshold) == (-0.4, 0.0)
    assert fix_ids(finding)[0] == "fix-label-range"


def test_each_impossible_curve_is_told():
    negative = line(10, 1, -1)
    found = look(CHECK, run(loss=negative, val_loss=negative, accuracy=np.full(10, 0.5)))
    assert [f.evidence[0].series for f in found] == ["loss", "val_loss"]


@pytest.mark.parametrize(("value", "count"), [(-UNDER * TOLERANCE, 0), (-OVER * TOLERANCE, 1), (0.0, 0)])
def test_rounding_is_forgiven(value, count):
    assert len(look(CHECK, run(loss=[0.5, 0.1, value], accuracy=[0.5] * 3))) == count


@pytest.mark.parametrize("loss", ["binary_crossentropy", "BinaryCrossentropy", "Mean Squared Error", "mse", "Huber"])
def test_the_configuration_says_that_the_loss_cannot_be_negative(loss):
    assert one(CHECK, run(loss=line(9, 1, -1), config={"loss": loss})).epoch == 5


@pytest.mark.parametrize(
    ("curves", "config"),
    [
        ({}, {}),  # a likelihood of a density, a contrastive loss ... may be negative
        ({}, {"loss": "negative_log_likelihood"}),
        ({"dice": np.full(9, 0.5)}, {}),
        ({"dice": np.full(9, 0.5), "accuracy": np.full(9, 0.5)}, {}),  # the loss is 1 - dice or -dice
    ],
)
def test_losses_that_may_be_negative_are_left_alone(curves, config):
    assert look(CHECK, run(loss=line(9, 1, -1), config=config, **curves)) == ()


@pytest.mark.parametrize("metric", ["mae", "mse", "rmse", "val_mae"])
def test_an_error_below_zero_is_impossible(metric):
    assert one(CHECK, run(loss=decay(5), **{metric: [0.3, 0.2, 0.1, -0.1, 0.1]})).epoch == 3


@pytest.mark.parametrize(
    ("value", "scale", "count"), [(1.0, 1, 0), (1.2, 1, 1), (-0.2, 1, 1), (98, 100, 0), (102, 100, 1)]
)
def test_an_accuracy_lies_between_nothing_and_a_whole(value, scale, count):
    found = look(CHECK, run(loss=decay(3), accuracy=[0.5 * scale, 0.6 * scale, value], scale=scale))
    assert len(found) == count


def test_a_top_1_accuracy_above_one_is_impossible():
    one(CHECK, run(loss=decay(3), top1_accuracy=[0.5, 0.6, 1.2]))


def test_a_negative_r2_is_possible():
    assert look(CHECK, run(loss=decay(3), r2=[-3, -0.5, 0.2])) == ()


def test_nan_is_not_negative():
    assert look(CHECK, run(loss=[0.5, np.nan, -np.inf, np.inf], accuracy=[0.5, np.nan, np.inf, 0.5])) == ()


def test_a_healthy_run_is_left_alone():
    assert look(CHECK, healthy()) == ()


def test_without_a_loss_or_a_metric_it_cannot_look():
    assert "log the training loss" in not_applicable(CHECK, run(learning_rate=[0.1]))
