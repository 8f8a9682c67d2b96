from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from diagnose.blueprint import Blueprint, Loss
from diagnose.finding import Finding, Severity
from diagnose.run import Run
from tests.blueprints import classifier, data, dense, findings, layer, model, planned

CHECK = "label-range"
RNG = np.random.default_rng(0)
X = RNG.normal(size=(600, 32)).astype("float32")
TEN = RNG.integers(0, 10, 600)
BINARY = model(dense(1, "sigmoid"), loss="binary_crossentropy")
AMOUNT = model(dense(1), loss="mean_squared_error", metrics=("mae",))
ONE_HOT = model(dense(10, "softmax"), loss="categorical_crossentropy")
SICK: Run = planned(classifier(), data(labels=TEN + 1, inputs=X))


def look(labels: np.ndarray, network: Blueprint | None = None, **more: object) -> tuple[Finding, ...]:
    return findings(CHECK, planned(network, data(labels=labels, inputs=X, **more)))


def one(labels: np.ndarray, network: Blueprint | None = None, **more: object) -> Finding:
    (found,) = look(labels, network, **more)
    return found


def test_classes_from_1_to_k():
    found = one(TEN + 1, classifier())
    assert found.severity is Severity.CRITICAL
    assert "10 units take 0 to 9" in found.summary
    assert found.fixes[0].id == "fix-label-range"


@pytest.mark.parametrize(
    ("labels", "text"),
    [
        (TEN - 1, "the least is -1"),
        (TEN + 0.5, "no whole numbers"),
        (np.where(TEN == 9, 255, TEN), "0 to 255"),
    ],
    ids=["negative", "halves", "a gap up to 255"],
)
def test_what_class_numbers_cannot_be(labels, text):
    assert text in one(labels, classifier()).summary


def test_a_class_that_is_to_be_ignored():
    network = classifier()
    loss = Loss("sparse_categorical_crossentropy", settings={"ignore_class": -1})
    network = replace(network, outputs=(replace(network.outputs[0], loss=loss),))
    assert look(np.where(TEN == 9, -1, TEN), network) == ()


def test_a_number_that_no_sample_has():
    assert one(np.where(TEN == 4, 5, TEN), classifier()).severity is Severity.INFO


def test_rows_that_do_not_sum_to_one():
    hot = np.eye(10)[TEN]
    assert look(hot, ONE_HOT) == ()
    assert look(hot * 0.9 + 0.01, ONE_HOT) == ()  # smoothed
    hot[:100, 3] = 1
    assert "do not sum to 1" in one(hot, ONE_HOT).summary


def test_minus_one_and_one_for_binary_crossentropy():
    found = one(np.where(TEN > 4, 1, -1), BINARY)
    assert found.severity is Severity.CRITICAL
    assert "-1 and 1" in found.summary
    assert look((TEN > 4).astype(int), BINARY) == ()
    assert look(np.where(TEN > 4, 1, -1), model(dense(1, "tanh"), loss="hinge")) == ()


def test_pixels_as_binary_targets():
    assert look(RNG.random((600, 32)), model(dense(32, "sigmoid"), loss="binary_crossentropy")) == ()
    assert look(255 * RNG.random((600, 32)), model(dense(32, "sigmoid"), loss="binary_crossentropy"))


def test_targets_that_the_output_cannot_reach():
    amounts = RNG.normal(5, 1, 600)
    assert "sigmoid" in one(amounts, model(dense(1, "sigmoid"), loss="mean_squared_error")).summary
    assert look(np.abs(amounts), model(dense(1, "relu"), loss="mean_squared_error")) == ()
    assert look(-amounts, model(dense(1, "relu"), loss="mean_squared_error"))


@pytest.mark.parametrize(("size", "severity"), [(900.0, None), (200_000.0, Severity.WARNING)])
def test_prices_in_single_dollars(size, severity):
    found = look(RNG.normal(size, size / 10, 600), AMOUNT)
    assert [f.severity for f in found] == ([] if severity is None else [severity])


def test_a_model_that_scales_its_output_is_meant_for_them():
    network = model(dense(1), layer("Rescaling", (None, 1)), loss="mean_squared_error")
    assert look(RNG.normal(2e5, 1e4, 600), network) == ()


def test_texts():
    names = np.array(["cat", "dog"])[TEN % 2]
    assert one(names, BINARY, classes=0).severity is Severity.CRITICAL
    assert look(names, classes=0, is_raw=True) == ()


def test_one_label_for_all():
    assert one(np.ones(600, dtype=int), BINARY).severity is Severity.CRITICAL
    assert "nothing to learn" in one(np.full(600, "a"), is_raw=True, classes=0).summary


def test_without_a_model():
    assert one(TEN + 1).severity is Severity.WARNING
    assert look(TEN) == ()
    assert look(TEN - 5) == ()
    assert look(RNG.normal(size=600)) == ()
    assert one(RNG.normal(2e5, 1e4, 600)).severity is Severity.INFO


def test_nan_is_told_elsewhere():
    assert look(np.where(np.arange(600) % 9 == 0, np.nan, TEN), classifier()) == ()
    assert look(np.full(600, np.nan), classifier(), classes=0) == ()


def test_a_loss_of_ones_own_takes_what_it_takes():
    network = replace(AMOUNT, outputs=(replace(AMOUNT.outputs[0], loss=Loss("mine", is_custom=True)),))
    assert look(np.zeros(600), network) == ()


def test_sound_labels():
    assert look(TEN, classifier()) == ()
    assert look(TEN[:, None].astype("float32"), classifier()) == ()


@pytest.mark.parametrize(
    ("loss", "labels", "severity"),
    [
        ("mean_squared_logarithmic_error", X[:, 0], Severity.CRITICAL),
        ("poisson", X[:, 0], Severity.CRITICAL),
        ("mean_absolute_percentage_error", TEN.astype(float), Severity.WARNING),
        ("mean_squared_logarithmic_error", TEN.astype(float), None),
        ("poisson", TEN.astype(float), None),
        ("mean_absolute_percentage_error", X[:, 0], None),
        ("mean_squared_error", X[:, 0], None),
    ],
)
def test_targets_that_the_loss_is_not_made_for(loss, labels, severity):
    found = look(labels, model(dense(1), loss=loss, metrics=("mae",)))
    assert [each.severity for each in found] == ([] if severity is None else [severity])
