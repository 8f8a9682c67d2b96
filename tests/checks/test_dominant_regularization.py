from __future__ import annotations

import math

import numpy as np
import pytest

from diagnose.finding import OutcomeKind, Severity
from diagnose.fix import Edit
from tests.blueprints import data, dry_run, findings, planned, report
from tests.curves import defaults
from tests.networks import batch_norm, dense, network, plain

CHECK = "dominant-regularization"
OPTIONS = defaults(CHECK)
L2 = {"kernel_regularizer": {"name": "L2", "l2": 0.1}}


def run(penalty, *behind, dry=None, **more):
    body = [dense(128, settings=L2, name="hidden"), *behind]
    return planned(network(*body, given=(None, 784), regularization=penalty, **more), dry_run=dry)


SICK = run(25.0)


def severities(a_run):
    return [finding.severity for finding in findings(CHECK, a_run)]


def test_a_penalty_of_ten_times_the_loss():
    (finding,) = findings(CHECK, SICK)
    assert finding.severity is Severity.CRITICAL
    assert "25, 10.9 times its loss of 2.3" in finding.summary
    assert finding.fixes[1].edits == (Edit("hidden", "kernel_regularizer", None),)


@pytest.mark.parametrize(
    ("ratio", "severity"),
    [
        (1.0, None),
        (0.98 * OPTIONS.ratio, None),
        (1.02 * OPTIONS.ratio, Severity.WARNING),
        (1.02 * OPTIONS.critical_ratio, Severity.CRITICAL),
    ],
)
def test_how_large_it_must_be(ratio, severity):
    assert severities(run(ratio * math.log(10))) == ([] if severity is None else [severity])


def test_the_loss_of_a_dry_run_comes_first():
    assert severities(run(25.0, dry=dry_run(initial_loss=40.0))) == []
    assert severities(run(25.0, dry=dry_run(initial_loss=math.nan))) == [Severity.CRITICAL]


def test_the_scale_of_a_regression_is_not_known():
    assert severities(run(25.0, loss="mean_squared_error")) == []
    assert severities(run(25.0, loss="mean_squared_error", dry=dry_run(initial_loss=1.0))) == [Severity.CRITICAL]


@pytest.mark.parametrize("behind", [[batch_norm()], [plain("ReLU"), batch_norm()]])
def test_normalized_weights_can_shrink_without_effect(behind):
    assert severities(run(25.0, *behind)) == []


@pytest.mark.parametrize("penalty", [None, 0.0, math.nan, math.inf])
def test_no_penalty_or_none_that_is_a_number(penalty):
    assert severities(run(penalty)) == []


def test_it_needs_a_compiled_model():
    (outcome,) = report(CHECK, run(25.0, loss=None)).outcomes
    assert outcome.kind is OutcomeKind.NOT_APPLICABLE


def test_what_a_layer_of_ones_own_adds_is_part_of_the_loss_of_a_dry_run():
    own = dense(128, settings={"added_penalty": 30.0}, is_custom=True, name="own")
    plan = network(own, given=(None, 784), regularization=30.0)
    (finding,) = findings(CHECK, planned(plan))
    assert finding.layers == ("own",)
    (finding,) = findings(CHECK, planned(plan, dry_run=dry_run(initial_loss=32.3)))
    assert "30, 13 times its loss of 2.3" in finding.summary


@pytest.mark.parametrize(("loss", "expected"), [("mean_squared_error", 4.0), ("mean_absolute_error", 2.0)])
def test_the_loss_of_a_regression_is_known_by_its_labels(loss, expected):
    plan = network(dense(128, settings=L2), dense(1), given=(None, 32), regularization=40.0, loss=loss)
    targets = data(labels=np.tile([-2.0, 2.0], 300), inputs=np.zeros((600, 32)))
    (finding,) = findings(CHECK, planned(plan, targets))
    assert f"times its loss of {expected:.3g}" in finding.summary
