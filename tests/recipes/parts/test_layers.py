"""Values and gradients of the pieces of networks."""

from __future__ import annotations

import math
from typing import get_args

import numpy as np
import pytest

keras = pytest.importorskip("keras")
tf = pytest.importorskip("tensorflow")

from recipes import config as settings  # noqa: E402
from recipes.config import Config  # noqa: E402
from recipes.parts import layers  # noqa: E402
from tests.recipes import made_facts  # noqa: E402

pytestmark = pytest.mark.keras

ACTIVATIONS = [name for name in get_args(settings.Activation) if name not in ("auto", "maxout")]
#: Away from the corners of all of them: 0, and ±3 of the hard sigmoid.
POINTS = np.array([-4.1, -2.3, -1.2, -0.4, 0.3, 0.9, 1.7, 2.6, 3.8])


@pytest.fixture(autouse=True)
def _seed():
    keras.utils.set_random_seed(1)


@pytest.fixture
def float64():
    """A numerical derivative needs the digits."""
    before = keras.config.dtype_policy()
    keras.config.set_floatx("float64")  # of inputs
    keras.config.set_dtype_policy("float64")
    yield
    keras.config.set_floatx("float32")
    keras.config.set_dtype_policy(before)


def config(**values: object) -> Config:
    return Config(recipe="mlp").replace({path.replace("__", "."): value for path, value in values.items()})


def model_of(piece, *shape: int):
    inputs = keras.Input(shape)
    return keras.Model(inputs, piece(inputs))


def gradient(function, x):
    x = tf.constant(x)
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = function(x)
    return tape.gradient(y, x).numpy()


def numerical(function, x: np.ndarray, step: float = 1e-6) -> np.ndarray:
    """Return the gradient of the sum of what a function makes of `x`, by central differences."""
    found = np.zeros_like(x)
    for i in np.ndindex(x.shape):
        ahead, back = x.copy(), x.copy()
        ahead[i] += step
        back[i] -= step
        found[i] = (np.sum(function(tf.constant(ahead))) - np.sum(function(tf.constant(back)))) / (2 * step)
    return found


# Activations


def activation(name: str):
    return model_of(lambda x: layers.activated(x, name, "activation"), 1)


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_the_gradient_of_an_activation_is_its_derivative(name, float64):
    model = activation(name)
    points = POINTS[:, np.newaxis]
    np.testing.assert_allclose(gradient(model, points), numerical(model, points), rtol=1e-6, atol=1e-9)


DERIVATIVES = {
    "linear": lambda x: np.ones_like(x),
    "relu": lambda x: (x > 0).astype(float),
    "leaky_relu": lambda x: np.where(x > 0, 1.0, 0.2),
    "elu": lambda x: np.where(x > 0, 1.0, np.exp(x)),
    "sigmoid": lambda x: 1 / (1 + np.exp(-x)) * (1 - 1 / (1 + np.exp(-x))),
    "tanh": lambda x: 1 - np.tanh(x) ** 2,
    "softplus": lambda x: 1 / (1 + np.exp(-x)),
    "swish": lambda x: (1 + np.exp(-x) + x * np.exp(-x)) / (1 + np.exp(-x)) ** 2,
    "hard_sigmoid": lambda x: np.where(np.abs(x) < 3, 1 / 6, 0.0),
}


@pytest.mark.parametrize("name", DERIVATIVES)
def test_a_derivative_is_that_of_the_textbook(name, float64):
    points = POINTS[:, np.newaxis]
    np.testing.assert_allclose(gradient(activation(name), points), DERIVATIVES[name](points), rtol=1e-7, atol=1e-12)


def test_relu_passes_nothing_back_at_zero():
    assert gradient(activation("relu"), [[0.0]]) == 0


def test_auto_is_relu():
    np.testing.assert_array_equal(activation("auto")(tf.constant([[-1.0], [2.0]])), [[0.0], [2.0]])


def test_prelu_learns_its_slope():
    model = activation("prelu")
    with tf.GradientTape() as tape:
        y = model(tf.constant([[-3.0], [2.0]]))
    assert tape.gradient(y, model.trainable_variables[0]).numpy() == [-3.0]  # x where x < 0, else nothing


def test_prelu_of_an_image_has_one_slope_for_each_channel():
    model = model_of(lambda x: layers.activated(x, "prelu", "activation"), 4, 4, 3)
    assert model.count_params() == 3


def maxout(units: int = 1, inputs: int = 2):
    return model_of(lambda x: layers.dense(x, units, config(model__activation="maxout"), "hidden"), inputs)


def test_maxout_is_the_larger_of_two_linear_functions():
    model = maxout(units=3)
    x = np.random.default_rng(0).normal(size=(6, 2)).astype("float32")
    a, b = (model.get_layer(name) for name in ("hidden_a", "hidden_b"))
    np.testing.assert_allclose(model(x), np.maximum(a(x), b(x)))
    assert model.output_shape == (None, 3)


def test_the_gradient_of_maxout_goes_to_the_winning_piece():
    model = maxout()
    a, b = (model.get_layer(name) for name in ("hidden_a", "hidden_b"))
    a.set_weights([np.array([[1.0], [0.0]]), np.array([0.0])])
    b.set_weights([np.array([[0.0], [1.0]]), np.array([0.0])])
    x = tf.constant([[2.0, 1.0]])  # a gives 2, b gives 1
    with tf.GradientTape() as tape:
        y = model(x)
    winner, loser = tape.gradient(y, [a.kernel, b.kernel])
    np.testing.assert_array_equal(winner, [[2.0], [1.0]])
    np.testing.assert_array_equal(loser, [[0.0], [0.0]])


# Initializers

INITIALIZERS = [name for name in get_args(settings.Initializer) if name != "auto"]
FAN_IN, FAN_OUT = 300, 200
VARIANCES = {
    "he_normal": 2 / FAN_IN,
    "he_uniform": 2 / FAN_IN,
    "glorot_normal": 2 / (FAN_IN + FAN_OUT),
    "glorot_uniform": 2 / (FAN_IN + FAN_OUT),
    "lecun_normal": 1 / FAN_IN,
    "lecun_uniform": 1 / FAN_IN,
    "orthogonal": 1 / FAN_IN,  # 200 columns of length 1 with 300 entries
    "random_normal": 0.05**2,
    "random_uniform": 0.1**2 / 12,  # between -0.05 and 0.05
    "truncated_normal": 0.05**2 * 0.774,  # cut off at two deviations
    "zeros": 0.0,
    "ones": 0.0,
}


@pytest.mark.parametrize("name", INITIALIZERS)
def test_an_initializer_has_its_variance(name):
    draw = keras.initializers.get(layers.initializer(config(model__kernel_initializer=name)))
    weights = keras.ops.convert_to_numpy(draw((FAN_IN, FAN_OUT)))
    assert np.var(weights) == pytest.approx(VARIANCES[name], rel=0.03)
    assert np.mean(weights) == pytest.approx(float(name == "ones"), abs=0.002)


@pytest.mark.parametrize("activation", ["relu", "leaky_relu", "tanh", "selu"])
def test_auto_keeps_the_size_of_the_signal_through_ten_layers(activation):
    chosen = config(model__activation=activation)
    x = inputs = keras.Input((128,))
    for i in range(10):
        x = layers.dense(x, 128, chosen, f"hidden_{i}")
    signal = keras.Model(inputs, x).predict(np.random.default_rng(0).normal(size=(64, 128)), verbose=0)
    assert 0.1 < np.sqrt(np.mean(signal**2)) < 3


@pytest.mark.parametrize(
    ("activation", "expected"),
    [
        *[(name, "he_normal") for name in ("auto", "relu", "leaky_relu", "prelu", "elu", "gelu", "swish", "mish")],
        ("maxout", "he_normal"),
        *[(name, "glorot_uniform") for name in ("tanh", "sigmoid", "hard_sigmoid", "linear")],
        ("selu", "lecun_normal"),
    ],
)  # fmt: skip
def test_auto_fits_the_activation(activation, expected):
    assert layers.initializer(config(model__activation=activation)) == expected


def test_an_initializer_that_was_chosen_is_kept():
    chosen = config(model__activation="tanh", model__kernel_initializer="orthogonal")
    assert layers.initializer(chosen) == "orthogonal"


# Penalties


def test_no_penalty_is_none():
    assert layers.regularizer(config()) is None


@pytest.mark.parametrize(("l1", "l2"), [(0.1, 0.0), (0.0, 0.01), (0.1, 0.01)])
def test_the_gradient_of_a_penalty(l1, l2):
    penalty = layers.regularizer(config(regularization__l1=l1, regularization__l2=l2))
    weights = np.array([[-2.0, 0.5], [3.0, -0.25]], dtype="float32")
    assert float(penalty(weights)) == pytest.approx(l1 * np.abs(weights).sum() + l2 * (weights**2).sum())
    np.testing.assert_allclose(gradient(penalty, weights), l1 * np.sign(weights) + 2 * l2 * weights, rtol=1e-6)


# DropConnect


def dropconnect(rate: float = 0.4, **arguments: object):
    layer = layers.DropConnectDense(30, rate, seed=3, **arguments)
    layer.build((None, 20))
    return layer


X = np.random.default_rng(0).normal(size=(7, 20)).astype("float32")


def test_dropconnect_drops_its_share_of_the_weights_and_scales_the_rest():
    layer = dropconnect(rate=0.4)
    weights = layer(np.eye(20, dtype="float32"), training=True).numpy()  # the kernel as it was used
    kernel = layer.kernel.numpy()
    dropped = weights == 0
    assert dropped.mean() == pytest.approx(0.4, abs=0.06)
    np.testing.assert_allclose(weights[~dropped], kernel[~dropped] / 0.6, rtol=1e-5)


def test_dropconnect_draws_anew_in_each_step():
    layer = dropconnect()
    assert not np.allclose(layer(X, training=True), layer(X, training=True))


def test_the_gradient_of_dropconnect_is_zero_exactly_for_dropped_weights():
    layer = dropconnect(rate=0.5)
    with tf.GradientTape() as tape:
        y = layer(np.eye(20, dtype="float32"), training=True)
    slopes = tape.gradient(y, layer.kernel).numpy()
    np.testing.assert_array_equal(slopes, np.where(y.numpy() == 0, 0.0, 2.0))


def test_dropconnect_in_inference_is_dense():
    layer = dropconnect(activation="tanh")
    plain = layer.plain()
    plain.build((None, 20))
    plain.set_weights(layer.get_weights())
    assert type(plain) is keras.layers.Dense
    assert plain.name == layer.name
    np.testing.assert_array_equal(layer(X), plain(X))


def test_dropconnect_computes_in_half_precision():
    layer = dropconnect(dtype="mixed_float16")
    assert layer(X, training=True).dtype == tf.float16
    assert layer.kernel.dtype == "float32"


def test_dropconnect_without_bias():
    assert dropconnect(use_bias=False)(X, training=True).shape == (7, 30)


def test_dropconnect_is_made_again_from_its_configuration():
    layer = dropconnect()
    again = keras.layers.deserialize(keras.layers.serialize(layer))
    assert (type(again), again.rate, again.units, again.seed) == (layers.DropConnectDense, 0.4, 30, 3)


@pytest.mark.parametrize("rate", [-0.1, 1.0])
def test_dropconnect_refuses_a_rate_that_is_none(rate):
    with pytest.raises(ValueError, match="rate must be"):
        layers.DropConnectDense(3, rate)


def test_a_model_without_dropconnect_predicts_the_same():
    chosen = config(regularization__dropconnect=0.5, model__batch_norm=True, model__skip_connections=True)
    model = model_of(lambda x: layers.dense(layers.dense(x, 8, chosen, "one"), 8, chosen, "two", shortcut=x), 20)
    plain = layers.without_dropconnect(model)
    assert not any(isinstance(layer, layers.DropConnectDense) for layer in plain.layers)
    np.testing.assert_allclose(plain(X), model(X), rtol=1e-6)


def test_a_model_that_has_none_is_left_alone():
    model = model_of(lambda x: layers.dense(x, 3, config(), "one"), 20)
    assert layers.without_dropconnect(model) is model


# Blocks


def kinds(model) -> list[str]:
    return [type(layer).__name__ for layer in model.layers[1:]]


def test_batch_norm_stands_before_the_activation_and_replaces_the_bias():
    model = model_of(lambda x: layers.dense(x, 3, config(model__batch_norm=True), "hidden"), 4)
    assert kinds(model) == ["Dense", "BatchNormalization", "Activation"]
    assert not model.get_layer("hidden").use_bias
    assert model.get_layer("hidden_norm").momentum == layers.BATCH_NORM_MOMENTUM


def test_without_batch_norm_there_is_a_bias():
    assert model_of(lambda x: layers.dense(x, 3, config(), "hidden"), 4).get_layer("hidden").use_bias


@pytest.mark.parametrize("batch_norm", [False, True])
@pytest.mark.parametrize("activation", ["relu", "prelu", "maxout"])
def test_a_convolution_keeps_the_size_and_a_stride_halves_it(activation, batch_norm):
    chosen = config(model__activation=activation, model__batch_norm=batch_norm)
    assert model_of(lambda x: layers.conv(x, 6, chosen, "conv"), 5, 7, 2).output_shape == (None, 5, 7, 6)
    halved = model_of(lambda x: layers.conv(x, 6, chosen, "conv", strides=2), 5, 7, 2)
    assert halved.output_shape == (None, 3, 4, 6)


def test_a_convolution_has_the_parameters_of_the_textbook():
    """3 x 3 x channels x filters, and a bias for each filter."""
    assert model_of(lambda x: layers.conv(x, 32, config(), "conv"), 28, 28, 1).count_params() == 320
    assert model_of(lambda x: layers.conv(x, 20, config(), "conv"), 8, 8, 3).count_params() == 560


@pytest.mark.parametrize("activation", ["relu", "maxout"])
def test_a_shortcut_of_the_same_shape_is_added_as_it_is(activation):
    chosen = config(model__activation=activation, model__kernel_initializer="zeros")
    model = model_of(lambda x: layers.dense(x, 4, chosen, "hidden", shortcut=x), 4)
    x = np.arange(1.0, 5.0)[np.newaxis]
    np.testing.assert_array_equal(model(x), x)
    assert not any("projection" in layer.name for layer in model.layers)


def test_a_shortcut_carries_the_gradient_past_dead_layers(float64):
    chosen = config(model__kernel_initializer="zeros")
    model = model_of(lambda x: layers.dense(x, 4, chosen, "hidden", shortcut=x), 4)
    np.testing.assert_array_equal(gradient(model, np.ones((1, 4))), np.ones((1, 4)))


def test_a_shortcut_of_another_shape_is_projected():
    model = model_of(lambda x: layers.dense(x, 6, config(), "hidden", shortcut=x), 4)
    assert model.get_layer("hidden_projection").kernel.shape == (4, 6)


@pytest.mark.parametrize("shape", [(8, 8, 2), (5, 7, 2), (1, 4, 2)])
def test_a_shortcut_shrinks_with_the_image(shape):
    def block(x):
        y = layers.conv(x, 6, config(), "one", strides=2)
        return layers.conv(y, 6, config(), "two", shortcut=x)

    model = model_of(block, *shape)
    assert model.get_layer("two_projection").kernel.shape == (1, 1, 2, 6)
    assert model.output_shape == (None, math.ceil(shape[0] / 2), math.ceil(shape[1] / 2), 6)


def test_dropout_acts_in_training_only():
    model = model_of(lambda x: layers.dropout(x, config(regularization__dropout=0.5), "dropout"), 100)
    x = np.ones((1, 100), dtype="float32")
    np.testing.assert_array_equal(model(x), x)
    assert set(np.unique(model(x, training=True))) == {0.0, 2.0}


def test_no_dropout_is_no_layer():
    assert kinds(model_of(lambda x: layers.dropout(x, config(), "dropout"), 4)) == []


def test_behind_selu_dropout_keeps_mean_and_variance():
    chosen = config(regularization__dropout=0.2, model__activation="selu")
    model = model_of(lambda x: layers.dropout(x, chosen, "dropout"), 5000)
    x = np.random.default_rng(0).normal(size=(4, 5000)).astype("float32")
    y = model(x, training=True).numpy()
    assert np.mean(y) == pytest.approx(0, abs=0.05)
    assert np.var(y) == pytest.approx(1, abs=0.1)


# Standardization


def test_images_are_standardized_channel_by_channel():
    inputs = made_facts.Inputs("image", (2, 2, 2), mean=(10.0, 100.0), variance=(4.0, 0.0))
    model = model_of(lambda x: layers.standardized(x, config(), inputs), 2, 2, 2)
    y = model(np.full((1, 2, 2, 2), [14.0, 100.0]))
    np.testing.assert_allclose(y, np.full((1, 2, 2, 2), [2.0, 0.0]), atol=1e-5)  # what never varies is only shifted


def test_what_is_not_to_be_standardized_is_left_alone():
    off = config(data__standardize=False)
    assert kinds(model_of(lambda x: layers.standardized(x, off, made_facts.image()), 8, 8, 1)) == []
    assert kinds(model_of(lambda x: layers.standardized(x, config(), made_facts.VECTOR), 5)) == []
