"""Which activation a layer applies to its output."""

from __future__ import annotations

import pytest

keras = pytest.importorskip("keras")
tf = pytest.importorskip("tensorflow")

from diagnose.live.activations import SIGMOID, TANH, Rectifier, Squashing, activation_of, judge  # noqa: E402

pytestmark = pytest.mark.keras

layers, ops, activations = keras.layers, keras.ops, keras.activations


@pytest.mark.parametrize(
    "function",
    [
        activations.relu,
        activations.relu6,
        ops.relu,
        tf.nn.relu,
        tf.nn.relu6,
        lambda x: ops.maximum(x, 0.0),
        lambda x: activations.relu(x, max_value=2.0),
        lambda x: activations.relu(x, threshold=1.0),
        lambda x: tf.square(tf.nn.relu(x)),
        lambda x: tf.clip_by_value(x, 0.0, 1.0),
    ],
)
def test_a_function_that_is_zero_with_zero_gradient_below_zero_is_a_rectifier(function):
    assert judge(function) == Rectifier()


@tf.custom_gradient
def surrogate_step(x):
    return tf.cast(x > 0, x.dtype), lambda upstream: upstream / (1 + tf.square(x))


@tf.custom_gradient
def straight_through_relu(x):
    return tf.nn.relu(x), lambda upstream: upstream


@pytest.mark.parametrize(
    "function",
    [
        *(activations.leaky_relu, activations.elu, activations.selu, activations.celu, activations.gelu),
        *(activations.silu, activations.hard_silu, activations.softplus, activations.mish, activations.squareplus),
        *(activations.linear, activations.exponential, activations.softsign, activations.log_sigmoid),
        *(activations.soft_shrink, activations.hard_shrink, activations.sparse_plus),
        lambda x: activations.relu(x, negative_slope=0.01),
    ],
)
def test_leaky_and_other_forms_are_no_kind(function):
    assert judge(function) is None


@pytest.mark.parametrize(
    "function",
    [
        activations.softmax,
        activations.sparsemax,
        lambda x: x - ops.max(x, axis=-1, keepdims=True),
        lambda x: ops.normalize(x, axis=-1),
        activations.glu,
    ],
)
def test_functions_that_couple_units_are_no_kind(function):
    assert judge(function) is None


@pytest.mark.parametrize("function", [surrogate_step, straight_through_relu, tf.sign, tf.round, tf.stop_gradient])
def test_a_function_whose_gradient_is_not_its_slope_is_no_kind(function):
    assert judge(function) is None


def test_a_function_that_raises_is_no_kind():
    def broken(x):
        raise RuntimeError("no")

    assert judge(broken) is None


@pytest.mark.parametrize("function", [activations.sigmoid, ops.sigmoid, tf.nn.sigmoid, lambda x: 1 / (1 + ops.exp(-x))])
def test_sigmoid_is_saturated_from_five(function):
    found = judge(function)
    assert found.low == pytest.approx(SIGMOID.low, abs=1e-6)
    assert found.high == pytest.approx(0.9933, abs=1e-4)


@pytest.mark.parametrize("function", [activations.tanh, ops.tanh, tf.nn.tanh])
def test_tanh_is_saturated_from_two_and_a_half(function):
    found = judge(function)
    assert found.low == pytest.approx(TANH.low, abs=1e-6)
    assert found.high == pytest.approx(0.9866, abs=1e-4)


@pytest.mark.parametrize(
    ("function", "bounds"),
    [
        (activations.hard_sigmoid, (0, 1)),
        (activations.hard_tanh, (-1, 1)),
        (lambda x: tf.clip_by_value(x, -5.0, 5.0), (-5, 5)),
    ],
)
def test_hard_forms_are_saturated_at_their_bounds(function, bounds):
    assert judge(function) == Squashing(*bounds)


def test_a_scaled_tanh_is_saturated_where_tanh_is():
    assert judge(lambda x: 1.7159 * tf.tanh(2 * x / 3)).high == pytest.approx(1.7159 * TANH.high, abs=1e-5)


@pytest.mark.parametrize(
    "layer",
    [
        layers.Dense(2, activation="relu"),
        layers.Dense(2, activation=activations.relu),
        layers.Dense(2, activation=ops.relu),
        layers.Dense(2, activation=tf.nn.relu),
        layers.Dense(2, activation=lambda x: tf.nn.relu(x)),
        layers.Dense(2, activation=layers.ReLU()),
        layers.Conv2D(2, 3, activation="relu6"),
        layers.Conv2DTranspose(2, 3, activation="relu"),
        layers.SeparableConv2D(2, 3, activation="relu"),
        layers.DepthwiseConv2D(3, activation="relu"),
        layers.EinsumDense("ab,bc->ac", 2, activation="relu"),
        layers.SimpleRNN(2, activation="relu"),
        layers.ReLU(),
        layers.ReLU(6.0),
        layers.ReLU(threshold=0.5),
        layers.Activation("relu"),
        layers.Activation(tf.nn.relu),
        layers.Lambda(lambda x: tf.nn.relu(x)),
        layers.Lambda(activations.relu, arguments={"max_value": 3.0}),
    ],
    ids=lambda layer: layer.name,
)
def test_every_layer_with_a_relu_has_one_and_is_not_built_by_looking(layer):
    built = layer.built
    assert activation_of(layer) == Rectifier()
    assert layer.built == built


@pytest.mark.parametrize(
    "layer",
    [
        layers.Dense(2),
        layers.Dense(2, activation="softmax"),
        layers.Dense(2, activation=layers.LeakyReLU()),
        layers.ReLU(negative_slope=0.1),
        layers.LeakyReLU(),
        layers.PReLU(),
        layers.ELU(),
        layers.Softmax(),
        layers.LSTM(2, activation="relu"),
        layers.GRU(2),
        layers.ConvLSTM2D(2, 3),
        layers.Lambda(lambda x: x),
        layers.Lambda(lambda x, mask=None: 1 / 0),
        layers.MaxPooling2D(),
        layers.BatchNormalization(),
        layers.MultiHeadAttention(2, 2),
    ],
    ids=lambda layer: layer.name,
)
def test_a_layer_without_one_or_with_one_on_its_state_has_none(layer):
    assert activation_of(layer) is None


def test_layers_with_sigmoid_and_tanh_are_told_apart():
    assert activation_of(layers.Dense(2, activation="sigmoid")).low == pytest.approx(SIGMOID.low, abs=1e-6)
    assert activation_of(layers.SimpleRNN(2)).low == pytest.approx(TANH.low, abs=1e-6)


@pytest.mark.parametrize(
    ("apply", "kind"),
    [
        (ops.relu, Rectifier),
        (activations.relu, Rectifier),
        (lambda x: activations.relu(x, max_value=6), Rectifier),
        (lambda x: ops.maximum(x, 0.0), Rectifier),
        (lambda x: ops.clip(x, 0.0, 6.0), Rectifier),
        (ops.sigmoid, Squashing),
        (activations.tanh, Squashing),
        (ops.hard_sigmoid, Squashing),
        (activations.leaky_relu, type(None)),
        (ops.softmax, type(None)),
        (lambda x: x + 1.0, type(None)),
        (lambda x: x * x, type(None)),
        (lambda x: ops.transpose(x), type(None)),
    ],
)
def test_operations_of_a_functional_graph_are_judged(apply, kind):
    operation = apply(keras.Input((4,)))._keras_history.operation
    assert type(activation_of(operation)) is kind


def test_a_layer_of_ones_own_is_not_judged_by_its_attributes():
    class Gate(keras.layers.Layer):
        def __init__(self):
            super().__init__()
            self.activation = activations.relu

        def call(self, x):
            return x - self.activation(x)

    class OtherDense(keras.layers.Dense):
        def call(self, x):
            return x - super().call(x)

    assert activation_of(Gate()) is None
    assert activation_of(OtherDense(3, activation="relu")) is None


def test_a_function_is_judged_once():
    calls = []

    def counted(x):
        calls.append(1)
        return tf.nn.relu(x)

    layer = layers.Dense(2, activation=counted)
    activation_of(layer)
    seen = len(calls)
    assert activation_of(layer) == Rectifier()
    assert len(calls) == seen
