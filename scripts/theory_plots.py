"""The drawings of docs/theory.md: activation functions with their derivatives.

`scripts.build_docs` writes them with the generated pages, so `make docs` draws them, and `make docs-check`
compares them.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from diagnose.renderers import svg
from diagnose.renderers.plots import Curve, Plot, Scale, value_scale
from diagnose.run import Split

FloatArray = NDArray[np.float64]
Function = Callable[[FloatArray], FloatArray]

_LOW, _HIGH, _POINTS = -5.0, 5.0, 201
_LEAK = 0.1


def _sigmoid(x: FloatArray) -> FloatArray:
    return np.asarray(1 / (1 + np.exp(-x)))


def _sigmoid_slope(x: FloatArray) -> FloatArray:
    return _sigmoid(x) * (1 - _sigmoid(x))


def _jump(left: float, right: float) -> Function:
    """Return a function that jumps at 0; there it has no value, so that the line is broken."""
    return lambda x: np.where(x == 0, np.nan, np.where(x > 0, right, left))


#: Name of the file -> what the legend calls it, the function, its derivative.
FUNCTIONS: dict[str, tuple[str, Function, Function]] = {
    "sigmoid": ("sigmoid", _sigmoid, _sigmoid_slope),
    "tanh": ("tanh", np.tanh, lambda x: 1 - np.tanh(x) ** 2),
    "relu": ("ReLU", lambda x: np.maximum(x, 0), _jump(0.0, 1.0)),
    "leaky-relu": ("leaky ReLU", lambda x: np.maximum(_LEAK * x, x), _jump(_LEAK, 1.0)),
    "elu": ("ELU", lambda x: np.where(x > 0, x, np.expm1(x)), lambda x: np.where(x > 0, 1.0, np.exp(x))),
    "swish": ("swish", lambda x: x * _sigmoid(x), lambda x: _sigmoid(x) + x * _sigmoid_slope(x)),
    "step": ("step", _jump(0.0, 10.0), _jump(0.0, 0.0)),
}


def drawings() -> dict[str, str]:
    """Return name of the file -> SVG, the function as a full line and its derivative as a broken one."""
    return {f"activation-{name}.svg": svg.chart(_plot(*each), standalone=True) for name, each in FUNCTIONS.items()}


def _plot(name: str, function: Function, derivative: Function) -> Plot:
    x = np.linspace(_LOW, _HIGH, _POINTS)
    curves = (
        Curve(name, Split.TRAIN, x, function(x)),
        Curve("its derivative", Split.VALIDATION, x, derivative(x)),
    )
    scale = value_scale(curves, logarithmic=False)
    if scale is None:
        raise ValueError(f"{name} has no finite value")
    return Plot(name, "x", curves, Scale(_LOW, _HIGH, ticks=(-4.0, -2.0, 0.0, 2.0, 4.0)), scale)
