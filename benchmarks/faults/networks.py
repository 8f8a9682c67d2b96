"""From a `Net` to a Keras model."""

from __future__ import annotations

from typing import Any

import keras
from keras import layers

from benchmarks.faults.blocks import dense, drop, finish, initializer
from benchmarks.faults.bodies import BODIES
from benchmarks.faults.configuration import Net


def build(net: Net, shape: tuple[int, ...]) -> keras.Model:
    """The network for inputs of the given shape, without the batch axis."""
    inputs = keras.Input(shape)
    x = layers.GaussianNoise(net.input_noise)(inputs) if net.input_noise else inputs
    x = (_BODIES | BODIES)[net.family](net, x)
    if net.frozen:
        model = keras.Model(inputs, x)
        model.trainable = False
    if net.family == "heads":
        outputs = {
            "kind": layers.Dense(net.units, "softmax", name="kind")(x),
            "size": layers.Dense(1, name="size")(x),
        }
    elif net.family == "mask":
        outputs = layers.Conv2D(net.units, 1, activation=net.output_activation)(x)
    else:
        outputs = dense(net, net.units, output=True)(x)
    if net.output_scale:
        scale, offset = net.output_scale
        outputs = layers.Rescaling(scale, offset)(outputs)
    model = keras.Model(inputs, outputs)
    if not net.trainable:
        model.trainable = False
    return model


def _dense_body(net: Net, x: Any) -> Any:
    for width in net.widths:
        x = finish(net, dense(net, width)(x))
    return x


def _image_body(net: Net, x: Any) -> Any:
    for width in net.widths:
        conv = layers.Conv2D(
            width,
            3,
            padding="same",
            kernel_initializer=initializer(net.kernel),
            bias_initializer=initializer(net.bias),
        )
        x = layers.MaxPooling2D()(finish(net, conv(x)))
    return layers.Flatten()(x)


def _mask_body(net: Net, x: Any) -> Any:
    """A U-Net with one level."""
    outer, inner = net.widths
    kernel = initializer(net.kernel)

    def conv(width: int, y: Any) -> Any:
        return finish(net, layers.Conv2D(width, 3, padding="same", kernel_initializer=kernel)(y))

    left = conv(outer, x)
    bottom = conv(inner, layers.MaxPooling2D()(left))
    return conv(outer, layers.Concatenate()([left, layers.UpSampling2D()(bottom)]))


def _recurrent_body(net: Net, x: Any) -> Any:
    if net.vocabulary:
        x = layers.Embedding(net.vocabulary, 12)(x)
    cell = {"lstm": layers.LSTM, "gru": layers.GRU, "rnn": layers.SimpleRNN}[net.cell]
    for place, width in enumerate(net.widths):
        last = place == len(net.widths) - 1
        x = cell(
            width,
            activation=net.cell_activation,
            return_sequences=not last,
            kernel_initializer=initializer(net.kernel),
        )(x)
        if net.dropout:
            x = drop(net, x)
    return x


def _signal_body(net: Net, x: Any) -> Any:
    for width in net.widths:
        conv = layers.Conv1D(
            width,
            5,
            padding="same",
            kernel_initializer=initializer(net.kernel),
            bias_initializer=initializer(net.bias),
        )
        x = layers.MaxPooling1D()(finish(net, conv(x)))
    return layers.GlobalMaxPooling1D()(x)


_BODIES = {
    "dense": _dense_body,
    "heads": _dense_body,
    "image": _image_body,
    "mask": _mask_body,
    "recurrent": _recurrent_body,
    "signal": _signal_body,
}
