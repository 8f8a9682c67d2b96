"""Models that their first batch builds: audited as if it had, and left unbuilt."""

from __future__ import annotations

import random

import numpy as np
import pytest

pytest.importorskip("keras")

import keras

from diagnose.audit import audit
from diagnose.blueprint import Curve

pytestmark = pytest.mark.keras
layers, ops = keras.layers, keras.ops

X, Y = np.random.default_rng(0).normal(size=(40, 6)).astype("float32"), np.zeros((40, 3), "float32")


class Stack(keras.Model):
    def __init__(self):
        super().__init__()
        self.blocks = [layers.Dense(4), keras.Sequential([layers.Dense(5, "relu"), layers.Dropout(0.5)])]
        self.scale = {"out": layers.Dense(3, "softmax")}

    def call(self, x, training=False):
        for block in self.blocks:
            x = block(x, training=training)
        return self.scale["out"](x)


class Joined(keras.Model):
    def __init__(self, *keys):
        super().__init__()
        self.keys, self.join, self.out = keys, layers.Concatenate(), layers.Dense(3)

    def call(self, inputs):
        return self.out(self.join([inputs[key] for key in self.keys]))


def compiled(model):
    model.compile("adam", "mse")
    return model


def test_an_own_model_is_seen_whole_with_data():
    model = compiled(Stack())
    made = audit(model, (X, Y)).model
    assert made.is_whole
    assert [layer.kind for layer in made.layers] == ["InputLayer", "Dense", "Dense", "Dropout", "Dense"]
    assert made.outputs[0].shape == (None, 3)
    assert made.outputs[0].activation.curve is Curve.SOFTMAX
    assert made.batch_size is None


def test_without_data_it_is_as_unknown_as_before():
    assert not audit(compiled(Stack())).model.is_whole


@pytest.mark.parametrize("dry", [False, True])
def test_it_is_left_unbuilt_and_trains_as_if_nobody_had_looked(dry):
    def trained(looked):
        keras.utils.set_random_seed(3)
        model = compiled(Stack())
        if looked:
            audit(model, (X, Y), dry_run=dry)
            assert not any(layer.built for layer in (model, *model.blocks, model.scale["out"]))
            assert model.weights == []
            assert model.blocks[1].layers[0]._inbound_nodes == []
        history = model.fit(X[:, :5] if looked is None else X, Y, epochs=2, verbose=0).history["loss"]
        return history, [layer.name for layer in model._flatten_layers()], random.random()

    (losses, _, drawn), (others, _, again) = trained(False), trained(True)
    assert losses == others
    assert drawn == again


def test_it_may_be_built_for_other_data_afterwards():
    model = compiled(Stack())
    audit(model, (X, Y))
    model.fit(X[:, :2], Y, verbose=0)
    assert model.blocks[0].kernel.shape == (2, 4)


def test_a_stack_without_an_input_is_seen_whole_and_has_no_fixed_batch():
    model = compiled(keras.Sequential([layers.Dense(4, "relu"), layers.Dense(3)]))
    made = audit(model, (X, Y)).model
    assert made.is_whole
    assert made.batch_size is None
    assert made.outputs[0].shape == (None, 3)
    assert not model.built
    assert len(model.layers) == 2


@pytest.mark.parametrize(
    ("keys", "given"),
    [(("a", "b"), {"a": X, "b": X[:, :2]}), ((0, 1), [X, X[:, :2]]), ((0, 1), (X, X[:, :2]))],
)
def test_several_inputs_come_in_the_structure_that_the_data_has(keys, given):
    run = audit(compiled(Joined(*keys)), (given, Y), dry_run=True)
    assert run.model.is_whole
    assert run.dry_run.failed == ""
    assert run.dry_run.initial_loss is not None


def test_words_and_numbers_keep_their_types():
    class Named(keras.Model):
        def __init__(self):
            super().__init__()
            self.words, self.pool, self.out = layers.Embedding(9, 4), layers.GlobalAveragePooling1D(), layers.Dense(3)

        def call(self, inputs):
            return self.out(ops.concatenate([self.pool(self.words(inputs["ids"])), inputs["x"]], axis=-1))

    model = compiled(Named())
    given = {"ids": np.ones((40, 7), "int32"), "x": X}
    assert audit(model, (given, Y)).model.is_whole
    model(given)
    assert audit(model, (given, Y)).model.is_whole  # of which Keras has kept the shapes alone


def test_data_that_cannot_build_it_is_a_failed_run_even_without_a_dry_run():
    class Mixed(keras.Model):
        def __init__(self):
            super().__init__()
            self.map, self.out = layers.Conv2D(4, 3), layers.Dense(3)

        def call(self, x):
            return self.out(ops.concatenate([self.map(x), x[:, 0, 0]], axis=-1))

    model = compiled(Mixed())
    run = audit(model, (np.zeros((20, 8, 8, 1), "float32"), Y[:20]))
    assert run.dry_run.failed
    assert run.dry_run.samples == 2
    assert not run.dry_run.is_made_up
    assert not model.map.built


def test_a_part_of_a_cell_is_built_by_numbers():
    class Cell(layers.Layer):
        def __init__(self):
            super().__init__()
            self.state_size = self.output_size = 4
            self.drive = layers.Dense(4)

        def call(self, x, states):
            charge = 0.9 * states[0] + self.drive(x)
            spike = ops.where(charge > 1.0, ops.ones_like(charge), ops.zeros_like(charge))
            return spike, [charge * (1.0 - spike)]

    x = keras.Input((5, 6))
    cell = Cell()
    model = compiled(keras.Model(x, layers.Dense(3)(layers.RNN(cell)(x))))
    made = audit(model, (np.repeat(X[:, None], 5, axis=1), Y)).model
    assert made.layers[1].trainable_parameters == 28
    assert made.layers[1].activation.curve is Curve.STEP
    assert not cell.drive.built
