"""Hidden layers whose weights all begin as the same number.

What it detects
---------------
Dense and convolutional layers whose kernel is all zeros, all ones or any other constant, so that their units are
copies of each other, or get no gradient at all.

How it is detected
------------------
The kernel's initializer draws one number only, or the kernel has been set to one, in a trained hidden layer of at least
`units` units; a layer of your own is called on a few numbers, and its units are compared. It is ``critical``
where the units can never part, for the layers that they lead to are constant too, and where a kernel and a bias of zero
meet ReLU, whose derivative at zero is zero. It is a ``warning`` where weights other than zero lead to random ones: the
units begin as copies and part only slowly. A kernel of zeros between random ones, at the end of a residual branch or
in the output layer is a known device and no fault; nor are constant biases, scales, embeddings and depthwise kernels.

Why it matters
--------------
Units with equal weights in and equal weights out get equal gradients and stay equal for ever: the layer computes one
feature, however wide it is.

How to fix
----------
Random initialization: He for the ReLU family, Glorot (Xavier) for sigmoid, tanh and softmax. Biases may start at zero.

References
----------
Goodfellow, Bengio and Courville, Deep Learning, 2016, section 8.4 (breaking symmetry); Zhang, Dauphin and Ma, Fixup
Initialization, ICLR 2019 (zeros at the end of residual branches).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from diagnose.blueprint import Blueprint, Curve, Layer
from diagnose.check import Check, Fault, Needs, threshold
from diagnose.checks.layers._evidence import with_more
from diagnose.finding import Finding, LayerTable, Severity
from diagnose.fix import Applicability, Fix
from diagnose.measures.architecture import CONVOLUTIONS, activation_after, next_weighted, trained, width_out
from diagnose.measures.signal import constant_of
from diagnose.remedies import layers
from diagnose.run import Run

CHECK = Check(
    needs=Needs(before=("model",)),
    fault=Fault.UNITS,
    explains=(
        "symmetric-weights", "not-learning", "frozen-weights", "underfitting", "metric-stuck", "plateau",
        "initializer-activation-mismatch",
    ),
)  # fmt: skip


@dataclass(frozen=True)
class Options:
    """Thresholds of constant-initializer."""

    units: float = threshold(
        2.0, unit="units", source="a single unit has no copy", help="the fewest units of a layer that is looked at"
    )


def check(run: Run, options: Options) -> Iterator[Finding]:
    """Yield one finding with the layers that cannot learn, else one with those that begin as copies."""
    model = run.model
    if model is None or not model.is_whole:
        return
    constant = [layer for layer in trained(model) if _is_constant(layer)]
    wide = [layer for layer in constant if (width_out(layer) or 0) >= options.units]
    dead = [layer for layer in wide if _is_dead(model, layer)]
    locked = [layer for layer in wide if layer not in dead and _is_locked(model, layer)]
    own = [layer for layer in model.layers if _is_own_copy(model, layer)]
    copies = [layer for layer in wide if constant_of(layer.initializer) and next_weighted(model, layer)] + own
    if dead or locked:
        told = (
            ", and so does the layer behind: its units stay copies of each other for ever"
            if locked
            else " under ReLU: it has no gradient, and will never change"
        )
        yield _finding(model, [*dead, *locked], constant, Severity.CRITICAL, told, options)
    elif copies:
        told = ", so that its units begin as copies of each other"
        yield _finding(model, copies, copies, Severity.WARNING, told, options)


def _fixes(model: Blueprint, mended: Sequence[Layer]) -> Iterator[Fix]:
    """Yield what sets initializers, of Keras' own layers; those of the user's are in their code."""
    kept = {layer.name: _fitting(model, layer) for layer in mended if not layer.is_custom}
    if kept:
        yield layers.initialize(kept)
    if len(kept) < len(mended):
        own = {layer.name: _fitting(model, layer) for layer in mended if layer.is_custom}
        yield replace(layers.initialize(own), applicability=Applicability.MANUAL, changes=(), edits=())


def _is_constant(layer: Layer) -> bool:
    return layer.kind in CONVOLUTIONS | {"Dense"} and constant_of(layer.initializer) is not None


def _is_own_copy(model: Blueprint, layer: Layer) -> bool:
    """Whether a hidden layer of the user's begins with units that are copies of each other."""
    is_trained = layer.is_trainable and layer.trainable_parameters > 0
    return layer.is_custom and is_trained and constant_of(layer.initializer) is not None and not model.is_output(layer)


def _is_dead(model: Blueprint, layer: Layer) -> bool:
    """Whether zeros meet a derivative of zero: ReLU's at zero."""
    activation = activation_after(model, layer)
    return (
        constant_of(layer.initializer) == 0
        and (layer.bias_initializer is None or constant_of(layer.bias_initializer) == 0)
        and activation is not None
        and activation.curve is Curve.RECTIFIER
    )


def _is_locked(model: Blueprint, layer: Layer) -> bool:
    """Whether all that the units lead to treats them alike."""
    following = next_weighted(model, layer)
    return bool(following) and all(_is_constant(each) for each in following or ())


def _finding(
    model: Blueprint, found: Sequence[Layer], mended: Sequence[Layer], severity: Severity, told: str, options: Options
) -> Finding:
    worst = max(found, key=lambda layer: width_out(layer) or 0)
    return Finding(
        severity=severity,
        confidence=0.95 if severity is Severity.CRITICAL else 0.8,
        summary=(
            f"Every weight of {with_more(worst.name, len(found))} ({width_out(worst)} units) begins as "
            f"{constant_of(worst.initializer):g}{told}."
        ),
        layers=tuple(layer.name for layer in found),
        evidence=(
            LayerTable(
                label="units that begin as copies of each other",
                value=float(width_out(worst) or 0),
                threshold=options.units,
                unit="units",
                statistic="equal_units",
                rows=tuple((layer.name, float(width_out(layer) or 0)) for layer in found),
            ),
        ),
        fixes=tuple(_fixes(model, mended)),
    )


def _fitting(model: Blueprint, layer: Layer) -> str:
    activation = activation_after(model, layer)
    if activation is None or activation.curve not in (Curve.RECTIFIER, Curve.RECTIFIER_LIKE):
        return "glorot_uniform"
    return "lecun_normal" if activation.name == "selu" else "he_normal"
