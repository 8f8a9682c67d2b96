"""The weight penalty is larger than the loss that it is added to.

What it detects
---------------
A model whose penalties (L1, L2, what a layer of one's own adds for its weights) outweigh its loss before the first
step.

How it is detected
------------------
The sum of the penalties of the fresh model against its first loss: that of a dry run, or what it must be near where
nothing was computed (ln K for K classes; for MSE and MAE that of an output of zero, where the labels are known). What a
layer of one's own adds by ``add_loss`` counts where it does not depend on the input. `warning` from a ratio of `ratio`
on, `critical` from `critical_ratio` on. Where all layers with a penalty are followed by a normalization nothing is
said: their weights can shrink without changing what the model computes, and published networks are trained so.

Why it matters
--------------
The optimizer lowers whatever is largest: it shrinks the weights to nothing, and what is left to learn is drowned.

How to fix
----------
A penalty 10 to 100 times smaller: 1e-4 to 1e-3 is usual for L2, 1e-5 to 1e-4 for L1. The string ``"l2"`` means 0.01.

References
----------
Simonyan, Zisserman, VGG, ICLR 2015 (5e-4 on all weights: a ratio of about 1 at the start); van Laarhoven, L2
regularization versus batch and weight normalization, 2017 (why normalized layers do not mind).
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

from diagnose.blueprint import Blueprint, Curve, Layer, Output
from diagnose.check import Check, Fault, Needs, threshold
from diagnose.finding import Comparison, Finding, Severity
from diagnose.fix import Edit
from diagnose.measures.architecture import NORMALIZATIONS
from diagnose.measures.geometry import ELEMENTWISE, is_dropout, penalties
from diagnose.measures.targets import Target, target_of
from diagnose.remedies import architecture, regularization
from diagnose.run import Run

CHECK = Check(needs=Needs(before=("compiled",)), explains=("underfitting",), fault=Fault.STUCK)


@dataclass(frozen=True)
class Options:
    """Thresholds of dominant-regularization."""

    ratio: float = threshold(
        2.0, unit="x", source="VGG16 with its published penalty has 1", help="penalty over the first loss"
    )
    critical_ratio: float = threshold(
        10.0, unit="x", source="a dense layer of 128 units on 784 inputs with l2(0.1) has 10", help="the same, lost"
    )


def check(run: Run, options: Options) -> Iterator[Finding]:
    """Yield at most one finding."""
    model = run.model
    if model is None or model.regularization is None or not math.isfinite(model.regularization):
        return
    loss = _first_loss(run, model)
    penalized = [layer for layer in model.layers if penalties(layer) and layer.is_trainable]
    if loss is None or model.regularization < options.ratio * loss or _are_normalized(model, penalized):
        return
    ratio = model.regularization / loss
    edits = [
        Edit(layer.name, "kernel_regularizer", None) for layer in penalized if layer.settings.get("kernel_regularizer")
    ]
    yield Finding(
        severity=Severity.CRITICAL if ratio >= options.critical_ratio else Severity.WARNING,
        confidence=0.85,
        summary=f"The weight penalties of the fresh model are {model.regularization:.3g}, {ratio:.3g} times its loss "
        f"of {loss:.3g}: training will shrink the weights before it learns anything.",
        layers=tuple(layer.name for layer in penalized),
        evidence=(
            Comparison(
                label="penalties over the first loss",
                value=ratio,
                threshold=options.ratio,
                unit="x",
                left_name="penalties",
                left=model.regularization,
                right_name="loss",
                right=loss,
            ),
        ),
        fixes=(regularization.lower_l2(), architecture.remove_penalty(edits)),
    )


def _first_loss(run: Run, model: Blueprint) -> float | None:
    """Return the loss before the first step; None where neither a dry run nor theory tells it."""
    dry = run.dry_run
    # What layers add is in the loss of a dry run.
    added = sum(float(layer.settings.get("added_penalty", 0.0)) for layer in model.layers)
    measured = (dry.initial_loss, dry.expected_loss) if dry is not None else ()
    for loss in (each - by if each is not None else None for each, by in zip(measured, (added, 0.0), strict=False)):
        if loss is not None and math.isfinite(loss) and loss > 0:
            return loss
    trained = [output for output in model.outputs if output.loss is not None]
    expected = [_expected(output, target_of(run, output)) for output in trained]
    return sum(loss for loss in expected if loss) if expected and all(expected) else None


def _expected(output: Output, target: Target | None) -> float | None:
    """Return the cross-entropy of a guess, the distance of the labels from zero; None for other losses."""
    name = output.loss.name if output.loss is not None and not output.loss.is_custom else ""
    if name == "binary_crossentropy":
        return math.log(2)
    softmax = output.activation is not None and output.activation.curve is Curve.SOFTMAX
    logits = output.loss is not None and output.loss.from_logits
    if name in ("categorical_crossentropy", "sparse_categorical_crossentropy") and (softmax or logits):
        return math.log(output.units) if output.units and output.units > 1 else None
    if target is not None and name in ("mean_squared_error", "mean_absolute_error"):
        power = 2 if name == "mean_squared_error" else 1
        return sum(abs(each) ** power for each in target.quantiles) / max(len(target.quantiles), 1)
    return None


def _are_normalized(model: Blueprint, layers: list[Layer]) -> bool:
    """Whether the weights of all these layers but the last can shrink without any effect."""
    hidden = [layer for layer in layers if not model.is_output(layer)]
    return bool(hidden) and all(_is_normalized(model, layer) for layer in hidden)


def _is_normalized(model: Blueprint, layer: Layer) -> bool:
    if layer.kind in NORMALIZATIONS:
        return True
    behind = list(model.after(layer))
    return bool(behind) and all(
        each.kind in NORMALIZATIONS
        or ((each.kind in ELEMENTWISE or is_dropout(each)) and not each.parameters and _is_normalized(model, each))
        for each in behind
    )
