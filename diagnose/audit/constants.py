"""Numbers that stand in a model itself: by how much a step of its graph scales, and what has left its first value."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import keras
import numpy as np

#: A constant of more numbers than these is no scale of channels.
_MOST_NUMBERS = 4096


def scaling_of(node: Any) -> Mapping[str, float]:
    """Return ``scale`` and ``offset`` of a call that does ``x * scale + offset``; empty for all that does not.

    It is an operation of a tensor and a constant (of one for each channel their mean counts), or a Lambda of a
    ``preprocess_input`` of ``keras.applications``.
    """
    operation = node.operation
    if isinstance(operation, keras.layers.Lambda):
        return _of_preprocessing(operation)
    given = node.arguments.args
    if isinstance(operation, keras.Layer) or len(given) != 2:
        return {}
    tensors = [isinstance(each, keras.KerasTensor) for each in given]
    if sum(tensors) != 1:
        return {}
    constant = _mean(given[tensors.index(False)])
    if constant is None:
        return {}
    is_first = tensors[0]
    match type(operation).__name__:
        case "Multiply":
            return {"scale": constant, "offset": 0.0}
        case "Divide" | "TrueDivide" if is_first and constant:
            return {"scale": 1 / constant, "offset": 0.0}
        case "Add":
            return {"scale": 1.0, "offset": constant}
        case "Subtract":
            return {"scale": 1.0, "offset": -constant} if is_first else {"scale": -1.0, "offset": constant}
    return {}


def _mean(constant: Any) -> float | None:
    if isinstance(constant, keras.Variable):
        return None
    values = np.asarray(constant)
    is_number = np.issubdtype(values.dtype, np.number) and 0 < values.size <= _MOST_NUMBERS
    return float(values.mean(dtype=float)) if is_number and np.isfinite(values).all() else None


def _of_preprocessing(layer: keras.layers.Lambda) -> Mapping[str, float]:
    function = layer.function
    if not str(getattr(function, "__module__", "")).startswith("keras.src.applications.") or layer.arguments:
        return {}
    black, white = (float(np.mean(function(np.full((1, 1, 1, 3), value, "float32")))) for value in (0.0, 255.0))
    return {"scale": (white - black) / 255, "offset": black}


def has_learned(layer: Any) -> bool | None:
    """Return whether numbers of a layer that begin as a constant have left it; None where it has no such numbers."""
    moved = [bool(np.any(keras.ops.convert_to_numpy(variable) != first)) for variable, first in _beginnings(layer)]
    return any(moved) if moved else None


def _beginnings(layer: Any) -> Iterator[tuple[Any, float]]:
    """Yield the variables of a layer that begin as a constant, with that."""
    if not getattr(layer, "built", False):
        return
    if isinstance(layer, keras.layers.BatchNormalization):
        if isinstance(layer.moving_mean_initializer, keras.initializers.Zeros):
            yield layer.moving_mean, 0.0
        if isinstance(layer.moving_variance_initializer, keras.initializers.Ones):
            yield layer.moving_variance, 1.0
    elif isinstance(getattr(layer, "bias_initializer", None), keras.initializers.Zeros):
        bias = getattr(layer, "bias", None)
        if isinstance(bias, keras.Variable):
            yield bias, 0.0
