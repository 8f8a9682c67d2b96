"""Values vanish or blow up on their way through the untrained layers, or layers are dead.

What it detects
---------------
One batch through the freshly made network: what the last hidden layer gives is orders of magnitude smaller or larger
than what the first one gives, or a ReLU layer gives nothing but zeros.

How it is detected
------------------
The deviation of each layer's output is measured on one batch. In front of the output it is below `shrunk`, or above
`grown`, of the deviation behind the first layer with weights: the signal must really have got lost, for single branches
are often small on purpose. A ReLU layer of `units` units or more of which a share of `dead` is zero for every sample is
dead before the training. All are a ``warning``.

Why it matters
--------------
Outputs that hardly depend on the inputs give gradients that hardly do; and values that grow with each layer end in
saturated outputs, NaN, or steps that must be tiny.

How to fix
----------
He initialization with ReLU, Glorot with sigmoid and tanh, normalization layers or skip connections from about ten
layers on.

References
----------
Glorot and Bengio, Understanding the difficulty of training deep feedforward neural networks, AISTATS 2010; He et al.,
Delving Deep into Rectifiers, ICCV 2015; TheDeepChecker (TOSEM 2022) wants activations' deviation in [0.5, 2], which
sound networks often leave.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from diagnose.blueprint import Blueprint, Curve, DryRun, LayerScale
from diagnose.check import Check, Fault, Needs, threshold
from diagnose.checks.layers._evidence import with_more
from diagnose.finding import Comparison, Finding, LayerTable, Severity
from diagnose.remedies import data, model
from diagnose.run import Run

CHECK = Check(
    needs=Needs(before=("model", "dry_run")),
    fault=Fault.GRADIENT,
    explains=("initial-loss", "one-batch-fit", "gradient-scale", "vanishing-gradient", "dying-relu"),
)


@dataclass(frozen=True)
class Options:
    """Thresholds of signal-scale."""

    shrunk: float = threshold(
        1e-4,
        unit="x",
        source="VGG19 without normalization comes to 1e-2",
        help="deviation in front of the output over that behind the first layer",
    )
    grown: float = threshold(
        1e4,
        unit="x",
        source="residual sums without normalization double with each block at most",
        help="the same, where it grows",
    )
    dead: float = threshold(
        0.95, unit="share", source="half of the units of a ReLU layer may be off by chance", help="units that are zero"
    )
    units: float = threshold(
        16.0, unit="units", source="that so many are off by chance happens once in 65,536 times", help="in the layer"
    )


def check(run: Run, options: Options) -> Iterator[Finding]:
    """Yield at most one finding for dead layers, else one for the signal's size."""
    blueprint, tried = run.model, run.dry_run
    if blueprint is None or tried is None:
        return
    dead = [scale for scale in tried.scales if _is_dead(blueprint, scale, options)]
    if dead:
        yield _dead(tried, dead, options)
        return
    first, last = _ends(blueprint, tried.scales)
    if first is None or last is None or first is last:
        return
    ratio = (last.output_std or 0.0) / (first.output_std or 1.0)
    if ratio < options.shrunk or ratio > options.grown:
        yield _lost(first, last, ratio, options)


def _is_dead(blueprint: Blueprint, scale: LayerScale, options: Options) -> bool:
    layer = blueprint.by_name.get(scale.layer)
    if layer is None or scale.zero_fraction is None or blueprint.is_output(layer):
        return False
    is_rectifier = layer.activation is not None and layer.activation.curve is Curve.RECTIFIER
    shape = layer.output_shape
    units = shape[-1] if shape else None
    return is_rectifier and units is not None and units >= options.units and scale.zero_fraction >= options.dead


def _ends(blueprint: Blueprint, scales: Sequence[LayerScale]) -> tuple[LayerScale | None, LayerScale | None]:
    """Return the first layer with weights, and that which the output layer is given; None where they are not clear."""
    if not blueprint.is_whole or len(blueprint.outputs) != 1:
        return None, None
    known = {scale.layer: scale for scale in scales if scale.output_std is not None}
    weighted = [layer for layer in blueprint.layers if layer.parameters and layer.name in known]
    output = blueprint.by_name.get(blueprint.outputs[0].layer)
    while output is not None and not output.parameters:  # a softmax or a reshape of its own behind it
        before = blueprint.before(output)
        output = before[0] if len(before) == 1 else None
    before = blueprint.before(output) if output is not None else ()
    if not weighted or len(before) != 1 or before[0].name not in known:
        return None, None
    first, last = known[weighted[0].name], known[before[0].name]
    is_usable = math.isfinite(first.output_std or 0) and math.isfinite(last.output_std or 0)
    return (first, last) if is_usable and (first.output_std or 0) > 0 and weighted[0] is not output else (None, None)


def _dead(tried: DryRun, dead: Sequence[LayerScale], options: Options) -> Finding:
    worst = max(dead, key=lambda scale: scale.zero_fraction or 0)
    return Finding(
        severity=Severity.WARNING,
        confidence=0.85,
        summary=(
            f"Before any training {with_more(worst.layer, len(dead))} gives zero for all {tried.samples} samples in "
            f"{100 * (worst.zero_fraction or 0):.0f} % of its units."
        ),
        layers=tuple(scale.layer for scale in dead),
        evidence=(
            LayerTable(
                label="units that are zero for every sample",
                value=worst.zero_fraction or 0.0,
                threshold=options.dead,
                statistic="zero_fraction",
                rows=tuple((scale.layer, scale.zero_fraction or 0.0) for scale in dead),
            ),
        ),
        fixes=(model.initialize_he(), model.use_leaky_relu(), model.add_batch_norm(), data.standardize_inputs()),
    )


def _lost(first: LayerScale, last: LayerScale, ratio: float, options: Options) -> Finding:
    is_lost = ratio < 1
    verb = "shrinks" if is_lost else "grows"
    return Finding(
        severity=Severity.WARNING,
        confidence=0.8,
        summary=(
            f"The signal {verb} from a deviation of {first.output_std:.3g} behind {first.layer} to "
            f"{last.output_std:.3g} at {last.layer}, in front of the output, before any training."
        ),
        layers=(first.layer, last.layer),
        evidence=(
            Comparison(
                label="deviation in front of the output over that behind the first layer",
                value=ratio,
                threshold=options.shrunk if is_lost else options.grown,
                unit="x",
                left_name=last.layer,
                left=last.output_std or 0.0,
                right_name=first.layer,
                right=first.output_std or 0.0,
            ),
        ),
        fixes=(
            model.initialize_he(), model.initialize_glorot(), model.add_batch_norm(), model.add_skip_connections()
        ),
    )  # fmt: skip
