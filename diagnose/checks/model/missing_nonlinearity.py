"""Layers with weights in a row, and nothing that bends between them.

What it detects
---------------
Dense and convolutional layers that follow each other without a non-linear activation, be it through Flatten, Dropout,
batch normalization or average pooling: together they are one linear layer.

How it is detected
------------------
It is ``critical`` where at least `depth` layers with weights and not a single non-linear function lie between inputs
and outputs (a ``warning`` where each hidden layer is narrower than its neighbours: a linear function of low rank). Else
it is a ``warning`` for two dense layers or two convolutions in a row of which the second takes all that the first
gives, and nobody else does; a convolution before a dense layer is an ``info``, for it still shares its weights. Not
counted are factorizations, which have a purpose: a layer narrower than both its neighbours (a bottleneck, the code of
an autoencoder, a low rank; of 1×1 convolutions also one that is as wide), depthwise, separable and one-dimensional
kernels of a pair, dense layers whose output is laid out as a picture, scores of a fully convolutional network that a
transposed convolution enlarges. Layer and group normalization divide by a statistic of the sample, and max pooling
picks: both bend.

Why it matters
--------------
A product of matrices is a matrix: more linear layers add weights to be learned, and nothing that could be learned with
them. What is not linearly separable stays so.

How to fix
----------
Give all hidden layers of the row ReLU, or take out all but one of them.

References
----------
Goodfellow, Bengio and Courville, Deep Learning, 2016, sections 6.1 and 6.4; Sandler et al., MobileNetV2, CVPR 2018
(linear bottlenecks); Long, Shelhamer and Darrell, Fully Convolutional Networks, CVPR 2015 (scores that are enlarged);
Ni, Guo, Jia and Huang, On the Nonlinearity of Layer Normalization, ICML 2024.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from diagnose.blueprint import Blueprint, Layer
from diagnose.check import Check, Fault, Needs, threshold
from diagnose.finding import Finding, LayerTable, Severity
from diagnose.measures.architecture import (
    CONVOLUTIONS,
    DENSE,
    SEPARABLE,
    WEIGHTED,
    is_linear_map,
    is_linear_operation,
    is_passing,
    width_in,
    width_out,
)
from diagnose.measures.geometry import strides, window
from diagnose.remedies import layers, model
from diagnose.run import Run

CHECK = Check(
    needs=Needs(before=("model",)),
    fault=Fault.STUCK,
    explains=("underfitting", "not-learning", "plateau"),
)

#: A row of layers with weights, the last of which may have an activation.
Row = tuple[Layer, ...]


@dataclass(frozen=True)
class Options:
    """Thresholds of missing-nonlinearity."""

    depth: float = threshold(
        2.0, unit="layers", source="one linear layer is linear regression", help="layers with weights in a row"
    )


def check(run: Run, options: Options) -> Iterator[Finding]:
    """Yield one finding for a model that is linear as a whole, else one for its longest linear row."""
    blueprint = run.model
    if blueprint is None or not blueprint.is_whole:
        return
    weighted = tuple(layer for layer in blueprint.layers if layer.kind in WEIGHTED)
    if len(weighted) >= options.depth and _is_linear(blueprint):
        yield from _whole(blueprint, weighted, options)
        return
    rows = [row for row in _rows(blueprint) if len(row) >= options.depth]
    if not rows:
        return
    plain = [row for row in rows if any(_is_alike(*pair) for pair in pairwise(row))]
    row = max(plain or rows, key=len)
    yield _finding(
        row,
        Severity.WARNING if plain else Severity.INFO,
        f"{_listed(row)} follow each other without a non-linear function between: "
        f"{len(row)} layers that are one linear layer.",
        options,
    )


def _whole(blueprint: Blueprint, weighted: Row, options: Options) -> Iterator[Finding]:
    is_low_rank = all(_is_bottleneck(*pair) for pair in pairwise(weighted))
    given = [layer.output_shape for layer in blueprint.layers if not layer.inputs]
    if is_low_rank and any(output.shape in given for output in blueprint.outputs):
        return  # an autoencoder without activations: principal components
    yield _finding(
        weighted,
        Severity.WARNING if is_low_rank else Severity.CRITICAL,
        f"{_listed(weighted)} have no non-linear function between them, and neither has the rest of the model: "
        f"{len(weighted)} layers with weights can do what one can.",
        options,
    )


def _is_linear(blueprint: Blueprint) -> bool:
    """Whether everything before the activations of the outputs is known to be linear."""
    leading = _before_weights(blueprint)
    hidden = [layer for layer in blueprint.layers if layer.inputs and layer.name in leading]
    at_the_end = [layer for layer in blueprint.layers if layer.inputs and layer.name not in leading]
    return all(is_linear_operation(layer) for layer in hidden) and all(
        not layer.is_custom
        and (
            layer.kind in WEIGHTED
            or is_linear_operation(layer)
            or (layer.activation is not None and not layer.parameters)
        )
        for layer in at_the_end
    )


def _before_weights(blueprint: Blueprint) -> set[str]:
    """Return the layers behind which, be it far, a layer with weights comes."""
    found: set[str] = set()
    front = [layer for layer in blueprint.layers if layer.kind in WEIGHTED]
    while front:
        for layer in blueprint.before(front.pop()):
            if layer.name not in found:
                found.add(layer.name)
                front.append(layer)
    return found


def _rows(blueprint: Blueprint) -> Iterator[Row]:
    """Yield the longest rows of layers of which each takes all that the one before gives, as one linear layer."""
    following = {
        layer.name: following
        for layer in blueprint.layers
        if is_linear_map(layer)
        and (following := _only_follower(blueprint, layer))
        and not _has_purpose(layer, following)
        and not _is_of_scores(blueprint, layer, following)
    }
    inner = {layer.name for layer in following.values()}
    for layer in blueprint.layers:
        if layer.name in following and layer.name not in inner:
            row = [layer]
            while row[-1].name in following:
                row.append(following[row[-1].name])
            yield tuple(row)


def _only_follower(blueprint: Blueprint, layer: Layer) -> Layer | None:
    """Return the layer with weights that alone takes what a layer gives, with only linear ones between."""
    here = layer
    while here.calls == 1 and not blueprint.is_output(here):
        followers = blueprint.after(here)
        if len(followers) != 1:
            return None
        (here,) = followers
        if here.kind in WEIGHTED:
            return here if here.calls == 1 and len(here.inputs) == 1 and not here.is_custom else None
        if not is_passing(here):
            return None
    return None


def _has_purpose(first: Layer, second: Layer) -> bool:
    """Whether a pair of linear layers is a factorization: fewer weights, or fewer dimensions, than one layer has."""
    if {first.kind, second.kind} & (SEPARABLE | {"EinsumDense"}):
        return True
    if first.kind in DENSE and second.kind in CONVOLUTIONS:
        return True
    return _is_bottleneck(first, second) or _are_crossed(window(first), window(second))


def _is_of_scores(blueprint: Blueprint, first: Layer, second: Layer) -> bool:
    """Whether the second layer only enlarges the map of scores that the first gives, class by class."""
    return (
        second.kind.endswith("Transpose")
        and max(strides(second), default=1) > 1
        and width_out(first) == width_out(second)
        and (set(window(first)) == {1} or blueprint.is_output(second))
    )


def _is_bottleneck(first: Layer, second: Layer) -> bool:
    given, between, made = width_in(first), width_out(first), width_out(second)
    if given is None or between is None or made is None:
        return True  # nobody knows
    is_pointwise = all(set(window(layer)) == {1} for layer in (first, second))
    return between < min(given, made) or (is_pointwise and between <= min(given, made))


def _are_crossed(first: tuple[int, ...], second: tuple[int, ...]) -> bool:
    """Whether two kernels extend along different axes, as 1×7 and 7×1."""
    return (
        bool(first and second)
        and all(1 in pair for pair in zip(first, second, strict=False))
        and max(first) > 1 < max(second)
    )


def _is_alike(first: Layer, second: Layer) -> bool:
    return (first.kind in DENSE) == (second.kind in DENSE)


def _finding(row: Row, severity: Severity, summary: str, options: Options) -> Finding:
    return Finding(
        severity=severity,
        confidence=0.95 if severity is Severity.CRITICAL else 0.8,
        summary=summary,
        layers=tuple(layer.name for layer in row),
        evidence=(
            LayerTable(
                label="layers with weights and no non-linear function between them",
                value=float(len(row)),
                threshold=options.depth,
                unit="layers",
                statistic="outputs",
                rows=tuple((layer.name, float(width_out(layer) or 0)) for layer in row),
            ),
        ),
        fixes=(layers.activate([layer.name for layer in row[:-1]]), model.add_nonlinearity()),
    )


def _listed(row: Sequence[Layer]) -> str:
    names = [layer.name for layer in row]
    if len(names) > 4:
        return f"{names[0]}, {names[1]} ... {names[-1]}"
    return f"{', '.join(names[:-1])} and {names[-1]}"
