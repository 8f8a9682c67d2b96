"""Losses of the user's own on labels of another rank than the output's."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("keras")

import keras

from diagnose.audit import audit
from tests.blueprints import findings

pytestmark = pytest.mark.keras
layers, ops = keras.layers, keras.ops

X = np.random.default_rng(0).normal(size=(40, 6)).astype("float32")
FLAT = np.random.default_rng(1).normal(size=40).astype("float32")


class Plain(keras.losses.Loss):
    def call(self, y_true, y_pred):
        return ops.mean(ops.square(y_pred - y_true), axis=-1)


class Squeezing(keras.losses.Loss):
    def call(self, y_true, y_pred):
        return ops.square(ops.squeeze(y_pred, -1) - y_true)


class Ranking(keras.losses.Loss):
    """Compares pairs of samples, on purpose."""

    def call(self, y_true, y_pred):
        y_true, y_pred = ops.reshape(y_true, (-1,)), ops.reshape(y_pred, (-1,))
        wanted = ops.sign(y_true[:, None] - y_true[None])
        return ops.mean(ops.relu(1 - wanted * (y_pred[:, None] - y_pred[None])), axis=-1)


def summed(y_true, y_pred):
    return ops.sum(ops.square(y_true - y_pred))


def told(loss, labels, *end):
    model = keras.Sequential([keras.Input((6,)), layers.Dense(4, "relu"), *(end or (layers.Dense(1),))])
    model.compile("adam", loss)
    return findings("output-units-mismatch", audit(model, (X, labels)))


@pytest.mark.parametrize("more", [{}, {"reduction": "sum"}])
def test_flat_labels_against_a_column(more):
    (finding,) = told(Plain(**more), FLAT)
    assert finding.severity == "critical"
    assert "(?, 1)" in finding.summary


def test_a_column_of_labels_against_flat_predictions():
    assert told(Plain(), FLAT[:, None], layers.Dense(1), layers.Reshape(()))


@pytest.mark.parametrize(
    ("loss", "labels"),
    [(Plain(), FLAT[:, None]), (Squeezing(), FLAT), (Ranking(), FLAT), (summed, FLAT), ("mse", FLAT)],
)
def test_sound(loss, labels):
    assert told(loss, labels) == ()


def test_one_of_two_outputs():
    x = keras.Input((6,))
    model = keras.Model(x, {"a": layers.Dense(1, name="a")(x), "b": layers.Dense(1, name="b")(x)})
    model.compile("adam", {"a": Plain(), "b": "mse"})
    found = findings("output-units-mismatch", audit(model, (X, {"a": FLAT, "b": FLAT})))
    assert [finding.layers for finding in found] == [("a",)]
