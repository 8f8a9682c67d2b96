"""Batch normalization learns inside a backbone that is otherwise frozen.

What it detects
---------------
Batch normalization that takes the statistics of the batch, and changes its own, between layers whose weights are
frozen.

How it is detected
------------------
A batch normalization that is trainable, given the output of frozen layers and followed by a frozen layer in turn: it
is in the middle of something frozen. At least `least_norms` of them are a `warning`. In Keras 3 one that is not
trainable runs in inference mode, whatever it is called with; one that the ``call`` of a model of one's own runs with
``training=False`` does so too. Those in an unfrozen upper part of a backbone, next to weights that are trained, are an
`info`.

Why it matters
--------------
The frozen weights were trained with the moving mean and variance of another data set. Replaced by those of a few
small batches, every feature changes its scale, and nothing behind it can adapt.

How to fix
----------
``trainable = False`` for them too. In a functional model ``backbone(x, training=False)`` does not do it: Keras 3.15
hands the ``training=True`` of ``fit`` on to every layer. In the ``call`` of a model of one's own it does.

References
----------
Keras guide, Transfer learning and fine-tuning: keep BatchNormalization in inference mode, else the updates
destroy what the model has learned; Ioffe, Batch renormalization, NeurIPS 2017.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from diagnose.blueprint import Blueprint, Layer
from diagnose.check import Check, Fault, Needs, threshold
from diagnose.checks.layers._evidence import listed
from diagnose.finding import Comparison, Finding, Severity
from diagnose.fix import Edit
from diagnose.measures.geometry import downstream, is_batch_normalization, producers, takes_batch_statistics
from diagnose.remedies import architecture
from diagnose.run import Run

CHECK = Check(needs=Needs(before=("model",)), explains=("generalization-gap",), fault=Fault.OVERFIT)


@dataclass(frozen=True)
class Options:
    """Thresholds of unfrozen-batch-norm."""

    least_norms: float = threshold(
        1, unit="layers", source="one changes all the features behind it", help="such layers from which it is told"
    )


def check(run: Run, options: Options) -> Iterator[Finding]:
    """Yield a finding for those between frozen layers, else one for those in an unfrozen part."""
    model = run.model
    if model is None:
        return
    learning = [layer for layer in model.layers if takes_batch_statistics(layer)]
    if not learning or not any(_is_frozen(layer) for layer in model.layers):
        return
    between = [layer for layer in learning if _is_between_frozen(model, layer)]
    frozen_in = {layer.container for layer in model.layers if layer.container and _is_frozen(layer)}
    unfrozen = [layer for layer in learning if layer.container in frozen_in]
    if len(between) >= options.least_norms:
        # The last one of a backbone has nothing frozen behind it.
        last = [layer for layer in unfrozen if layer not in between and all(map(_is_frozen, producers(model, layer)))]
        yield _finding(model, between + last, Severity.WARNING, options)
        return
    if len(unfrozen) >= options.least_norms:
        yield _finding(model, unfrozen, Severity.INFO, options)


def _is_frozen(layer: Layer) -> bool:
    """Whether a layer has weights that do not train; embeddings are often given, and lead to no statistics."""
    return layer.parameters > 0 and not layer.is_trainable and layer.kind not in ("Embedding", "Normalization")


def _is_between_frozen(model: Blueprint, layer: Layer) -> bool:
    before = producers(model, layer)
    return (
        bool(before)
        and all(_is_frozen(each) for each in before)
        and any(_is_frozen(each) and not is_batch_normalization(each) for each in downstream(model, layer))
    )


def _finding(model: Blueprint, norms: list[Layer], severity: Severity, options: Options) -> Finding:
    frozen = sum(_is_frozen(layer) for layer in model.layers)
    one = len(norms) == 1
    where = "between frozen layers" if severity is Severity.WARNING else "in a backbone that is frozen in part"
    return Finding(
        severity=severity,
        confidence=0.85 if severity is Severity.WARNING else 0.6,
        summary=f"{len(norms)} batch normalization{'' if one else 's'} ({listed([layer.name for layer in norms])}) "
        f"{'learns' if one else 'learn'} new statistics {where} ({frozen} of those).",
        layers=tuple(layer.name for layer in norms),
        evidence=(
            Comparison(
                label="batch normalizations that learn in a frozen network",
                value=float(len(norms)),
                threshold=options.least_norms,
                unit="layers",
                left_name="such layers",
                left=float(len(norms)),
                right_name="frozen layers with weights",
                right=float(frozen),
            ),
        ),
        fixes=(architecture.freeze_batch_norm([Edit(layer.name, "trainable", False) for layer in norms]),),
    )
