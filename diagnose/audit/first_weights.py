"""What a model in memory holds before its training: weights that are all one number, layers that stop the gradient.

An initializer tells how weights were meant to begin. Code of the user's may have set them since, and a layer of the
user's own makes them as it likes: so it is called on a few numbers, and its units are compared.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from diagnose.blueprint import Shape
from diagnose.live.passive import untouched

#: Samples that a layer is called on, the length of an axis that is not fixed, and the most numbers in an input.
_SAMPLES, _LENGTH, _MOST = 3, 6, 200_000
#: Sizes of the numbers: some reach a threshold that others do not.
_SIZES = (1.0, 5.0, 25.0)


def number_of_kernel(layer: Any) -> float | None:
    """Return the number that all weights of a kernel are; None where they differ, or there is no kernel."""
    kernel = getattr(layer, "kernel", None)
    return None if kernel is None else _only_number(kernel)


def number_of_copies(layer: keras.Layer, given: Sequence[Shape]) -> float | None:
    """Return the number that weights of a layer of the user's begin as, where they make its units copies.

    Weights of one number are known devices too (a gain of one for each place): what they multiply tells.
    """
    numbers = [_only_number(variable) for variable in layer.trainable_variables if _is_matrix(variable)]
    found = next((number for number in numbers if number), None)
    if found is None or len(given) != 1 or not _is_small(given[0]):
        return None
    with untouched(layer, generators=True):
        made = np.asarray(layer(_drawn(given[0], 1.0)), dtype=np.float64)
    are_copies = made.shape[-1] > 1 and np.allclose(made, made[..., :1], rtol=1e-4, atol=1e-6)
    return found if are_copies and float(np.ptp(made)) > 1e-6 else None


def stops_gradient(layer: keras.Layer, given: Sequence[Shape]) -> bool:
    """Whether no derivative leads from the output of a layer of the user's to its weights, nor to its input."""
    variables = layer.trainable_variables
    if not variables or len(given) != 1 or not _is_small(given[0]):
        return False
    with untouched(layer, generators=True):
        return not any(_has_gradient(layer, variables, _drawn(given[0], size)) for size in _SIZES)


def _has_gradient(layer: keras.Layer, variables: Sequence[Any], x: Any) -> bool:
    with tf.GradientTape() as tape:
        tape.watch(x)
        outputs = [tensor for tensor in keras.tree.flatten(layer(x)) if tf.convert_to_tensor(tensor).dtype.is_floating]
        total = tf.add_n([tf.reduce_sum(tf.square(tf.cast(tensor, tf.float32) + 0.1)) for tensor in outputs])
    gradients = tape.gradient(total, [x, *(variable.value for variable in variables)])
    return any(bool(np.any(tf.convert_to_tensor(gradient))) for gradient in gradients if gradient is not None)


def _only_number(variable: Any) -> float | None:
    values = np.asarray(variable[:1])  # most differ there already
    if values.size and values.min() == values.max():
        values = np.asarray(variable)
        if values.min() == values.max():
            return float(values.min())
    return None


def _is_matrix(variable: Any) -> bool:
    return sum(size > 1 for size in variable.shape) > 1


def _is_small(shape: Shape) -> bool:
    return bool(shape) and _SAMPLES * math.prod(size or _LENGTH for size in shape[1:]) <= _MOST


def _drawn(shape: Shape, size: float) -> Any:
    whole = (_SAMPLES, *(axis or _LENGTH for axis in shape[1:]))
    return tf.constant(np.random.default_rng(0).normal(scale=size, size=whole), dtype=tf.float32)
