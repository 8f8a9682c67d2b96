"""The dry run on real models: what it measures, what it says where nothing can be, and that it leaves no trace."""

from __future__ import annotations

import math
import random

import numpy as np
import pytest

pytest.importorskip("keras")

import keras
import tensorflow as tf

from diagnose.audit.dry import dry_run
from diagnose.run import Split
from diagnose.sample import DataSample, SplitSample
from tests.blueprints import data

pytestmark = pytest.mark.keras
layers = keras.layers


def compiled(*stack, given=(32,), loss="sparse_categorical_crossentropy", optimizer="adam") -> keras.Model:
    model = keras.Sequential([keras.Input(given), *stack])
    model.compile(optimizer, loss, metrics=["accuracy"])
    return model


def mlp(classes: int = 10, **more) -> keras.Model:
    return compiled(layers.Dense(32, "relu"), layers.Dense(classes, "softmax"), **more)


def sample(x, y) -> DataSample:
    return DataSample(source="arrays", splits={Split.TRAIN: SplitSample(inputs={"x": x}, labels={"y": y})})


def of(told, name):
    return next(scale for scale in told.scales if scale.layer == name)


# -- what it measures --------------------------------------------------------------------------------------------------


def test_ten_classes_begin_near_ln_10_and_one_batch_is_learned():
    keras.utils.set_random_seed(1)
    told = dry_run(mlp(), data(), seconds=60)
    assert told.failed == ""
    assert 8 <= told.samples <= 32  # fewer where the machine is slow
    assert not told.is_made_up
    assert told.expected_loss == pytest.approx(math.log(10), rel=1e-5)
    assert told.initial_loss == pytest.approx(math.log(10), abs=1.5)
    assert told.losses[0] == told.initial_loss
    assert len(told.losses) > 20
    assert told.losses[-1] < 0.8 * told.losses[0]
    assert told.floor == pytest.approx(0, abs=1e-5)
    assert 0 < told.spread < 1
    assert all(scale.grad_norm > 0 and scale.weight_norm > 0 for scale in told.scales)


@pytest.mark.parametrize(
    ("loss", "units", "activation", "expected"),
    [
        ("categorical_crossentropy", 10, "softmax", math.log(10)),
        (keras.losses.SparseCategoricalCrossentropy(from_logits=True), 10, None, math.log(10)),
        (keras.losses.CategoricalCrossentropy(from_logits=True, label_smoothing=0.1), 10, None, math.log(10)),
        ("binary_crossentropy", 1, "sigmoid", math.log(2)),
        (keras.losses.BinaryCrossentropy(from_logits=True), 3, None, math.log(2)),
    ],
    ids=["one-hot", "logits", "smoothed", "binary", "multi-label"],
)
def test_labels_are_drawn_to_fit_the_loss(loss, units, activation, expected):
    told = dry_run(compiled(layers.Dense(units, activation), loss=loss))
    assert told.is_made_up
    assert told.expected_loss == pytest.approx(expected, rel=1e-4)
    assert math.isfinite(told.initial_loss)
    assert told.losses == ()


def test_soft_labels_leave_a_floor():
    """Of ten classes with a tenth of the label spread over all: the entropy of (0.91, 0.01 ...)."""
    told = dry_run(
        compiled(layers.Dense(10, "softmax"), loss=keras.losses.CategoricalCrossentropy(label_smoothing=0.1))
    )
    assert told.floor == pytest.approx(-0.91 * math.log(0.91) - 9 * 0.01 * math.log(0.01), rel=1e-3)


def test_a_distance_begins_as_large_as_the_targets_are():
    x, y = data().training.inputs["x"], 3 + np.linspace(-1, 1, 360)
    told = dry_run(compiled(layers.Dense(1), loss="mse"), sample(x, y.astype("float32")), seconds=1)
    assert told.expected_loss == pytest.approx(9.3, abs=0.2)


def test_signals_and_gradients_layer_by_layer():
    told = dry_run(mlp(), data(), seconds=0)
    first, last = told.scales
    assert of(told, last.layer).output_mean == pytest.approx(0.1, abs=1e-3)  # ten probabilities
    assert 0 <= first.zero_fraction < 0.2
    assert first.weight_norm == pytest.approx(math.sqrt(32 * 32 * 2 / 64), rel=0.1)  # Glorot


def test_a_layer_without_a_way_to_the_loss_has_no_gradient():
    inputs = keras.Input((32,))
    steps = keras.ops.round(layers.Dense(16, name="lost")(inputs))
    model = keras.Model(inputs, layers.Dense(10, "softmax", name="head")(steps))
    model.compile("adam", "sparse_categorical_crossentropy")
    told = dry_run(model)
    assert of(told, "lost").grad_norm is None
    assert of(told, "lost").weight_norm > 0
    assert of(told, "head").grad_norm > 0


def test_a_frozen_layer_is_no_lost_one():
    model = mlp()
    model.layers[0].trainable = False
    assert of(dry_run(model), model.layers[0].name).weight_norm is None


def test_a_branch_that_begins_at_zero_opens_after_a_step():
    inputs = keras.Input((32,))
    branch = layers.Dense(32, name="branch")(layers.Dense(32, "relu", name="inner")(inputs))
    branch = layers.BatchNormalization(gamma_initializer="zeros")(branch)
    model = keras.Model(inputs, layers.Dense(10, "softmax")(layers.Add()([inputs, branch])))
    model.compile("adam", "sparse_categorical_crossentropy")
    assert of(dry_run(model), "inner").grad_norm > 0


def test_the_time_is_kept():
    assert len(dry_run(mlp(), data(), seconds=0).losses) <= 2


# -- models of other kinds ---------------------------------------------------------------------------------------------


def test_indices_are_drawn_from_the_vocabulary():
    told = dry_run(compiled(layers.Embedding(7, 4), layers.LSTM(4), layers.Dense(1, "sigmoid"), given=(None,),
                            loss="binary_crossentropy"))  # fmt: skip
    assert told.failed == ""
    assert told.expected_loss == pytest.approx(math.log(2), rel=1e-5)


def test_several_inputs_and_outputs():
    a, b = keras.Input((4,), name="a"), keras.Input((3,), name="b")
    x = layers.Concatenate()([a, b])
    outputs = {"kind": layers.Dense(5, "softmax", name="kind")(x), "size": layers.Dense(1, name="size")(x)}
    model = keras.Model([a, b], outputs)
    model.compile(
        "adam", {"kind": "sparse_categorical_crossentropy", "size": "mse"}, loss_weights={"kind": 2, "size": 0}
    )
    rng = np.random.default_rng(0)
    split = SplitSample(
        inputs={"b": rng.normal(size=(64, 3)).astype("float32"), "a": rng.normal(size=(64, 4)).astype("float32")},
        labels={"size": rng.normal(size=(64, 1)), "kind": rng.integers(0, 5, 64)},
    )
    told = dry_run(model, DataSample(source="arrays", splits={Split.TRAIN: split}), seconds=1)
    assert (told.failed, told.is_made_up) == ("", False)
    assert told.expected_loss == pytest.approx(2 * math.log(5), rel=1e-4)


def test_a_loss_that_layers_add_has_no_expected_value():
    class Adding(layers.Layer):
        def call(self, x):
            self.add_loss(0.1 * keras.ops.mean(x**2))
            return x

    told = dry_run(compiled(layers.Dense(8), Adding(), layers.Dense(10, "softmax")), data(), seconds=1)
    assert told.expected_loss is None
    assert told.initial_loss > 0


def test_penalties_are_no_part_of_the_loss():
    keras.utils.set_random_seed(3)
    plain = dry_run(mlp(), data(), seconds=0)
    keras.utils.set_random_seed(3)
    heavy = compiled(
        layers.Dense(32, "relu", kernel_regularizer=keras.regularizers.L2(10.0)), layers.Dense(10, "softmax")
    )
    assert dry_run(heavy, data(), seconds=0).initial_loss == pytest.approx(plain.initial_loss, rel=1e-5)


def test_a_model_that_is_not_compiled_shows_its_signals_alone():
    model = keras.Sequential([keras.Input((32,)), layers.Dense(4, name="only")])
    told = dry_run(model)
    assert told.initial_loss is None
    assert of(told, "only").output_std > 0


def test_a_training_step_of_ones_own_is_not_guessed():
    class Own(keras.Model):
        def train_step(self, data):
            raise AssertionError("never called")

    inputs = keras.Input((32,))
    model = Own(inputs, layers.Dense(10, "softmax")(inputs))
    model.compile("adam", "sparse_categorical_crossentropy")
    told = dry_run(model, data())
    assert (told.failed, told.initial_loss) == ("", None)
    assert told.scales


# -- what fails --------------------------------------------------------------------------------------------------------


def test_labels_beyond_the_classes():
    told = dry_run(mlp(5), data(10))
    assert told.samples >= 8
    assert "outside the valid range of [0, 5)" in told.failed
    assert "\n" not in told.failed


def test_inputs_of_another_shape():
    told = dry_run(mlp(given=(31,)), data())
    assert "31" in told.failed
    assert not told.failed.startswith("Exception encountered")


def test_labels_of_another_shape():
    x = data().training.inputs["x"]
    told = dry_run(
        compiled(layers.Dense(10, "softmax"), loss="categorical_crossentropy"), sample(x, np.zeros((360, 7)))
    )
    assert ", 7)" in told.failed


@pytest.mark.parametrize("model", [keras.Sequential([layers.Dense(3)]), keras.Model()], ids=["no-input", "no-call"])
def test_what_cannot_be_tried_says_why(model):
    told = dry_run(model)
    assert told.failed
    assert told.samples == 0


def test_data_that_the_model_is_not_given_as_it_is_are_left_alone():
    raw = DataSample(source="houses.csv", splits=data().splits, is_raw=True)
    assert dry_run(mlp(), raw, seconds=0).is_made_up


# -- nothing is left behind --------------------------------------------------------------------------------------------


def test_everything_is_as_it_was_to_the_last_bit():
    keras.utils.set_random_seed(5)
    model = compiled(
        layers.GaussianNoise(0.1), layers.Dense(32, "relu"), layers.BatchNormalization(), layers.Dropout(0.3),
        layers.Dense(10, "softmax"),
    )  # fmt: skip
    x, y = data().training.inputs["x"], data().training.labels["y"]
    model.fit(x, y, epochs=1, verbose=0)
    model.layers[1].trainable = False
    held = [*model.variables, *model.optimizer.variables, *(v for metric in model.metrics for v in metric.variables)]
    before = [np.asarray(variable).tobytes() for variable in held]
    states = random.getstate(), np.random.get_state()[1].tobytes()
    flags = [layer.trainable for layer in model.layers]

    assert dry_run(model, data(), seconds=2).losses

    assert [np.asarray(variable).tobytes() for variable in held] == before
    assert (random.getstate(), np.random.get_state()[1].tobytes()) == states
    assert [layer.trainable for layer in model.layers] == flags
    assert model.optimizer.iterations.numpy() == 12


@pytest.mark.parametrize("with_data", [True, False])
def test_the_training_after_it_is_the_same_as_without_it(with_data):
    x, y = data().training.inputs["x"], data().training.labels["y"]

    def trained(*, rehearsed: bool) -> list[bytes]:
        keras.utils.set_random_seed(7)
        noise = layers.Lambda(
            lambda t: t + tf.random.normal(tf.shape(t)) * 0.01 + keras.random.normal(tf.shape(t)) * 0.01
        )
        model = compiled(layers.Dense(16, "relu"), noise, layers.Dropout(0.5), layers.Dense(10, "softmax"))
        if rehearsed:
            assert dry_run(model, data() if with_data else None, seconds=1).failed == ""
        history = model.fit(x, y, epochs=2, verbose=0)
        return [*(v.numpy().tobytes() for v in model.weights), repr(history.history).encode()]

    assert trained(rehearsed=True) == trained(rehearsed=False)


# -- what runs eagerly, and not in fit ---------------------------------------------------------------------------------


def by_numpy(y_true, y_pred):
    return np.mean(np.abs(np.asarray(y_true) - np.asarray(y_pred)))


class ByNumpy(keras.losses.Loss):
    def call(self, y_true, y_pred):
        return keras.ops.mean(keras.ops.abs(y_true - y_pred), axis=-1) * float(y_pred.numpy().max() > 0)


class Branching(keras.layers.Layer):
    def call(self, x):
        return x if float(keras.ops.max(x)) > 0 else -x


@pytest.mark.parametrize(
    ("loss", "metrics", "inner"),
    [(by_numpy, [], []), (ByNumpy(), [], []), ("mse", [by_numpy], []), ("mse", [], [Branching()])],
)
def test_code_that_looks_at_numbers_does_not_run_in_fit(loss, metrics, inner):
    x = keras.Input((6,))
    model = keras.Model(x, layers.Dense(1)(x))
    if inner:  # its call cannot be made on symbols, so that a model of its own holds it

        class Own(keras.Model):
            def __init__(self):
                super().__init__()
                self.last, self.out = inner[0], layers.Dense(1)

            def call(self, x):
                return self.out(self.last(x))

        model = Own()
        model(np.ones((2, 6), "float32"))
    numbers = sample(np.ones((40, 6), "float32"), np.ones((40, 1), "float32"))
    for eager in (False, True):
        model.compile("adam", loss, metrics=metrics, run_eagerly=eager)
        told = dry_run(model, numbers)
        assert told.samples
        assert told.failed.startswith("fit computes in a graph") is not eager
