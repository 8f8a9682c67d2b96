"""Which activation a layer or an operation applies to its output.

A function is judged by what it does to a few numbers (``diagnose.audit.functions``) and not by its name: a function of
one's own is judged like Keras'. What couples units (softmax), what has parameters of its own (PReLU), and what is
hidden in the ``call`` of a layer of one's own cannot be judged so; ``diagnose.live.probe`` looks for the last kind in
the traced graph.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from weakref import WeakKeyDictionary

import keras
import numpy as np

from diagnose.audit.functions import GRID, Measured, function_of, is_user_written, measured


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
    function = function_of(operation)
    return activation_of(function) if isinstance(function, keras.Layer) else judged(function)


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
    seen = measured(function)
    if seen is None or not seen.is_finite:
        return None
    return Rectifier() if seen.is_rectifier else _squashing(seen)


def _squashing(seen: Measured) -> Squashing | None:
    """Return the bounds of a function that rises symmetrically from one bound to another, reached before ±10."""
    values, slopes = seen.values, seen.slopes
    low, high = float(values[0]), float(values[-1])
    size, zero = high - low, len(GRID) // 2
    near = np.abs(GRID) <= 0.25
    s_shaped = (
        size > 0
        and (np.diff(values) >= 0).all()
        and np.allclose(values + values[::-1], low + high, rtol=0, atol=1e-3 * size)
        and np.allclose(values[np.abs(GRID) >= 10][[0, 1, 2, 3]], [low, low, high, high], rtol=0, atol=1e-3 * size)
        and (np.diff(values[near]) > 0).all()
        and slopes[zero] > 0
        and (np.abs(slopes[np.abs(GRID) >= 10]) <= 1e-2 * slopes[zero]).all()
    )
    if not s_shaped:
        return None
    steepest = slopes.max()
    piecewise_linear = ((np.abs(slopes) < 1e-3 * steepest) | (slopes > 0.45 * steepest)).all()
    margin = 0.0 if piecewise_linear else _AT_FIVE * size
    return Squashing(low + margin, high - margin)
