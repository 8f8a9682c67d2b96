"""What networks are put together from: one layer's weights, and what follows them."""

from __future__ import annotations

from typing import Any

import keras
from keras import layers, ops

from benchmarks.faults.configuration import Net


def sharp_softmax(x: Any) -> Any:
    """A softmax at a twelfth of the temperature: certain of everything."""
    return keras.activations.softmax(12.0 * x)


def sharp_sigmoid(x: Any) -> Any:
    return keras.activations.sigmoid(12.0 * x)


def unit_length(x: Any) -> Any:
    return x / (ops.norm(x, axis=-1, keepdims=True) + 1e-6)


ACTIVATIONS = {f.__name__: f for f in (sharp_softmax, sharp_sigmoid, unit_length)}


def initializer(spec: Any) -> Any:
    if isinstance(spec, str):
        return spec
    name, arguments = spec
    return getattr(keras.initializers, name)(**arguments)


def penalty(net: Net) -> Any:
    if net.l1:
        return keras.regularizers.L1(net.l1)
    if net.l2 < 0:  # which Keras' own refuses
        return lambda weights: net.l2 * ops.sum(ops.square(weights))
    return keras.regularizers.L2(net.l2) if net.l2 else None


def limit(net: Net) -> Any:
    return keras.constraints.MaxNorm(net.max_norm) if net.max_norm else None


def dense(net: Net, units: int, output: bool = False) -> layers.Layer:
    activation = ACTIVATIONS.get(net.output_activation, net.output_activation) if output else None
    return layers.Dense(
        units,
        activation=activation,
        kernel_initializer=initializer(net.output_kernel if output else net.kernel),
        bias_initializer="zeros" if output else initializer(net.bias),
        kernel_regularizer=penalty(net),
        kernel_constraint=limit(net),
    )


def finish(net: Net, x: Any) -> Any:
    """What follows a layer's weights: normalization, activation, dropout."""
    if net.batch_norm:
        x = layers.BatchNormalization(momentum=net.batch_norm_momentum)(x)
    if net.layer_norm:
        x = layers.LayerNormalization()(x)
    x = layers.Activation(net.activation)(x)
    return drop(net, x) if net.dropout else x


def drop(net: Net, x: Any) -> Any:
    kind = net.dropout_kind
    if kind == "always":
        return layers.Dropout(net.dropout)(x, training=True)
    if kind == "spatial":
        return {4: layers.SpatialDropout2D, 3: layers.SpatialDropout1D}[len(x.shape)](net.dropout)(x)
    return {"plain": layers.Dropout, "alpha": layers.AlphaDropout, "gaussian": layers.GaussianDropout}[kind](
        net.dropout
    )(x)
