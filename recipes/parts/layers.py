"""Pieces of networks that recipes compose: standardization, blocks of dense and convolutional layers, dropout.

A block is layer, batch normalization, activation, where the configuration asks for them. All but `DropConnectDense` is
made of Keras' own layers: a saved model loads without this package.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras

from recipes.config import Config
from recipes.task import Inputs

#: Of the moving averages of batch normalization. Keras' 0.99 takes hundreds of steps to follow the weights, more than
#: an epoch of a small set has, and the validation loss jumps meanwhile.
BATCH_NORM_MOMENTUM = 0.9

#: Initializers that keep the variance of the signal: He for what cuts off the negative half (He et al. 2015), LeCun for
#: SELU (Klambauer et al. 2017), Glorot for the others (Glorot and Bengio 2010).
_INITIALIZERS = {
    "selu": "lecun_normal",
    "tanh": "glorot_uniform",
    "sigmoid": "glorot_uniform",
    "hard_sigmoid": "glorot_uniform",
    "linear": "glorot_uniform",
}


def initializer(config: Config, activation: str | None = None) -> str:
    """Return the name of the kernel initializer, as Keras knows it.

    Parameters
    ----------
    config
        The configuration; where it says "auto", the activation decides.
    activation
        Behind the layer; None: the configured one.
    """
    name = config.model.kernel_initializer
    return _INITIALIZERS.get(activation or config.model.activation, "he_normal") if name == "auto" else name


def regularizer(config: Config) -> keras.regularizers.Regularizer | None:
    """Return the penalty l1 Σ|w| + l2 Σw² on a kernel; its gradient is l1 sign(w) + 2 l2 w."""
    l1, l2 = config.regularization.l1, config.regularization.l2
    return keras.regularizers.L1L2(l1=l1, l2=l2) if l1 or l2 else None


def standardized(x: keras.KerasTensor, config: Config, inputs: Inputs) -> keras.KerasTensor:
    """Return images with mean 0 and deviation 1 in each channel; vectors are so already, by `Data.preprocessing`."""
    if inputs.kind != "image" or not config.data.standardize or not inputs.mean:
        return x
    variance = [value if value > 0 else 1.0 for value in inputs.variance]
    return keras.layers.Normalization(mean=list(inputs.mean), variance=variance, name="standardize")(x)


def activated(x: keras.KerasTensor, activation: str, name: str) -> keras.KerasTensor:
    """Return what an activation makes of a tensor.

    The slope of leaky ReLU below zero is 0.2, α of ELU is 1; PReLU learns a slope for each feature, shared over the
    places of an image. Maxout is no function of one tensor: `dense` and `conv` make it.
    """
    if activation == "prelu":
        places = list(range(1, len(x.shape) - 1))
        return keras.layers.PReLU(shared_axes=places or None, name=name)(x)
    return keras.layers.Activation("relu" if activation == "auto" else activation, name=name)(x)


def dense(
    x: keras.KerasTensor, units: int, config: Config, name: str, shortcut: keras.KerasTensor | None = None
) -> keras.KerasTensor:
    """Return a block with a dense layer, (batch, units).

    Parameters
    ----------
    x
        (batch, features).
    units
        Features of the output.
    config
        Activation, initializer, penalty, batch normalization, DropConnect.
    name
        Of the first layer; the names of the others start with it.
    shortcut
        Added behind the activation, so that the gradient finds a way back that nothing squashes; projected where it has
        another shape (He et al. 2016).
    """
    rate = config.regularization.dropconnect

    def layer(name: str) -> keras.layers.Layer:
        settings = {"units": units, "name": name, **_kernel(config)}
        return DropConnectDense(rate=rate, **settings) if rate else keras.layers.Dense(**settings)

    return _block(x, layer, config, name, shortcut)


def conv(
    x: keras.KerasTensor,
    filters: int,
    config: Config,
    name: str,
    *,
    strides: int = 1,
    shortcut: keras.KerasTensor | None = None,
) -> keras.KerasTensor:
    """Return a block with a 3×3 convolution, zero-padded, (batch, ⌈height / strides⌉, ⌈width / strides⌉, filters).

    The parameters are those of `dense`.
    """

    def layer(name: str) -> keras.layers.Layer:
        return keras.layers.Conv2D(filters, 3, strides=strides, padding="same", name=name, **_kernel(config))

    return _block(x, layer, config, name, shortcut)


def dropout(x: keras.KerasTensor, config: Config, name: str) -> keras.KerasTensor:
    """Return the tensor with a share of its features dropped in training.

    Behind SELU they are set to its lower limit, and the rest moved so that mean and variance stay (Klambauer et al.
    2017).
    """
    rate = config.regularization.dropout
    if not rate:
        return x
    is_selu = config.model.activation == "selu"
    return (keras.layers.AlphaDropout if is_selu else keras.layers.Dropout)(rate, name=name)(x)


@keras.saving.register_keras_serializable("kerasdx")
class DropConnectDense(keras.layers.Dense):
    """A dense layer that drops weights, not units, in training (Wan et al. 2013).

    Each weight of the kernel is zero with probability `rate`, drawn anew in each step for the whole batch, and the rest
    is scaled by 1 / (1 - rate); biases stay. In inference it is a dense layer.

    Parameters
    ----------
    units
        As `keras.layers.Dense`, and so are its other arguments.
    rate
        Share of the weights, from 0 to below 1.
    seed
        Of the draws.
    """

    def __init__(self, units: int, rate: float, seed: int | None = None, **kwargs: Any):
        super().__init__(units, **kwargs)
        if not 0 <= rate < 1:
            raise ValueError(f"rate must be from 0 to below 1, not {rate}")
        self.rate = rate
        self.seed = seed
        self.seed_generator = keras.random.SeedGenerator(seed)

    def call(self, inputs: Any, training: bool | None = None) -> Any:
        """Return activation(inputs · kernel + bias), (..., units)."""
        if not training or not self.rate:
            return super().call(inputs, training=training)
        kernel = keras.random.dropout(keras.ops.convert_to_tensor(self.kernel), self.rate, seed=self.seed_generator)
        x = keras.ops.matmul(inputs, kernel)
        if self.bias is not None:
            x = keras.ops.add(x, self.bias)
        return x if self.activation is None else self.activation(x)

    def get_config(self) -> dict[str, Any]:
        """Return what the layer is made from again."""
        return {**super().get_config(), "rate": self.rate, "seed": self.seed}

    def plain(self) -> keras.layers.Dense:
        """Return the dense layer that this one is in inference, with its name, not built."""
        settings = self.get_config()
        del settings["rate"], settings["seed"]
        return keras.layers.Dense.from_config(settings)


def without_dropconnect(model: keras.Model) -> keras.Model:
    """Return a model that predicts the same and loads without this package; the model itself where it does already."""
    if not any(isinstance(layer, DropConnectDense) for layer in model.layers):
        return model

    def plain(layer: keras.layers.Layer) -> keras.layers.Layer:
        return layer.plain() if isinstance(layer, DropConnectDense) else layer.__class__.from_config(layer.get_config())

    copy = keras.models.clone_model(model, clone_function=plain)
    copy.set_weights(model.get_weights())
    return copy


def _kernel(config: Config, activation: str | None = None) -> dict[str, Any]:
    """Return the arguments that dense and convolutional layers share; batch normalization makes a bias redundant."""
    return {
        "use_bias": not config.model.batch_norm,
        "kernel_initializer": initializer(config, activation),
        "kernel_regularizer": regularizer(config),
    }


def _block(
    x: keras.KerasTensor,
    layer: Callable[[str], keras.layers.Layer],
    config: Config,
    name: str,
    shortcut: keras.KerasTensor | None,
) -> keras.KerasTensor:
    activation = config.model.activation
    if activation == "maxout":  # max(w1 x + b1, w2 x + b2), Goodfellow et al. 2013
        pieces = [_normalized(layer(f"{name}_{piece}")(x), config, f"{name}_{piece}") for piece in "ab"]
        y = keras.layers.Maximum(name=f"{name}_maxout")(pieces)
    else:
        y = activated(_normalized(layer(name)(x), config, name), activation, f"{name}_{activation}")
    return y if shortcut is None else _added(y, shortcut, config, name)


def _normalized(x: keras.KerasTensor, config: Config, name: str) -> keras.KerasTensor:
    if not config.model.batch_norm:
        return x
    return keras.layers.BatchNormalization(momentum=BATCH_NORM_MOMENTUM, name=f"{name}_norm")(x)


def _added(x: keras.KerasTensor, shortcut: keras.KerasTensor, config: Config, name: str) -> keras.KerasTensor:
    """Return the sum of both; the shortcut gets the shape of `x` by a linear map of its features."""
    if shortcut.shape != x.shape:
        settings = {"name": f"{name}_projection", **_kernel(config, "linear")}
        if len(x.shape) == 2:
            projection = keras.layers.Dense(x.shape[-1], **settings)
        else:
            strides = tuple(-(-old // new) for old, new in zip(shortcut.shape[1:3], x.shape[1:3], strict=True))
            projection = keras.layers.Conv2D(x.shape[-1], 1, strides=strides, padding="same", **settings)
        shortcut = _normalized(projection(shortcut), config, f"{name}_projection")
    return keras.layers.Add(name=f"{name}_add")([x, shortcut])
