"""Dropout, noise, augmentation or batch normalization is called with training=True for good.

What it detects
---------------
Layers that act in training only, called with ``training=True``, by the ``call`` of a model or layer of one's own or
in a functional model.

How it is detected
------------------
A ``call`` is traced with symbolic tensors; what it writes holds in evaluation and prediction too. In a functional
model it does not: Keras 3.15 hands the ``training`` of ``fit``, ``evaluate`` and ``predict`` on to every layer. There
it holds where the model is called without one, ``model(x)``, in what ``model.export`` writes, and inside a model of
one's own: the same weights answer in two ways. Dropout and noise of any rate but zero count, random augmentation, and
batch normalization that is trainable (one that is not runs in inference mode whatever it is told). From `least_layers`
of them on it is a `warning`. Dropout alone may be meant: Monte Carlo dropout draws many predictions to tell how sure
they are. Where the name of the model or of a layer says so it is no fault, and an `info` in a functional model, whose
``predict`` draws nothing.

Why it matters
--------------
Validation scores are noisy and too low, the same image gets another answer each time, and batch normalization
answers by what else is in the batch; or all that happens only where the model is used, and no score of
``evaluate`` tells of it.

How to fix
----------
Leave the argument out: ``fit``, ``evaluate`` and ``predict`` set it. For Monte Carlo dropout call
``model(x, training=True)``.

References
----------
Keras documentation, the ``training`` argument in ``call``; Gal, Ghahramani, Dropout as a Bayesian approximation,
ICML 2016 (Monte Carlo dropout, the look-alike that is meant).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from diagnose.blueprint import Blueprint, Layer
from diagnose.check import Check, Fault, Needs, threshold
from diagnose.checks.layers._evidence import listed
from diagnose.finding import Comparison, Finding, Severity
from diagnose.measures.geometry import is_augmentation, is_batch_normalization, is_dropout
from diagnose.remedies import architecture
from diagnose.run import Run

CHECK = Check(needs=Needs(before=("model",)), explains=("noisy-validation", "underfitting"), fault=Fault.DATA)

#: What models with Monte Carlo dropout are called.
_DRAWN = re.compile(r"(?i:monte|bayes|uncertain|posterior|(?<![a-z])mc(?![a-z])|(?<![a-z])mc_?drop)|M[Cc](?=[A-Z])")


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
    fixed = [layer for layer in model.layers if layer.training is True and _acts(layer)]
    written = [layer for layer in model.layers if layer.training is None and layer.default_training and _acts(layer)]
    found = fixed or written
    if not found or len(found) < options.least_layers:
        return
    is_meant = all(is_dropout(layer) for layer in found) and _says_so(model, found)
    if not (is_meant and fixed):
        yield _finding(model, found, options, is_everywhere=bool(fixed), is_meant=is_meant)


def _finding(model: Blueprint, found: list[Layer], options: Options, *, is_everywhere: bool, is_meant: bool) -> Finding:
    only_dropout = all(is_dropout(layer) for layer in found)
    one = len(found) == 1
    acts = "it acts" if one else f"these {len(found)} layers act"
    if is_everywhere:
        where = f"so that {acts} in evaluation and prediction too"
    else:
        where = f"which evaluate and predict overrule, while {acts} in model(x) and in an exported model"
    meant = "; unless that is meant (Monte Carlo dropout), leave it out" if only_dropout and not is_meant else ""
    return Finding(
        severity=Severity.INFO if is_meant else Severity.WARNING,
        confidence=0.6 if only_dropout else 0.9 if is_everywhere else 0.8,
        summary=f"{listed([layer.name for layer in found])} {'is' if one else 'are'} called with training=True, "
        f"{where}{meant}.",
        layers=tuple(layer.name for layer in found),
        evidence=(
            Comparison(
                label="layers that are always in training mode",
                value=float(len(found)),
                threshold=options.least_layers,
                unit="layers",
                left_name="such layers",
                left=float(len(found)),
                right_name="layers of the model",
                right=float(len(model.layers)),
            ),
        ),
        fixes=(architecture.let_keras_decide(),),
    )


def _says_so(model: Blueprint, layers: list[Layer]) -> bool:
    """Whether a name tells that answers are to be drawn at random."""
    names = (model.name, model.kind, *(name for layer in layers for name in (layer.name, layer.container)))
    return any(_DRAWN.search(name) for name in names)


def _acts(layer: Layer) -> bool:
    """Whether it matters to a layer that it is told to be in training."""
    if layer.is_custom:
        return False
    if is_batch_normalization(layer):
        return layer.is_trainable
    return is_augmentation(layer) or (is_dropout(layer) and layer.settings.get("rate") != 0)
