"""From a `DeepNet` to a Keras model, with the layers and tensors that the observer looks at."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from keras import layers, ops

from benchmarks.faults.blocks import ACTIVATIONS, drop, initializer, limit, penalty
from benchmarks.faults.layers.configuration import DeepNet, with_layer

_HE = {"relu", "leaky_relu", "elu", "gelu", "swish", "silu", "mish", "relu6", "hard_silu", "prelu"}
_BOUNDED = {"sigmoid", "tanh"}


@dataclass(frozen=True)
class Point:
    """A hidden layer's output after its activation."""

    layer: str
    activation: str
    tensor: Any


@dataclass
class Built:
    """A model; its layers that have kernels, input first; and the outputs of its hidden layers."""

    model: keras.Model | None = None
    weighted: list[keras.Layer] = field(default_factory=list)
    points: list[Point] = field(default_factory=list)
    body: keras.Model | None = None
    hidden: int = 0  # how many of `weighted` belong to the body


class Pinned(keras.constraints.Constraint):
    """Puts a kernel back to what it was when it was first seen: a mask applied to the wrong tensor."""

    def __init__(self) -> None:
        self.first: np.ndarray | None = None

    def __call__(self, w: Any) -> Any:
        return w if self.first is None else ops.convert_to_tensor(self.first)


class OutputTrainer(keras.Model):
    """A training step of one's own that gives the optimizer the last layer only."""

    def train_step(self, data: Any) -> dict[str, Any]:
        x, y, weights = keras.utils.unpack_x_y_sample_weight(data)
        chosen = self.layers[-1].trainable_variables
        with tf.GradientTape() as tape:
            outputs = self(x, training=True)
            loss = self.compute_loss(x, y, outputs, weights)
        self._loss_tracker.update_state(loss)
        self.optimizer.apply(tape.gradient(loss, chosen), chosen)
        return self.compute_metrics(x, y, outputs, weights)


def build(net: DeepNet, shape: tuple[int, ...]) -> Built:
    """The network for inputs of the given shape, without the batch axis."""
    made = _Builder(net)
    inputs = keras.Input(shape)
    x = layers.GaussianNoise(net.input_noise)(inputs) if net.input_noise else inputs
    if net.nested:
        inner = keras.Input(shape)
        body = keras.Model(inner, BODIES[net.family](made, inner), name="backbone")
        looked_into = keras.Model(inner, [body.output, *(p.tensor for p in made.built.points)])
        x, *tensors = looked_into(x) if made.built.points else [body(x)]
        x = body(inputs)
        made.built.points = [
            Point(p.layer, p.activation, tensor) for p, tensor in zip(made.built.points, tensors, strict=True)
        ]
        made.built.body = body
    else:
        x = BODIES[net.family](made, x)
    made.built.hidden = len(made.built.weighted)
    for width in net.head:
        x = made.dense(width, x)
    outputs = made.outputs(x)
    if isinstance(outputs, dict):
        made.built.model = keras.Model(inputs, outputs)
    else:
        made.built.model = (OutputTrainer if net.only_output_trained else keras.Model)(inputs, outputs)
    for layer in made.built.weighted if net.pinned else ():
        if isinstance(layer.kernel_constraint, Pinned):
            layer.kernel_constraint.first = layer.kernel.numpy()
            layer.bias_constraint.first = layer.bias.numpy()
    return made.built


def freeze(built: Built, how: str) -> None:
    """Makes layers not trainable; has to come before compile."""
    FREEZES[how](built)


def _freeze_all(built: Built) -> None:
    built.model.trainable = False


def _freeze_body(built: Built) -> None:
    for layer in [built.body] if built.body else built.weighted[: built.hidden]:
        layer.trainable = False


def _frozen(choose: Callable[[list[keras.Layer]], list[keras.Layer]]) -> Callable[[Built], None]:
    def apply(built: Built) -> None:
        for layer in choose(built.weighted):
            layer.trainable = False

    return apply


FREEZES: dict[str, Callable[[Built], None]] = {
    "": _frozen(lambda _: []),
    "everything": _freeze_all,
    "backbone": _freeze_body,
    "output": _frozen(lambda all_: all_[-1:]),
    "middle": _frozen(lambda all_: all_[1:-1]),
    "normalizations": lambda built: _freeze_normalizations(built.model),
}


def _freeze_normalizations(model: keras.Model) -> None:
    for layer in model._flatten_layers():
        if isinstance(layer, layers.BatchNormalization):
            layer.trainable = False


class _Builder:
    """Makes the hidden layers one after the other, and keeps account of them."""

    def __init__(self, net: DeepNet):
        self.net = net
        self.place = 0
        self.count = len(net.widths) + len(net.head)
        self.built = Built()

    def next(self) -> DeepNet:
        net = with_layer(self.net, self.place, self.count)
        self.place += 1
        return net

    def keep(self, layer: keras.Layer) -> keras.Layer:
        self.built.weighted.append(layer)
        return layer

    def dense(self, width: int, x: Any) -> Any:
        return self.finished(self.next(), lambda **made: layers.Dense(width, **made), x)

    def conv(self, width: int, x: Any, size: int = 3, **arguments: Any) -> Any:
        kind = layers.Conv1D if len(x.shape) == 3 else layers.Conv2D
        arguments = {"padding": "same"} | arguments
        return self.finished(self.next(), lambda **made: kind(width, size, **arguments, **made), x)

    def finished(self, net: DeepNet, make: Callable[..., keras.Layer], x: Any) -> Any:
        """A layer's weights and what follows them: factor, normalization, activation, dropout."""
        inside = net.form == "argument" and not (net.batch_norm or net.layer_norm or net.factor != 1)
        inside = inside and isinstance(net.activation, str) and net.activation != "prelu"
        layer = self.keep(make(**_common(net), activation=net.activation if inside else None))
        x = layer(x)
        if net.factor != 1:
            x = layers.Rescaling(net.factor)(x)
        if net.batch_norm:
            x = layers.BatchNormalization(momentum=net.batch_norm_momentum, beta_initializer=initializer(net.beta))(x)
        if net.layer_norm:
            x = layers.LayerNormalization()(x)
        x = x if inside else activated(net, x)
        if (name := _name(net.activation)) is not None:
            self.built.points.append(Point(layer.name, name, x))
        if net.activity_l1:
            x = layers.ActivityRegularization(l1=net.activity_l1)(x)
        x = _blocked(self.net, self.place - 1, x)
        return drop(net, x) if net.dropout else x

    def recurrent(self, width: int, x: Any, sequences: bool) -> Any:
        net = self.next()
        kind = {"lstm": layers.LSTM, "gru": layers.GRU, "rnn": layers.SimpleRNN}[net.cell]
        layer = kind(
            width,
            activation=net.cell_activation,
            return_sequences=sequences,
            kernel_initializer=initializer(net.kernel or "glorot_uniform"),
            recurrent_initializer=initializer(net.recurrent_kernel),
            **({"bias_initializer": initializer(net.bias)} if net.cell == "rnn" else {}),
        )
        layer = self.keep(layers.Bidirectional(layer) if net.bidirectional else layer)
        x = layer(x)
        if net.cell == "rnn":
            self.built.points.append(Point(layer.name, net.cell_activation, x))
        if net.layer_norm:
            x = layers.LayerNormalization()(x)
        x = _blocked(self.net, self.place - 1, x)
        return drop(net, x) if net.dropout else x

    def embedding(self, x: Any, width: int) -> Any:
        layer = self.keep(layers.Embedding(self.net.vocabulary, width, trainable=not self.net.frozen_embedding))
        return layer(x)

    def outputs(self, x: Any) -> Any:
        net = self.net
        if net.family == "heads":
            return {
                "kind": self.keep(layers.Dense(net.units, "softmax", name="kind"))(x),
                "size": self.keep(layers.Dense(1, name="size"))(x),
            }
        common = {"kernel_initializer": initializer(net.output_kernel), "dtype": "float32"}
        activation = ACTIVATIONS.get(net.output_activation, net.output_activation)
        if net.family == "mask":
            return self.keep(layers.Conv2D(net.units, 1, activation=activation, **common))(x)
        layer = self.keep(layers.Dense(net.units, activation=activation, **common))
        x = layer(x)
        if net.output_activation == "relu":
            self.built.points.append(Point(layer.name, "relu", x))
        if net.output_scale:
            scale, offset = net.output_scale
            x = layers.Rescaling(scale, offset, dtype="float32")(x)
        return x


def _common(net: DeepNet) -> dict[str, Any]:
    return {
        "kernel_initializer": initializer(net.kernel or fitting(net.activation)),
        "bias_initializer": initializer(net.bias),
        "kernel_regularizer": penalty(net),
        "kernel_constraint": Pinned() if net.pinned else limit(net),
        "bias_constraint": Pinned() if net.pinned else None,
    }


def fitting(activation: Any) -> str:
    """The initializer that the activation is usually used with."""
    name = activation if isinstance(activation, str) else "relu"
    if name in _HE:
        return "he_normal"
    return "lecun_normal" if name == "selu" else "glorot_uniform"


def _name(activation: Any) -> str | None:
    """What the observer takes an activation for; None where it looks at none."""
    if isinstance(activation, str):
        return activation
    return "relu" if activation[0] == "ReLU" else None


def activated(net: DeepNet, x: Any) -> Any:
    if not isinstance(net.activation, str):
        kind, arguments = net.activation
        return getattr(layers, kind)(**arguments)(x)
    if net.activation == "prelu":
        return layers.PReLU(shared_axes=list(range(1, len(x.shape) - 1)) or None)(x)
    if net.form == "function":
        return keras.activations.get(net.activation)(x)
    return layers.ReLU()(x) if net.activation == "relu" else layers.Activation(net.activation)(x)


class Places(layers.Layer):
    """Adds a vector of weights to each place of a sequence."""

    def build(self, shape: tuple[int, ...]) -> None:
        self.places = self.add_weight(shape=shape[1:], initializer="random_normal", name="places")

    def call(self, x: Any) -> Any:
        return x + self.places


class Block(layers.Layer):
    """An operation through which no gradient passes."""

    def __init__(self, how: str, **arguments: Any):
        super().__init__(**arguments)
        self.how = how

    def call(self, x: Any) -> Any:
        return {"stop_gradient": ops.stop_gradient, "round": ops.round, "sign": ops.sign}[self.how](x)


def _blocked(net: DeepNet, place: int, x: Any) -> Any:
    return Block(net.blocked[1])(x) if net.blocked and net.blocked[0] == place else x


# -- bodies ------------------------------------------------------------------------------------------------------------


def _dense(made: _Builder, x: Any) -> Any:
    for width in made.net.widths:
        x = made.dense(width, x)
    return x


def _convolutions(made: _Builder, x: Any) -> Any:
    """Images and signals: convolutions with poolings behind some of them."""
    image = len(x.shape) == 4
    pool = layers.MaxPooling2D if image else layers.MaxPooling1D
    for place, width in enumerate(made.net.widths):
        x = made.conv(width, x, 3 if image else 5)
        if place in made.net.pooled:
            x = pool()(x)
    if made.net.dense_after == "average":
        return (layers.GlobalAveragePooling2D if image else layers.GlobalAveragePooling1D)()(x)
    return layers.Flatten()(x)


def _recurrent(made: _Builder, x: Any) -> Any:
    if made.net.vocabulary:
        x = made.embedding(x, 12)
    for place, width in enumerate(made.net.widths):
        x = made.recurrent(width, x, sequences=place < len(made.net.widths) - 1)
    return x


def _residual(made: _Builder, x: Any) -> Any:
    """Dense blocks of two layers with a skip around each; a block counts as one hidden layer of `widths`."""
    net = made.net
    first = made.keep(layers.Dense(net.widths[0], kernel_initializer=initializer(net.kernel or "he_normal")))
    x = first(x)
    for _ in net.widths:
        x = _branch(made, x, lambda width: layers.Dense(width, kernel_initializer=_last(net)))
    return activated(net, x)


def _residual_image(made: _Builder, x: Any) -> Any:
    net = made.net
    first = made.keep(layers.Conv2D(net.widths[0], 3, strides=2, padding="same", kernel_initializer="he_normal"))
    x = first(x)
    for _ in net.widths:
        x = _branch(made, x, lambda width: layers.Conv2D(width, 3, padding="same", kernel_initializer=_last(net)))
    return layers.GlobalAveragePooling2D()(activated(net, x))


def _branch(made: _Builder, x: Any, last: Callable[[int], keras.Layer]) -> Any:
    """A block: the hidden layer of the builder, then a layer without activation, and the skip around both."""
    width = x.shape[-1]
    branch = made.conv(width, x) if len(x.shape) == 4 else made.dense(width, x)
    layer = made.keep(last(width))
    branch = layer(branch)
    if made.net.batch_norm:
        branch = layers.BatchNormalization()(branch)
    return layers.Add()([x, branch]) if made.net.skips else branch


def _last(net: DeepNet) -> Any:
    return initializer(net.branch_kernel or net.kernel or "glorot_uniform")


def _attention(made: _Builder, x: Any) -> Any:
    """Blocks of a transformer, normalized before each part; a block counts as one hidden layer of `widths`."""
    net, width = made.net, made.net.widths[0]
    x = made.embedding(x, width) if net.vocabulary else made.keep(layers.Dense(width))(x)
    x = Places()(x)
    kernel = initializer(net.kernel or "glorot_uniform")
    for _ in net.widths:
        attend = made.keep(layers.MultiHeadAttention(2, max(4, width // 2), kernel_initializer=kernel))
        normed = layers.LayerNormalization()(x) if net.layer_norm else x
        seen = attend(normed, normed)
        x = x + seen if net.skips else seen
        normed = layers.LayerNormalization()(x) if net.layer_norm else x
        thought = _plain(made, 2 * width, normed)
        back = made.keep(layers.Dense(width, kernel_initializer=kernel))(thought)
        x = x + back if net.skips else back
    return layers.GlobalAveragePooling1D()(x)


def _plain(made: _Builder, width: int, x: Any) -> Any:
    """A hidden layer of a block that normalizes by itself."""
    net = made.next()
    layer = made.keep(layers.Dense(width, activation=net.activation, **_common(net)))
    x = layer(x)
    made.built.points.append(Point(layer.name, net.activation, x))
    return x


def _mask(made: _Builder, x: Any) -> Any:
    """A U-Net with one level: three widths, outer, inner, outer."""
    outer, inner, back = made.net.widths
    left = made.conv(outer, x)
    bottom = made.conv(inner, layers.MaxPooling2D()(left))
    return made.conv(back, layers.Concatenate()([left, layers.UpSampling2D()(bottom)]))


def _siamese(made: _Builder, x: Any) -> Any:
    """Both halves of the inputs through one tower, a model used twice."""
    half = x.shape[-1] // 2
    inner = keras.Input((half,))
    tower = keras.Model(inner, _dense(made, inner), name="tower")
    made.built.points.clear()  # they would be of one use of the tower only
    return ops.abs(tower(x[:, :half]) - tower(x[:, half:]))


BODIES: dict[str, Callable[[_Builder, Any], Any]] = {
    "dense": _dense,
    "heads": _dense,
    "convolutions": _convolutions,
    "recurrent": _recurrent,
    "residual": _residual,
    "residual-image": _residual_image,
    "attention": _attention,
    "mask": _mask,
    "siamese": _siamese,
}
