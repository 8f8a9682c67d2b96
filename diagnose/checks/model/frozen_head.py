"""What ought to be trained is frozen: the new head of a transfer model, or the whole of it.

What it detects
---------------
A compiled model without a single trainable parameter; a last layer of the user's own that is frozen, behind
layers that are trained or behind a pretrained network; and a new layer between such a network and the last one that is
frozen with it.

How it is detected
------------------
From ``trainable`` of the layers and their containers. No trainable parameter at all, and at least
`least_parameters` of them, in a model with a loss: `critical`. The last layer with weights before an output frozen
while others train: `warning`. So is a dense or convolutional layer that stands behind a published network (recognized
by names), is not its own, and is frozen while a layer behind it trains: ``model.layers[:-1]`` has it too.
Biases begin as zero: where they are no longer, the layer has been trained before and may stay frozen; where they still
are, behind frozen layers that have been trained, it is told of whatever network that is. Not meant are frozen networks
at the end of a larger one, such as the discriminator in the model that trains a GAN's generator or the network of a
perceptual loss: they are containers.

Why it matters
--------------
Random weights stay random: what a frozen head makes of good features is noise, and ``fit`` does not complain.

How to fix
----------
Freeze the backbone before the head is put on it, not the finished model, and compile again.

References
----------
Keras guide, Transfer learning and fine-tuning: freeze the base, add new trainable layers; ``trainable`` reaches
down to all layers inside, and counts from ``compile`` on.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from diagnose.blueprint import Blueprint, Layer
from diagnose.check import Check, Fault, Needs, threshold
from diagnose.checks.layers._evidence import listed
from diagnose.finding import Comparison, Finding, Severity
from diagnose.fix import Edit
from diagnose.measures.architecture import WEIGHTED
from diagnose.measures.backbones import TOPS, backbones
from diagnose.measures.geometry import downstream, producers
from diagnose.remedies import architecture
from diagnose.run import Run

CHECK = Check(needs=Needs(before=("compiled",)), explains=("frozen-weights",), fault=Fault.STUCK)


@dataclass(frozen=True)
class Options:
    """Thresholds of frozen-head."""

    least_parameters: float = threshold(
        1, unit="parameters", source="a model without any has nothing to train", help="of the whole model"
    )


def check(run: Run, options: Options) -> Iterator[Finding]:
    """Yield at most one finding: nothing trains, or the head does not."""
    model = run.model
    if model is None or model.parameters < options.least_parameters:
        return
    frozen = [layer for layer in _heads(model) if not layer.is_trainable and not layer.container and layer.parameters]
    if model.trainable_parameters == 0 and not any(layer.is_custom for layer in model.layers):
        yield Finding(
            severity=Severity.CRITICAL,
            confidence=0.95,
            summary=f"None of the model's {model.parameters:,} parameters is trainable: fit would change nothing.",
            layers=tuple(layer.name for layer in frozen),
            evidence=(_share(model.trainable_parameters, model.parameters, "trainable parameters"),),
            # It may be the model as a whole that is frozen, which no edit of a layer undoes.
            fixes=(architecture.train_head(),),
        )
    elif frozen and model.trainable_parameters:
        of_head = sum(layer.parameters for layer in frozen)
        yield Finding(
            severity=Severity.WARNING,
            confidence=0.8,
            summary=f"{listed([layer.name for layer in frozen])}, the last layer with weights, is frozen "
            f"({of_head:,} parameters), while {model.trainable_parameters:,} parameters before it are trained.",
            layers=tuple(layer.name for layer in frozen),
            evidence=(_share(0, of_head, "trainable parameters of the head"),),
            fixes=(architecture.train_head([Edit(layer.name, "trainable", True) for layer in frozen]),),
        )
    elif new := _new_in_between(model):
        numbers = sum(layer.parameters for layer in new)
        yield Finding(
            severity=Severity.WARNING,
            confidence=0.75,
            summary=f"{listed([layer.name for layer in new])}, behind the pretrained network, "
            f"{'is' if len(new) == 1 else 'are'} frozen with it ({numbers:,} parameters): fresh weights that never "
            "learn.",
            layers=tuple(layer.name for layer in new),
            evidence=(_share(0, numbers, "trainable parameters of the new layers"),),
            fixes=(architecture.train_head([Edit(layer.name, "trainable", True) for layer in new]),),
        )


def _heads(model: Blueprint) -> list[Layer]:
    """Return the last layers with weights before the outputs that are trained."""
    found: dict[str, Layer] = {}
    for output in model.outputs:
        layer = model.by_name.get(output.layer)
        if layer is None or output.loss is None:
            continue
        for each in (layer,) if layer.parameters else producers(model, layer):
            found[each.name] = each
    return list(found.values())


def _new_in_between(model: Blueprint) -> list[Layer]:
    """Return the frozen layers between a pretrained network and an output that is trained."""
    outputs = {output.layer for output in model.outputs if output.loss is not None}
    known = [layer for backbone in backbones(model) if backbone.name != model.name for layer in backbone.layers]
    taught = [layer for layer in model.layers if layer.has_learned and not layer.is_trainable]
    theirs = {layer.name for layer in known}
    of_known = {layer.name for layer in downstream(model, *known)} - theirs
    of_taught = {layer.name for layer in downstream(model, *taught)}
    return [
        layer
        for layer in model.layers
        if layer.kind in WEIGHTED
        and not (layer.is_trainable or layer.is_custom or layer.container or layer.has_learned)
        and not TOPS.fullmatch(layer.name)
        and (layer.name in of_known or (layer.has_learned is False and layer.name in of_taught - theirs))
        and any(each.is_trainable and each.trainable_parameters for each in downstream(model, layer))
        and any(each.name in outputs for each in downstream(model, layer))
    ]


def _share(trainable: int, of: int, label: str) -> Comparison:
    return Comparison(
        label=label,
        value=float(trainable),
        threshold=1.0,
        unit="parameters",
        left_name="trainable",
        left=float(trainable),
        right_name="in all",
        right=float(of),
    )
