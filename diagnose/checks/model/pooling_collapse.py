"""Poolings and strides leave nothing of space for the layers behind them.

What it detects
---------------
A pooling, or a convolution with strides, that is given maps of a single position: it has nothing left to pool.
Convolutions whose kernels are larger than the map they are given, so that most of their weights only ever meet
padding. A sequence that is pooled to a single step before a recurrent layer or attention over its steps.

How it is detected
------------------
Halving 16×16 four times gives 8, 4, 2, 1: the fifth 2×2 pooling is given 1×1. With ``padding="valid"`` Keras
refuses to build it, with ``padding="same"`` it goes on silently. Every pooling and strided convolution with a map
of one position as its input counts (`warning`), and so do convolutions that see less than `used_kernel` of their
weights, where they are at least `starved_layers` in number and at least `starved_share` of the model's convolutions or
of the weights of these (`warning`; fewer: `info`). A recurrent layer or self-attention that is given one step, where
a pooling or strides have made one of several, is a `warning`: what it would follow is gone. Layers in a
TimeDistributed are looked at as they are at one step. An axis that is empty altogether is `critical`.

Kernels of 1×1, squeeze-and-excitation and heads behind global pooling work on single positions by design and do not
count; neither do published networks (recognized by names): they are as their authors made them.

Why it matters
--------------
What a position shared with its neighbours is gone: layers behind the collapse cannot see shapes, only sums. A 3×3
kernel on a 1×1 map uses one of its nine weights; the others are never trained.

How to fix
----------
Fewer poolings, strides of 1, or larger images: maps of about 4×4 should reach the last convolution.

References
----------
Dumoulin, Visin, A guide to convolution arithmetic for deep learning, 2016 (sizes behind pooling and strides); Zhang
et al., AutoTrainer, ICSE 2021; Simonyan, Zisserman, VGG, ICLR 2015 (224 to 7 in five poolings).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from diagnose.blueprint import Blueprint, Layer
from diagnose.check import Check, Fault, Needs, threshold
from diagnose.checks.layers._evidence import listed
from diagnose.finding import Comparison, Finding, Severity
from diagnose.fix import Edit
from diagnose.measures.architecture import NOISES, NORMALIZATIONS, is_pointwise
from diagnose.measures.backbones import published
from diagnose.measures.geometry import (
    at_each_step,
    is_convolution,
    is_local_pooling,
    spatial,
    strides,
    wide_kernels,
    window,
)
from diagnose.remedies import architecture
from diagnose.run import Run

#: They follow the steps of a sequence, or compare them.
_FOLLOW_STEPS = frozenset(
    ("LSTM", "GRU", "SimpleRNN", "RNN", "Bidirectional", "MultiHeadAttention", "GroupQueryAttention")
)

CHECK = Check(needs=Needs(before=("model",)), fault=Fault.UNITS)


@dataclass(frozen=True)
class Options:
    """Thresholds of pooling-collapse."""

    used_kernel: float = threshold(
        0.5,
        unit="share",
        source="a 3×3 kernel on a row uses a third, on a point a ninth",
        help="weights that meet data",
    )
    starved_share: float = threshold(
        0.5,
        unit="share",
        source="networks of keras.applications at their smallest input of 32×32 have up to 0.4 (DenseNet169)",
        help="convolutions with such kernels, or their weights, of all that have a kernel larger than 1",
    )
    starved_layers: float = threshold(
        2, unit="layers", source="one such layer is the end of many sound networks", help="the fewest that count"
    )


def check(run: Run, options: Options) -> Iterator[Finding]:
    """Yield at most one finding for each: nothing left, nothing to pool, starved kernels, a single step."""
    model = run.model
    if model is None:
        return
    model = at_each_step(model)
    yield from _empty(model)
    yield from _nothing_to_pool(model)
    yield from _starved(model, options)
    yield from _single_step(model)


def _empty(model: Blueprint) -> Iterator[Finding]:
    gone = [layer for layer in model.layers if 0 in spatial(layer, layer.output_shape)]
    if not gone:
        return
    first = gone[0]
    yield Finding(
        severity=Severity.CRITICAL,
        confidence=1.0,
        summary=f"{first.name} makes {_size(spatial(first, first.output_shape))} of its input "
        f"{_size(spatial(first, first.input_shape))}: nothing is left for the layers behind it.",
        layers=(first.name,),
        evidence=(_sizes(first, "positions that are left"),),
        fixes=(architecture.pool_less(), architecture.step_by_one()),
    )


def _nothing_to_pool(model: Blueprint) -> Iterator[Finding]:
    idle = [layer for layer in model.layers if _is_point(layer) and any(step > 1 for step in strides(layer))]
    pools = [layer for layer in idle if is_local_pooling(layer)]
    convolutions = [layer for layer in idle if is_convolution(layer)]
    found = pools + convolutions
    if not found:
        return
    first = found[0]
    fixes = []
    if pools:
        fixes.append(architecture.pool_less([Edit(layer.name, op="remove") for layer in pools]))
    fixes.append(architecture.step_by_one([Edit(layer.name, "strides", 1) for layer in convolutions]))
    yield Finding(
        severity=Severity.WARNING,
        confidence=0.95,
        summary=f"{listed([layer.name for layer in found])} {'is' if len(found) == 1 else 'are'} given maps of "
        f"{_size(spatial(first, first.input_shape))}: nothing is left to pool ({_way(model, first)}).",
        layers=tuple(layer.name for layer in found),
        evidence=(_sizes(first, "positions that it is given"),),
        fixes=tuple(fixes),
    )


def _starved(model: Blueprint, options: Options) -> Iterator[Finding]:
    theirs = published(model)
    kernels = [layer for layer in wide_kernels(model) if layer.name not in theirs]
    starved = [layer for layer in kernels if _used(layer) < options.used_kernel]
    if not starved:
        return
    share = max(
        len(starved) / len(kernels),
        sum(layer.parameters for layer in starved) / max(1, sum(layer.parameters for layer in kernels)),
    )
    many = share >= options.starved_share and len(starved) >= options.starved_layers
    first = starved[0]
    yield Finding(
        severity=Severity.WARNING if many else Severity.INFO,
        confidence=0.9,
        summary=f"{len(starved)} of {len(kernels)} convolutions ({listed([layer.name for layer in starved])}) are "
        f"given maps of {_size(spatial(first, first.input_shape))} for kernels of {_size(window(first))}: "
        f"{100 * (1 - _used(first)):.0f} % of their weights only meet padding.",
        layers=tuple(layer.name for layer in starved),
        evidence=(
            Comparison(
                label="convolutions (or their weights) whose kernels mostly meet padding",
                value=share,
                threshold=options.starved_share,
                unit="share",
                left_name="such convolutions",
                left=float(len(starved)),
                right_name="convolutions with a kernel larger than 1",
                right=float(len(kernels)),
            ),
        ),
        fixes=(
            architecture.step_by_one(),
            architecture.single_position_kernels(
                [Edit(layer.name, "kernel_size", 1) for layer in starved if _is_point(layer)]
            ),
        ),
    )


def _single_step(model: Blueprint) -> Iterator[Finding]:
    followers = [(layer, pooled) for layer in model.layers if (pooled := _pooled_to_one_step(model, layer)) is not None]
    if not followers:
        return
    layer, pooled = followers[0]
    names = [each.name for each, _ in followers]
    yield Finding(
        severity=Severity.WARNING,
        confidence=0.9,
        summary=f"{listed(names)} {'is' if len(names) == 1 else 'are'} given a sequence of one step, which "
        f"{pooled.name} has made of {_size(spatial(pooled, pooled.input_shape))} ({_way(model, layer)}): there is no "
        "order left to follow.",
        layers=(*names, pooled.name),
        evidence=(_sizes(pooled, "steps that are left"),),
        fixes=(architecture.pool_less(), architecture.step_by_one()),
    )


def _pooled_to_one_step(model: Blueprint, layer: Layer) -> Layer | None:
    """Return the pooling or strided convolution that makes one step of several right before a layer over steps."""
    if layer.kind not in _FOLLOW_STEPS or not layer.input_shapes or layer.input_shapes[0][1:2] != (1,):
        return None
    before = model.before(layer)
    while len(before) == 1:
        (here,) = before
        if (is_local_pooling(here) or is_convolution(here)) and set(spatial(here, here.output_shape)) == {1}:
            if set(spatial(here, here.input_shape)) != {1}:
                return here if any(step > 1 for step in strides(here)) else None
        elif not (is_pointwise(here) or here.kind in NOISES | NORMALIZATIONS):
            return None
        before = model.before(here)
    return None


def _is_point(layer: Layer) -> bool:
    sizes = spatial(layer, layer.input_shape)
    return bool(sizes) and (is_local_pooling(layer) or is_convolution(layer)) and all(size == 1 for size in sizes)


def _used(layer: Layer) -> float:
    """Return the share of a kernel's weights that meet data: one of those along an axis of a single position."""
    sizes = zip(window(layer), spatial(layer, layer.input_shape), strict=False)
    return math.prod(1 / kernel for kernel, size in sizes if size == 1)


def _way(model: Blueprint, layer: Layer) -> str:
    """Return how the first axis shrank on the way to a layer: ``16, 8, 4, 2, 1``."""
    sizes = [1]
    for each in model.upstream(layer):
        size = next(iter(spatial(each, each.output_shape)), None)
        if size is not None and size > sizes[-1]:
            sizes.append(size)
    shown = [f"{size}" for size in reversed(sizes)]
    return ", ".join(shown if len(shown) <= 7 else [*shown[:3], "...", *shown[-3:]])


def _sizes(layer: Layer, label: str) -> Comparison:
    given, made = (_positions(spatial(layer, shape)) for shape in (layer.input_shape, layer.output_shape))
    return Comparison(
        label=label,
        value=made if made < given else given,
        threshold=1.0,
        unit="positions",
        left_name="of its input",
        left=given,
        right_name="of its output",
        right=made,
    )


def _positions(sizes: Sequence[int | None]) -> float:
    return float(math.prod(size for size in sizes if size is not None))


def _size(sizes: Sequence[int | None]) -> str:
    return "×".join("?" if size is None else str(size) for size in sizes)
