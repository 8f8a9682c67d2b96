"""Far more trainable parameters than samples, and nothing that holds them back.

What it detects
---------------
A model with thousands of trainable parameters for every training sample, without dropout, weight penalty,
augmentation or a pretrained network in it; and a dense layer behind a Flatten that holds nearly all of the
parameters.

How it is detected
------------------
Trainable parameters divided by training samples, frozen ones left out. More parameters than samples is the normal
state of deep learning and no fault: networks of that kind generalize. Only from `per_sample` on, which is beyond
what is usual even for small sets, it is a `warning`. The dense layer is an `info` from `dense_parameters`
parameters and a share of `dense_share` on, where convolutions stand before it.

Why it matters
--------------
A network can learn n samples by heart with little more than 2n parameters. What keeps it from doing so is the data
and regularization; with neither it does.

How to fix
----------
Global average pooling instead of Flatten, a smaller network, a pretrained backbone, augmentation, dropout.

References
----------
Zhang et al., Understanding deep learning requires rethinking generalization, ICLR 2017 (2n + d parameters fit n
samples); Belkin et al., PNAS 2019 (more parameters than samples can be sound); Lin et al., Network in network, ICLR
2014.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from diagnose.blueprint import Blueprint, Layer
from diagnose.check import Check, Fault, Needs, threshold
from diagnose.finding import Comparison, Finding, Severity
from diagnose.measures.backbones import backbones
from diagnose.measures.geometry import is_augmentation, is_convolution, is_dropout, penalties
from diagnose.remedies import architecture, data, model, regularization, transfer
from diagnose.remedies.settings import samples
from diagnose.run import Run

CHECK = Check(needs=Needs(before=("model",)), explains=("overfitting",), fault=Fault.OVERFIT)


@dataclass(frozen=True)
class Options:
    """Thresholds of excess-capacity."""

    per_sample: float = threshold(
        5e3,
        unit="parameters",
        source="ResNet50 on ImageNet has 20, WRN-28-10 on CIFAR-10 730, a first convnet for 2,000 pictures 1,700, "
        "ResNet50 on the 5,000 of STL-10 4,700",
        help="trainable parameters for each training sample",
    )
    dense_share: float = threshold(
        0.9, unit="share", source="the first dense layer of VGG16 holds 0.74", help="parameters in one dense layer"
    )
    dense_parameters: float = threshold(
        1e6, unit="parameters", source="below that a dense layer costs little", help="the fewest that count"
    )


def check(run: Run, options: Options) -> Iterator[Finding]:
    """Yield a finding for the model as a whole, and one for a dense layer that is most of it."""
    if run.model is None:
        return
    yield from _too_many(run.model, samples(run), options)
    yield from _one_layer(run.model, options)


def _too_many(plan: Blueprint, count: int | None, options: Options) -> Iterator[Finding]:
    if not count or plan.trainable_parameters < options.per_sample * count or _is_held_back(plan) or backbones(plan):
        return
    ratio = plan.trainable_parameters / count
    yield Finding(
        severity=Severity.WARNING,
        confidence=0.7,
        summary=f"{plan.trainable_parameters:,} trainable parameters for {count:,} training samples, {ratio:,.0f} for "
        "each, and no dropout, penalty or augmentation.",
        evidence=(
            Comparison(
                label="trainable parameters for each training sample",
                value=ratio,
                threshold=options.per_sample,
                unit="parameters",
                left_name="trainable parameters",
                left=float(plan.trainable_parameters),
                right_name="training samples",
                right=float(count),
            ),
        ),
        fixes=(
            model.shrink(),
            transfer.use_pretrained(),
            data.augment(),
            regularization.add_dropout(),
            regularization.add_l2(),
            data.collect_more(),
        ),
    )


def _is_held_back(plan: Blueprint) -> bool:
    decay = plan.optimizer is not None and bool(plan.optimizer.settings.get("weight_decay"))
    return decay or any(
        is_dropout(layer) or is_augmentation(layer) or penalties(layer) or layer.settings.get("dropout")
        for layer in plan.layers
    )


def _one_layer(plan: Blueprint, options: Options) -> Iterator[Finding]:
    total = plan.trainable_parameters
    for layer in plan.layers:
        if layer.kind != "Dense" or layer.trainable_parameters < max(options.dense_parameters, 1):
            continue
        share = layer.trainable_parameters / total
        if share >= options.dense_share and _flattened(plan, layer):
            yield Finding(
                severity=Severity.INFO,
                confidence=0.8,
                summary=f"{layer.name}, behind a Flatten, holds {100 * share:.0f} % of the trainable parameters "
                f"({layer.trainable_parameters:,} of {total:,}).",
                layers=(layer.name,),
                evidence=(
                    Comparison(
                        label="trainable parameters in one dense layer",
                        value=share,
                        threshold=options.dense_share,
                        unit="share",
                        left_name=layer.name,
                        left=float(layer.trainable_parameters),
                        right_name="all layers",
                        right=float(total),
                    ),
                ),
                fixes=(architecture.pool_globally(), model.shrink()),
            )


def _flattened(plan: Blueprint, layer: Layer) -> bool:
    """Whether a layer is given feature maps, flattened."""
    before = list(plan.upstream(layer))
    until = next((i for i, each in enumerate(before) if each.parameters), len(before))
    return any(each.kind == "Flatten" for each in before[:until]) and any(is_convolution(each) for each in before)
