"""Which activation a layer or an operation applies to its output.

A function is judged by what it does to a few numbers, in value and gradient, and not by its name: a function of
one's own is judged like Keras'. What couples units (softmax), what has parameters of its own (PReLU), and what is
hidden in the ``call`` of a layer of one's own cannot be judged so; ``diagnose.live.probe`` looks for the last kind in
the traced graph.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Any
from weakref import WeakKeyDictionary

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf

Floats = npt.NDArray[np.floating[Any]]


@dataclass(frozen=True)
class Rectifier:
    """Zero, with zero gradient, for every negative input: ReLU, whatever its cap or threshold."""


@dataclass(frozen=True)
class Squashing:
    """Between two bounds, like sigmoid and tanh.

    Parameters
    ----------
    low, high
        An output at or beyond one of these is saturated. For sigmoid these are its values at ±5, for tanh at ±2.5
        (both are 0.67 % of the range away from the bound); for piecewise linear forms the bounds themselves.
    """

    low: float
    high: float


Activation = Rectifier | Squashing

_AT_FIVE = float(1 / (1 + np.exp(5.0)))
SIGMOID = Squashing(_AT_FIVE, 1 - _AT_FIVE)
TANH = Squashing(2 * _AT_FIVE - 1, 1 - 2 * _AT_FIVE)

# The layers that apply `activation` to what they put out, and nothing after it. LSTM and GRU are not among them.
_APPLY_TO_OUTPUT = (
    keras.layers.Activation,
    keras.layers.Dense,
    keras.layers.EinsumDense,
    keras.layers.Conv1D,
    keras.layers.Conv2D,
    keras.layers.Conv3D,
    keras.layers.Conv1DTranspose,
    keras.layers.Conv2DTranspose,
    keras.layers.Conv3DTranspose,
    keras.layers.DepthwiseConv1D,
    keras.layers.DepthwiseConv2D,
    keras.layers.SeparableConv1D,
    keras.layers.SeparableConv2D,
    keras.layers.SimpleRNN,
)

_SIZES = np.array([0.125, 0.25, 0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 5.5, 7.5, 10.0, 20.0], dtype=np.float32)
_GRID = np.concatenate([-_SIZES[::-1], [np.float32(0)], _SIZES])

_judged: WeakKeyDictionary[Any, Activation | None] = WeakKeyDictionary()


def activation_of(operation: keras.Operation) -> Activation | None:
    """Return the activation that an operation applies to its output, as far as it can be seen from outside.

    Parameters
    ----------
    operation
        A layer, or an operation of a functional graph (``keras.ops.relu`` on a symbolic tensor). It is neither
        called nor built: only its activation function is.

    Returns
    -------
    Rectifier, Squashing or None
        None for no activation, another one (leaky forms, swish, softmax), or one that is applied to a state and not
        to the output.
    """
    if is_user_written(operation):
        return None
    if isinstance(operation, _APPLY_TO_OUTPUT):
        function = operation.activation
        return activation_of(function) if isinstance(function, keras.Layer) else judged(function)
    if isinstance(operation, keras.layers.ReLU):
        return _of_relu(float(operation.negative_slope), operation.max_value, float(operation.threshold))
    if isinstance(operation, keras.layers.Lambda):
        return (
            judge(partial(operation.function, **operation.arguments))
            if operation.arguments
            else judged(operation.function)
        )
    if isinstance(operation, keras.Layer):
        return None
    return _of_graph_operation(operation)


@lru_cache
def _of_relu(slope: float, cap: float | None, threshold: float) -> Activation | None:
    return judge(partial(keras.activations.relu, negative_slope=slope, max_value=cap, threshold=threshold))


def is_user_written(operation: keras.Operation) -> bool:
    """Whether what the operation does to its input is not written in Keras itself."""
    return not str(getattr(type(operation).call, "__module__", "")).startswith("keras.")


def judged(function: Callable[..., Any] | None) -> Activation | None:
    """Judge a function as ``judge`` does, once for each function."""
    if function is None:
        return None
    try:
        if function not in _judged:
            _judged[function] = judge(function)
        return _judged[function]
    except TypeError:  # neither every callable can be hashed nor referred to weakly
        return judge(function)


def judge(function: Callable[..., Any]) -> Activation | None:
    """Judge a function of a tensor by its values and gradients between -20 and 20; None if it fails on them."""
    try:
        values, slopes = _values_and_slopes(function)
    except Exception:  # whatever a function of the user's may raise
        return None
    if not (np.isfinite(values).all() and np.isfinite(slopes).all()):
        return None
    negative, positive = _GRID < 0, _GRID > 0
    if not (values[negative].any() or slopes[negative].any()):
        rises = (values >= 0).all() and (np.diff(values[positive]) >= 0).all() and slopes[positive].any()
        return Rectifier() if rises else None
    return _squashing(values, slopes)


def _squashing(values: Floats, slopes: Floats) -> Squashing | None:
    """Return the bounds of a function that rises symmetrically from one bound to another, reached before ±10."""
    low, high = float(values[0]), float(values[-1])
    size, zero = high - low, len(_GRID) // 2
    near = np.abs(_GRID) <= 0.25
    s_shaped = (
        size > 0
        and (np.diff(values) >= 0).all()
        and np.allclose(values + values[::-1], low + high, rtol=0, atol=1e-3 * size)
        and np.allclose(values[np.abs(_GRID) >= 10][[0, 1, 2, 3]], [low, low, high, high], rtol=0, atol=1e-3 * size)
        and (np.diff(values[near]) > 0).all()
        and slopes[zero] > 0
        and (np.abs(slopes[np.abs(_GRID) >= 10]) <= 1e-2 * slopes[zero]).all()
    )
    if not s_shaped:
        return None
    steepest = slopes.max()
    piecewise_linear = ((np.abs(slopes) < 1e-3 * steepest) | (slopes > 0.45 * steepest)).all()
    margin = 0.0 if piecewise_linear else _AT_FIVE * size
    return Squashing(low + margin, high - margin)


def _values_and_slopes(function: Callable[..., Any]) -> tuple[Floats, Floats]:
    """Return a function's values and derivatives on the grid; raise ValueError if it is not applied to each number."""
    both = tf.constant(np.stack([_GRID, _GRID[::-1]]))
    with tf.GradientTape() as tape:
        tape.watch(both)
        out = function(both)
    values = np.asarray(out, dtype=np.float64)
    slopes = np.asarray(tape.gradient(out, both), dtype=np.float64)  # not a number where there is no gradient
    half = len(_GRID) // 2
    parts = np.concatenate([np.asarray(function(part)) for part in (both[:, :half], both[:, half:])], axis=1)
    if values.shape != both.shape or slopes.shape != both.shape:
        raise ValueError("a function of another shape")
    if not (np.allclose(values, parts, atol=1e-6) and np.allclose(values[0], values[1, ::-1], atol=1e-6)):
        raise ValueError("a function of several numbers")
    return values[0], slopes[0]


def _of_graph_operation(operation: keras.Operation) -> Activation | None:
    """Judge an operation of a functional graph by what it does to its only tensor, with its other arguments."""
    with suppress(Exception):  # an operation that was never applied, or in several places
        if operation.input.shape == operation.output.shape:
            arguments = operation._inbound_nodes[0].arguments
            tensor = id(operation.input)
            return judge(lambda x: _applied(operation, arguments.fill_in({tensor: x})))
    return None


def _applied(operation: keras.Operation, arguments: tuple[tuple[Any, ...], dict[str, Any]]) -> Any:
    return operation.call(*arguments[0], **arguments[1])
