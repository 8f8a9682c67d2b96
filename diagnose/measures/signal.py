r"""How large a signal stays on its way through the freshly made layers of a model.

A unit adds up n products of an input x and of weights that are drawn independently with mean :math:`\mu` and variance
v. The second moment of the sum is :math:`q = n (v + \mu^2) E[x^2] + n (n - 1) \mu^2 E[x]^2`, and its activation f
passes on :math:`E[f(\sqrt q z)^2]` for a standard normal z: one half of q for ReLU, all of it for a straight line, at
most 1 for tanh. With Glorot's initialization n v is 1 in layers of equal width, and ReLU leaves :math:`2^{-L}` of the
variance after L layers; He's makes n v = 2, and all of it is left.

He, Zhang, Ren and Sun, Delving Deep into Rectifiers, ICCV 2015, section 2.2; Schoenholz, Gilmer, Ganguli and
Sohl-Dickstein, Deep Information Propagation, ICLR 2017.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from diagnose.blueprint import Activation, Blueprint, Curve, Initializer, Layer
from diagnose.measures.architecture import CONVOLUTIONS, fans, is_passing, terms
from diagnose.run import FloatArray

_NODES, _WEIGHTS = np.polynomial.hermite_e.hermegauss(40)
_WEIGHTS = _WEIGHTS / _WEIGHTS.sum()
#: Decades of variance beyond which nothing is told apart any more.
_MOST = 30.0
#: Keras cuts a truncated normal distribution at two deviations; what is left of its deviation.
_TRUNCATED = 0.87962566

#: Keras' named initializers as (scale, which fan, distribution) of its variance scaling.
_SCALED: Mapping[str, tuple[float, str]] = {
    "GlorotNormal": (1.0, "fan_avg"),
    "GlorotUniform": (1.0, "fan_avg"),
    "HeNormal": (2.0, "fan_in"),
    "HeUniform": (2.0, "fan_in"),
    "LecunNormal": (1.0, "fan_in"),
    "LecunUniform": (1.0, "fan_in"),
}


@dataclass(frozen=True)
class Weights:
    """Mean and variance of the numbers that a kernel begins with."""

    mean: float
    variance: float


def weights_of(initializer: Initializer | None, fan_in: int, fan_out: int) -> Weights | None:
    """Return what an initializer of Keras' draws; None for those of the user's, and where a setting is odd."""
    if initializer is None:
        return None
    settings = initializer.settings
    name = initializer.name
    if name in _SCALED:
        scale, mode = _SCALED[name]
        return Weights(0.0, scale / _fan(mode, fan_in, fan_out))
    if name == "VarianceScaling":
        scale, mode = _number(settings, "scale", 1.0), str(settings.get("mode", "fan_in"))
        return Weights(0.0, scale / _fan(mode, fan_in, fan_out))
    if name in ("Orthogonal", "OrthogonalInitializer"):
        return Weights(0.0, _number(settings, "gain", 1.0) ** 2 / max(fan_in, fan_out))
    if name == "RandomNormal":
        return Weights(_number(settings, "mean", 0.0), _number(settings, "stddev", 0.05) ** 2)
    if name == "TruncatedNormal":
        return Weights(_number(settings, "mean", 0.0), (_TRUNCATED * _number(settings, "stddev", 0.05)) ** 2)
    if name == "RandomUniform":
        low, high = _number(settings, "minval", -0.05), _number(settings, "maxval", 0.05)
        return Weights((low + high) / 2, (high - low) ** 2 / 12)
    return None


def _fan(mode: str, fan_in: int, fan_out: int) -> float:
    return max(1.0, {"fan_in": fan_in, "fan_out": fan_out}.get(mode, (fan_in + fan_out) / 2))


def _number(settings: Mapping[str, Any], name: str, default: float) -> float:
    value = settings.get(name, default)
    return float(value) if isinstance(value, int | float) and math.isfinite(value) and abs(value) < 1e6 else default


def constant_of(initializer: Initializer | None) -> float | None:
    """Return the number that all weights begin as; None where they differ, or nothing is known."""
    if initializer is None:
        return None
    settings = initializer.settings
    if initializer.name in ("Zeros", "Ones"):
        return float(initializer.name == "Ones")
    if initializer.name == "Constant":
        value = settings.get("value", 0.0)
        return float(value) if isinstance(value, int | float) and math.isfinite(value) else None
    if initializer.name == "RandomUniform" and "minval" in settings and settings["minval"] == settings.get("maxval"):
        return _number(settings, "minval", 0.0)
    if initializer.name in ("RandomNormal", "TruncatedNormal") and settings.get("stddev") == 0:
        return _number(settings, "mean", 0.0)
    return None


def _sigmoid(x: FloatArray) -> FloatArray:
    return 1 / (1 + np.exp(-np.clip(x, -30.0, 30.0)))


def _elu(x: FloatArray, alpha: float = 1.0) -> FloatArray:
    return np.where(x > 0, x, alpha * (np.exp(np.clip(x, -30.0, 0.0)) - 1))


_FUNCTIONS: Mapping[str, Callable[[FloatArray], FloatArray]] = {
    "relu6": lambda x: np.clip(x, 0.0, 6.0),
    "leaky_relu": lambda x: np.where(x > 0, x, 0.2 * x),
    "elu": _elu,
    "selu": lambda x: 1.05070098 * _elu(x, 1.67326324),
    "gelu": lambda x: x * _sigmoid(1.702 * x),
    "silu": lambda x: x * _sigmoid(x),
    "swish": lambda x: x * _sigmoid(x),
    "softplus": lambda x: np.log1p(np.exp(-np.abs(np.clip(x, -30.0, 30.0)))) + np.maximum(x, 0.0),
    "sigmoid": _sigmoid,
    "tanh": lambda x: np.tanh(np.clip(x, -30.0, 30.0)),
}


def _relu(x: FloatArray) -> FloatArray:
    return np.maximum(x, 0.0)


def _function(activation: Activation) -> Callable[[FloatArray], FloatArray] | None:
    if activation.name in _FUNCTIONS:
        return _FUNCTIONS[activation.name]
    if activation.curve is Curve.RECTIFIER:
        return _relu
    if activation.curve is Curve.RECTIFIER_LIKE:
        return _FUNCTIONS["leaky_relu"]
    if activation.curve is Curve.SQUASHING:
        return _FUNCTIONS["sigmoid" if activation.low == 0 else "tanh"]
    return None


@dataclass(frozen=True)
class Signal:
    """What arrives at one place, beginning with variance 1 behind the last normalization, sum or input.

    Parameters
    ----------
    decades
        Common logarithm of the second moment E[x²].
    positive
        E[x]² / E[x²].
    way
        Names of the layers with weights that it has passed since.
    """

    decades: float = 0.0
    positive: float = 0.0
    way: tuple[str, ...] = ()


@lru_cache(maxsize=4096)
def _passed(activation: Activation, decades: float) -> tuple[float, float] | None:
    """Return log10 E[f²] and E[f]²/E[f²] of a function whose input is normal with mean 0."""
    function = _function(activation)
    if function is None:
        return None
    values = function(10 ** (decades / 2) * _NODES)
    moment = float(_WEIGHTS @ values**2)
    if moment <= 0:
        return None
    return math.log10(moment), min(1.0, float(_WEIGHTS @ values) ** 2 / moment)


def activated(signal: Signal, activation: Activation | None) -> Signal | None:
    """Return the signal behind an activation; None where nothing can be said of that."""
    if activation is None or activation.is_linear:
        return signal
    passed = _passed(activation, round(signal.decades, 2))
    return None if passed is None else Signal(passed[0], passed[1], signal.way)


def saturated_share(activation: Activation | None, decades: float) -> float:
    """Return the share of units whose slope is below a hundredth of the greatest, for normal inputs of a variance.

    Sigmoid is that flat beyond ±6, tanh beyond ±3; 0 for functions that do not go from one bound to another.
    """
    if activation is None or activation.curve is not Curve.SQUASHING:
        return 0.0
    flat_from = 6.0 if activation.low == 0 else 3.0
    return math.erfc(flat_from / (math.sqrt(2) * 10 ** (decades / 2)))


def summed(signal: Signal, layer: Layer) -> Signal | None:
    """Return the signal as a layer's kernel gives it, before its activation; None where the kernel is not known."""
    counted, products = fans(layer), terms(layer)
    drawn = None if counted is None else weights_of(layer.initializer, *counted)
    if drawn is None or products is None:
        return None
    squared = drawn.mean**2
    gain = products * (drawn.variance + squared) + products * (products - 1) * squared * signal.positive
    if gain <= 0:
        return None
    decades = min(max(signal.decades + math.log10(gain), -_MOST), _MOST)
    # Units with a common mean of the weights move together, and no longer around zero; that is left out.
    return Signal(decades, 0.0, (*signal.way, layer.name))


@dataclass(frozen=True)
class Recurrence:
    """One cell of a recurrent layer, as it begins.

    Parameters
    ----------
    kind
        ``SimpleRNN``, ``GRU`` or ``LSTM``.
    activation
        Keras' name of the function of its state.
    recurrent, kernel
        Variance that the recurrent weights give to a sum over the state where each number of that has a second moment
        of 1, and the input weights to one over the input.
    initializer, recurrent_initializer
        Where they come from.
    """

    kind: str
    activation: str
    recurrent: float
    kernel: float
    initializer: Initializer
    recurrent_initializer: Initializer

    def settled(self, given: float = 1.0) -> tuple[float, float] | None:
        """Return how large the state's sums become, and what a step does to the gradient, both as common logarithms.

        The second moment q of the sum in front of f settles at v E[f(√q z)²] + w m for recurrent weights v, input
        weights w and inputs of second moment m; an LSTM's output gate lets half of f through at most. A step back
        through a plain recurrence multiplies the variance of the gradient by v E[f'(√q z)²]; gates have ways around
        that, and 0 is returned for them. None: nothing is known of f.

        Poole, Lahiri, Raghu, Sohl-Dickstein and Ganguli, Exponential expressivity in deep neural networks through
        transient chaos, NeurIPS 2016, section 2, with weights that are the same in each step.
        """
        function = _FUNCTIONS.get(self.activation, _relu if self.activation == "relu" else None)
        if function is None:
            return None
        moment = self.kernel * given
        for _ in range(_SETTLING):
            at = math.sqrt(moment) * _NODES
            passed = float(_WEIGHTS @ function(at) ** 2)
            if self.kind == "LSTM":
                passed *= float(_WEIGHTS @ _sigmoid(at) ** 2)
            moment = min(self.kernel * given + self.recurrent * passed, 10**_MOST)
        at = math.sqrt(moment) * _NODES
        step = _STEP * max(1.0, math.sqrt(moment))
        slope = (function(at + step) - function(at - step)) / (2 * step)
        growth = self.recurrent * float(_WEIGHTS @ slope**2) if self.kind == "SimpleRNN" else 1.0
        return math.log10(max(moment, 10**-_MOST)), math.log10(max(growth, 10**-_MOST))


#: Half a difference, to tell a slope by, against the deviation.
_STEP = 1e-3
#: Steps after which the state of a recurrence has the size that it keeps.
_SETTLING = 30
_GATES: Mapping[str, int] = {"SimpleRNN": 1, "GRU": 3, "LSTM": 4}


def recurrences(layer: Layer) -> Iterator[Recurrence]:
    """Yield the cells of a recurrent layer of Keras', alone or in a wrapper, whose initializers are known."""
    if layer.is_custom or not layer.is_trainable:
        return
    inside = layer.settings.get("layer") if layer.kind in ("Bidirectional", "TimeDistributed") else None
    told: Any = inside if isinstance(inside, Mapping) else {"name": layer.kind, **layer.settings}
    cell = told.get("cell")
    cells = (cell.get("cells") or (cell,)) if isinstance(cell, Mapping) else (told,)
    width = layer.input_shape[-1] if layer.input_shape else None
    for each in cells:
        found = _recurrence(each, width) if isinstance(each, Mapping) and width else None
        if found is not None:
            yield found
        units = each.get("units") if isinstance(each, Mapping) else None
        width = units if isinstance(units, int) else None


def _recurrence(settings: Mapping[str, Any], width: int) -> Recurrence | None:
    kind = str(settings.get("name", "")).removesuffix("Cell")
    units, gates = settings.get("units"), _GATES.get(kind)
    begun = [_initializer(settings.get(name)) for name in ("kernel_initializer", "recurrent_initializer")]
    if not isinstance(units, int) or gates is None or begun[0] is None or begun[1] is None:
        return None
    kernel, recurrent = weights_of(begun[0], width, gates * units), weights_of(begun[1], units, gates * units)
    if kernel is None or recurrent is None:
        return None
    squares = [weights.variance + weights.mean**2 for weights in (recurrent, kernel)]
    return Recurrence(kind, str(settings.get("activation")), units * squares[0], width * squares[1], begun[0], begun[1])


def _initializer(told: Any) -> Initializer | None:
    """Return an initializer as the settings of a layer tell of it."""
    if isinstance(told, Mapping) and "name" in told:
        return Initializer(str(told["name"]), {name: value for name, value in told.items() if name != "name"})
    return None


def flow(model: Blueprint) -> Mapping[str, Signal]:
    """Follow a signal of variance 1 through a model that has just been made: layer -> before its activation.

    It begins anew at every input, normalization and sum, and behind whatever is not known; frozen layers count as
    not known, for their weights come from elsewhere.
    """
    before: dict[str, Signal] = {}
    behind: dict[str, Signal] = {}
    for layer in model.layers:
        sources = model.before(layer)
        given = behind.get(sources[0].name, Signal()) if len(sources) == 1 else Signal()
        is_plain = not layer.is_custom and len(layer.inputs) == 1 and layer.calls == 1
        made: Signal | None = None
        if is_plain and layer.kind in CONVOLUTIONS | {"Dense"}:
            made = summed(given, layer) if layer.is_trainable else None
        elif is_plain and (_only_passes(layer) or (layer.activation is not None and not layer.parameters)):
            made = given
        if made is not None:
            before[layer.name] = made
            made = activated(made, layer.activation)
        behind[layer.name] = made or Signal()
    return before


def _only_passes(layer: Layer) -> bool:
    return not layer.parameters and (is_passing(layer) or "MaxPooling" in layer.kind)
