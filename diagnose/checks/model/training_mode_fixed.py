"""Dropout, noise, augmentation or batch normalization is called with training=True for good.

What it detects
---------------
Layers that act in training only, called with ``training=True`` by the ``call`` of a model or layer of one's own: they
act in evaluation and prediction too.

How it is detected
------------------
The call is traced with symbolic tensors. In a functional model the argument counts for nothing: Keras 3.15 hands the
model's own ``training`` on to every layer, so nothing is said there. Dropout and noise of any rate but zero count,
random augmentation, and batch normalization that is trainable (one that is not runs in inference mode whatever it is
told). From `least_layers` of them on it is a `warning`. Dropout alone may be meant: Monte Carlo dropout draws many
predictions to tell how sure they are.

Why it matters
--------------
Validation scores are noisy and too low, the same image gets another answer each time, and batch normalization
answers by what else is in the batch.

How to fix
----------
Leave the argument out: ``fit``, ``evaluate`` and ``predict`` set it.

References
----------
Keras documentation, the ``training`` argument in ``call``; Gal, Ghahramani, Dropout as a Bayesian approximation,
ICML 2016 (Monte Carlo dropout, the look-alike that is meant).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from diagnose.blueprint import Layer
from diagnose.check import Check, Fault, Needs, threshold
from diagnose.checks.layers._evidence import listed
from diagnose.finding import Comparison, Finding, Severity
from diagnose.measures.geometry import is_augmentation, is_batch_normalization, is_dropout
from diagnose.remedies import architecture
from diagnose.run import Run

CHECK = Check(needs=Needs(before=("model",)), explains=("noisy-validation", "underfitting"), fault=Fault.DATA)


@dataclass(frozen=True)
class Options:
    """Thresholds of training-mode-fixed."""

    least_layers: float = threshold(
        1, unit="layers", source="one is enough to make predictions random", help="such layers from which it is told"
    )


def check(run: Run, options: Options) -> Iterator[Finding]:
    """Yield at most one finding, for all such layers together."""
    model = run.model
    if model is None:
        return
    fixed = [layer for layer in model.layers if layer.training is True and not layer.is_custom and _acts(layer)]
    if not fixed or len(fixed) < options.least_layers:
        return
    only_dropout = all(is_dropout(layer) for layer in fixed)
    one = len(fixed) == 1
    meant = "; unless that is meant (Monte Carlo dropout), leave it out" if only_dropout else ""
    yield Finding(
        severity=Severity.WARNING,
        confidence=0.6 if only_dropout else 0.9,
        summary=f"{listed([layer.name for layer in fixed])} {'is' if one else 'are'} called with training=True, so "
        f"that {'it acts' if one else f'these {len(fixed)} layers act'} in evaluation and prediction too{meant}.",
        layers=tuple(layer.name for layer in fixed),
        evidence=(
            Comparison(
                label="layers that are always in training mode",
                value=float(len(fixed)),
                threshold=options.least_layers,
                unit="layers",
                left_name="such layers",
                left=float(len(fixed)),
                right_name="layers of the model",
                right=float(len(model.layers)),
            ),
        ),
        fixes=(architecture.let_keras_decide(),),
    )


def _acts(layer: Layer) -> bool:
    """Whether it matters to a layer that it is told to be in training."""
    if is_batch_normalization(layer):
        return layer.is_trainable
    return is_augmentation(layer) or (is_dropout(layer) and layer.settings.get("rate") != 0)
