"""The images are scaled otherwise than the pretrained backbone expects them.

What it detects
---------------
A published network behind a scaling that does not fit it, or fed with data of another range: images from 0 to 1
for an EfficientNet, which scales by itself, or for a ResNet50, which expects 0 to 255 less the mean.

How it is detected
------------------
The backbone is recognized by its name or its layers, and with it what ``keras.applications`` gives it. The range of
its input is that of the data, or 0 to 255 where the first scaling before it is one by 1/100 or less or takes off the
mean of ImageNet, followed through all that scale: Rescaling, ``preprocess_input`` of another network, sums and products
with constants. Any other layer with weights, code of the user's own or an operation on the way ends the
search: nothing is said then. `warning` where a range of more than `wide` is given to one that expects about -1 to
1, or of less than `narrow` to one that expects about 0 to 255, or 0 to 1 to one that expects -1 to 1. Unless it
scales by itself, a network that shows no sign of transfer (nothing frozen, nothing held in inference mode, all numbers
as they begin) may be trained from scratch, where any scale will do: `info`.

Why it matters
--------------
Pretrained filters and batch statistics hold for one scale. At another every feature is off, and a frozen backbone
cannot adapt: accuracy drops, at worst to chance.

How to fix
----------
``keras.applications.MODULE.preprocess_input`` on images from 0 to 255, and no other scaling.

References
----------
Keras applications, ``preprocess_input`` of each module: "caffe" (VGG, ResNet), "tf" (Inception, Xception,
MobileNet, V2, ResNetV2, NASNet), "torch" (DenseNet), none (EfficientNet, MobileNetV3, ConvNeXt, which contain it).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from diagnose.blueprint import Blueprint, Layer
from diagnose.check import Check, Fault, Needs, threshold
from diagnose.finding import Comparison, Finding, Severity
from diagnose.fix import Edit
from diagnose.measures.backbones import Backbone, Scaling, backbones
from diagnose.measures.geometry import ELEMENTWISE, RESHAPING, is_augmentation
from diagnose.remedies import architecture
from diagnose.run import Run

CHECK = Check(needs=Needs(before=("model",)), fault=Fault.DATA)

_EXPECTED = {
    Scaling.CAFFE: "0 to 255 less the mean (-124 to 152)",
    Scaling.SYMMETRIC: "-1 to 1",
    Scaling.TORCH: "standardized, about -2.1 to 2.6",
    Scaling.RAW: "0 to 255, which it scales by itself",
}
#: Scale and offset that make the expected range of 0 to 255; for standardized images on the average of the colours.
_RESCALED = {Scaling.SYMMETRIC: (1 / 127.5, -1.0), Scaling.TORCH: (1 / (255 * 0.226), -0.449 / 0.226)}
_PASSES = frozenset(("InputLayer", "Resizing", "CenterCrop", "ZeroPadding2D", "Concatenate", "RandomCrop", "Stack"))
#: What may scale by a constant; a Lambda is one of ``preprocess_input``.
_AFFINE = frozenset(("Add", "Subtract", "Multiply", "Divide", "TrueDivide", "Lambda"))
#: Less the mean of a colour of ImageNet, 104 to 124.
_MEANS = (-130.0, -100.0)
_RANK = 4


@dataclass(frozen=True)
class Options:
    """Thresholds of backbone-preprocessing."""

    wide: float = threshold(
        20.0, unit="range", source="standardized images reach from -2.1 to 2.6, others to 255", help="of small inputs"
    )
    narrow: float = threshold(
        10.0, unit="range", source="images from 0 to 255 have a range of nearly that", help="of large inputs"
    )


Range = tuple[float, float]


def check(run: Run, options: Options) -> Iterator[Finding]:
    """Yield a finding for each backbone that is given another range than it expects."""
    model = run.model
    if model is None:
        return
    for backbone in backbones(model):
        way = _way(model, backbone)
        if way is None or backbone.scaling is None:
            continue
        source, scalings = way
        start = _of_data(run, source) or _of_pictures(scalings)
        given = None if start is None else _through(scalings, start)
        if given is not None and _differs(backbone.scaling, given, options):
            yield _finding(backbone, backbone.scaling, given, scalings, options)


def _way(model: Blueprint, backbone: Backbone) -> tuple[str, list[Layer]] | None:
    """Return the input and the Rescaling layers behind it that lead to a backbone; None where the way is not clear."""
    own = {layer.name for layer in backbone.layers}
    entries = {name for layer in backbone.layers for name in layer.inputs if name not in own}
    if not entries:  # its own input is that of the model, and what scales it is its own
        inputs = [layer.name for layer in backbone.layers if layer.kind == "InputLayer" and not layer.inputs]
        if len(inputs) != 1:
            return None
        return _own_way(model, backbone, inputs[0])
    if len(entries) != 1:
        return None
    here: Layer | None = model.by_name.get(next(iter(entries)))
    scalings: list[Layer] = []
    while here is not None:
        if _scales(here):
            scalings.insert(0, here)
        elif not _passes(here):
            return None
        before = model.before(here)
        if not before:
            return (here.name, scalings) if not here.inputs else None
        here = before[0] if len(before) == 1 else _cut_up(model, here)
    return None


def _own_way(model: Blueprint, backbone: Backbone, start: str) -> tuple[str, list[Layer]]:
    """Return the scaling that stands in the user's model before the first layers of a network without a container."""
    scalings: list[Layer] = []
    if backbone.name != backbone.family.title:
        return start, scalings
    here: Layer | None = model.by_name[start]
    while here is not None and (_passes(here) or _scales(here)):
        if _scales(here):
            scalings.append(here)
        behind = model.after(here)
        here = behind[0] if len(behind) == 1 else _put_together(model, behind)
    if backbone.scaling is Scaling.RAW:  # the last scaling of pictures is the network's own
        own = max((at for at, layer in enumerate(scalings) if _is_of_pictures(layer)), default=0)
        scalings = scalings[:own]
    return start, scalings


def _scales(layer: Layer) -> bool:
    """Whether it does nothing but x * scale + offset."""
    return layer.kind == "Rescaling" or (
        layer.kind in _AFFINE and isinstance(layer.settings.get("scale"), float) and len(layer.inputs) == 1
    )


def _cut_up(model: Blueprint, joined: Layer) -> Layer | None:
    """Return the layer whose channels another one puts together again, in whatever order; None: it does not."""
    parts = model.before(joined)
    wholes = {name for part in parts for name in part.inputs}
    if joined.kind != "Stack" or len(wholes) != 1 or any(part.kind != "GetItem" for part in parts):
        return None
    return model.by_name.get(*wholes)


def _put_together(model: Blueprint, parts: tuple[Layer, ...]) -> Layer | None:
    """Return the layer that puts the channels of an image together again; None where they go different ways."""
    joined = {each.name for part in parts for each in model.after(part)}
    if len(joined) != 1:
        return None
    (name,) = joined
    whole = model.by_name[name]
    return whole if set(model.before(whole)) == set(parts) and _cut_up(model, whole) is not None else None


def _passes(layer: Layer) -> bool:
    return (
        not layer.parameters
        and not layer.is_custom
        and (
            layer.kind in _PASSES | RESHAPING
            or is_augmentation(layer)
            or (layer.kind in ELEMENTWISE and not layer.activation)
        )
    )


def _of_data(run: Run, source: str) -> Range | None:
    """Return the range of the images that go into the model; None where they are not known or made into others."""
    if run.data is None or run.data.is_raw:
        return None
    inputs = run.data.training.inputs
    values = inputs.get(source, next(iter(inputs.values())) if len(inputs) == 1 else None)
    if values is None or values.ndim != _RANK or not np.issubdtype(values.dtype, np.number) or not values.size:
        return None
    finite = np.asarray(values, dtype=float)
    finite = finite[np.isfinite(finite)]
    return (float(finite.min()), float(finite.max())) if finite.size else None


def _of_pictures(scalings: list[Layer]) -> Range | None:
    """Return 0 to 255 where the first scaling makes sense for pictures of that range only."""
    return (0.0, 255.0) if scalings and _is_of_pictures(scalings[0]) else None


def _is_of_pictures(layer: Layer) -> bool:
    scale, offset = layer.settings.get("scale"), layer.settings.get("offset")
    if not isinstance(scale, int | float):
        return False
    is_mean = layer.kind == "Add" and scale == 1 and isinstance(offset, float) and _MEANS[0] <= offset <= _MEANS[1]
    return 0 < scale <= 0.01 or is_mean


def _through(scalings: list[Layer], given: Range) -> Range | None:
    low, high = given
    for layer in scalings:
        scale, offset = layer.settings.get("scale"), layer.settings.get("offset", 0.0)
        if not isinstance(scale, int | float) or not isinstance(offset, int | float):
            return None
        low, high = sorted((low * scale + offset, high * scale + offset))
    return low, high


def _differs(expected: Scaling, given: Range, options: Options) -> bool:
    low, high = given
    if high <= low:
        return False
    if expected in (Scaling.CAFFE, Scaling.RAW):
        return high - low < options.narrow
    if high - low > options.wide:
        return True
    return expected is Scaling.SYMMETRIC and low >= 0 and high <= 1


def _finding(backbone: Backbone, expected: Scaling, given: Range, scalings: list[Layer], options: Options) -> Finding:
    sure = backbone.is_transferred or expected is Scaling.RAW
    low, high = given
    by = f" by {scalings[-1].name}" if scalings else ""
    return Finding(
        severity=Severity.WARNING if sure else Severity.INFO,
        confidence=0.85 if sure else 0.5,
        summary=f"{backbone.name} is given images from {low:.3g} to {high:.3g}{by}; with ImageNet weights "
        f"{backbone.family.title} expects {_EXPECTED[expected]}.",
        layers=(scalings[-1].name,) if scalings else (),
        evidence=(
            Comparison(
                label="range of the values that it is given",
                value=high - low,
                threshold=options.narrow if expected in (Scaling.CAFFE, Scaling.RAW) else options.wide,
                unit="range",
                left_name="lowest",
                left=low,
                right_name="highest",
                right=high,
            ),
        ),
        fixes=(
            architecture.scale_for_backbone(backbone.family.module, _EXPECTED[expected], _edits(expected, scalings)),
        ),
    )


def _edits(expected: Scaling, scalings: list[Layer]) -> list[Edit]:
    """Return the edits of the one scaling layer that make it fit images from 0 to 255."""
    if len(scalings) != 1 or scalings[0].kind != "Rescaling":
        return []
    (layer,) = scalings
    if expected is Scaling.RAW:
        return [Edit(layer.name, op="remove")]
    if expected in _RESCALED:
        scale, offset = _RESCALED[expected]
        return [Edit(layer.name, "scale", scale), Edit(layer.name, "offset", offset)]
    return []
