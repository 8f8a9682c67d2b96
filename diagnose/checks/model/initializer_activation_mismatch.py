"""Initial weights that make the signal vanish, explode or saturate under their activation.

What it detects
---------------
Layers whose initial weights do not fit their activation and their width, so that before the first step next to
nothing of the signal arrives at the end, or far too much of it: Glorot's initialization under ReLU in a deep plain
stack, weights of deviation 1 on hundreds of inputs, weights of a thousandth, a recurrent kernel of a gain far from 1.

How it is detected
------------------
The second moment of the signal is followed from layer to layer, beginning with 1 at each input, normalization, sum and
frozen layer: times fan-in and the variance of the weights, then through the activation (one half is left by ReLU). It
is a ``warning`` where less than 10 to the power of minus `vanished` is left, where it grows to more than 10 to the
power of `exploded`, and where a share of `saturated` or more of the units of a hidden sigmoid or tanh begins with less
than a hundredth of the function's greatest slope; from `hopeless` decades on it is ``critical``. Glorot's under ReLU
halves the variance: that takes 27 layers without normalization or skip connection to matter, and is nothing to speak
of in a shallow network. He's under a hidden sigmoid or tanh, or under SELU, is an ``info``. So are `sigmoids` hidden
sigmoid layers in a row, where no dry run has measured the gradients, and a ``warning`` where slopes of a quarter and
the initial weights leave less than 10 to the power of minus `stalled` of a gradient.

The state of a recurrent layer is followed until it has settled: it is a ``warning`` where it saturates as above, and
where a gradient grows by 10 to the power of `exploded_gradient` on its way back through all steps of the input.

Why it matters
--------------
A signal that has vanished leaves the output the same for every sample and the first layers without a gradient; one
that has exploded begins with an enormous loss, or with units that are stuck at their bounds.

How to fix
----------
He for the ReLU family, Glorot (Xavier) for sigmoid, tanh, softmax and straight lines, LeCun for SELU. Normalization
and skip connections make deep networks far less sensitive to it.

References
----------
He, Zhang, Ren and Sun, Delving Deep into Rectifiers, ICCV 2015, section 2.2 (22 layers train under both
initializations; with 30 layers Glorot's stalls); Glorot and Bengio, AISTATS 2010; Klambauer, Unterthiner, Mayr and
Hochreiter, Self-Normalizing Neural Networks, NeurIPS 2017.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from diagnose.blueprint import Activation, Blueprint, Curve, Initializer, Layer
from diagnose.check import Check, Fault, Needs, threshold
from diagnose.finding import Finding, LayerTable, Severity
from diagnose.fix import Edit, Fix
from diagnose.measures.architecture import WEIGHTED, activation_after, fans, is_pointwise
from diagnose.measures.signal import Signal, flow, recurrences, saturated_share, weights_of
from diagnose.remedies import layers, model
from diagnose.run import Run

CHECK = Check(
    needs=Needs(before=("model",)),
    fault=Fault.GRADIENT,
    explains=("vanishing-gradient", "exploding-gradient", "saturated-activation", "dying-relu", "not-learning"),
)

_HE = ("HeNormal", "HeUniform")
#: Second moment of Keras' uniform numbers between -0.05 and 0.05.
_EMBEDDED = 0.1**2 / 12
_BOUNDED = {
    "tanh": Activation("tanh", Curve.SQUASHING, -1.0, 1.0),
    "sigmoid": Activation("sigmoid", Curve.SQUASHING, 0.0, 1.0),
}


@dataclass(frozen=True)
class Options:
    """Thresholds of initializer-activation-mismatch."""

    vanished: float = threshold(
        8.0,
        unit="decades",
        source="He et al. 2015: 22 layers of Glorot under ReLU (6.6 decades) train, 30 layers (9) stall",
        help="powers of ten by which the variance of the signal has shrunk",
    )
    exploded: float = threshold(
        2.5,
        unit="decades",
        source="outputs of deviation 18: a fresh classifier of ten classes begins with a loss of 28 and not of ln 10",
        help="powers of ten by which it has grown",
    )
    saturated: float = threshold(
        0.5,
        unit="share",
        source="most of the layer; the share is that of DeepDiagnosis (ICSE 2022) for saturated layers",
        help="share of the units of a hidden sigmoid or tanh layer that begin with hardly any slope",
    )
    exploded_gradient: float = threshold(
        6.0,
        unit="decades",
        source="a thousand times its length; a gain of 1 under tanh has less than 0 in every step",
        help="powers of ten by which the variance of a gradient grows on its way back through a recurrence",
    )
    sigmoids: float = threshold(
        6.0,
        unit="layers",
        source="six slopes of a quarter leave 2e-4 of a gradient; AutoTrainer (ICSE 2021) calls 1e-3 vanishing",
        help="hidden sigmoid layers in a row",
    )
    stalled: float = threshold(
        5.0,
        unit="decades",
        source="of a gradient of 0.01 the epsilon of Keras' Adam, 1e-7, is left, below which its steps shrink too",
        help="powers of ten by which the gradient shrinks on its way through sigmoid layers",
    )
    hopeless: float = threshold(
        15.0,
        unit="decades",
        source="beyond what single precision keeps apart in one sum (7 digits, squared)",
        help="powers of ten, either way, that are critical",
    )


def check(run: Run, options: Options) -> Iterator[Finding]:
    """Yield at most one finding: of the signal where it is lost, else of initializers that do not fit."""
    blueprint = run.model
    if blueprint is None or not blueprint.is_whole:
        return
    signals = flow(blueprint)
    arriving = {name: signal for name, signal in signals.items() if signal.way and signal.way[-1] == name}
    found = (
        _saturated(blueprint, signals, options)
        or _recurrent(blueprint, options)
        or _exploded(blueprint, arriving, options)
        or _vanished(blueprint, arriving, options)
        or _unfit(blueprint)
        or (_flat(blueprint, arriving, options) if run.dry_run is None else None)
    )
    if found is not None:
        yield found


def _exploded(blueprint: Blueprint, arriving: dict[str, Signal], options: Options) -> Finding | None:
    worst = max(arriving.values(), key=lambda signal: signal.decades, default=Signal())
    if worst.decades < options.exploded:
        return None
    told = (
        f"make the variance of the signal 10^{worst.decades:.1f} times as large: it has exploded before the first step"
    )
    return _lost(blueprint, worst, arriving, told, options.exploded, options)


def _vanished(blueprint: Blueprint, arriving: dict[str, Signal], options: Options) -> Finding | None:
    worst = min(arriving.values(), key=lambda signal: signal.decades, default=Signal())
    if worst.decades > -options.vanished:
        return None
    told = f"leave 10^{worst.decades:.1f} of the variance of the signal: it has vanished before the first step"
    return _lost(blueprint, worst, arriving, told, -options.vanished, options)


def _lost(
    blueprint: Blueprint, worst: Signal, arriving: dict[str, Signal], told: str, limit: float, options: Options
) -> Finding:
    way = [blueprint.by_name[name] for name in worst.way]
    return Finding(
        severity=Severity.CRITICAL if abs(worst.decades) >= options.hopeless else Severity.WARNING,
        confidence=0.85,
        summary=f"Initial weights of {_extent(way)} ({_fewest(way)}) {told}.",
        layers=worst.way,
        evidence=(
            LayerTable(
                label="variance of the signal before the activation, against that of the input",
                value=worst.decades,
                threshold=limit,
                unit="decades",
                statistic="signal_variance",
                rows=tuple((name, arriving[name].decades) for name in worst.way if name in arriving),
            ),
        ),
        fixes=_fixes(blueprint, way),
    )


def _saturated(blueprint: Blueprint, signals: Mapping[str, Signal], options: Options) -> Finding | None:
    found = {
        name: share
        for name, signal in signals.items()
        if signal.way
        and not _is_last(blueprint, name)
        and (share := saturated_share(blueprint.by_name[name].activation, signal.decades)) >= options.saturated
    }
    if not found:
        return None
    worst = max(found, key=lambda name: found[name])
    activation = blueprint.by_name[worst].activation
    culprits = tuple(dict.fromkeys(signals[name].way[-1] for name in found))
    culprit = blueprint.by_name[signals[worst].way[-1]]
    return Finding(
        severity=Severity.WARNING,
        confidence=0.85,
        summary=(
            f"Initial weights of {culprit.name} ({_drawn(culprit)}) give {activation.name if activation else ''} "
            f"inputs of deviation {10 ** (signals[worst].decades / 2):.0f}: {100 * found[worst]:.0f} % of its units "
            "begin at their bounds, where there is no slope."
        ),
        layers=culprits,
        evidence=(
            LayerTable(
                label="units that begin with less than a hundredth of the greatest slope",
                value=found[worst],
                threshold=options.saturated,
                unit="share",
                statistic="saturated_share",
                rows=tuple(found.items()),
            ),
        ),
        fixes=_fixes(blueprint, [blueprint.by_name[name] for name in culprits]),
    )


def _recurrent(blueprint: Blueprint, options: Options) -> Finding | None:
    """Recurrences whose state begins at its bounds, or makes gradients explode."""
    saturated: dict[str, float] = {}
    exploded: dict[str, float] = {}
    told: dict[str, str] = {}
    for layer in blueprint.layers:
        steps = _steps(layer)
        for cell in recurrences(layer):
            settled = cell.settled(_EMBEDDED if _is_embedded(blueprint, layer) else 1.0)
            if settled is None:
                continue
            decades, growth = settled
            share = saturated_share(_BOUNDED.get(cell.activation), decades)
            if share >= options.saturated:
                saturated[layer.name] = max(share, saturated.get(layer.name, 0.0))
            if growth * (steps - 1) >= options.exploded_gradient:
                exploded[layer.name] = growth * (steps - 1)
            told[layer.name] = f"{_put(cell.recurrent_initializer)} on {_put(cell.initializer)}"
    found, limit = (saturated, options.saturated) if saturated else (exploded, options.exploded_gradient)
    if not found:
        return None
    worst = max(found, key=lambda name: found[name])
    is_plain = all("recurrent_initializer" in blueprint.by_name[name].settings for name in found)
    what = (
        f"let {100 * found[worst]:.0f} % of its units begin at their bounds, where there is no slope"
        if saturated
        else f"make the variance of a gradient 10^{found[worst]:.1f} times as large on its way back through "
        f"{_steps(blueprint.by_name[worst])} steps"
    )
    return Finding(
        severity=Severity.WARNING,
        confidence=0.85,
        summary=f"Initial recurrent weights of {worst} ({told[worst]}) {what}.",
        layers=tuple(found),
        evidence=(
            LayerTable(
                label="units that begin with less than a hundredth of the greatest slope"
                if saturated
                else "variance of a gradient behind all steps, against that before",
                value=found[worst],
                threshold=limit,
                unit="share" if saturated else "decades",
                statistic="saturated_share" if saturated else "gradient_variance",
                rows=tuple(found.items()),
            ),
        ),
        fixes=(layers.initialize_recurrent(tuple(found), is_plain=is_plain),),
    )


def _steps(layer: Layer) -> int:
    """Return the length of the sequences that a layer is given; 1 where it is not known."""
    return (layer.input_shape[1] or 1) if layer.input_shape and len(layer.input_shape) > 1 else 1


def _is_embedded(blueprint: Blueprint, layer: Layer) -> bool:
    return any(
        each.kind == "Embedding" and (each.initializer is None or each.initializer.name == "RandomUniform")
        for each in blueprint.upstream(layer)
    )


def _unfit(blueprint: Blueprint) -> Finding | None:
    """He's initialization where the activation does not cut anything off; it costs little."""
    unfit = []
    for layer in blueprint.layers:
        is_he = layer.initializer is not None and layer.initializer.name in _HE and layer.kind in WEIGHTED
        if is_he and layer.is_trainable and not layer.is_custom and _is_hidden(blueprint, layer):
            activation = activation_after(blueprint, layer)
            if _squashes(activation) or _is_selu(activation):
                unfit.append(layer)
    if not unfit:
        return None
    first = activation_after(blueprint, unfit[0])
    name = first.name if first else ""
    return Finding(
        severity=Severity.INFO,
        confidence=0.7,
        summary=(
            f"He initialization of {_extent(unfit)} is made for ReLU: under {name} its variance is twice what keeps "
            "the signal at its size."
        ),
        layers=tuple(layer.name for layer in unfit),
        evidence=(
            LayerTable(
                label="variance of the weights against what fits the activation",
                value=2.0,
                threshold=1.0,
                unit="x",
                statistic="weight_variance",
                rows=tuple((layer.name, 2.0) for layer in unfit),
            ),
        ),
        fixes=_fixes(blueprint, unfit),
    )


def _flat(blueprint: Blueprint, arriving: dict[str, Signal], options: Options) -> Finding | None:
    """Sigmoids in a row: the slope of each is a quarter at most."""
    rows = [
        [blueprint.by_name[name] for name in signal.way if _is_sigmoid(blueprint, name)] for signal in arriving.values()
    ]
    row = max(rows, key=len, default=[])
    if len(row) < options.sigmoids:
        return None
    left = 0.25 ** len(row)
    is_stalled = sum(math.log10(0.25 * _gain_back(layer)) for layer in row) <= -options.stalled
    edits = tuple(Edit(layer.name, "activation", "relu") for layer in row if _squashes(layer.activation))
    return Finding(
        severity=Severity.WARNING if is_stalled else Severity.INFO,
        confidence=0.8 if is_stalled else 0.7,
        summary=(
            f"{len(row)} hidden sigmoid layers in a row ({row[0].name} to {row[-1].name}), of slopes of 1/4 at most, "
            f"leave {left:.1g} of a gradient{', and' if is_stalled else ' where'} weights do not make up for it."
        ),
        layers=tuple(layer.name for layer in row),
        evidence=(
            LayerTable(
                label="product of the greatest slopes down to each layer",
                value=left,
                threshold=0.25**options.sigmoids,
                unit="x",
                statistic="gradient_share",
                rows=tuple((layer.name, 0.25 ** (len(row) - i)) for i, layer in enumerate(row)),
            ),
        ),
        fixes=(replace(model.use_relu(), edits=edits), model.add_batch_norm(), model.add_skip_connections()),
    )


def _gain_back(layer: Layer) -> float:
    """Return by how much the fresh weights of a layer stretch a gradient; 1 where they are not known."""
    counted = fans(layer)
    drawn = weights_of(layer.initializer, *counted) if counted else None
    return math.sqrt(counted[1] * drawn.variance) if counted and drawn and drawn.variance else 1.0


def _is_sigmoid(blueprint: Blueprint, name: str) -> bool:
    """Whether a layer is hidden, under a function between 0 and a bound."""
    layer = blueprint.by_name[name]
    activation = activation_after(blueprint, layer)
    return (
        activation is not None
        and _squashes(activation)
        and activation.low is not None
        and activation.low >= 0
        and _is_hidden(blueprint, layer)
    )


def _squashes(activation: Activation | None) -> bool:
    return activation is not None and activation.curve is Curve.SQUASHING


def _is_selu(activation: Activation | None) -> bool:
    return activation is not None and activation.name == "selu"


def _is_last(blueprint: Blueprint, name: str) -> bool:
    """Whether nothing with weights comes behind a layer."""
    layer = blueprint.by_name[name]
    return blueprint.is_output(layer) or not blueprint.after(layer)


def _is_hidden(blueprint: Blueprint, layer: Layer) -> bool:
    """Whether a layer's output goes on to others by itself: it is no output, and no gate that scales something."""
    followers = blueprint.after(layer)
    return (
        bool(followers)
        and not blueprint.is_output(layer)
        and all(each.kind in WEIGHTED or is_pointwise(each) for each in followers)
        and not all(_is_last(blueprint, each.name) and each.kind not in WEIGHTED for each in followers)
    )


def _fixes(blueprint: Blueprint, way: Sequence[Layer]) -> tuple[Fix, ...]:
    fitting = {layer.name: _fitting(activation_after(blueprint, layer)) for layer in way}
    wrong = {name: value for name, value in fitting.items() if not _has(blueprint.by_name[name], value)}
    others = (model.add_batch_norm(), model.add_skip_connections())
    return (layers.initialize(wrong), *others) if wrong else others


def _fitting(activation: Activation | None) -> str:
    if _is_selu(activation):
        return "lecun_normal"
    cuts = activation is not None and activation.curve in (Curve.RECTIFIER, Curve.RECTIFIER_LIKE)
    return "he_normal" if cuts else "glorot_uniform"


def _has(layer: Layer, initializer: str) -> bool:
    family = initializer.partition("_")[0]
    return layer.initializer is not None and layer.initializer.name.lower().startswith(family)


def _extent(way: Sequence[Layer]) -> str:
    if len(way) == 1:
        return way[0].name
    return f"the {len(way)} layers from {way[0].name} to {way[-1].name}"


def _fewest(way: Sequence[Layer]) -> str:
    """Return the initializers that occur on a way, the most frequent first."""
    drawn = [_drawn(layer) for layer in way]
    return ", ".join(sorted(set(drawn), key=lambda each: -drawn.count(each))[:2])


def _drawn(layer: Layer) -> str:
    return _put(layer.initializer) if layer.initializer is not None else ""


def _put(initializer: Initializer) -> str:
    """Return an initializer with the numbers that matter."""
    settings, asked = initializer.settings, ("stddev", "minval", "maxval", "gain", "scale")
    told = [f"{name}={settings[name]:g}" for name in asked if _is_number(settings.get(name))]
    return f"{initializer.name}({', '.join(told)})" if told else initializer.name


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
