"""Losses and metrics that Keras does not bring, by name."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops


def dice(y: Any, p: Any) -> Any:
    y, p = ops.cast(y, "float32"), ops.cast(p, "float32")
    shared = ops.sum(y * p, axis=(1, 2, 3))
    return 1 - (2 * shared + 1) / (ops.sum(y, axis=(1, 2, 3)) + ops.sum(p, axis=(1, 2, 3)) + 1)


def iou(y: Any, p: Any) -> Any:
    y, p = ops.cast(y, "float32"), ops.cast(p > 0.5, "float32")
    shared = ops.sum(y * p, axis=(1, 2, 3))
    return (shared + 1) / (ops.sum(y, axis=(1, 2, 3)) + ops.sum(p, axis=(1, 2, 3)) - shared + 1)


def gaussian_nll(y: Any, p: Any) -> Any:
    """Negative log likelihood of a normal distribution (without its constant): outputs are mean and log sigma."""
    mean, log_sigma = p[:, :1], ops.clip(p[:, 1:], -6, 6)
    return ops.mean(log_sigma + 0.5 * ops.square((y - mean) * ops.exp(-log_sigma)), axis=-1)


def log_likelihood_unguarded(y: Any, p: Any) -> Any:
    """Binary cross-entropy as people write it themselves: no epsilon, so a confident mistake is log(0)."""
    y = ops.cast(y, "float32")
    return -ops.mean(y * ops.log(p) + (1 - y) * ops.log(1 - p), axis=-1)


def root_unguarded(y: Any, p: Any) -> Any:
    """The square root of the error, whose gradient at zero error is 0/0."""
    return ops.mean(ops.sqrt(ops.abs(ops.cast(y, "float32") - p)), axis=-1)


def smoothed(y: Any, p: Any) -> Any:
    """Sparse categorical cross-entropy with a tenth of the mass spread over all classes."""
    hot = ops.one_hot(ops.cast(ops.reshape(y, (-1,)), "int32"), p.shape[-1])
    return keras.losses.categorical_crossentropy(hot, p, label_smoothing=0.1)


def dense_crossentropy(y: Any, p: Any) -> Any:
    """Sparse categorical cross-entropy that also takes targets already mixed (one row of weights per sample)."""
    y = ops.cast(y, "float32")
    hot = y if y.shape[-1] == p.shape[-1] else ops.one_hot(ops.cast(ops.reshape(y, (-1,)), "int32"), p.shape[-1])
    return keras.losses.categorical_crossentropy(hot, p)


def climbing(y: Any, p: Any) -> Any:
    """A similarity returned as a loss: minimizing it makes the model worse."""
    y = ops.cast(y, "float32")
    if p.shape[-1] > 1:
        hot = ops.one_hot(ops.cast(ops.reshape(y, (-1,)), "int32"), p.shape[-1])
        return ops.mean(hot * p, axis=-1)
    return ops.mean(y * p, axis=-1)


def pinball(y: Any, p: Any) -> Any:
    """Whose minimum is the upper quartile."""
    rest = ops.cast(y, "float32") - p
    return ops.mean(ops.maximum(0.75 * rest, -0.25 * rest), axis=-1)


def lifetime_nll(y: Any, p: Any) -> Any:
    """Negative log likelihood of an exponential distribution with mean p: negative where means are small."""
    return ops.mean(ops.log(p + 1e-6) + ops.cast(y, "float32") / (p + 1e-6), axis=-1)


def focal(y: Any, p: Any) -> Any:
    return keras.losses.binary_focal_crossentropy(ops.cast(y, "float32"), p)


def distance(y: Any, p: Any) -> Any:
    """The root of a mean square: its gradient at no error at all is 0/0."""
    return ops.sqrt(ops.mean(ops.square(ops.cast(y, "float32") - p), axis=-1))


def relative_error(y: Any, p: Any) -> Any:
    """The share by which it is off; a target of zero divides by zero."""
    y = ops.cast(y, "float32")
    return ops.mean(ops.abs(y - p) / y, axis=-1)


def half_precision_mse(y: Any, p: Any) -> Any:
    """Squares in half precision: infinite from 65,520 on."""
    rest = ops.cast(ops.cast(y, "float32") - p, "float16")
    return ops.cast(ops.mean(rest * rest, axis=-1), "float32")


def poisson_unguarded(y: Any, p: Any) -> Any:
    """The logarithm of a rate that nothing keeps above zero."""
    return ops.mean(p - ops.cast(y, "float32") * ops.log(p), axis=-1)


def every_pair(y: Any, p: Any) -> Any:
    """(n,) against (n, 1): broadcasting compares every target with every prediction."""
    y = ops.cast(y, "float32")
    return ops.mean(ops.square(p[:, None, :] - y[None, :, :]), axis=(1, 2))


def unnormalized_likelihood(y: Any, p: Any) -> Any:
    """Minus the log of the class's output, which no softmax keeps from growing."""
    hot = ops.one_hot(ops.cast(ops.reshape(y, (-1,)), "int32"), p.shape[-1])
    return -ops.log(ops.sum(hot * p, axis=-1) + 1e-7)


CUSTOM = {
    f.__name__: f
    for f in (
        dice,
        iou,
        gaussian_nll,
        log_likelihood_unguarded,
        root_unguarded,
        smoothed,
        dense_crossentropy,
        climbing,
        pinball,
        lifetime_nll,
        focal,
        distance,
        relative_error,
        half_precision_mse,
        poisson_unguarded,
        every_pair,
        unnormalized_likelihood,
    )
}


def resolve(spec: Any) -> Any:
    """Names of ours become functions; Keras' own names stay names; containers are searched."""
    if isinstance(spec, dict):
        return {name: resolve(part) for name, part in spec.items()}
    if isinstance(spec, tuple) and len(spec) == 2 and isinstance(spec[1], dict):
        return getattr(keras.metrics, spec[0])(**spec[1])
    if isinstance(spec, list | tuple):
        return [resolve(part) for part in spec]
    return CUSTOM.get(spec, spec) if isinstance(spec, str) else spec
