"""Units that decide see far less than the image, or layers work on long after all was seen.

What it detects
---------------
A classifier by global pooling whose last feature maps look at small patches only; an output for every pixel, such as a
mask, each decided from a small patch; and a network most of whose convolutions are given features of the whole image
already.

How it is detected
------------------
The receptive field of the layer before a global pooling, on its narrowest axis, as a share of the input. Below
`field_share` it is a `warning`, below twice that an `info`. A Flatten with dense layers sees everything, and so do
squeeze-and-excitation, attention and recurrent layers: such models are not judged.

The same holds of an output that tells classes (by its loss) for every position of an image or a volume. Not meant are
outputs of as many channels as the input has, which are images again unless a metric of overlap (IoU, Dice) says that
they are masks, smaller maps of scores for patches (PatchGAN), kernels of a single position, and inputs of more than
`most_channels`, where each position has a spectrum of its own to tell by.

Of a series short windows followed by a maximum are the method: words, spectra, motifs. Only what has the samples of a
wave as its steps is judged, an input of at most `most_channels` with no embedding before the convolutions, and only
below `wave_share`; causal convolutions are not.

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

from diagnose.blueprint import Blueprint, Layer, Output
from diagnose.check import Check, Fault, Needs, threshold
from diagnose.checks.layers._evidence import listed
from diagnose.finding import Comparison, Finding, Severity
from diagnose.measures.geometry import downstream, is_convolution, is_global_pooling, sources, spatial, wide_kernels
from diagnose.measures.losses import Family, family_of
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
    wave_share: float = threshold(
        0.005,
        unit="share",
        source="Wang, Yan, Oates, IJCNN 2017: a field of 14 does well on series of up to 2,709 steps",
        help="field as a share of a series",
    )
    most_channels: float = threshold(
        12, unit="channels", source="the leads of an ECG; the Sentinel-2 satellites have 13 bands", help="of an input"
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
    given = sources(model)
    pooled = [before for layer in model.layers if (before := _pooled(model, layer)) is not None]
    everywhere = [
        layer for output in model.outputs if (layer := _decides_everywhere(model, given, output, options)) is not None
    ]
    found = [
        (share / limit, layer)
        for layer in (*pooled, *everywhere)
        if (share := _share(given, layer)) is not None and (limit := _limit(model, given, layer, options)) is not None
    ]
    narrowest, layer = min(found, key=lambda each: each[0], default=(math.inf, None))
    if layer is not None and narrowest < 2:
        how = "the last layer before the global pooling, " if layer in pooled else "which decides on each position, "
        yield _too_small(given, narrowest, layer, how, options)
    else:
        yield from _too_large(model, given, options)


def _pooled(model: Blueprint, layer: Layer) -> Layer | None:
    """Return the last spatial layer before a global pooling that ends all that is spatial; None: it is no such one."""
    if not is_global_pooling(layer) or len(model.before(layer)) != 1:
        return None
    behind = (math.prod(size or 2 for size in spatial(each, each.output_shape)) for each in downstream(model, layer))
    if any(positions > 1 for positions in behind):
        return None
    return None if _sees_further(model, layer) else model.before(layer)[0]


def _decides_everywhere(model: Blueprint, given: Sources, output: Output, options: Options) -> Layer | None:
    """Return the layer of an output of classes for each position of the input; None: it is no such output."""
    layer = model.by_name.get(output.layer)
    if layer is None or not _is_of_classes(output) or layer.is_custom or _sees_further(model, layer):
        return None
    sizes, (source, *_) = _input_sizes(given, layer), (*given[layer.name], None)
    if source is None or spatial(layer, layer.output_shape) != sizes or not sizes:
        return None
    channels = _channels(source) or 0
    sees_one = math.prod(layer.receptive_field or (1,)) == 1
    is_image = channels == output.units and not _is_mask(output)
    return None if sees_one or is_image or not 0 < channels <= options.most_channels else layer


def _is_of_classes(output: Output) -> bool:
    """Whether an output is trained to tell classes, each position one or several."""
    loss, activation = output.loss, output.activation
    if loss is None:
        return False
    if loss.is_custom:
        return activation is not None and (activation.low, activation.high) == (0.0, 1.0)
    return family_of(loss) in (Family.SPARSE, Family.CATEGORICAL, Family.BINARY, Family.OVERLAP)


def _is_mask(output: Output) -> bool:
    """Whether the loss or a metric measures how masks overlap."""
    return family_of(output.loss) is Family.OVERLAP or any(
        word in metric for metric in output.metrics for word in ("io_u", "iou", "dice", "jaccard")
    )


def _sees_further(model: Blueprint, layer: Layer) -> bool:
    """Whether something before a layer sees more than its window tells."""
    return any(each.kind in _SEE_ALL or each.is_custom or is_global_pooling(each) for each in model.upstream(layer))


def _limit(model: Blueprint, given: Sources, layer: Layer, options: Options) -> float | None:
    """Return the share of the input below which the field of a layer is too small; None where any will do."""
    if len(layer.receptive_field or ()) != 1:
        return options.field_share
    before = (layer, *model.upstream(layer))
    is_wave = all((_channels(source) or math.inf) <= options.most_channels for source in given[layer.name])
    is_short = any(each.kind == "Embedding" or each.settings.get("padding") == "causal" for each in before)
    return options.wave_share if is_wave and not is_short else None


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


def _channels(source: Layer) -> int | None:
    """Return the size of the last axis of an input."""
    return source.output_shape[-1] if source.output_shape else None


def _too_small(given: Sources, narrowest: float, layer: Layer, how: str, options: Options) -> Finding:
    share = _share(given, layer) or 0.0
    field = "×".join(map(str, layer.receptive_field or ()))
    image = "×".join(map(str, _input_sizes(given, layer)))
    return Finding(
        severity=Severity.WARNING if narrowest < 1 else Severity.INFO,
        confidence=0.75,
        summary=f"A unit of {layer.name}, {how}sees {field} of {image} positions: {100 * share:.2g} % of the input's "
        "side.",
        layers=(layer.name,),
        evidence=(
            Comparison(
                label="receptive field as a share of the input",
                value=share,
                threshold=share / narrowest if narrowest else options.field_share,
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
