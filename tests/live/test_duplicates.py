"""How many units of a layer are copies of each other."""

from __future__ import annotations

import numpy as np
import pytest

keras = pytest.importorskip("keras")

from diagnose.live.anatomy import WatchedLayer  # noqa: E402
from diagnose.live.duplicates import duplicate_fraction  # noqa: E402

pytestmark = pytest.mark.keras

layers = keras.layers

SHAPES = {
    "dense": (lambda **k: layers.Dense(6, **k), (None, 5)),
    "conv1d": (lambda **k: layers.Conv1D(6, 3, **k), (None, 9, 5)),
    "conv2d": (lambda **k: layers.Conv2D(6, 3, **k), (None, 9, 9, 5)),
    "conv3d": (lambda **k: layers.Conv3D(6, 3, **k), (None, 5, 5, 5, 2)),
    "conv2d_transpose": (lambda **k: layers.Conv2DTranspose(6, 3, **k), (None, 9, 9, 5)),
    "conv1d_transpose": (lambda **k: layers.Conv1DTranspose(6, 3, **k), (None, 9, 5)),
    "einsum": (lambda **k: layers.EinsumDense("abc,cde->abde", (9, 2, 3), bias_axes="de", **k), (None, 9, 5)),
    "einsum_ellipsis": (lambda **k: layers.EinsumDense("...x,xy->...y", 6, bias_axes="y", **k), (None, 5)),
    "grouped": (lambda **k: layers.Conv2D(6, 3, groups=3, **k), (None, 9, 9, 6)),
}
RECURRENT = {
    "simple_rnn": lambda **k: layers.SimpleRNN(4, **k),
    "lstm": lambda **k: layers.LSTM(4, **k),
    "gru": lambda **k: layers.GRU(4, **k),
    "gru_reset_before": lambda **k: layers.GRU(4, reset_after=False, **k),
}


def measured(layer, shape) -> float | None:
    keras.utils.set_random_seed(0)
    layer.build(shape)
    return duplicate_fraction(WatchedLayer(layer.name, layer))


def dense(kernel, bias=None) -> float | None:
    kernel = np.asarray(kernel, dtype="float32")
    layer = layers.Dense(kernel.shape[1])
    layer.build((None, kernel.shape[0]))
    layer.set_weights([kernel, np.zeros(kernel.shape[1]) if bias is None else np.asarray(bias)])
    return duplicate_fraction(WatchedLayer("dense", layer))


@pytest.mark.parametrize("kind", SHAPES)
def test_random_units_are_all_different(kind):
    make, shape = SHAPES[kind]
    assert measured(make(), shape) == 0.0


@pytest.mark.parametrize("kind", SHAPES)
@pytest.mark.parametrize("value", ["ones", "zeros"])
def test_constant_units_are_all_equal(kind, value):
    make, shape = SHAPES[kind]
    assert measured(make(kernel_initializer=value), shape) == 1.0


@pytest.mark.parametrize("kind", SHAPES)
def test_a_bias_of_its_own_makes_a_unit_different(kind):
    make, shape = SHAPES[kind]
    assert measured(make(kernel_initializer="ones", bias_initializer="random_normal"), shape) == 0.0


@pytest.mark.parametrize("kind", RECURRENT)
def test_recurrent_units_are_equal_where_all_their_gates_are(kind):
    make = RECURRENT[kind]
    ones = {"kernel_initializer": "ones", "recurrent_initializer": "ones"}
    assert measured(make(), (None, 5, 3)) == 0.0
    assert measured(make(**ones), (None, 5, 3)) == 1.0
    assert measured(make(kernel_initializer="ones"), (None, 5, 3)) == 0.0


def test_one_gate_that_differs_makes_recurrent_units_different():
    layer = layers.LSTM(2, kernel_initializer="ones", recurrent_initializer="ones")
    layer.build((None, 5, 3))
    kernel = np.ones((3, 8), dtype="float32")
    kernel[0, 5] = 2.0  # the third gate of the second unit
    layer.cell.kernel.assign(kernel)
    assert duplicate_fraction(WatchedLayer("lstm", layer)) == 0.0


def test_only_the_copies_are_counted():
    random = np.random.default_rng(0).normal(size=(40, 10))
    random[:, 7] = random[:, 3]
    assert dense(random) == pytest.approx(0.2)


def test_columns_that_differ_in_one_weight_are_different():
    kernel = np.ones((1000, 4))
    kernel[[1, 333, 701], [1, 2, 3]] = 2.0
    assert dense(kernel) == 0.0


def test_single_columns_that_were_driven_to_zero_are_pruned_not_symmetric():
    kernel = np.random.default_rng(0).normal(size=(20, 10))
    kernel[:, :7] = 0.0
    assert dense(kernel) == 0.0


def test_rows_driven_to_zero_do_not_make_units_equal():
    kernel = np.zeros((500, 10))
    kernel[17] = np.arange(1, 11)
    assert dense(kernel) == 0.0


def test_weights_that_are_not_finite_are_not_compared():
    assert dense(np.full((5, 4), np.nan)) is None


def test_minus_zero_is_zero():
    assert dense([[0.0, -0.0], [1.0, 1.0]]) == 1.0


def test_channels_of_a_depthwise_convolution_see_different_inputs():
    assert measured(layers.DepthwiseConv2D(3, depthwise_initializer="ones"), (None, 9, 9, 5)) is None


def test_filters_of_one_channel_of_a_depthwise_convolution_see_the_same_input():
    shape = (None, 9, 9, 5)
    assert measured(layers.DepthwiseConv2D(3, depth_multiplier=2, depthwise_initializer="ones"), shape) == 1.0
    assert measured(layers.DepthwiseConv2D(3, depth_multiplier=2), shape) == 0.0


def test_equal_filters_of_different_groups_see_different_inputs():
    layer = layers.Conv2D(4, 1, groups=2)
    layer.build((None, 3, 3, 2))
    layer.kernel.assign(np.array([1.0, 2.0, 1.0, 2.0]).reshape(1, 1, 1, 4))
    assert duplicate_fraction(WatchedLayer("conv", layer)) == 0.0


def test_a_separable_convolution_is_judged_by_its_pointwise_kernel():
    shape = (None, 9, 9, 5)
    assert measured(layers.SeparableConv2D(6, 3), shape) == 0.0
    assert measured(layers.SeparableConv2D(6, 3, pointwise_initializer="ones"), shape) == 1.0


def test_projections_of_attention_are_compared():
    attention = layers.MultiHeadAttention(2, 4, kernel_initializer="ones")
    attention.build((None, 5, 8), (None, 5, 8))
    for layer in attention._flatten_layers(include_self=False):
        if isinstance(layer, keras.layers.EinsumDense):
            assert duplicate_fraction(WatchedLayer(layer.name, layer)) == 1.0


@pytest.mark.parametrize(
    ("layer", "shape"),
    [
        (layers.Dense(1), (None, 5)),
        (layers.Embedding(9, 4, embeddings_initializer="ones"), (None, 5)),
        (layers.BatchNormalization(), (None, 5)),
        (layers.LayerNormalization(), (None, 5)),
        (layers.PReLU(), (None, 5)),
        (layers.ReLU(), (None, 5)),
    ],
    ids=["one unit", "embedding", "batch norm", "layer norm", "prelu", "no weights"],
)
def test_there_is_nothing_to_compare(layer, shape):
    assert measured(layer, shape) is None


def test_a_layer_that_is_not_built_has_nothing_to_compare():
    assert duplicate_fraction(WatchedLayer("dense", layers.Dense(4))) is None


def test_operations_have_nothing_to_compare():
    operation = keras.ops.relu(keras.Input((3,)))._keras_history.operation
    assert duplicate_fraction(WatchedLayer("relu", operation)) is None


def test_half_precision_weights_are_compared():
    assert measured(layers.Dense(8, dtype="bfloat16"), (None, 64)) == 0.0
    assert measured(layers.Dense(8, dtype="bfloat16", kernel_initializer="ones"), (None, 64)) == 1.0
