"""A bias is added just before batch normalization takes every constant away again.

What it detects
---------------
Dense and convolutional layers with a bias whose output goes into batch normalization and nowhere else, be it through a
pooling, a sum or the like.

How it is detected
------------------
From the graph: ``use_bias`` is True, the layer applies no activation of its own, is trained and used once, and
every way from it leads into a batch normalization that is trained, with or without β, through nothing but what leaves a
constant of each feature one: poolings, croppings, up-sampling, sums, and a Flatten. Layers in a TimeDistributed are
looked at as they are at one step. Reported as `info` where the biases are at least
`least_biases` numbers: it costs little. Published networks are left as they are, since their stored weights have
those biases.

Why it matters
--------------
Normalization subtracts the mean of each feature, so the loss does not depend on the bias: its gradient is zero but
for rounding. It is stored, updated and decayed for nothing.

How to fix
----------
``use_bias=False`` in the layer before: β of the normalization is the bias.

References
----------
Ioffe, Szegedy, Batch normalization, ICML 2015, section 3.2: the bias "can be ignored since its effect will be
canceled".
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from diagnose.blueprint import Blueprint, Layer
from diagnose.check import Check, Fault, Needs, threshold
from diagnose.checks.layers._evidence import listed
from diagnose.finding import Comparison, Finding, Severity
from diagnose.fix import Edit
from diagnose.measures.backbones import published
from diagnose.measures.geometry import (
    at_each_step,
    is_convolution,
    is_global_pooling,
    is_local_pooling,
    takes_batch_statistics,
)
from diagnose.remedies import architecture
from diagnose.run import Run

CHECK = Check(needs=Needs(before=("model",)), fault=Fault.UNITS)

#: A number that is added to all of a feature is still added to all of it behind them.
_KEEP_CONSTANTS = frozenset(
    ("Flatten", "Identity", "ActivityRegularization", "Add", "Average", "Rescaling",
     *(f"{kind}{rank}D" for kind in ("Cropping", "UpSampling") for rank in (1, 2, 3)))
)  # fmt: skip


@dataclass(frozen=True)
class Options:
    """Thresholds of bias-before-batch-norm."""

    least_biases: float = threshold(
        1, unit="numbers", source="any is redundant", help="redundant biases in all from which it is told"
    )


def check(run: Run, options: Options) -> Iterator[Finding]:
    """Yield at most one finding, for all such layers together."""
    model = run.model
    if model is None:
        return
    model = at_each_step(model)
    theirs = published(model)
    found = [layer for layer in model.layers if layer.name not in theirs and _is_redundant(model, layer)]
    biases = sum(_width(layer) for layer in found)
    if not found or biases < options.least_biases:
        return
    yield Finding(
        severity=Severity.INFO,
        confidence=0.95,
        summary=f"The batch normalization behind {listed([layer.name for layer in found])} takes "
        f"{'its' if len(found) == 1 else 'their'} bias away again: {biases:,} numbers are trained for nothing.",
        layers=tuple(layer.name for layer in found),
        evidence=(
            Comparison(
                label="biases without effect",
                value=float(biases),
                threshold=options.least_biases,
                unit="numbers",
                left_name="such biases",
                left=float(biases),
                right_name="trainable parameters",
                right=float(model.trainable_parameters),
            ),
        ),
        fixes=(architecture.drop_bias([Edit(layer.name, "use_bias", False) for layer in found]),),
    )


def _is_redundant(model: Blueprint, layer: Layer) -> bool:
    return (
        (layer.kind == "Dense" or is_convolution(layer) or layer.kind.endswith("Transpose"))
        and layer.settings.get("use_bias") is True
        and layer.is_trainable
        and not layer.is_custom
        and layer.calls == 1
        and (layer.activation is None or layer.activation.is_linear)
        and _is_centred(model, layer)
    )


def _is_centred(model: Blueprint, layer: Layer) -> bool:
    """Whether every way from a layer leads into a batch normalization, its features as they are until there."""
    front, seen = [layer], {layer.name}
    while front:
        here = front.pop()
        behind = model.after(here)
        if model.is_output(here) or not behind:
            return False
        for each in behind:
            if _keeps_constants(each):
                front += [each] * (each.name not in seen)
                seen.add(each.name)
            elif not _centres(each, here):
                return False
    return True


def _keeps_constants(layer: Layer) -> bool:
    is_plain = not layer.is_custom and (layer.activation is None or layer.activation.is_linear)
    return is_plain and (layer.kind in _KEEP_CONSTANTS or is_local_pooling(layer) or is_global_pooling(layer))


def _centres(layer: Layer, given: Layer) -> bool:
    """Whether a layer takes the mean of each feature of what it is given."""
    rank = len(given.output_shape or ())
    channels = 1 if given.settings.get("data_format") == "channels_first" else rank - 1
    axis = layer.settings.get("axis", -1)
    axis = axis[0] if isinstance(axis, list | tuple) and len(axis) == 1 else axis
    return takes_batch_statistics(layer) and isinstance(axis, int) and rank > 1 and axis % rank == channels


def _width(layer: Layer) -> int:
    shape = layer.output_shape or (None,)
    size = shape[1] if layer.settings.get("data_format") == "channels_first" and len(shape) > 1 else shape[-1]
    return size or 0
