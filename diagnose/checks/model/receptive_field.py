"""Units that decide see far less than the image, or layers work on long after all was seen.

What it detects
---------------
A classifier by global pooling whose last feature maps look at small patches only; and a network most of whose
convolutions are given features of the whole image already.

How it is detected
------------------
The receptive field of the layer before a global pooling, on its narrowest axis, as a share of the input. Below
`field_share` it is a `warning`, below twice that an `info`. A Flatten with dense layers sees everything, and so do
squeeze-and-excitation, attention and recurrent layers: such models are not judged. Nor are one-dimensional ones,
where short windows (words, sounds) followed by a maximum are the method.

The other end is an `info`: where `beyond_share` of the convolutions are given features whose field is as large as the
input already.

Why it matters
--------------
What does not fit into the field cannot be recognized as a whole; global pooling then counts textures. The field
that has effect is smaller still: it grows with the square root of the depth only. Layers beyond the border of the
image cost time and memory and add hardly any accuracy.

How to fix
----------
Down-sample between the convolutions, or dilate them; fewer layers or larger images at the other end.

References
----------
Luo et al., Understanding the effective receptive field, NeurIPS 2016; Araujo, Norris, Sim, Computing receptive
fields of convolutional neural networks, Distill 2019; Brendel, Bethge, BagNet, ICLR 2019 (fields of 9 to 33 of 224
pixels); Richter et al., Should you go deeper?, ICMLA 2021 (layers beyond the border).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from diagnose.blueprint import Blueprint, Layer
from diagnose.check import Check, Fault, Needs, threshold
from diagnose.checks.layers._evidence import listed
from diagnose.finding import Comparison, Finding, Severity
from diagnose.measures.geometry import downstream, is_convolution, is_global_pooling, sources, spatial, wide_kernels
from diagnose.remedies import architecture
from diagnose.run import Run

CHECK = Check(needs=Needs(before=("model",)), fault=Fault.STUCK)

#: Layers through which a unit sees more than its window tells, or sees the image at another size.
_SEE_ALL = frozenset(
    ("MultiHeadAttention", "GroupQueryAttention", "Attention", "AdditiveAttention", "Flatten", "Permute", "LSTM", "GRU",
     "SimpleRNN", "Bidirectional", "ConvLSTM1D", "ConvLSTM2D", "ConvLSTM3D", "Resizing", "CenterCrop", "RandomCrop",
     "Reshape", "Einsum", "Matmul")
)  # fmt: skip


#: Name -> the inputs that a layer depends on.
Sources = Mapping[str, tuple[Layer, ...]]


@dataclass(frozen=True)
class Options:
    """Thresholds of receptive-field."""

    field_share: float = threshold(
        0.1,
        unit="share",
        source="BagNet, ICLR 2019: at 17 of 224 pixels (0.08) accuracy is far behind, at 33 (0.15) it is near",
        help="field as a share of the input",
    )
    beyond_share: float = threshold(
        0.85,
        unit="share",
        source="DenseNet201, the deepest of its kind, stays below it at its default input",
        help="convolutions that are given features of the whole image",
    )


def check(run: Run, options: Options) -> Iterator[Finding]:
    """Yield at most one finding: too small a field, or too large a one."""
    model = run.model
    if model is None or not model.is_whole:
        return
    heads = [pooled for layer in model.layers if (pooled := _pooled(model, layer)) is not None]
    given = sources(model)
    narrow = [(share, pooled) for pooled in heads if (share := _share(given, pooled)) is not None]
    if narrow and min(share for share, _ in narrow) < 2 * options.field_share:
        yield _too_small(given, *min(narrow, key=lambda each: each[0]), options)
    else:
        yield from _too_large(model, given, options)


def _pooled(model: Blueprint, layer: Layer) -> Layer | None:
    """Return the last spatial layer before a global pooling that ends all that is spatial; None: it is no such one."""
    if not is_global_pooling(layer) or layer.kind.endswith("1D") or len(model.before(layer)) != 1:
        return None
    behind = (math.prod(size or 2 for size in spatial(each, each.output_shape)) for each in downstream(model, layer))
    if any(positions > 1 for positions in behind):
        return None
    before = model.upstream(layer)
    if any(each.kind in _SEE_ALL or each.is_custom or is_global_pooling(each) for each in before):
        return None
    return model.before(layer)[0]


def _share(given: Sources, layer: Layer) -> float | None:
    """Return the receptive field of a layer as a share of the input, on its narrowest axis."""
    sizes = _input_sizes(given, layer)
    if layer.receptive_field is None or not sizes or len(sizes) != len(layer.receptive_field):
        return None
    return min(field / size for field, size in zip(layer.receptive_field, sizes, strict=True))


def _input_sizes(given: Sources, layer: Layer) -> tuple[int, ...]:
    """Return the spatial sizes of the only input that a layer depends on."""
    if len(given[layer.name]) != 1:
        return ()
    (source,) = given[layer.name]
    # An input names no data format: that of the layers counts.
    first_axis = layer.settings.get("data_format") == "channels_first"
    shape = source.output_shape or ()
    sizes = shape[2:] if first_axis else shape[1:-1]
    return tuple(size for size in sizes if size) if all(sizes) else ()


def _too_small(given: Sources, share: float, layer: Layer, options: Options) -> Finding:
    field = "×".join(map(str, layer.receptive_field or ()))
    image = "×".join(map(str, _input_sizes(given, layer)))
    return Finding(
        severity=Severity.WARNING if share < options.field_share else Severity.INFO,
        confidence=0.75,
        summary=f"A unit of {layer.name}, the last layer before the global pooling, sees {field} of {image} positions: "
        f"{100 * share:.0f} % of the input's side.",
        layers=(layer.name,),
        evidence=(
            Comparison(
                label="receptive field as a share of the input",
                value=share,
                threshold=options.field_share,
                unit="share",
                left_name="receptive field",
                left=float(min(layer.receptive_field or (0,))),
                right_name="input",
                right=float(max(_input_sizes(given, layer), default=0)),
            ),
        ),
        fixes=(architecture.widen_field(),),
    )


def _too_large(model: Blueprint, given: Sources, options: Options) -> Iterator[Finding]:
    kernels = wide_kernels(model)
    see_all = [layer for layer in model.layers if layer.kind in _SEE_ALL or is_global_pooling(layer)]
    if any(is_convolution(each) for each in downstream(model, *see_all)):
        return
    beyond = [
        layer
        for layer in kernels
        if any((share := _share(given, before)) is not None and share >= 1 for before in model.before(layer))
    ]
    if not beyond or len(beyond) < options.beyond_share * len(kernels):
        return
    yield Finding(
        severity=Severity.INFO,
        confidence=0.6,
        summary=f"{len(beyond)} of {len(kernels)} convolutions are given features of the whole image already "
        f"({listed([layer.name for layer in beyond])}): they can find nothing larger.",
        layers=tuple(layer.name for layer in beyond),
        evidence=(
            Comparison(
                label="convolutions beyond the border of the image",
                value=len(beyond) / len(kernels),
                threshold=options.beyond_share,
                unit="share",
                left_name="such convolutions",
                left=float(len(beyond)),
                right_name="convolutions",
                right=float(len(kernels)),
            ),
        ),
        fixes=(architecture.fewer_stages(),),
    )
