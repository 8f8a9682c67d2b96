from __future__ import annotations

import numpy as np
import pytest

from diagnose.finding import Severity
from tests.telemetry import EPOCHS, a_run, falling, flat, found, norms, outcome_of, shares, with_curve

CHECK = "saturated-activation"


def with_output(levels: list[float], epochs: int = EPOCHS) -> dict[str, np.ndarray]:
    """Statistics of a net whose last layer is the output, as the gradient norms tell."""
    return {"saturated_fraction": shares(levels, epochs), "grad_norm": norms(len(levels), epochs)}


def test_a_layer_pinned_from_the_start_is_found():
    (finding,) = found(CHECK, a_run(with_output([0.97, 0.1, 0.0]), loss=flat()))
    assert finding.severity == Severity.CRITICAL
    assert finding.layers == ("dense_0",)
    assert finding.epoch == 0
    assert "pinned to their bounds from the start" in finding.summary
    assert finding.fixes[0].id == "standardize-inputs"


def test_a_layer_that_saturates_in_training_is_dated():
    values = shares([0.1, 0.1, 0.1])
    values[17:, 1] = shares([0.8])[17:, 0]
    (finding,) = found(CHECK, a_run({"saturated_fraction": values, "grad_norm": norms(3)}, loss=flat()))
    assert finding.layers == ("dense_1",)
    assert finding.epoch == 17
    assert finding.severity == Severity.WARNING


def test_just_under_one_half_is_quiet():
    statistics = {"saturated_fraction": shares([0.45, 0.1], noise=0.01), "grad_norm": norms(2)}
    assert not found(CHECK, a_run(statistics, loss=flat()))


def test_a_sigmoid_output_near_its_bounds_is_quiet():
    """Where a binary classifier is sure, that is what training is for."""
    assert not found(CHECK, a_run(with_output([0.1, 0.2, 0.95]), loss=falling()))


def test_the_output_is_known_without_gradients_too():
    statistics = {"saturated_fraction": shares([0.1, 0.95]), "weight_norm": np.full((EPOCHS, 2), 3.0)}
    assert not found(CHECK, a_run(statistics, loss=falling()))


def test_units_that_learned_to_answer_yes_or_no_are_for_information():
    (finding,) = found(CHECK, a_run(with_output([0.6, 0.1, 0.0]), loss=falling()))
    assert finding.severity == Severity.INFO


def test_without_a_loss_it_is_no_information():
    (finding,) = found(CHECK, a_run(with_output([0.6, 0.1, 0.0])))
    assert finding.severity == Severity.WARNING


def test_single_epochs_are_quiet():
    values = shares([0.1, 0.1])
    values[[3, 30, EPOCHS - 1], 0] = 0.9
    assert not found(CHECK, a_run({"saturated_fraction": values, "grad_norm": norms(2)}, loss=flat()))


@pytest.mark.parametrize("depth", [2, 5, 50])
def test_healthy_layers_are_quiet(depth):
    levels = list(np.random.default_rng(1).uniform(0.0, 0.3, depth))
    assert not found(CHECK, a_run(with_output(levels), loss=falling()))


def test_without_activations_it_does_not_apply():
    assert outcome_of(CHECK, a_run({"grad_norm": norms(3)})).kind == "not_applicable"


def test_a_loss_that_only_came_down_from_a_blow_up_is_no_excuse():
    fallen = falling(start=9.0, end=3.6)  # by more than half, to a score that is guessing
    run = with_curve(a_run(with_output([0.97, 0.1, 0.0]), loss=fallen), "accuracy", np.linspace(0.09, 0.11, EPOCHS))
    (finding,) = found(CHECK, run)
    assert finding.severity == Severity.CRITICAL


def test_a_score_half_way_to_perfect_is_one():
    run = with_curve(a_run(with_output([0.97, 0.1, 0.0]), loss=flat()), "accuracy", np.linspace(0.1, 0.9, EPOCHS))
    (finding,) = found(CHECK, run)
    assert finding.severity == Severity.INFO
