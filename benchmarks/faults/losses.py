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
