"""A pretrained network is fine-tuned at the learning rate of a fresh one.

What it detects
---------------
A backbone that is frozen in part, or whose batch normalization is kept in inference mode while the rest of it trains,
under a learning rate that is usual for random weights.

How it is detected
------------------
Weights do not tell that they were pretrained, but how they are treated does: a published network or a container of
which some layers are frozen and others train (frozen batch normalization alone will do), or whose batch normalization
the ``call`` of a model of one's own runs with ``training=False``. (In a functional model that argument counts for
nothing: Keras 3.15 hands the ``training=True`` of ``fit`` on to every layer.) Containers need `least_layers` layers
with weights; embeddings do not count. `warning` where the rate is `adaptive_rate` or more under Adam and its kind,
`sgd_rate` or more under SGD. A network that trains as a whole, in training mode, is taken for a fresh one.

Why it matters
--------------
The first steps, with the gradients of a head that is still random, undo what was learned on millions of images.

How to fix
----------
A rate 10 to 100 times lower (1e-5 with Adam, 1e-2 or less with SGD), after the head has been trained on the frozen
backbone.

References
----------
Keras guide, Transfer learning and fine-tuning (1e-5 with Adam); Li et al., Rethinking the Hyperparameters for
Fine-tuning, ICLR 2020 (usual with SGD: 0.01 with a momentum of 0.9; the best one depends on the data).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from diagnose.blueprint import Blueprint, Layer
from diagnose.check import Check, Fault, Needs, threshold
from diagnose.finding import Comparison, Finding, Severity
from diagnose.measures.backbones import backbones
from diagnose.measures.geometry import is_batch_normalization
from diagnose.remedies import transfer
from diagnose.run import Run

CHECK = Check(needs=Needs(before=("compiled",)), explains=("learning-rate-too-high",), fault=Fault.UNSTABLE)

_ADAPTIVE = frozenset(("adam", "adamw", "nadam", "adamax", "rmsprop", "lion", "lamb"))
#: What to go down to, at least: the rate of Keras' guide, and the usual one of Li et al.
_LOWER_ADAPTIVE, _LOWER_SGD = 1e-5, 1e-2


@dataclass(frozen=True)
class Options:
    """Thresholds of fine-tuning-rate."""

    adaptive_rate: float = threshold(
        1e-3, unit="rate", source="the default of Keras, for fresh weights; its guide fine-tunes at 1e-5", help="Adam"
    )
    sgd_rate: float = threshold(5e-2, unit="rate", source="five times the usual 1e-2 (Li et al. 2020)", help="SGD")
    least_layers: float = threshold(
        10, unit="layers", source="the smallest published network, VGG16 without its top, has 13", help="of a container"
    )


def check(run: Run, options: Options) -> Iterator[Finding]:
    """Yield at most one finding, for the first network that is fine-tuned."""
    model = run.model
    if model is None or model.optimizer is None or model.optimizer.learning_rate is None:
        return
    optimizer, rate = model.optimizer, model.optimizer.learning_rate
    if optimizer.name not in (*_ADAPTIVE, "sgd"):
        return
    limit = options.sgd_rate if optimizer.name == "sgd" else options.adaptive_rate
    # A rate is stored in single precision: 1e-3 comes back a little above or below.
    if not limit * (1 - 1e-6) <= rate < float("inf"):
        return
    for name, layers in _networks(model, options).items():
        tuned = _tuned(layers)
        if tuned:
            yield _finding(run, name, tuned, optimizer.name, rate, limit)
            return


def _networks(model: Blueprint, options: Options) -> dict[str, tuple[Layer, ...]]:
    """Return what may be a pretrained network: published ones, and large containers."""
    found = {backbone.name: backbone.layers for backbone in backbones(model)}
    for top in dict.fromkeys(layer.container.partition("/")[0] for layer in model.layers if layer.container):
        layers = tuple(layer for layer in model.layers if layer.container.partition("/")[0] == top)
        if sum(_is_weighted(layer) for layer in layers) >= options.least_layers:
            found.setdefault(top, layers)
    return found


def _is_weighted(layer: Layer) -> bool:
    return layer.parameters > 0 and layer.kind not in ("Embedding", "Normalization")


def _tuned(layers: tuple[Layer, ...]) -> list[Layer]:
    """Return the layers that are trained on from what they know; empty where nothing tells that they know anything."""
    weighted = [layer for layer in layers if _is_weighted(layer)]
    trained = [layer for layer in weighted if layer.is_trainable and not is_batch_normalization(layer)]
    held = any(not layer.is_trainable for layer in weighted) or any(
        is_batch_normalization(layer) and layer.training is False for layer in weighted
    )
    return trained if held else []


def _finding(run: Run, name: str, tuned: list[Layer], optimizer: str, rate: float, limit: float) -> Finding:
    lower = min(rate / 10, _LOWER_SGD if optimizer == "sgd" else _LOWER_ADAPTIVE)
    parameters = sum(layer.trainable_parameters for layer in tuned)
    return Finding(
        severity=Severity.WARNING,
        confidence=0.75,
        summary=f"{name} is fine-tuned ({len(tuned)} of its layers, {parameters:,} parameters) by {optimizer} at a "
        f"rate of {rate:.3g}, which is one for fresh weights.",
        layers=tuple(layer.name for layer in tuned),
        evidence=(
            Comparison(
                label="learning rate of fine-tuning",
                value=rate,
                threshold=limit,
                unit="rate",
                left_name="learning rate",
                left=rate,
                right_name="for fresh weights, from",
                right=limit,
            ),
        ),
        fixes=(transfer.fine_tune_lower(run, lower), transfer.freeze_deeper()),
    )
