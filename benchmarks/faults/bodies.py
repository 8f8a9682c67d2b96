"""Networks beyond stacks of layers: skips, separable and dilated convolutions, attention, shared towers."""

from __future__ import annotations

from typing import Any

import keras
from keras import layers, ops

from benchmarks.faults.blocks import dense, drop, finish, initializer
from benchmarks.faults.configuration import Net


class Survival(layers.Layer):
    """Stochastic depth: while training a whole branch is dropped for some rows."""

    def __init__(self, rate: float, **arguments: Any):
        super().__init__(**arguments)
        self.rate = rate
        self.seed = keras.random.SeedGenerator(7)

    def call(self, x: Any, training: bool = False) -> Any:
        if not training:
            return x
        alive = keras.random.uniform((ops.shape(x)[0], 1), seed=self.seed) >= self.rate
        return x * ops.cast(alive, x.dtype) / (1 - self.rate)


def residual(net: Net, x: Any) -> Any:
    """Dense blocks with skips; `survival` below 1 drops whole blocks."""
    x = dense(net, net.widths[0])(x)
    for width in net.widths[1:]:
        branch = dense(net, x.shape[-1])(finish(net, dense(net, width)(x)))
        x = layers.Add()([x, Survival(1 - net.survival)(branch) if net.survival < 1 else branch])
    return x


def residual_image(net: Net, x: Any) -> Any:
    """A ResNet of one block a width."""
    kernel = initializer(net.kernel)
    for width in net.widths:
        x = layers.Conv2D(width, 3, strides=2, padding="same", kernel_initializer=kernel)(x)
        branch = finish(net, x)
        x = layers.Add()([x, layers.Conv2D(width, 3, padding="same", kernel_initializer=kernel)(branch)])
    return layers.GlobalAveragePooling2D()(layers.Activation(net.activation)(x))


def separable_image(net: Net, x: Any) -> Any:
    x = layers.Conv2D(net.widths[0], 3, padding="same")(x)
    for width in net.widths:
        x = layers.MaxPooling2D()(finish(net, layers.SeparableConv2D(width, 3, padding="same")(x)))
    return layers.Flatten()(x)


def shifted_image(net: Net, x: Any) -> Any:
    """Convolutions behind random shifts, which are active in training only."""
    x = layers.RandomTranslation(0.12, 0.12, fill_mode="nearest")(x)
    for width in net.widths:
        conv = layers.Conv2D(width, 3, padding="same", kernel_initializer=initializer(net.kernel))
        x = layers.MaxPooling2D()(finish(net, conv(x)))
    return layers.Flatten()(x)


def attention(net: Net, x: Any) -> Any:
    """One block of a transformer: tokens and places embedded, attention, a dense layer, skips."""
    length, width = x.shape[1], net.widths[0]
    places = layers.Embedding(length, width)(ops.arange(length))
    x = (layers.Embedding(net.vocabulary, width)(x) if net.vocabulary else layers.Dense(width)(x)) + places
    kernel = initializer(net.kernel)
    seen = layers.MultiHeadAttention(2, max(4, width // 2), kernel_initializer=kernel)(x, x)
    x = layers.LayerNormalization()(x + (drop(net, seen) if net.dropout else seen))
    x = layers.LayerNormalization()(x + layers.Dense(width, activation=net.activation, kernel_initializer=kernel)(x))
    return layers.GlobalAveragePooling1D()(x)


def bidirectional(net: Net, x: Any) -> Any:
    if net.vocabulary:
        x = layers.Embedding(net.vocabulary, 12)(x)
    x = layers.Bidirectional(layers.LSTM(net.widths[0]))(x)
    return drop(net, x) if net.dropout else x


def dilated(net: Net, x: Any) -> Any:
    """Causal convolutions whose reach doubles."""
    for place, width in enumerate(net.widths):
        x = finish(net, layers.Conv1D(width, 3, padding="causal", dilation_rate=2**place)(x))
    return layers.Concatenate()([layers.GlobalMaxPooling1D()(x), x[:, -1]])


def siamese(net: Net, x: Any) -> Any:
    """Both halves of the inputs through one tower; what differs between them is judged."""
    half = x.shape[-1] // 2
    tower = [dense(net, width) for width in net.widths]
    sides = []
    for side in (x[:, :half], x[:, half:]):
        for layer in tower:
            side = finish(net, layer(side))
        sides.append(side)
    return finish(net, dense(net, net.widths[-1])(ops.abs(sides[0] - sides[1])))


BODIES = {
    "residual": residual,
    "residual-image": residual_image,
    "separable-image": separable_image,
    "shifted-image": shifted_image,
    "attention": attention,
    "bidirectional": bidirectional,
    "dilated": dilated,
    "siamese": siamese,
}
