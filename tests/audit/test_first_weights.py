"""Weights as they are before a training, and layers of the user's that are called to see what they do."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("keras")

import keras

from diagnose.audit.graph import blueprint_of
from diagnose.blueprint import Curve, Initializer
from diagnose.measures.signal import constant_of

pytestmark = pytest.mark.keras
layers, ops = keras.layers, keras.ops


class Own(layers.Layer):
    def __init__(self, initializer, kind="matmul"):
        super().__init__()
        self.initializer, self.kind = initializer, kind

    def build(self, shape):
        self.w = self.add_weight(shape=(shape[-1], shape[-1]), initializer=self.initializer)

    def call(self, x):
        if self.kind == "gain":
            return x * self.w
        made = ops.matmul(x, self.w)
        return ops.sign(made) if self.kind == "sign" else made


def seen(own, given=(6,)):
    x = keras.Input(given)
    return blueprint_of(keras.Model(x, layers.Dense(2)(own(x)))).layers[1]


def test_a_kernel_that_was_set_to_one_number():
    model = keras.Sequential([keras.Input((6,)), layers.Dense(4), layers.Dense(2)])
    model.layers[0].set_weights([np.full((6, 4), 0.25), np.zeros(4)])
    first, second = blueprint_of(model).layers[1:]
    assert first.initializer == Initializer("Constant", {"value": 0.25})
    assert second.initializer.name == "GlorotUniform"


def test_units_of_an_own_layer_that_are_copies():
    assert constant_of(seen(Own("ones")).initializer) == 1
    assert constant_of(seen(Own("glorot_uniform")).initializer) is None


def test_a_gain_of_one_for_each_place_is_none():
    assert constant_of(seen(Own("ones", "gain"), (6, 6)).initializer) is None


def test_zeros_of_an_own_layer_may_be_meant():
    assert constant_of(seen(Own("zeros")).initializer) is None


def test_an_own_layer_that_stops_the_gradient():
    assert seen(Own("glorot_uniform", "sign")).activation.curve is Curve.STEP
    assert seen(Own("glorot_uniform")).activation is None
