"""Dropout where it does harm: behind the last weights, before normalization, far too much.

What it detects
---------------
Dropout on the output itself; dropout whose result goes straight into batch normalization; rates at which hardly any
unit is left; much dropout on the inputs; two dropouts in a row; plain dropout between convolutions.

How it is detected
------------------
From the graph and the rates. On a trained output, or between its last weights and its softmax: `warning`. Into
batch normalization, with at most an activation between: `warning` from a rate of `before_norm` on, else `info`. A
rate of `highest` or more: `warning`. On the inputs at `on_inputs` or more: `warning`, except for autoencoders,
which learn to undo it. Two in a row: `info`, or `warning` where both together reach `highest`. Plain dropout of
`between_convolutions` or more between two convolutions: `info`. Dropout before the last dense layer, in recurrent
layers and behind attention is usual and right. Published networks are left as they are.

Why it matters
--------------
Behind the last weights nothing can make up for what is struck out: a dropped class has probability zero, and its
cross-entropy no bound. Dropout raises the variance of what it is given in training, but not in evaluation; batch
normalization learns the former and is wrong in the latter.

How to fix
----------
Take it out or move it: behind the normalization, before the last dense layer. Rates of 0.2 to 0.5, inputs 0.2 or
less.

References
----------
Li et al., Understanding the disharmony between dropout and batch normalization by variance shift, CVPR 2019;
Srivastava et al., Dropout, JMLR 2014 (0.5 on hidden layers, 0.2 on inputs); Tompson et al., CVPR 2015 (whole
channels).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from diagnose.blueprint import Blueprint, Curve, Layer
from diagnose.check import Check, Fault, Needs, threshold
from diagnose.checks.layers._evidence import listed
from diagnose.finding import Comparison, Finding, Severity
from diagnose.fix import Edit, Fix
from diagnose.measures.backbones import published
from diagnose.measures.geometry import ELEMENTWISE, RESHAPING, is_batch_normalization, is_convolution, is_dropout
from diagnose.remedies import architecture
from diagnose.run import Run

CHECK = Check(needs=Needs(before=("model",)), explains=("validation-better-than-training",), fault=Fault.STUCK)


@dataclass(frozen=True)
class Options:
    """Thresholds of misplaced-dropout."""

    highest: float = threshold(
        0.8, unit="share", source="chosen on benchmarks/audit; Srivastava et al. 2014 keep half", help="rate"
    )
    before_norm: float = threshold(
        0.3,
        unit="share",
        source="Li et al. 2019: the variance differs by 1 / (1 - rate), here by 43 %; small rates do no harm",
        help="rate before batch normalization",
    )
    on_inputs: float = threshold(0.5, unit="share", source="Srivastava et al. 2014: 0.2", help="rate on the inputs")
    between_convolutions: float = threshold(
        0.3, unit="share", source="chosen on benchmarks/audit", help="rate between convolutions"
    )


def check(run: Run, options: Options) -> Iterator[Finding]:
    """Yield a finding for each kind of misplacement, with all the layers of that kind; a layer is told once."""
    model = run.model
    if model is None:
        return
    theirs = published(model)
    left = [layer for layer in model.layers if is_dropout(layer) and _rate(layer) and layer.name not in theirs]
    for judge in (_on_output, _too_high, _before_norm, _on_inputs, _in_a_row, _between_convolutions):
        found = judge(model, left, options)
        if found is not None:
            yield found
            left = [layer for layer in left if layer.name not in found.layers]


def _rate(layer: Layer) -> float:
    rate = layer.settings.get("rate")
    return float(rate) if isinstance(rate, int | float) else 0.0


def _found(
    severity: Severity, text: str, layers: Sequence[Layer], limit: float | None, fixes: tuple[Fix, ...], sure: float
) -> Finding:
    worst = max(layers, key=_rate)
    return Finding(
        severity=severity,
        confidence=sure,
        summary=text.format(names=listed([layer.name for layer in layers]), rate=f"{_rate(worst):g}"),
        layers=tuple(layer.name for layer in layers),
        evidence=(
            Comparison(
                label="dropout rate",
                value=_rate(worst),
                threshold=limit,
                unit="share",
                left_name=worst.name,
                left=_rate(worst),
                right_name="limit",
                right=_rate(worst) if limit is None else limit,
            ),
        ),
        fixes=fixes,
    )


def _taken_out(layers: Sequence[Layer]) -> Fix:
    return architecture.take_dropout_out([Edit(layer.name, op="remove") for layer in layers])


def _lowered(layers: Sequence[Layer], rate: float) -> Fix:
    return architecture.drop_less([Edit(layer.name, "rate", rate) for layer in layers], rate=rate)


def _on_output(model: Blueprint, dropouts: Sequence[Layer], options: Options) -> Finding | None:
    ends = [
        output.layer
        for output in model.outputs
        if output.loss is not None or (output.activation is not None and output.activation.curve is Curve.SOFTMAX)
    ]
    behind = {name for end in ends if end in model.by_name for name in _passed(model, model.by_name[end])}
    found = [layer for layer in dropouts if layer.name in behind]
    if not found:
        return None
    return _found(
        Severity.WARNING,
        "{names} (rate {rate}) stands behind the last layer with weights: in training it strikes out parts of the "
        "answer itself.",
        found,
        None,
        (_taken_out(found),),
        0.95,
    )


def _passed(model: Blueprint, layer: Layer) -> Iterator[str]:
    """Yield the layers that lead to a layer's output, back to the first that has weights or computes anything else."""
    here: Layer | None = layer
    while here is not None and not here.parameters and (is_dropout(here) or here.kind in ELEMENTWISE | RESHAPING):
        yield here.name
        before = model.before(here)
        here = before[0] if len(before) == 1 else None


def _too_high(model: Blueprint, dropouts: Sequence[Layer], options: Options) -> Finding | None:
    found = [layer for layer in dropouts if _rate(layer) >= options.highest]
    if not found:
        return None
    return _found(
        Severity.WARNING,
        "{names} drops {rate} of its input, the share to drop and not the one to keep: hardly any unit is left.",
        found,
        options.highest,
        (_lowered(found, 0.3),),
        0.85,
    )


def _before_norm(model: Blueprint, dropouts: Sequence[Layer], options: Options) -> Finding | None:
    found = [layer for layer in dropouts if any(is_batch_normalization(each) for each in _next(model, layer))]
    if not found:
        return None
    strong = any(_rate(layer) >= options.before_norm for layer in found)
    return _found(
        Severity.WARNING if strong else Severity.INFO,
        "{names} (rate {rate}) goes straight into batch normalization, which then learns a variance that evaluation "
        "does not have.",
        found,
        options.before_norm,
        (_taken_out(found), _lowered(found, 0.1)),
        0.75,
    )


def _next(model: Blueprint, layer: Layer) -> Iterator[Layer]:
    """Yield what follows a layer, activations left out."""
    for each in model.after(layer):
        if each.kind in ELEMENTWISE and not each.parameters:
            yield from _next(model, each)
        else:
            yield each


def _on_inputs(model: Blueprint, dropouts: Sequence[Layer], options: Options) -> Finding | None:
    found = [
        layer
        for layer in dropouts
        if _rate(layer) >= options.on_inputs
        and model.before(layer)
        and not any(each.parameters or each.is_custom for each in model.upstream(layer))
        and all(layer.output_shape != output.shape for output in model.outputs)
    ]
    if not found:
        return None
    return _found(
        Severity.WARNING,
        "{names} drops {rate} of the inputs: what is gone there no layer can bring back.",
        found,
        options.on_inputs,
        (_lowered(found, 0.2),),
        0.7,
    )


def _in_a_row(model: Blueprint, dropouts: Sequence[Layer], options: Options) -> Finding | None:
    pairs = [
        (first, second)
        for first in dropouts
        for second in _next(model, first)
        if second.name in {layer.name for layer in dropouts}
    ]
    if not pairs:
        return None
    together = max(1 - (1 - _rate(first)) * (1 - _rate(second)) for first, second in pairs)
    second = list(dict.fromkeys(second.name for _, second in pairs))
    found = [layer for layer in dropouts if layer.name in second]
    return _found(
        Severity.WARNING if together >= options.highest else Severity.INFO,
        f"{{names}} (rate {{rate}}) follows another dropout: together they drop {100 * together:.0f} %.",
        found,
        options.highest,
        (_taken_out(found),),
        0.8,
    )


def _between_convolutions(model: Blueprint, dropouts: Sequence[Layer], options: Options) -> Finding | None:
    found = [
        layer
        for layer in dropouts
        if layer.kind == "Dropout"
        and not layer.settings.get("noise_shape")
        and _rate(layer) >= options.between_convolutions
        and any(is_convolution(each) for each in _next(model, layer))
        and any(is_convolution(each) for each in model.upstream(layer))
    ]
    if not found:
        return None
    return _found(
        Severity.INFO,
        "{names} (rate {rate}) drops single numbers between convolutions, whose neighbours still tell what was there.",
        found,
        options.between_convolutions,
        (architecture.drop_channels(),),
        0.6,
    )
