from __future__ import annotations

import numpy as np
import pytest

from diagnose.finding import Severity
from tests.telemetry import EPOCHS, a_run, falling, flat, found, norms, outcome_of, updates, with_curve

CHECK = "frozen-weights"


def statistics(depth: int = 5) -> dict[str, np.ndarray]:
    return {"grad_norm": norms(depth), "update_ratio": updates(depth)}


def freeze(values: dict[str, np.ndarray], *layers: int, gradient: float = np.nan) -> dict[str, np.ndarray]:
    values["update_ratio"][:, list(layers)] = 0.0
    values["grad_norm"][:, list(layers)] = gradient
    return values


def test_a_frozen_backbone_is_for_information():
    (finding,) = found(CHECK, a_run(freeze(statistics(50), *range(45)), loss=falling()))
    assert finding.severity == Severity.INFO
    assert finding.layers[0] == "dense_0"
    assert finding.summary == "45 of 50 layers are frozen, as in transfer learning."


def test_a_frozen_output_is_a_warning():
    (finding,) = found(CHECK, a_run(freeze(statistics(), 4), loss=falling()))
    assert finding.severity == Severity.WARNING
    assert finding.layers == ("output",)


def test_a_network_that_is_frozen_as_a_whole_is_critical():
    (finding,) = found(CHECK, a_run(freeze(statistics(), *range(5)), loss=flat()))
    assert finding.severity == Severity.CRITICAL
    assert finding.summary == "No layer is trained: every one is frozen."


def test_a_learning_rate_of_zero_is_critical():
    run = a_run(freeze(statistics(), *range(5), gradient=0.3), loss=flat())
    (finding,) = found(CHECK, run)
    assert finding.severity == Severity.CRITICAL
    assert finding.summary == "No weight of the network moves in any step."


def test_a_layer_that_gets_a_gradient_and_stays_is_found():
    (finding,) = found(CHECK, a_run(freeze(statistics(), 1, gradient=0.4)))
    assert finding.severity == Severity.WARNING
    assert finding.layers == ("dense_1",)
    assert finding.summary.startswith("A gradient arrives at dense_1")


def test_a_layer_that_no_gradient_reaches_is_found():
    (finding,) = found(CHECK, a_run(freeze(statistics(), 0, 1, gradient=0.0)))
    assert finding.layers == ("dense_0", "dense_1")
    assert finding.summary.startswith("No gradient ever reaches dense_0, dense_1")


def test_a_rate_at_which_nothing_moves_is_found():
    values = {"grad_norm": norms(5), "update_ratio": updates(level=1e-9)}
    (finding,) = found(CHECK, a_run(values, loss=flat(), rate=1e-8))
    assert finding.severity == Severity.WARNING
    assert finding.fixes[0].title == "Raise the learning rate from 1e-08 to 1e-06"


def test_just_above_the_least_update_is_quiet():
    assert not found(CHECK, a_run({"grad_norm": norms(5), "update_ratio": updates(level=5e-7)}))


def test_a_layer_that_moves_slowly_beside_others_is_quiet():
    values = statistics()
    values["update_ratio"][:, 0] = 1e-9
    assert not found(CHECK, a_run(values))


def test_a_schedule_that_ends_at_zero_is_quiet():
    values = statistics()
    values["update_ratio"] *= np.linspace(1, 0, EPOCHS)[:, None]
    assert not found(CHECK, a_run(values, loss=falling()))


def test_a_layer_that_is_unfrozen_later_is_quiet():
    values = statistics()
    values["update_ratio"][:20, :3], values["grad_norm"][:20, :3] = 0.0, np.nan
    assert not found(CHECK, a_run(values, loss=falling()))


def test_weights_that_overflowed_are_not_frozen():
    values = freeze(statistics(), 1, gradient=0.0)
    values["weight_norm"] = np.full((EPOCHS, 5), 3.0)
    values["weight_norm"][:, 1] = np.inf
    assert not found(CHECK, a_run(values))


@pytest.mark.parametrize("depth", [2, 5, 50])
def test_a_healthy_training_is_quiet(depth):
    assert not found(CHECK, a_run(statistics(depth), loss=falling()))


def test_layers_that_were_never_sampled_are_no_finding():
    assert not found(CHECK, a_run({"update_ratio": np.full((10, 3), np.nan)}))


def test_without_updates_it_does_not_apply():
    assert outcome_of(CHECK, a_run({"grad_norm": norms(3)})).kind == "not_applicable"


def test_frozen_layers_that_hold_a_run_back_are_a_warning():
    statistics_of_run = freeze(statistics(), 1, 2)
    held_back = with_curve(
        a_run(statistics_of_run, loss=falling(start=2.3, end=1.6)), "accuracy", np.linspace(0.1, 0.5, EPOCHS)
    )
    (finding,) = found(CHECK, held_back)
    assert finding.severity == Severity.WARNING
    assert "2 of 5 layers are frozen (dense_1, dense_2)" in finding.summary
    assert finding.fixes[0].id == "unfreeze"


def test_steps_that_are_lost_in_all_layers_but_one_are_found():
    """Half precision: the biases of the output layer move a little, nothing else does."""
    values = statistics()
    values["update_ratio"] *= 1e-5
    values["update_ratio"][:, -1] = 7e-7
    (finding,) = found(CHECK, a_run(values, loss=flat()))
    assert "the learning rate is too low" in finding.summary
