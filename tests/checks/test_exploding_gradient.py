from __future__ import annotations

import numpy as np
import pytest

from diagnose.finding import Severity
from tests.telemetry import EPOCHS, a_run, falling, flat, found, norms, outcome_of, updates

CHECK = "exploding-gradient"


def growing(decades: float, at: int, depth: int = 5, over: int = 6) -> np.ndarray:
    """Norms that grow by so many decades over some epochs."""
    values = norms(depth, decay=0.3)
    growth = np.clip((np.arange(EPOCHS) - at + 1) / over, 0, 1) * decades
    return values * 10 ** growth[:, None]


def diverging(at: int) -> np.ndarray:
    loss = falling()
    loss[at:] = loss[at] * 1.6 ** np.arange(EPOCHS - at)
    return loss


@pytest.mark.parametrize("depth", [2, 5, 50])
def test_a_gradient_that_grows_until_the_loss_is_nan_is_found(depth):
    loss = falling()
    loss[25:] = np.nan
    values = growing(6.0, at=18, depth=depth)
    values[25:] = np.nan
    (finding,) = found(CHECK, a_run({"grad_norm": values}, loss=loss))
    assert finding.severity == Severity.CRITICAL
    assert 18 <= finding.epoch <= 20
    assert len(finding.layers) == depth
    assert "the loss is not finite" in finding.summary
    assert finding.fixes[0].id == "clip-gradients"
    assert finding.fixes[1].title == "Lower the learning rate from 0.01 to 0.001"


def test_a_gradient_that_grows_with_the_loss_is_found():
    (finding,) = found(CHECK, a_run({"grad_norm": growing(3.0, at=20)}, loss=diverging(20)))
    assert 20 <= finding.epoch <= 26
    assert finding.evidence[0].value == pytest.approx(3.0, abs=0.5)


def test_just_under_two_decades_is_quiet():
    assert not found(CHECK, a_run({"grad_norm": growing(1.7, at=20)}, loss=diverging(20)))


def test_steps_that_throw_the_weights_about_are_harm():
    statistics = {"grad_norm": growing(3.0, at=20), "update_ratio": updates(level=0.8)}
    (finding,) = found(CHECK, a_run(statistics, loss=flat()))
    assert "each step moves the weights" in finding.summary


def test_the_largest_norm_of_an_epoch_counts_too():
    """A single step: the mean over the epoch hardly shows it, and then there is nothing but NaN."""
    values, loss = norms(5), falling()
    largest = values * 1.5
    largest[19] *= 1e6
    values[20:], largest[20:], loss[20:] = np.nan, np.nan, np.nan
    (finding,) = found(CHECK, a_run({"grad_norm": values, "grad_norm_max": largest}, loss=loss))
    assert finding.epoch == 19


def test_overflow_is_found_and_the_layer_named():
    values = norms(5)
    values[12:, 1] = np.inf
    (finding,) = found(CHECK, a_run({"grad_norm": values}))
    assert finding.epoch == 12
    assert finding.layers == ("dense_1",)
    assert finding.confidence > 0.95


def first_epoch_only(values: float) -> np.ndarray:
    statistic = np.full((5, 4), np.nan)
    statistic[0] = values
    return statistic


def test_what_blew_up_in_the_first_epoch_is_found_by_the_length_of_its_steps():
    statistics = {"grad_norm": first_epoch_only(50.0), "update_ratio": first_epoch_only(0.4)}
    (finding,) = found(CHECK, a_run(statistics, loss=np.full(5, np.nan)))
    assert finding.epoch == 0
    assert finding.summary == ("At epoch 0 a step was 0.4 times as long as the weights, and the loss is not finite.")


def test_a_run_that_ended_in_its_first_epoch_can_be_told():
    """TerminateOnNaN leaves one row."""
    statistics = {"grad_norm": norms(4, epochs=1), "update_ratio": np.full((1, 4), 3.0)}
    assert len(found(CHECK, a_run(statistics, loss=np.array([np.nan])))) == 1
    assert not found(CHECK, a_run(statistics, loss=np.array([2.3])))
    assert not found(CHECK, a_run(statistics))


def test_ordinary_steps_before_a_nan_are_not_to_blame():
    """NaN in the data: the steps before it were as they should be."""
    statistics = {"grad_norm": first_epoch_only(0.5), "update_ratio": first_epoch_only(0.05)}
    assert not found(CHECK, a_run(statistics, loss=np.full(5, np.nan)))


def test_long_steps_of_a_run_that_learns_are_quiet():
    statistics = {"grad_norm": norms(), "update_ratio": updates(level=0.2)}
    assert not found(CHECK, a_run(statistics, loss=falling()))


def test_large_gradients_of_a_regression_that_learns_are_quiet():
    statistics = {"grad_norm": norms(level=1e5), "weight_norm": np.full((EPOCHS, 5), 8.0)}
    assert not found(CHECK, a_run(statistics, loss=falling(start=3e5, end=2e4)))


@pytest.mark.parametrize("depth", [5, 10, 50])
def test_a_gradient_that_grows_towards_the_input_is_found(depth):
    statistics = {"grad_norm": norms(depth, decades=-6.0), "weight_norm": np.full((EPOCHS, depth), 8.0)}
    (finding,) = found(CHECK, a_run(statistics, loss=flat()))
    assert finding.severity == Severity.WARNING
    assert finding.layers[0] == "dense_0"
    assert "output" not in finding.layers
    assert finding.fixes[0].id == "initialize-he"


def test_a_profile_that_grows_among_tiny_gradients_is_quiet():
    statistics = {"grad_norm": norms(10, decades=-4.0, level=1e-6), "weight_norm": np.full((EPOCHS, 10), 8.0)}
    assert not found(CHECK, a_run(statistics, loss=falling()))


def test_gradients_that_wake_up_when_a_plateau_is_left_are_quiet():
    loss = np.concatenate([flat(20), falling(20)])
    assert not found(CHECK, a_run({"grad_norm": growing(4.0, at=18)}, loss=loss))


def test_a_spike_that_the_run_gets_over_is_quiet():
    values, loss = norms(5), falling()
    values[25] *= 1e3
    loss[25] *= 4
    assert not found(CHECK, a_run({"grad_norm": values, "update_ratio": updates()}, loss=loss))


def test_noise_around_convergence_is_quiet():
    """Where the loss is nearly zero, loss and gradient move by decades without any harm."""
    loss = falling(end=1e-5)
    loss[-3:] = [3e-5, 2e-4, 9e-5]
    values = norms(5, decay=4.0)
    values[-3:] *= [[3.0], [1e3], [1e2]]
    assert not found(CHECK, a_run({"grad_norm": values}, loss=loss))


def test_nan_without_growth_is_not_its_business():
    values, loss = norms(5), falling()
    values[20:], loss[20:] = np.nan, np.nan
    statistics = {"grad_norm": values, "weight_norm": np.full((EPOCHS, 5), 8.0)}
    assert not found(CHECK, a_run(statistics, loss=loss))


@pytest.mark.parametrize("depth", [2, 5, 50, 200])
@pytest.mark.parametrize("decades", [-1.5, 0.0, 1.0])
def test_healthy_runs_are_quiet(depth, decades):
    statistics = {"grad_norm": norms(depth, decades=decades), "update_ratio": updates(depth)}
    assert not found(CHECK, a_run(statistics, loss=falling()))


@pytest.mark.parametrize("fill", [0.0, np.nan])
def test_norms_without_numbers_are_quiet(fill):
    assert not found(CHECK, a_run({"grad_norm": np.full((10, 4), fill)}))


def test_a_nan_loss_without_any_update_is_quiet():
    statistics = {"grad_norm": norms(4), "update_ratio": np.full((EPOCHS, 4), np.nan)}
    assert not found(CHECK, a_run(statistics, loss=np.full(EPOCHS, np.nan)))


def test_without_gradients_it_does_not_apply():
    assert outcome_of(CHECK, a_run({"dead_fraction": np.zeros((10, 3))})).kind == "not_applicable"
