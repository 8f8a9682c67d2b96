"""What an activation function is like, judged by its values and derivatives and not by its name.

A function is applied to a few numbers between -20 and 20 and differentiated there as a training would differentiate
it, so that a function of the user's is judged like Keras'. Two kinds are known by their class: a softmax, which may
work along any axis, and PReLU, whose slopes are weights.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import cached_property, lru_cache, partial
from typing import Any
from weakref import WeakKeyDictionary

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf

from diagnose.blueprint import Activation, Curve

Floats = npt.NDArray[np.floating[Any]]
Function = Callable[..., Any]

_SIZES = np.array([0.125, 0.25, 0.5, 0.75, 1.0, 1.25, 1.5, 2.0, 3.0, 4.0, 5.5, 7.5, 10.0, 20.0], dtype=np.float32)
#: Where functions are looked at: denser around zero, where the inputs of a layer are.
GRID = np.concatenate([-_SIZES[::-1], np.zeros(1, dtype=np.float32), _SIZES])
#: Farther out it shows whether a function has a bound.
_FAR = np.array([-1e6, -1e3, 1e3, 1e6], dtype=np.float32)
#: A function with a derivative at no larger share of inputs than this one gives a training nothing to go by.
_STEP_SHARE = 0.05

#: Layers that apply `activation` to what they put out, and nothing after it.
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
#: Layers whose output is their gated or averaged `activation`, and has its bounds.
_APPLY_TO_STATE = (
    keras.layers.LSTM,
    keras.layers.GRU,
    keras.layers.ConvLSTM1D,
    keras.layers.ConvLSTM2D,
    keras.layers.ConvLSTM3D,
)

_HUMP = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
#: Where the tensor of a graph stands among the arguments of an operation.
_TENSOR = object()
_BOTH = np.stack([GRID, GRID[::-1]])
_UNKNOWN = Activation("", Curve.UNKNOWN)
_judged: WeakKeyDictionary[Any, Activation] = WeakKeyDictionary()


@dataclass(frozen=True)
class Measured:
    """What a function that is applied to each number by itself does at `GRID`.

    Parameters
    ----------
    values, slopes
        Its values and derivatives; not a number where there is no derivative.
    far
        Its values at -1e6, -1000, 1000 and 1e6.
    """

    values: Floats
    slopes: Floats
    far: Floats

    @cached_property
    def is_finite(self) -> bool:
        """Whether all values and derivatives are numbers."""
        return bool(np.isfinite(self.values).all() and np.isfinite(self.slopes).all())

    @property
    def gradient_share(self) -> float:
        """Share of the inputs other than zero at which there is a derivative, and it is not zero."""
        return float(np.mean((np.isfinite(self.slopes) & (self.slopes != 0))[GRID != 0]))

    @property
    def is_linear(self) -> bool:
        """Whether it is a straight line, with the slope of that line."""
        slope = self.values[-1] / 40 - self.values[0] / 40
        line = self.values[len(GRID) // 2] + slope * GRID
        size = max(float(np.abs(self.values).max()), 1e-6)
        return bool(np.allclose(self.values, line, atol=1e-5 * size) and np.allclose(self.slopes, slope, rtol=1e-4))

    @property
    def is_rectifier(self) -> bool:
        """Whether it is zero, with zero derivative, for every negative input: ReLU, whatever its cap or threshold."""
        negative, positive = GRID < 0, GRID > 0
        if not self.is_finite or self.values[negative].any() or self.slopes[negative].any():
            return False
        rising = self.values[positive]
        return bool((self.values >= 0).all() and (np.diff(rising) >= 0).all() and self.slopes[positive].any())

    @property
    def is_like_rectifier(self) -> bool:
        """Whether it ends as a rising line, with less of a slope (or none) on the negative side."""
        steep = self.slopes[GRID >= 10]
        flat = np.abs(self.slopes[GRID <= -10])
        rises = steep[0] > 0 and abs(steep[1] - steep[0]) <= 0.02 * steep[0]
        follows = abs(self.values[-1] - self.values[-2] - 10 * steep[0]) <= 0.2 * steep[0]
        return bool(rises and follows and (flat <= 0.9 * steep[0]).all())

    @property
    def is_squashing(self) -> bool:
        """Whether it rises from one bound to another."""
        rises = (np.diff(self.values) >= 0).all() and self.values[-1] > self.values[0]
        return bool(rises and self.low is not None and self.high is not None and (self.slopes >= 0).all())

    @property
    def low(self) -> float | None:
        """The least value; None where there is none."""
        return _bound(np.concatenate([self.values, self.far[1:3]]), self.far, sign=1)

    @property
    def high(self) -> float | None:
        """The largest value; None where there is none."""
        return _bound(np.concatenate([self.values, self.far[1:3]]), self.far, sign=-1)


def _bound(near: Floats, far: Floats, sign: int) -> float | None:
    """Return the least value (with -1 the largest), if the function does not go on falling (rising)."""
    least = float((sign * near).min())
    lowest = min(least, float((sign * far).min()))
    if not (math.isfinite(least) and math.isfinite(lowest)) or least - lowest > 0.01 * (1 + abs(least)):
        return None
    return float(f"{sign * lowest:.4g}") + 0.0


def activation_of(described: Any) -> Activation | None:
    """Return the activation that a layer or an operation applies to its output, or what a function is.

    Parameters
    ----------
    described
        A function of a tensor, a Keras layer, or an operation of a functional graph (``keras.ops.relu`` on a symbolic
        tensor). A layer is neither called nor built: only its function is.

    Returns
    -------
    Activation or None
        None for a layer that applies none, and for one of the user's own, where nothing is known. Of a recurrent layer
        it is that of its state, of a wrapper that of the layer inside.
    """
    if not isinstance(described, keras.Operation):
        return judged(described)
    if isinstance(described, keras.layers.TimeDistributed):
        found = activation_of(described.layer)
        return replace(found, axis=found.axis + 1) if found is not None and found.axis > 0 else found
    if isinstance(described, keras.layers.Bidirectional):
        return activation_of(described.forward_layer)
    if is_user_written(described):
        return None
    if isinstance(described, keras.layers.Softmax) or _is_operation(described, "Softmax"):
        axis = described.axis if isinstance(described.axis, int) else -1
        return Activation("softmax", Curve.SOFTMAX, 0.0, 1.0, axis=axis)
    if isinstance(described, keras.layers.PReLU):
        return Activation("prelu", Curve.RECTIFIER_LIKE)
    if isinstance(described, _APPLY_TO_STATE):
        return activation_of(described.activation)
    function = function_of(described)
    if function is None:
        return None
    if isinstance(function, keras.Operation):
        return activation_of(function) or _UNKNOWN
    found = judged(function)
    if isinstance(described, keras.Layer):
        return found if isinstance(described, _APPLY_TO_OUTPUT) else _renamed(found, described)
    return None if found.curve is Curve.UNKNOWN else _renamed(found, described)


def function_of(operation: keras.Operation) -> Function | None:
    """Return the function that an operation of Keras' applies to each number of its output; None if there is none.

    The same one for equal operations, so that it is judged once.
    """
    layers = keras.layers
    if isinstance(operation, _APPLY_TO_OUTPUT):
        return operation.activation
    if isinstance(operation, layers.ReLU):
        return _relu(float(operation.negative_slope), operation.max_value, float(operation.threshold))
    if isinstance(operation, layers.LeakyReLU):
        return _relu(float(operation.negative_slope), None, 0.0)
    if isinstance(operation, layers.ELU):
        return _elu(float(operation.alpha))
    if isinstance(operation, layers.Lambda):
        return partial(operation.function, **operation.arguments) if operation.arguments else operation.function
    return None if isinstance(operation, keras.Layer) else _of_graph_operation(operation)


@lru_cache
def _relu(slope: float, cap: float | None, threshold: float) -> Function:
    return partial(keras.activations.relu, negative_slope=slope, max_value=cap, threshold=threshold)


@lru_cache
def _elu(alpha: float) -> Function:
    return partial(keras.activations.elu, alpha=alpha)


def _of_graph_operation(operation: keras.Operation) -> Function | None:
    """Return what an operation of a functional graph does to its only tensor, with its other arguments."""
    with suppress(Exception):  # an operation that was never applied, or to several tensors
        node = operation._inbound_nodes[0]
        (tensor,), (output,) = node.input_tensors, node.outputs
        if tensor.shape != output.shape or not keras.backend.is_float_dtype(tensor.dtype):
            return None
        args, kwargs = node.arguments.convert(lambda part: _TENSOR if part is tensor else part)
        settings = {name: value for name, value in vars(operation).items() if name != "name" and name[0] != "_"}
        others = (*settings.values(), *keras.tree.flatten((args, kwargs)))
        found = _Applied(repr((type(operation), settings, args, kwargs)), _bare(operation), args, kwargs)
        return _shared(found) if all(_is_plain(value) for value in others) else found
    return None


def _bare(operation: keras.Operation) -> keras.Operation:
    """Return the operation without its place in a graph, which would keep the whole model in memory."""
    bare = object.__new__(type(operation))
    vars(bare).update(vars(operation), _inbound_nodes=[], _outbound_nodes=[])
    return bare


def _is_plain(value: Any) -> bool:
    return value is None or value is _TENSOR or isinstance(value, bool | int | float | str)


@dataclass(frozen=True)
class _Applied:
    """An operation of a graph as a function of its only tensor; equal to those with equal settings."""

    key: str
    operation: keras.Operation = field(compare=False)
    args: tuple[Any, ...] = field(compare=False)
    kwargs: Mapping[str, Any] = field(compare=False)

    def __call__(self, x: Any) -> Any:
        args, kwargs = keras.tree.map_structure(lambda part: x if part is _TENSOR else part, (self.args, self.kwargs))
        return self.operation.call(*args, **kwargs)


@lru_cache(maxsize=256)
def _shared(function: _Applied) -> _Applied:
    """Return the first one that was equal."""
    return function


def is_user_written(operation: keras.Operation) -> bool:
    """Whether what the operation does to its input is not written in Keras itself."""
    return not str(getattr(type(operation).call, "__module__", "")).startswith("keras.")


def _is_operation(operation: Any, name: str) -> bool:
    """Whether it is Keras' operation of that name in a functional graph, and no layer."""
    return type(operation).__name__ == name and not isinstance(operation, keras.Layer)


# Judging


def judged(function: Function | None) -> Activation:
    """Judge a function as ``judge`` does, once for each function; None is Keras' ``linear``."""
    function = keras.activations.linear if function is None else function
    try:
        if function not in _judged:
            _judged[function] = judge(function)
        return _judged[function]
    except TypeError:  # neither every callable can be hashed nor referred to weakly
        return judge(function)


def judge(function: Function) -> Activation:
    """Judge a function of a tensor by its values and derivatives between -20 and 20."""
    seen = measured(function)
    try:
        return _judged_rows(function) if seen is None else _judged_curve(_name(function), seen)
    except Exception:  # whatever a function of the user's may raise
        return Activation(_name(function), Curve.UNKNOWN)


def measured(function: Function) -> Measured | None:
    """Return what a function does to numbers; None where it fails, or is not a function of each number by itself."""
    try:
        values, slopes = _values_and_slopes(function, _BOTH)
        half = len(GRID) // 2
        parts = np.concatenate([_values(function, part) for part in (_BOTH[:, :half], _BOTH[:, half:])], axis=1)
        alone = values.shape == _BOTH.shape and np.allclose(values, parts, atol=1e-6, equal_nan=True)
        if not alone or not np.allclose(values[0], values[1, ::-1], atol=1e-6, equal_nan=True):
            return None
        return Measured(values[0], slopes[0], _values(function, _FAR[np.newaxis])[0])
    except Exception:  # whatever a function of the user's may raise
        return None


def _values_and_slopes(function: Function, rows: Floats) -> tuple[Floats, Floats]:
    """Return values and derivatives of a function of rows of numbers; not a number where there is no derivative."""
    x = tf.constant(rows)
    with tf.GradientTape() as tape:
        tape.watch(x)
        out = function(x)
    slopes = tape.gradient(out, x)
    return _floats(out), np.full(rows.shape, np.nan) if slopes is None else _floats(slopes)


def _values(function: Function, x: Floats) -> Floats:
    return _floats(function(tf.constant(x, dtype=tf.float32)))


def _floats(tensor: Any) -> Floats:
    return np.asarray(tf.convert_to_tensor(tensor), dtype=np.float64)


def _judged_curve(name: str, seen: Measured) -> Activation:
    share = seen.gradient_share
    if share <= _STEP_SHARE:
        curve = Curve.STEP
    elif not seen.is_finite:
        curve = Curve.OTHER
    elif seen.is_linear:
        curve = Curve.LINEAR
    elif seen.is_rectifier:
        curve = Curve.RECTIFIER
    elif seen.is_squashing:
        curve = Curve.SQUASHING
    else:
        curve = Curve.RECTIFIER_LIKE if seen.is_like_rectifier else Curve.OTHER
    return Activation(name, curve, seen.low, seen.high, share)


def _judged_rows(function: Function) -> Activation:
    """Judge a function that couples the numbers of a row."""
    name, rows = _name(function), _BOTH[:, 1:]  # of an even number, which gated functions cut in two
    values, slopes = _values_and_slopes(function, rows)
    if not np.array_equal(values, _values(function, rows), equal_nan=True):  # random
        return Activation(name, Curve.UNKNOWN)
    if np.isnan(slopes).all():
        return Activation(name, Curve.STEP, gradient_share=0.0)
    if values.shape == rows.shape and (values >= 0).all() and np.allclose(values.sum(axis=1), 1, atol=1e-4):
        return Activation(name, Curve.SOFTMAX, 0.0, 1.0, axis=_axis_of_sums(function))
    others = np.roll(rows, 3, axis=1)
    sums = values + _values(function, others) - _values(function, 0 * rows)
    is_additive = np.allclose(sums, _values(function, rows + others), rtol=1e-4, atol=1e-4)
    return Activation(name, Curve.LINEAR if is_additive else Curve.OTHER)


def _axis_of_sums(function: Function) -> int:
    """Return along which axis the values of a softmax sum to 1, whatever the rank of its input; -1 if unclear."""
    tensors = [np.arange(2 * 3 * 5, dtype=np.float32).reshape(shape) % 7 for shape in ((2, 3, 5), (2, 3, 1, 5))]
    with suppress(Exception):  # a function of tensors of one rank
        made = [_values(function, tensor) for tensor in tensors]
        for axis in (-1, 1, 2, -2, -3):
            if all(np.allclose(values.sum(axis=axis), 1, atol=1e-4) for values in made):
                return axis
    return -1


def _renamed(found: Activation, operation: keras.Operation) -> Activation:
    """Return what a layer or an operation of one function applies, under the name of its class: ``leaky_relu``."""
    if isinstance(operation, keras.layers.Lambda):
        return found
    words = type(operation).__name__.replace("ReLU", "Relu").replace("ELU", "Elu")
    return replace(found, name=_HUMP.sub("_", words).lower())


def _name(function: Any) -> str:
    """Return what a function is called; of a partial one what it is a part of."""
    while isinstance(function, partial):
        function = function.func
    return str(getattr(function, "__name__", None) or type(function).__name__).strip("<>")
