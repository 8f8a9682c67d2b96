from __future__ import annotations

import numpy as np
import pytest

from diagnose.finding import Severity
from tests.telemetry import EPOCHS, a_run, found, norms, outcome_of, shares, updates

CHECK = "dying-relu"


def test_a_layer_that_is_mostly_dead_is_found():
    (finding,) = found(CHECK, a_run({"dead_fraction": shares([0.1, 0.85, 0.2])}))
    assert finding.severity == Severity.WARNING
    assert finding.layers == ("dense_1",)
    assert finding.epoch == 0
    assert "of the ReLU units of dense_1 are dead from the start" in finding.summary
    assert [fix.id for fix in finding.fixes] == ["initialize-he", "use-leaky-relu", "lower-learning-rate"]


def test_units_that_died_in_training_are_dated():
    values = shares([0.1, 0.1, 0.1])
    values[22:, 2] = shares([0.9])[22:, 0]
    (finding,) = found(CHECK, a_run({"dead_fraction": values}))
    assert finding.epoch == 22
    assert finding.fixes[0].id == "use-leaky-relu"
    assert finding.fixes[1].title == "Lower the learning rate from 0.01 to 0.001"


def test_units_that_long_first_steps_killed_call_for_a_lower_rate():
    ratios = updates(2)
    ratios[0] = 0.2
    (finding,) = found(CHECK, a_run({"dead_fraction": shares([0.9, 0.9]), "update_ratio": ratios}))
    assert [fix.id for fix in finding.fixes][:2] == ["use-leaky-relu", "lower-learning-rate"]


def test_a_whole_layer_that_is_dead_is_critical():
    values = shares([0.1, 0.2, 0.1])
    values[5:, 1] = 1.0
    (finding,) = found(CHECK, a_run({"dead_fraction": values}))
    assert finding.severity == Severity.CRITICAL
    assert "Every unit of dense_1 is dead from epoch 5 on" in finding.summary
    assert finding.confidence > 0.95


def test_a_share_that_grows_is_found_before_it_is_high():
    values = shares([0.1, 0.1])
    values[:, 1] = np.linspace(0.1, 0.62, EPOCHS) + shares([0.02])[:, 0]
    (finding,) = found(CHECK, a_run({"dead_fraction": values}))
    assert finding.layers == ("output",)
    assert 5 <= finding.epoch <= 20
    assert finding.evidence[1].threshold == 0.5


def test_just_under_the_threshold_is_quiet():
    assert not found(CHECK, a_run({"dead_fraction": shares([0.1, 0.65, 0.2], noise=0.01)}))


def test_a_share_that_grew_and_settled_low_is_quiet():
    values = shares([0.1])
    values[:, 0] = 0.45 * (1 - np.exp(-np.arange(EPOCHS) / 5)) + shares([0.02])[:, 0]
    assert not found(CHECK, a_run({"dead_fraction": values}))


@pytest.mark.parametrize("depth", [2, 5, 50])
def test_a_healthy_share_is_quiet(depth):
    levels = np.random.default_rng(0).uniform(0.0, 0.4, depth)
    assert not found(CHECK, a_run({"dead_fraction": shares(levels)}))


def test_single_epochs_are_quiet():
    values = shares([0.1, 0.2])
    values[10, 0] = values[-1, 1] = 0.95
    assert not found(CHECK, a_run({"dead_fraction": values}))


def test_a_layer_that_came_back_is_quiet():
    values = shares([0.2])
    values[:15] = 0.9
    assert not found(CHECK, a_run({"dead_fraction": values}))


def test_frozen_layers_are_left_out():
    """Nothing in a frozen backbone can be mended by training."""
    gradients, ratios = norms(3), updates(3)
    gradients[:, 0], ratios[:, 0] = np.nan, 0.0
    statistics = {"dead_fraction": shares([0.9, 0.1, 0.1]), "grad_norm": gradients, "update_ratio": ratios}
    assert not found(CHECK, a_run(statistics))


def test_a_dead_layer_without_gradient_is_not_mistaken_for_a_frozen_one():
    gradients, ratios = norms(3), updates(3)
    gradients[:, 0], ratios[:, 0] = 0.0, 0.0
    statistics = {"dead_fraction": shares([1.0, 0.1, 0.1]), "grad_norm": gradients, "update_ratio": ratios}
    assert len(found(CHECK, a_run(statistics))) == 1


def test_layers_that_were_not_sampled_are_left_out():
    values = shares([0.1, 0.9])
    values[:, 0] = np.nan
    (finding,) = found(CHECK, a_run({"dead_fraction": values}))
    assert finding.layers == ("output",)
    assert [name for name, _ in finding.evidence[0].rows] == ["output"]


def test_a_list_of_many_layers_stays_short():
    (finding,) = found(CHECK, a_run({"dead_fraction": shares([0.9] * 50)}))
    assert len(finding.layers) == 50
    assert "and 47 more" in finding.summary


def test_without_activations_it_does_not_apply():
    assert outcome_of(CHECK, a_run({"grad_norm": norms(3)})).kind == "not_applicable"


def test_layers_behind_a_dead_one_are_not_named():
    """They are given nothing but zeros: sick is the first."""
    (finding,) = found(CHECK, a_run({"dead_fraction": shares([0.1, 1.0, 1.0, 1.0], noise=0.0)}))
    assert finding.layers == ("dense_1",)
    assert "Every unit of dense_1 is dead" in finding.summary


def test_a_unit_that_answers_in_the_last_epoch_alone_makes_no_layer_well():
    values = shares([0.1, 0.95, 0.1], noise=0.0)
    values[-1, 1] = 0.6875
    (finding,) = found(CHECK, a_run({"dead_fraction": values}))
    assert finding.layers == ("dense_1",)
