from __future__ import annotations

import numpy as np
import pytest

from diagnose.finding import Interval, LayerTable, Severity
from tests.telemetry import EPOCHS, a_run, falling, flat, found, norms, outcome_of, updates

CHECK = "vanishing-gradient"


@pytest.mark.parametrize("depth", [5, 10, 50, 200])
def test_a_gradient_that_fades_towards_the_input_is_found(depth):
    run = a_run({"grad_norm": norms(depth, decades=6.0)}, loss=flat())
    (finding,) = found(CHECK, run)
    assert finding.severity == Severity.CRITICAL
    assert finding.epoch == 0
    assert finding.layers[0] == "dense_0"
    assert "output" not in finding.layers
    assert len(finding.layers) >= depth / 3
    assert finding.confidence > 0.9
    kinds = {type(evidence) for evidence in finding.evidence}
    assert kinds == {Interval, LayerTable}
    assert finding.evidence[0].value == pytest.approx(6.0, abs=0.8)
    assert finding.fixes[0].id == "use-relu"


def test_two_layers_can_vanish_too():
    (finding,) = found(CHECK, a_run({"grad_norm": norms(2, decades=5.0)}, loss=flat()))
    assert finding.layers == ("dense_0",)


def test_just_under_three_decades_is_quiet():
    assert not found(CHECK, a_run({"grad_norm": norms(10, decades=2.6, noise=0.05)}, loss=flat()))


def test_it_is_dated_where_it_begins():
    values = norms(8)
    values[15:] = norms(8, decades=6.0)[15:]
    (finding,) = found(CHECK, a_run({"grad_norm": values}, loss=flat()))
    assert finding.epoch == 15
    assert "from epoch 15 on" in finding.summary


def test_without_a_loss_it_is_a_warning():
    (finding,) = found(CHECK, a_run({"grad_norm": norms(8, decades=6.0)}))
    assert finding.severity == Severity.WARNING


def test_what_adam_makes_up_for_is_for_information():
    statistics = {"grad_norm": norms(8, decades=5.0), "update_ratio": updates(8)}
    (finding,) = found(CHECK, a_run(statistics, loss=falling()))
    assert finding.severity == Severity.INFO


def test_first_layers_that_do_not_move_are_no_information_though_the_loss_falls():
    statistics = {"grad_norm": norms(8, decades=5.0), "update_ratio": norms(8, decades=5.0, level=2e-3)}
    (finding,) = found(CHECK, a_run(statistics, loss=falling()))
    assert finding.severity == Severity.WARNING


def test_layers_that_faded_to_zero_belong_to_it():
    values = norms(50, decades=60.0)
    values[values < 1e-30] = 0.0  # squares underflow in float32
    (finding,) = found(CHECK, a_run({"grad_norm": values}, loss=flat()))
    assert finding.layers[:3] == ("dense_0", "dense_1", "dense_2")


@pytest.mark.parametrize("depth", [2, 3, 5, 50, 200])
@pytest.mark.parametrize("decades", [-1.0, 0.0, 1.0])
def test_a_healthy_profile_is_quiet(depth, decades):
    assert not found(CHECK, a_run({"grad_norm": norms(depth, decades=decades)}, loss=falling()))


def test_a_converged_run_with_tiny_gradients_everywhere_is_quiet():
    assert not found(CHECK, a_run({"grad_norm": norms(10, decay=9.0, decades=0.5)}, loss=falling(end=1e-5)))


@pytest.mark.parametrize("odd", [0, 4, 9])
def test_a_single_odd_layer_is_quiet(odd):
    """An embedding whose rows are seldom hit, a gain of a normalization."""
    values = norms(10)
    values[:, odd] *= 1e-6
    assert not found(CHECK, a_run({"grad_norm": values}, loss=falling()))


def test_gains_between_the_kernels_are_quiet():
    values = norms(20)
    values[:, 1::2] *= 1e-2
    assert not found(CHECK, a_run({"grad_norm": values}, loss=falling()))


def test_frozen_layers_do_not_count():
    values = norms(10)
    values[:, :7] = np.nan
    assert not found(CHECK, a_run({"grad_norm": values}, loss=falling()))


def test_layers_without_any_gradient_do_not_vanish():
    values = norms(10)
    values[:, :5] = 0.0
    assert not found(CHECK, a_run({"grad_norm": values}, loss=flat()))


def test_some_epochs_are_quiet():
    values = norms(10)
    values[10:14] = norms(10, decades=6.0)[10:14]
    values[-1:] = norms(10, decades=6.0)[-1:]
    assert not found(CHECK, a_run({"grad_norm": values}, loss=falling()))


@pytest.mark.parametrize("fill", [0.0, np.nan, np.inf])
def test_a_profile_without_numbers_is_quiet(fill):
    assert not found(CHECK, a_run({"grad_norm": np.full((10, 4), fill)}))


def test_one_layer_has_no_depth():
    assert not found(CHECK, a_run({"grad_norm": norms(1)}))


def test_without_gradients_it_does_not_apply():
    outcome = outcome_of(CHECK, a_run({"dead_fraction": np.zeros((10, 3))}))
    assert outcome.kind == "not_applicable"
    assert "Monitor" in outcome.reason


def test_two_epochs_are_too_few():
    assert outcome_of(CHECK, a_run({"grad_norm": norms(5, epochs=2)})).kind == "not_applicable"


def test_layer_names_are_those_of_the_log():
    layers = {"grad_norm": [f"block{i}/conv" for i in range(6)]}
    (finding,) = found(CHECK, a_run({"grad_norm": norms(6, decades=6.0)}, layers=layers))
    assert finding.layers[0] == "block0/conv"


def test_a_network_that_comes_out_of_it_at_last_has_lost_that_time():
    healed = norms(8, decades=5.0)
    healed[-4:] = norms(8)[-4:]
    (finding,) = found(CHECK, a_run({"grad_norm": healed}, loss=flat()))
    assert f"from the start until epoch {EPOCHS - 5}" in finding.summary
    assert finding.evidence[0].end == EPOCHS - 5


def test_a_slow_start_is_quiet():
    healed = norms(8)
    healed[: EPOCHS // 2] = norms(8, decades=5.0)[: EPOCHS // 2]
    assert not found(CHECK, a_run({"grad_norm": healed}, loss=falling()))
