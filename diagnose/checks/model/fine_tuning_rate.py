"""A pretrained network is fine-tuned at the learning rate of a fresh one.

What it detects
---------------
A backbone that is frozen in part, that is called with ``training=False`` while it trains, or whose numbers show that it
has been trained before, under a learning rate that is usual for random weights.

How it is detected
------------------
How weights are treated tells that they were pretrained: a published network or a container of which some layers are
frozen and others train (frozen batch normalization alone will do), or that is called with ``training=False`` (in a
functional model, where ``fit`` overrules that argument, it tells what was meant). So do numbers that begin as a
constant and are none any more, as biases and moving averages do, where those of the layers outside of the network
still are. Containers need `least_layers` layers with weights; embeddings do not count. `warning` where the rate is
`adaptive_rate` or more under Adam and its kind, `sgd_rate` or more under SGD. A network that trains as a whole, in
training mode and with fresh numbers, is taken for a fresh one; so is one from a file, whose numbers are not read. From
`any_rate` on Adam's is too high for a published network however its weights begin: `warning` too.

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
#: RMSprop with a large epsilon takes higher ones: 0.045 in the papers on Inception and MobileNet.
_ADAMS = frozenset(("adam", "adamw", "nadam", "adamax"))
#: What to go down to, at least: the rate of Keras' guide, and the usual one of Li et al.
_LOWER_ADAPTIVE, _LOWER_SGD = 1e-5, 1e-2


@dataclass(frozen=True)
class Options:
    """Thresholds of fine-tuning-rate."""

    adaptive_rate: float = threshold(
        1e-3, unit="rate", source="the default of Keras, for fresh weights; its guide fine-tunes at 1e-5", help="Adam"
    )
    sgd_rate: float = threshold(5e-2, unit="rate", source="five times the usual 1e-2 (Li et al. 2020)", help="SGD")
    any_rate: float = threshold(
        1e-2, unit="rate", source="ten times Adam's default, at which deep networks begin", help="Adam, fresh weights"
    )
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
        tuned = _tuned(model, layers)
        if tuned:
            yield _finding(run, name, tuned, optimizer.name, rate, limit)
            return
    published = next(iter(backbones(model)), None)
    if published and optimizer.name in _ADAMS and rate >= options.any_rate * (1 - 1e-6):
        trained = _trained(published.layers)
        if trained:
            yield _finding(run, published.name, trained, optimizer.name, rate, options.any_rate, is_fresh=True)


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


def _tuned(model: Blueprint, layers: tuple[Layer, ...]) -> list[Layer]:
    """Return the layers that are trained on from what they know; empty where nothing tells that they know anything."""
    weighted = [layer for layer in layers if _is_weighted(layer)]
    held = any(
        not layer.is_trainable
        or layer.default_training is False
        or (is_batch_normalization(layer) and layer.training is False)
        for layer in weighted
    )
    return _trained(layers) if held or _was_taught(model, weighted) else []


def _trained(layers: tuple[Layer, ...]) -> list[Layer]:
    return [
        layer for layer in layers if _is_weighted(layer) and layer.is_trainable and not is_batch_normalization(layer)
    ]


def _was_taught(model: Blueprint, layers: list[Layer]) -> bool:
    """Whether some layers have been trained before, and others of the model have not."""
    own = {layer.name for layer in layers}
    return any(layer.has_learned for layer in layers) and any(
        layer.has_learned is False and layer.is_trainable for layer in model.layers if layer.name not in own
    )


def _finding(
    run: Run, name: str, tuned: list[Layer], optimizer: str, rate: float, limit: float, *, is_fresh: bool = False
) -> Finding:
    how = "trained" if is_fresh else "fine-tuned"
    lower = min(rate / 10, _LOWER_SGD if optimizer == "sgd" else _LOWER_ADAPTIVE)
    parameters = sum(layer.trainable_parameters for layer in tuned)
    return Finding(
        severity=Severity.WARNING,
        confidence=0.6 if is_fresh else 0.75,
        summary=f"{name} is {how} ({len(tuned)} of its layers, {parameters:,} parameters) by {optimizer} at a "
        f"rate of {rate:.3g}, which is {'too high for fresh weights too' if is_fresh else 'one for fresh weights'}.",
        layers=tuple(layer.name for layer in tuned),
        evidence=(
            Comparison(
                label="learning rate of a published network" if is_fresh else "learning rate of fine-tuning",
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
