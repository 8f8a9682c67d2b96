"""An output activation that does not fit the loss, the labels or the metrics.

What it detects
---------------
Logits given to a loss that expects probabilities, probabilities given to one that expects logits, softmax with binary
cross-entropy, sigmoid with a categorical one, softmax over a single unit, a softmax or sigmoid of what is a probability
already, bounded activations for labels beyond their bounds, metrics that read the output in another way than the loss.
And softmax in a hidden layer, where it is out of place.

How it is detected
------------------
The last function before each output is held against its loss. It is ``critical`` where the loss cannot be brought down
(a straight line, ReLU or tanh before a cross-entropy of probabilities, a softmax over one unit or along another axis
than that of the classes, softmax for rows in which several labels hold) and where `outside` or more of the labels lie
beyond what the activation can give. It is a ``warning`` where the model learns, but less well than it could: softmax
before binary cross-entropy, sigmoid before a categorical one, probabilities taken for logits (by the loss, or by a
second softmax or sigmoid right behind the first), softmax for a regression loss where no labels show that they are
shares. A metric that does not fit is a ``warning``, and so is one that cuts at a probability (precision, AUC, binary
accuracy) where the output gives logits; ``accuracy`` beside a regression loss is an ``info``. Losses and activations of
your own are not judged; a sigmoid or tanh before a regression loss is sound while the labels lie within. A hidden
softmax that goes to layers with weights and nowhere else is an ``info``: weights of attention or of experts go into a
product, codes and mixtures may be meant.

Why it matters
--------------
The logarithm of a number that is no probability is cut off, and its gradient with it; what an activation cannot give
cannot be learned; two softmaxes in a row keep the loss from falling to zero.

How to fix
----------
Binary: one sigmoid unit and binary cross-entropy. One of K classes: K softmax units and (sparse) categorical
cross-entropy. Several labels at once: K sigmoid units and binary cross-entropy. Regression: no activation.

References
----------
Goodfellow, Bengio and Courville, Deep Learning, 2016, section 6.2.2 (output units and their losses); the Keras
reference of the probabilistic losses (from_logits).
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace

from diagnose.blueprint import Activation, Blueprint, Curve, Layer, Loss, Output
from diagnose.check import Check, Fault, Needs, threshold
from diagnose.finding import Comparison, Finding, Severity
from diagnose.fix import Edit, Fix
from diagnose.measures.architecture import NOISES, WEIGHTED, next_weighted, width_out
from diagnose.measures.losses import Family, family_of
from diagnose.measures.targets import Form, Misfit, Target, losses_of, misfit, target_of
from diagnose.remedies import layers, model, training
from diagnose.run import Run

CHECK = Check(
    needs=Needs(before=("model",)),
    fault=Fault.STUCK,
    explains=("not-learning", "impossible-loss", "metric-stuck", "loss-metric-disagreement", "underfitting"),
)


@dataclass(frozen=True)
class Options:
    """Thresholds of output-activation-mismatch."""

    outside: float = threshold(
        0.01,
        unit="share",
        source="a few outliers are no fault of the output",
        help="share of the labels beyond the bounds of the activation",
    )


@dataclass(frozen=True)
class Mismatch:
    """What is wrong with an output, the number that shows it, and what would be right.

    `layer` is the one to be changed; empty: the output layer.
    """

    severity: Severity
    told: str
    label: str
    value: float
    limit: float
    activation: str = ""
    loss: str = ""
    is_sure: bool = True
    layer: str = ""


#: Activations are looked at between -20 and 20.
_FAR = 20.0
_LINEAR, _SOFTMAX, _SQUASHING, _RECTIFIER = Curve.LINEAR, Curve.SOFTMAX, Curve.SQUASHING, Curve.RECTIFIER
#: Where a decision is taken of a probability; and how far thresholds lie beyond 0 and 1, to have both within.
_HALF, _ROUNDING = 0.5, 1e-6
_ACCURACIES = ("accuracy", "acc", "binary_accuracy", "categorical_accuracy", "sparse_categorical_accuracy")


def check(run: Run, options: Options) -> Iterator[Finding]:
    """Yield what is wrong with the activation of each output, and with its metrics."""
    blueprint = run.model
    if blueprint is None:
        return
    for output in blueprint.outputs:
        if _is_always_one(blueprint, output) and family_of(output.loss) not in (Family.SPARSE, Family.CATEGORICAL):
            yield _finding(blueprint, output, _always_one(output))
    for output, loss, family in losses_of(run):
        target = target_of(run, output)
        if misfit(output, target) not in (None, Misfit.TOO_MANY) or _is_always_one(blueprint, output):
            continue
        activation = output.activation
        if activation is not None and activation.curve not in (Curve.UNKNOWN, Curve.STEP):
            found = (
                _along_another_axis(blueprint, output, loss, family, activation)
                or _of_loss(output, loss, family, activation, target)
                or _twice(blueprint, output, loss, family, activation)
                or (_of_labels(output, loss, activation, target, options) if family is Family.REGRESSION else None)
            )
            if found is not None:
                yield _finding(blueprint, output, found)
        yield from _of_metrics(output, loss, family, target)
        yield from _of_thresholds(output, loss, family)
    yield from _hidden_softmax(blueprint)


# -- activation and loss -----------------------------------------------------------------------------------------------


def _of_loss(
    output: Output, loss: Loss, family: Family, activation: Activation, target: Target | None
) -> Mismatch | None:
    if family in (Family.SPARSE, Family.CATEGORICAL, Family.BINARY) and loss.from_logits:
        return _of_logits(output, loss, family, activation)
    if family in (Family.SPARSE, Family.CATEGORICAL):
        return _of_classes(output, loss, activation, target)
    if family is Family.BINARY:
        return _of_binary(output, loss, activation, target)
    if family is Family.HINGE:
        return _of_hinge(loss, activation)
    if family is Family.OVERLAP:
        fitting = "sigmoid" if output.units == 1 else "softmax"
        is_unfit = activation.curve in (_LINEAR, _RECTIFIER, _SQUASHING) and not _is_probability(activation)
        return _no_probability(loss, activation, Severity.WARNING, fitting) if is_unfit else None
    return _of_regression(output, loss, activation, target)


def _along_another_axis(
    blueprint: Blueprint, output: Output, loss: Loss, family: Family, activation: Activation
) -> Mismatch | None:
    """A softmax whose values sum to 1 along another axis than that of the classes."""
    layer, rank = blueprint.by_name.get(output.layer), len(output.shape)
    if family not in (Family.SPARSE, Family.CATEGORICAL) or activation.curve is not _SOFTMAX or rank < 3:
        return None
    if layer is None or layer.activation is None or layer.activation.curve is not _SOFTMAX:
        return None  # what comes between may have moved the axes
    axis, classes = activation.axis % rank, int(loss.settings.get("axis", -1)) % rank
    if axis == classes:
        return None
    return Mismatch(
        Severity.CRITICAL,
        f"applies {activation.name} along axis {axis} of its output, and {loss.name} takes axis "
        f"{classes} for the classes: the probabilities of one prediction do not sum to 1",
        "axis of the softmax",
        float(axis),
        float(classes),
    )


def _of_logits(output: Output, loss: Loss, family: Family, activation: Activation) -> Mismatch | None:
    if activation.curve not in (_SOFTMAX, _SQUASHING, _RECTIFIER):
        return None
    high = min(activation.high if activation.high is not None else _FAR, _FAR)
    low = max(activation.low if activation.low is not None else -_FAR, -_FAR)
    floor = _least_loss(output, family, low, high)
    return Mismatch(
        Severity.WARNING,
        f"applies {activation.name}, and {loss.name} takes logits (from_logits=True): "
        + (
            f"it cannot fall below {floor:.2g}"
            if floor >= 0.01
            else "a logit below zero, which says no, cannot be given, nor does it have a gradient"
        ),
        "least loss that the activation allows",
        floor,
        0.0,
        activation="linear",
    )


def _least_loss(output: Output, family: Family, low: float, high: float) -> float:
    """Return the least cross-entropy of logits between two bounds."""
    if family is Family.BINARY:  # two classes that are told apart by a sign: the mean over both
        return (math.log1p(math.exp(-high)) + math.log1p(math.exp(low))) / 2
    return math.log1p(max((output.units or 2) - 1, 1) * math.exp(low - high))  # all on the true class


def _twice(blueprint: Blueprint, output: Output, loss: Loss, family: Family, activation: Activation) -> Mismatch | None:
    """A softmax or sigmoid that is given probabilities."""
    is_squashed = activation.curve is _SOFTMAX or (activation.curve is _SQUASHING and _is_probability(activation))
    if family not in (Family.SPARSE, Family.CATEGORICAL, Family.BINARY) or not is_squashed:
        return None
    first = _function_before(blueprint, output)
    if first is None or first.activation is None or not _is_probability(first.activation):
        return None
    floor = _least_loss(output, family, 0.0, 1.0)
    return Mismatch(
        Severity.WARNING,
        f"applies {activation.name} to what {first.name} has made probabilities already (by {first.activation.name}): "
        f"{loss.name} cannot fall below {floor:.2g}",
        "least loss that the two activations allow",
        floor,
        0.0,
        activation="linear",
        layer=first.name,
    )


def _function_before(blueprint: Blueprint, output: Output) -> Layer | None:
    """Return the layer whose activation is the input, unchanged, of the last activation of an output."""
    layer, is_before = blueprint.by_name.get(output.layer), False
    while layer is not None and not layer.is_custom and layer.calls == 1:
        if layer.activation is not None and not layer.activation.is_linear:
            if is_before:
                return layer
            is_before = True
            if layer.parameters:
                return None
        elif layer.parameters or layer.kind not in NOISES | {"Activation", "Flatten", "Reshape", "Cast"}:
            return None
        before = blueprint.before(layer)
        layer = before[0] if len(before) == 1 else None
    return None


def _of_classes(output: Output, loss: Loss, activation: Activation, target: Target | None) -> Mismatch | None:
    units = output.units or 1
    several = target is not None and target.form is Form.MULTI_HOT
    if several and activation.curve in (_SOFTMAX, _SQUASHING):
        is_sigmoid = activation.curve is _SQUASHING
        return Mismatch(
            Severity.WARNING,
            f"is trained with {loss.name}, which is made for one label per sample, and several hold in the labels",
            "labels that hold in a sample, at most",
            float(target.width if target is not None else units),
            1.0,
            activation="" if is_sigmoid else "sigmoid",
            loss="binary_crossentropy",
        )
    if activation.curve is _SOFTMAX:
        return None
    if loss.name == "kl_divergence":
        is_linear = activation.curve is _LINEAR
        return _no_probability(loss, activation, Severity.WARNING, "softmax") if is_linear else None
    if _is_probability(activation):
        return Mismatch(
            Severity.WARNING,
            f"applies {activation.name} to {units} units, and {loss.name} expects probabilities that sum to 1",
            "largest sum of the outputs",
            float(units),
            1.0,
            activation="softmax",
        )
    if activation.curve is Curve.OTHER and activation.name != "log_softmax":
        return None
    positive = activation.curve is Curve.RECTIFIER_LIKE and activation.low is not None and activation.low >= 0
    return _no_probability(loss, activation, Severity.WARNING if positive else Severity.CRITICAL, "softmax")


def _of_binary(output: Output, loss: Loss, activation: Activation, target: Target | None) -> Mismatch | None:
    if activation.curve is _SOFTMAX:
        several = target is not None and target.form is Form.MULTI_HOT
        return Mismatch(
            Severity.CRITICAL if several else Severity.WARNING,
            f"applies softmax to {output.units} units, and {loss.name} takes each unit for a question of its own"
            + (": in the labels several hold at once, and the outputs sum to 1" if several else ""),
            "sum of the outputs, whatever the labels",
            1.0,
            float(output.units or 1),
            activation="sigmoid" if several else "",
            loss="" if several else "categorical_crossentropy",
            is_sure=target is not None,
        )
    if _is_probability(activation) or activation.curve is Curve.OTHER:
        return None
    return _no_probability(loss, activation, Severity.CRITICAL, "sigmoid")


def _no_probability(loss: Loss, activation: Activation, severity: Severity, fitting: str) -> Mismatch:
    low = max(activation.low if activation.low is not None else -_FAR, -_FAR)
    high = min(activation.high if activation.high is not None else _FAR, _FAR)
    inside = max(0.0, min(high, 1.0) - max(low, 0.0))
    applied = "has no activation" if activation.curve is _LINEAR else f"applies {activation.name}"
    return Mismatch(
        severity,
        f"{applied}, and {loss.name} expects probabilities: what lies beyond 0 and 1 is cut off, with its gradient",
        "share of the activation's values that are no probabilities",
        1.0 - inside / max(high - low, inside, 1e-6),
        0.0,
        activation=fitting,
    )


def _of_hinge(loss: Loss, activation: Activation) -> Mismatch | None:
    if activation.low is None or activation.low < 0 or activation.curve not in (_SOFTMAX, _SQUASHING, _RECTIFIER):
        return None
    return Mismatch(
        Severity.WARNING,
        f"applies {activation.name}, which is never below 0, and {loss.name} wants -1 for one of the two classes",
        "least value of the activation",
        activation.low,
        -1.0,
        activation="tanh",
    )


def _of_regression(output: Output, loss: Loss, activation: Activation, target: Target | None) -> Mismatch | None:
    if loss.name == "poisson" and activation.curve is _LINEAR:
        return Mismatch(
            Severity.WARNING,
            "has no activation, and poisson takes the logarithm of a rate, which must be positive",
            "least value of the activation",
            -_FAR,
            0.0,
            activation="softplus",
        )
    if activation.curve is not _SOFTMAX or (target is not None and target.form is Form.SHARES):
        return None
    is_one_hot = target is not None and target.form is Form.ONE_HOT
    known = target is not None and target.form in (Form.CONTINUOUS, Form.SIGNED, Form.CLASSES)
    return Mismatch(
        Severity.INFO if is_one_hot else Severity.CRITICAL if known else Severity.WARNING,
        f"applies softmax, and is trained with {loss.name}: "
        + (
            "a cross-entropy has the steeper gradient where a class is missed"
            if is_one_hot
            else f"its {output.units} values sum to 1, whatever the labels are"
        ),
        "sum of the outputs",
        1.0,
        float(output.units or 1),
        activation="" if is_one_hot else "linear",
        loss="categorical_crossentropy" if is_one_hot else "",
        is_sure=known,
    )


# -- activation and labels ---------------------------------------------------------------------------------------------


def _of_labels(
    output: Output, loss: Loss, activation: Activation, target: Target | None, options: Options
) -> Mismatch | None:
    """Labels of a regression that the activation cannot give."""
    if target is None or activation.curve is _SOFTMAX:
        return None
    outside = target.share_outside(activation.low, activation.high)
    if outside < options.outside:
        return None
    low, high = activation.low, activation.high
    bounds = (
        f"at least {low:g}" if high is None else f"at most {high:g}" if low is None else f"from {low:g} to {high:g}"
    )
    return Mismatch(
        Severity.CRITICAL,
        f"applies {activation.name}, whose values are {bounds}, and {100 * outside:.0f} % of the labels (from "
        f"{target.low:.4g} to {target.high:.4g}) lie beyond",
        "share of the labels that the activation cannot give",
        outside,
        options.outside,
        activation="linear",
    )


def _is_probability(activation: Activation) -> bool:
    low, high = activation.low, activation.high
    return low is not None and high is not None and low >= -1e-6 and high <= 1 + 1e-6


def _is_always_one(blueprint: Blueprint, output: Output) -> bool:
    """Whether the output is a softmax over one unit."""
    layer = blueprint.by_name.get(output.layer)
    if output.units != 1 or layer is None or layer.activation is None or layer.activation.curve is not _SOFTMAX:
        return False
    return layer.kind in WEIGHTED | {"Activation"} or (layer.kind == "Softmax" and layer.settings.get("axis") == -1)


def _always_one(output: Output) -> Mismatch:
    family = family_of(output.loss)
    known = {Family.BINARY: "sigmoid", Family.OVERLAP: "sigmoid", Family.REGRESSION: "linear", Family.HINGE: "tanh"}
    logits = output.loss is not None and output.loss.from_logits
    return Mismatch(
        Severity.CRITICAL,
        "applies softmax to one unit, which is always 1, whatever the input",
        "units that the softmax is taken over",
        1.0,
        2.0,
        activation="linear" if logits else known.get(family, "sigmoid") if family is not None else "sigmoid",
        is_sure=family is not None,
    )


def _finding(blueprint: Blueprint, output: Output, found: Mismatch) -> Finding:
    return Finding(
        severity=found.severity,
        confidence=0.95 if found.severity is Severity.CRITICAL else 0.8,
        summary=f"Output {output.name} {found.told}.",
        layers=(output.layer, found.layer) if found.layer else (output.layer,),
        evidence=(
            Comparison(
                label=found.label,
                value=found.value,
                threshold=found.limit,
                left_name=output.activation.name if output.activation is not None else output.name,
                left=found.value,
                right_name="sound",
                right=found.limit,
            ),
        ),
        fixes=_fixes(blueprint, output, found),
    )


def _fixes(blueprint: Blueprint, output: Output, found: Mismatch) -> tuple[Fix, ...]:
    name = found.layer or output.layer
    layer = blueprint.by_name.get(name)
    can_be_set = layer is not None and not layer.is_custom and layer.kind in WEIGHTED | {"Activation"}
    if found.activation and not can_be_set:
        return (model.match_output_to_loss(),)
    fitted = layers.fit_output(
        name,
        activation=found.activation,
        loss=found.loss,
        is_sure=found.is_sure and (not found.loss or len(blueprint.outputs) == 1),
    )
    return fitted, model.match_output_to_loss()


# -- hidden layers -----------------------------------------------------------------------------------------------------


def _hidden_softmax(blueprint: Blueprint) -> Iterator[Finding]:
    """Yield a finding for a softmax between layers with weights."""
    found = [
        layer
        for layer in blueprint.layers
        if layer.activation is not None
        and layer.activation.curve is _SOFTMAX
        and layer.kind in WEIGHTED | {"Activation", "Softmax"}
        and not layer.is_custom
        and next_weighted(blueprint, layer)
    ]
    if not found:
        return
    first = found[0]
    width = width_out(first)
    units = "" if width is None else f" ({width})"
    can_be_set = [layer for layer in found if layer.kind != "Softmax"]
    yield Finding(
        severity=Severity.INFO,
        confidence=0.6,
        summary=f"Hidden layer {first.name} applies softmax: its values{units} sum to 1, so that what lies behind is "
        "given little to tell samples apart by.",
        layers=tuple(layer.name for layer in found),
        evidence=(
            Comparison(
                label="hidden layers with a softmax",
                value=float(len(found)),
                left_name="such layers",
                left=float(len(found)),
                right_name="layers of the model",
                right=float(len(blueprint.layers)),
            ),
        ),
        fixes=(replace(model.use_relu(), edits=tuple(Edit(layer.name, "activation", "relu") for layer in can_be_set)),),
    )


# -- metrics -----------------------------------------------------------------------------------------------------------


def _of_metrics(output: Output, loss: Loss, family: Family, target: Target | None) -> Iterator[Finding]:
    """Yield a finding for the metrics that read the output or the labels in another way than the loss."""
    is_single = output.units == 1
    unfit = {
        Family.SPARSE: ("binary_accuracy", "categorical_accuracy"),
        Family.CATEGORICAL: ("binary_accuracy", "sparse_categorical_accuracy"),
        Family.BINARY: ("categorical_accuracy", "sparse_categorical_accuracy") if is_single else (),
        Family.REGRESSION: _ACCURACIES if _is_of_amounts(output, target) else (),
    }.get(family, ())
    found = [name for name in output.metrics if name in unfit]
    if not found:
        return
    is_regression = family is Family.REGRESSION
    told = (
        "counts predictions that equal the label exactly, and the output is a number"
        if is_regression
        else "reads labels and output in another way than the loss"
    )
    yield Finding(
        severity=Severity.INFO if is_regression else Severity.WARNING,
        confidence=0.8,
        summary=f"Metric {', '.join(found)} of output {output.name} ({loss.name}, {output.units} units) {told}.",
        layers=(output.layer,),
        evidence=(
            Comparison(
                label="metrics that do not fit the loss",
                value=float(len(found)),
                threshold=0.0,
                left_name="unfit",
                left=float(len(found)),
                right_name="all",
                right=float(len(output.metrics)),
            ),
        ),
        fixes=(training.fix_metric(),),
    )


def _of_thresholds(output: Output, loss: Loss, family: Family) -> Iterator[Finding]:
    """Yield a finding for the metrics whose thresholds are those of probabilities, and the output gives logits.

    And for those that are beyond 0 and 1, where it gives probabilities.
    """
    activation = output.activation
    if activation is None or family not in (Family.SPARSE, Family.CATEGORICAL, Family.BINARY):
        return
    cuts = dict(output.thresholds)
    if family is Family.BINARY and output.units == 1 and "accuracy" in output.metrics:
        cuts["accuracy"] = (_HALF, _HALF)  # Keras takes binary accuracy for it
    if loss.from_logits and activation.is_linear:
        unfit = {name: cut for name, cut in cuts.items() if cut[0] >= -_ROUNDING and 0 < cut[1] <= 1 + _ROUNDING}
        told = "of a probability, and the output gives logits, which say yes above 0"
    elif not loss.from_logits and _is_probability(activation):
        unfit = {name: cut for name, cut in cuts.items() if cut[1] <= 0 or cut[0] >= 1}
        told = "that no probability, or every one, is above"
    else:
        return
    if not unfit:
        return
    name, (low, high) = next(iter(unfit.items()))
    yield Finding(
        severity=Severity.WARNING,
        confidence=0.8,
        summary=f"Metric {', '.join(unfit)} of output {output.name} has {_told_thresholds(low, high)} {told}.",
        layers=(output.layer,),
        evidence=(
            Comparison(
                label=f"threshold of {name}",
                value=high,
                threshold=0.0 if loss.from_logits else _HALF,
                left_name=name,
                left=high,
                right_name="sound",
                right=0.0 if loss.from_logits else _HALF,
            ),
        ),
        fixes=(training.cut_logits_at_zero() if loss.from_logits else training.fix_metric(),),
    )


def _told_thresholds(low: float, high: float) -> str:
    return f"the threshold {high:g}" if low == high else f"thresholds from {max(low, 0):g} to {min(high, 1):g}"


def _is_of_amounts(output: Output, target: Target | None) -> bool:
    if target is not None:
        return target.form is Form.CONTINUOUS
    return output.activation is not None and output.activation.curve is _LINEAR
