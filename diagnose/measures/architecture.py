"""What layers of a model do to the signal: which are linear, how wide they are, where one leads to the next."""

from __future__ import annotations

import math
from collections.abc import Iterator

from diagnose.blueprint import Activation, Blueprint, Curve, Layer, Output
from diagnose.measures.geometry import is_batch_normalization, strides, window

#: Layers that multiply by weights; without their activation they are linear.
DENSE = frozenset({"Dense", "EinsumDense"})
CONVOLUTIONS = frozenset({"Conv1D", "Conv2D", "Conv3D", "Conv1DTranspose", "Conv2DTranspose", "Conv3DTranspose"})
#: Convolutions that are one half, or both halves, of a factorized one.
SEPARABLE = frozenset({"DepthwiseConv1D", "DepthwiseConv2D", "SeparableConv1D", "SeparableConv2D"})
WEIGHTED = DENSE | CONVOLUTIONS | SEPARABLE

#: Layers that divide by a statistic of the batch or the sample: whatever scale they are given, they take it away.
NORMALIZATIONS = frozenset(
    {"BatchNormalization", "LayerNormalization", "GroupNormalization", "RMSNormalization", "UnitNormalization"}
)

#: Layers that do nothing to what passes, or nothing but while training.
NOISES = frozenset(
    {
        "Dropout", "SpatialDropout1D", "SpatialDropout2D", "SpatialDropout3D", "GaussianDropout", "GaussianNoise",
        "AlphaDropout", "ActivityRegularization", "Identity", "InputLayer",
    }
)  # fmt: skip
_AVERAGES = frozenset(
    f"{kind}{rank}D"
    for kind in ("AveragePooling", "GlobalAveragePooling", "AdaptiveAveragePooling")
    for rank in (1, 2, 3)
)
_MAXIMA = frozenset(
    f"{kind}{rank}D" for kind in ("MaxPooling", "GlobalMaxPooling", "AdaptiveMaxPooling") for rank in (1, 2, 3)
)
_PADS = frozenset(f"{kind}{rank}D" for kind in ("ZeroPadding", "Cropping", "UpSampling") for rank in (1, 2, 3))
#: Layers without weights that are linear, and leave the features (the last axis) where they are, or flatten them.
PASSING = NOISES | _AVERAGES | _PADS | frozenset({"Flatten", "Rescaling", "Normalization"})
#: Linear ones that move features elsewhere, or join signals.
REARRANGING = frozenset(
    {"Reshape", "Permute", "RepeatVector", "Transpose", "Add", "Subtract", "Average", "Concatenate", "Squeeze"}
)


def is_linear(activation: Activation | None) -> bool:
    """Whether a layer with this activation, or none, is as linear as it is without."""
    return activation is None or activation.is_linear


def is_linear_map(layer: Layer) -> bool:
    """Whether a layer multiplies by weights and applies no function after that."""
    return layer.kind in WEIGHTED and not layer.is_custom and is_linear(layer.activation)


def is_passing(layer: Layer) -> bool:
    """Whether what passes a layer is at most scaled, averaged, padded or flattened, each feature by itself."""
    if layer.is_custom or len(layer.inputs) > 1:
        return False
    if layer.kind == "Reshape":
        given, made = layer.input_shape, layer.output_shape
        return bool(given and made) and (len(made or ()) == 2 or (given or ())[-1] == (made or ())[-1])
    if layer.kind in ("Activation", "LeakyReLU", "ReLU"):
        return layer.activation is not None and layer.activation.is_linear
    return layer.kind in PASSING or is_batch_normalization(layer)


def is_pointwise(layer: Layer) -> bool:
    """Whether equal features stay equal in a layer: it treats each alike, with at most a function of each."""
    if is_passing(layer) or (layer.kind in _MAXIMA and not layer.is_custom):
        return True
    known = layer.activation is not None and layer.activation.curve not in (Curve.UNKNOWN, Curve.SOFTMAX)
    return known and not layer.is_custom and not layer.parameters and len(layer.inputs) == 1


def is_linear_operation(layer: Layer) -> bool:
    """Whether a layer, whatever it joins or moves, is linear in what it is given."""
    if layer.is_custom or not is_linear(layer.activation):
        return False
    return layer.kind in WEIGHTED | REARRANGING or is_passing(layer)


def next_weighted(model: Blueprint, layer: Layer) -> tuple[Layer, ...] | None:
    """Return the layers with weights that a layer's output goes to, through what keeps equal features equal.

    None where it also goes elsewhere: into a sum, out of the model, into what is not known.
    """
    found: list[Layer] = []
    front = [layer]
    while front:
        here = front.pop()
        if model.is_output(here) or not model.after(here):
            return None
        for follower in model.after(here):
            if follower.kind in WEIGHTED and not follower.is_custom:
                found.append(follower)
            elif is_pointwise(follower):
                front.append(follower)
            else:
                return None
    return tuple({layer.name: layer for layer in found}.values())


def activation_after(model: Blueprint, layer: Layer) -> Activation | None:
    """Return the first function, other than a straight line, on the only way behind a layer; None: there is none."""
    here = layer
    while is_linear(here.activation):
        followers = model.after(here)
        if model.is_output(here) or len(followers) != 1 or followers[0].kind in WEIGHTED:
            return None
        (here,) = followers
        if not is_pointwise(here):
            return None
    return here.activation


def head_of(model: Blueprint, output: Output) -> Layer | None:
    """Return the layer with units (or filters) that gives an output; None where something else is in between."""
    layer = model.by_name.get(output.layer)
    while layer is not None and layer.kind not in WEIGHTED:
        before = model.before(layer)
        is_open = (
            len(before) == 1 and not layer.is_custom and (is_pointwise(layer) or layer.kind in ("Softmax", "Cast"))
        )
        layer = before[0] if is_open else None
    return layer if layer is not None and not layer.is_custom and layer.calls == 1 else None


def width_in(layer: Layer) -> int | None:
    """Return the size of the last axis of what a layer is given."""
    return layer.input_shape[-1] if layer.input_shape else None


def width_out(layer: Layer) -> int | None:
    """Return the size of the last axis of what it gives."""
    return layer.output_shape[-1] if layer.output_shape else None


def fans(layer: Layer) -> tuple[int, int] | None:
    """Return fan-in and fan-out of a dense or convolutional kernel as Keras' initializers count them."""
    given, made = width_in(layer), width_out(layer)
    if not given or not made:
        return None
    if layer.kind == "Dense":
        return given, made
    if layer.kind not in CONVOLUTIONS or not window(layer):
        return None
    size = math.prod(window(layer))
    groups = layer.settings.get("groups", 1)
    given //= groups if isinstance(groups, int) and groups > 0 else 1
    if layer.kind.endswith("Transpose"):  # its kernel is stored with the output's channels before the input's
        return made * size, given * size
    return given * size, made * size


def terms(layer: Layer) -> float | None:
    """Return how many products are added up in one number of a layer's output."""
    counted = fans(layer)
    if counted is None:
        return None
    if layer.kind.endswith("Transpose"):  # of the kernel only every stride-th position meets an input
        return counted[1] / math.prod(strides(layer))
    return float(counted[0])


def trained(model: Blueprint) -> Iterator[Layer]:
    """Yield the layers of Keras' own that have weights to be trained and are used once."""
    for layer in model.layers:
        if layer.kind in WEIGHTED and layer.is_trainable and not layer.is_custom and layer.calls == 1:
            yield layer
