"""What an activation function is like, judged by its values and derivatives."""

from __future__ import annotations

import functools
import warnings

import pytest

keras = pytest.importorskip("keras")
tf = pytest.importorskip("tensorflow")

from diagnose.audit.functions import activation_of  # noqa: E402
from diagnose.blueprint import Activation, Curve  # noqa: E402

pytestmark = pytest.mark.keras

layers, ops, activations = keras.layers, keras.ops, keras.activations

#: Every function of ``keras.activations``: what it is like, and its bounds.
OF_KERAS = {
    "linear": (Curve.LINEAR, None, None),
    "relu": (Curve.RECTIFIER, 0, None),
    "relu6": (Curve.RECTIFIER, 0, 6),
    "leaky_relu": (Curve.RECTIFIER_LIKE, None, None),
    "elu": (Curve.RECTIFIER_LIKE, -1, None),
    "celu": (Curve.RECTIFIER_LIKE, -1, None),
    "selu": (Curve.RECTIFIER_LIKE, -1.758, None),
    "gelu": (Curve.RECTIFIER_LIKE, -0.17, None),
    "silu": (Curve.RECTIFIER_LIKE, -0.278, None),
    "hard_silu": (Curve.RECTIFIER_LIKE, -0.375, None),
    "mish": (Curve.RECTIFIER_LIKE, -0.308, None),
    "softplus": (Curve.RECTIFIER_LIKE, 0, None),
    "sparse_plus": (Curve.RECTIFIER_LIKE, 0, None),
    "squareplus": (Curve.RECTIFIER_LIKE, 0, None),
    "sigmoid": (Curve.SQUASHING, 0, 1),
    "hard_sigmoid": (Curve.SQUASHING, 0, 1),
    "sparse_sigmoid": (Curve.SQUASHING, 0, 1),
    "tanh": (Curve.SQUASHING, -1, 1),
    "hard_tanh": (Curve.SQUASHING, -1, 1),
    "softsign": (Curve.SQUASHING, -1, 1),
    "softmax": (Curve.SOFTMAX, 0, 1),
    "sparsemax": (Curve.SOFTMAX, 0, 1),
    "log_softmax": (Curve.OTHER, None, None),
    "log_sigmoid": (Curve.OTHER, None, 0),
    "exponential": (Curve.OTHER, 0, None),
    "glu": (Curve.OTHER, None, None),
    "soft_shrink": (Curve.OTHER, None, None),
    "hard_shrink": (Curve.OTHER, None, None),
    "tanh_shrink": (Curve.OTHER, None, None),
    "threshold": (Curve.UNKNOWN, None, None),  # it needs its threshold
}
ALIASES = {"swish", "hard_swish", "get", "serialize", "deserialize"}


def curve(described) -> Curve | None:
    found = activation_of(described)
    return None if found is None else found.curve


def test_every_activation_of_keras_is_in_the_list():
    there = {name for name in vars(activations) if callable(getattr(activations, name)) and name[0] != "_"}
    assert there - ALIASES == set(OF_KERAS)


@pytest.mark.parametrize("name", OF_KERAS)
def test_every_activation_of_keras_is_judged_right(name):
    expected, low, high = OF_KERAS[name]
    found = activation_of(getattr(activations, name))
    assert (found.name, found.curve) == (name, expected)
    for bound, value in ((low, found.low), (high, found.high)):
        assert value is None if bound is None else value == pytest.approx(bound, abs=2e-3)


@pytest.mark.parametrize(
    ("function", "expected"),
    [
        (lambda x: 3 * x + 2, Curve.LINEAR),
        (lambda x: x - tf.reduce_mean(x, axis=-1, keepdims=True), Curve.LINEAR),
        (lambda x: x[:, 0], Curve.LINEAR),
        (lambda x: tf.minimum(tf.nn.relu(x), 2.0), Curve.RECTIFIER),
        (lambda x: activations.relu(x, threshold=1.0), Curve.RECTIFIER),
        (lambda x: activations.threshold(x, 1.0, 0.0), Curve.RECTIFIER),
        (lambda x: tf.square(tf.nn.relu(x)), Curve.RECTIFIER),
        (lambda x: tf.nn.leaky_relu(x, 0.01), Curve.RECTIFIER_LIKE),
        (lambda x: x * tf.sigmoid(1.702 * x), Curve.RECTIFIER_LIKE),
        (lambda x: 1.7159 * tf.tanh(2 * x / 3), Curve.SQUASHING),
        (tf.atan, Curve.SQUASHING),
        (lambda x: tf.exp(x) / tf.reduce_sum(tf.exp(x), axis=-1, keepdims=True), Curve.SOFTMAX),
        (tf.sin, Curve.OTHER),
        (tf.abs, Curve.OTHER),
        (tf.square, Curve.OTHER),
        (tf.math.log, Curve.OTHER),
        (lambda x: tf.exp(-x * x), Curve.OTHER),
        (lambda x: tf.math.l2_normalize(x, axis=-1), Curve.OTHER),
        (lambda x: x + tf.random.normal(tf.shape(x)), Curve.UNKNOWN),
        (lambda x: x @ tf.ones((3, 3)), Curve.UNKNOWN),
        (lambda x: 1 / 0, Curve.UNKNOWN),
        (lambda x, y: x, Curve.UNKNOWN),
        (lambda x: "nothing", Curve.UNKNOWN),
    ],
)
def test_a_function_of_ones_own_is_judged_by_what_it_does(function, expected):
    assert curve(function) is expected


@pytest.mark.parametrize(
    "function",
    [
        lambda x: 10 * tf.cast(x > 0, tf.float32),
        lambda x: tf.where(x > 0, 1.0, -1.0),
        lambda x: 0 * x + 1,
        lambda x: tf.one_hot(tf.argmax(x, axis=-1), 28),
        lambda x: tf.clip_by_value(1000 * x, 0, 1),
        *(tf.sign, tf.round, tf.floor, tf.stop_gradient, ops.sign),
    ],
)
def test_a_function_without_a_usable_derivative_is_a_step_whatever_its_values(function):
    found = activation_of(function)
    assert found.curve is Curve.STEP
    assert found.gradient_share <= 0.05


@tf.custom_gradient
def surrogate_step(x):
    return tf.cast(x > 0, x.dtype), lambda upstream: upstream / (1 + tf.square(x))


def test_a_step_with_a_derivative_of_its_own_can_be_trained_and_is_none():
    found = activation_of(surrogate_step)
    assert found.curve is not Curve.STEP
    assert found.gradient_share == 1


def test_the_share_of_inputs_with_a_derivative_is_told():
    assert activation_of(activations.relu).gradient_share == 0.5
    assert activation_of(activations.linear).gradient_share == 1
    assert 0.3 < activation_of(activations.relu6).gradient_share < 0.5


@pytest.mark.parametrize(
    ("layer", "name", "expected"),
    [
        (layers.Dense(2), "linear", Curve.LINEAR),
        (layers.Dense(2, activation="relu"), "relu", Curve.RECTIFIER),
        (layers.Conv2D(2, 3, activation="swish"), "silu", Curve.RECTIFIER_LIKE),
        (layers.Dense(2, activation=layers.LeakyReLU()), "leaky_relu", Curve.RECTIFIER_LIKE),
        (layers.ReLU(), "relu", Curve.RECTIFIER),
        (layers.ReLU(6.0), "relu", Curve.RECTIFIER),
        (layers.ReLU(negative_slope=0.1), "relu", Curve.RECTIFIER_LIKE),
        (layers.LeakyReLU(), "leaky_relu", Curve.RECTIFIER_LIKE),
        (layers.PReLU(), "prelu", Curve.RECTIFIER_LIKE),
        (layers.ELU(0.5), "elu", Curve.RECTIFIER_LIKE),
        (layers.Softmax(axis=1), "softmax", Curve.SOFTMAX),
        (layers.Activation("tanh"), "tanh", Curve.SQUASHING),
        (layers.Activation(tf.sign), "sign", Curve.STEP),
        (layers.Lambda(lambda x: tf.nn.relu(x)), "lambda", Curve.RECTIFIER),
        (layers.Lambda(activations.relu, arguments={"max_value": 3.0}), "relu", Curve.RECTIFIER),
        (layers.Lambda(lambda x: 1 / 0), "lambda", Curve.UNKNOWN),
        (layers.SimpleRNN(2), "tanh", Curve.SQUASHING),
        (layers.LSTM(2, activation="relu"), "relu", Curve.RECTIFIER),
        (layers.Bidirectional(layers.GRU(2)), "tanh", Curve.SQUASHING),
        (layers.TimeDistributed(layers.Dense(2, activation="relu")), "relu", Curve.RECTIFIER),
    ],
    ids=lambda value: getattr(value, "name", None),
)
def test_layers_are_judged_without_being_built(layer, name, expected):
    built = layer.built
    found = activation_of(layer)
    assert (found.name, found.curve) == (name, expected)
    assert layer.built == built


class Gate(layers.Layer):
    def __init__(self):
        super().__init__()
        self.activation = activations.relu

    def call(self, x):
        return x - self.activation(x)


@pytest.mark.parametrize(
    "layer",
    [
        *(layers.Dropout(0.1), layers.MaxPooling2D(), layers.BatchNormalization(), layers.Add()),
        *(layers.Embedding(3, 2), layers.MultiHeadAttention(2, 2), Gate(), layers.TimeDistributed(Gate())),
    ],
    ids=lambda layer: layer.name,
)
def test_layers_that_apply_none_and_those_of_ones_own_have_none(layer):
    assert activation_of(layer) is None


@pytest.mark.parametrize(
    ("apply", "name", "expected"),
    [
        (ops.relu, "relu", Curve.RECTIFIER),
        (ops.leaky_relu, "leaky_relu", Curve.RECTIFIER_LIKE),
        (activations.gelu, "gelu", Curve.RECTIFIER_LIKE),
        (ops.sigmoid, "sigmoid", Curve.SQUASHING),
        (ops.softmax, "softmax", Curve.SOFTMAX),
        (lambda x: ops.softmax(x, axis=1), "softmax", Curve.SOFTMAX),
        (lambda x: ops.maximum(x, 0.0), "maximum", Curve.RECTIFIER),
        (lambda x: ops.clip(x, 0.0, 6.0), "clip", Curve.RECTIFIER),
        (lambda x: 2.0 * x, "multiply", Curve.LINEAR),
        (ops.sign, "sign", Curve.STEP),
    ],
)
def test_operations_of_a_graph_are_judged(apply, name, expected):
    found = activation_of(apply(keras.Input((4, 3)))._keras_history.operation)
    assert (found.name, found.curve) == (name, expected)


@pytest.mark.parametrize(
    "apply",
    [
        *(lambda x: x + x, lambda x: ops.reshape(x, (-1, 12)), lambda x: ops.mean(x, axis=1)),
        *(lambda x: ops.transpose(x, (0, 2, 1)), lambda x: x[:, 0]),
    ],
)
def test_operations_that_join_or_move_tensors_have_none(apply):
    assert activation_of(apply(keras.Input((4, 3)))._keras_history.operation) is None


def test_equal_operations_are_told_apart_from_others_of_their_kind():
    x = keras.Input((4,))
    once, twice, other = (layer._keras_history.operation for layer in (x * 2.0, x * 2.0, x * 0.0))
    assert activation_of(once) == activation_of(twice)
    assert curve(other) is Curve.STEP


def test_a_function_is_judged_once():
    calls = []

    def counted(x):
        calls.append(1)
        return tf.nn.relu(x)

    first = activation_of(layers.Dense(2, activation=counted))
    seen = len(calls)
    assert activation_of(layers.Dense(3, activation=counted)) == first
    assert len(calls) == seen


def test_partial_functions_bear_the_name_of_what_they_are_a_part_of():
    assert activation_of(functools.partial(activations.relu, max_value=1.0)).name == "relu"


@pytest.mark.parametrize("function", [tf.math.log, tf.sqrt, tf.exp, lambda x: x / 0.0, lambda x: x * float("nan")])
def test_values_that_are_no_numbers_give_no_warning(function):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert isinstance(activation_of(function), Activation)


@pytest.mark.parametrize("axis", [-1, 1, -2])
def test_the_axis_of_a_softmax(axis):
    assert activation_of(keras.layers.Softmax(axis=axis)).axis == axis
    if axis != -2:  # of rows of numbers that is another function
        assert activation_of(lambda x: keras.ops.softmax(x, axis=axis)).axis == axis


def test_the_axis_of_a_softmax_for_each_step():
    assert activation_of(keras.layers.TimeDistributed(keras.layers.Softmax(axis=1))).axis == 2
