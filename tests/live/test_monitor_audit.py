"""What `Monitor` says of a model before its first epoch."""

from __future__ import annotations

import copy

import numpy as np
import pytest

pytest.importorskip("keras")

import keras

from diagnose import Monitor
from diagnose.audit import graph

pytestmark = pytest.mark.keras
layers = keras.layers
X = np.random.default_rng(0).normal(size=(64, 32)).astype("float32")
Y = np.arange(64) % 10


def stack(*, named: bool = True, initializer: str = "ones") -> keras.Model:
    hidden = [layers.Dense(8, "relu", kernel_initializer=initializer, name=f"hidden_{i}") for i in range(2)]
    output = layers.Dense(10, "softmax", kernel_initializer=initializer, name="out")
    model = keras.Sequential([*([keras.Input((32,))] if named else []), *hidden, output])
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


def fit(model: keras.Model, **settings) -> Monitor:
    monitor = Monitor(**settings)
    model.fit(X, Y, epochs=2, verbose=0, callbacks=[monitor])
    return monitor


@pytest.mark.parametrize("is_built", [True, False], ids=["built", "built-by-the-first-step"])
def test_what_shows_without_training_is_told_once(is_built, capsys):
    monitor = fit(stack(named=is_built))
    told = [line for line in capsys.readouterr().out.splitlines() if ": constant-initializer:" in line]
    assert len(told) == 1
    assert "before training: critical" in told[0]
    assert "constant-initializer" in [finding.check for finding in monitor.report.runs[0].findings]
    assert monitor.report.runs[0].run.model.batch_size == 32


def test_it_stops_no_training():
    monitor = fit(stack(), on_finding="stop", severity="warning", select=["constant-initializer"])
    assert monitor.stopped is None


def test_a_function_of_ones_own_is_given_it_and_may_end_the_training():
    found = []

    def on_finding(finding):
        found.append(finding.check)
        return "stop"

    monitor = fit(stack(), on_finding=on_finding, select=["constant-initializer"])
    assert found == ["constant-initializer"]
    assert monitor.stopped["check"] == "constant-initializer"


def test_it_can_be_left_out(capsys):
    monitor = fit(stack(), audit=False)
    assert "before training" not in capsys.readouterr().out
    assert monitor.report.runs[0].run.model is None


def test_a_sound_model_is_told_nothing_of(capsys):
    fit(stack(initializer="he_normal"))
    assert "before training" not in capsys.readouterr().out


def test_an_audit_that_fails_leaves_the_training_alone(monkeypatch, capsys):
    def fails(*_args, **_more):
        raise RuntimeError("no such graph")

    monkeypatch.setattr(graph, "blueprint_of", fails)
    monitor = fit(stack())
    assert capsys.readouterr().out.count("the audit of the model left out from now on") == 1
    assert len(monitor.report.runs[0].run.get("loss")) == 2


def test_the_training_is_the_same_to_the_last_bit():
    def trained(*, audit: bool) -> list[bytes]:
        keras.utils.set_random_seed(4)
        model = stack(named=False, initializer="glorot_uniform")
        fit(model, audit=audit)
        return [variable.numpy().tobytes() for variable in model.weights]

    assert trained(audit=True) == trained(audit=False)


def test_a_monitor_can_be_copied_afterwards():
    assert copy.deepcopy(fit(stack())).report.runs[0].run.model is None
