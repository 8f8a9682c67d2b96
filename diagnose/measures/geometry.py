"""What layers do to space, and how they stand to each other in the graph of a model."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace

from diagnose.blueprint import Blueprint, Layer, Shape

_CONVOLUTION = re.compile(r"(Depthwise|Separable)?Conv[123]D")
_LOCAL_POOLING = re.compile(r"(Max|Average)Pool(ing)?[123]D")
_GLOBAL_POOLING = re.compile(r"Global(Max|Average)Pool(ing)?[123]D")
_DROPOUT = re.compile(r"(Alpha|Gaussian|Spatial)?Dropout([123]D)?")
_RANDOM = re.compile(r"Random[A-Z]\w*|RandAugment|AugMix|CutMix|MixUp|AutoContrast")

#: What works on every number by itself: it hides nothing of what stands before it.
ELEMENTWISE = frozenset(
    ("Activation", "ReLU", "LeakyReLU", "PReLU", "ELU", "Softmax", "Relu", "Relu6", "Sigmoid", "Tanh", "Silu", "Gelu",
     "Elu", "Selu", "Softplus", "LeakyRelu", "Identity", "Cast", "ActivityRegularization")
)  # fmt: skip
RESHAPING = frozenset(("Reshape", "Flatten", "Permute", "Squeeze", "ExpandDims"))


def is_convolution(layer: Layer) -> bool:
    """Whether a kernel slides over the layer's input (those that enlarge it do not count)."""
    return _CONVOLUTION.fullmatch(layer.kind) is not None


def is_local_pooling(layer: Layer) -> bool:
    """Whether it pools over a window."""
    return _LOCAL_POOLING.fullmatch(layer.kind) is not None


def is_global_pooling(layer: Layer) -> bool:
    """Whether it pools over all of space."""
    return _GLOBAL_POOLING.fullmatch(layer.kind) is not None


def is_dropout(layer: Layer) -> bool:
    """Whether it drops units, or whole channels, in training."""
    return _DROPOUT.fullmatch(layer.kind) is not None


def is_augmentation(layer: Layer) -> bool:
    """Whether it changes its input at random in training, or adds noise to it."""
    return layer.kind == "GaussianNoise" or _RANDOM.fullmatch(layer.kind) is not None


def is_batch_normalization(layer: Layer) -> bool:
    """Whether it normalizes by the statistics of the batch."""
    return layer.kind in ("BatchNormalization", "SyncBatchNormalization")


def spatial(layer: Layer, shape: Shape | None) -> Shape:
    """Return the sizes of the spatial axes of a shape: without batch and channels; empty where it has none."""
    if shape is None or len(shape) < 3:
        return ()
    return shape[2:] if layer.settings.get("data_format") == "channels_first" else shape[1:-1]


def takes_batch_statistics(layer: Layer) -> bool:
    """Whether it normalizes by the statistics of the batch in training, and learns them: Keras' own, not frozen.

    Keras asks the layer's own ``trainable`` for that: switched on again in a frozen container it does both.
    """
    is_on = layer.is_trainable if layer.is_set_trainable is None else layer.is_set_trainable
    return is_batch_normalization(layer) and is_on and layer.training is not False and not layer.is_custom


def each_step(layer: Layer) -> Layer:
    """Return the layer that a TimeDistributed applies to each step, with the shapes of a step; any other as it is."""
    inside = layer.settings.get("layer")
    if layer.kind != "TimeDistributed" or layer.is_custom or not isinstance(inside, Mapping) or "name" not in inside:
        return layer
    given, made = (
        tuple((*shape[:1], *shape[2:]) for shape in shapes) for shapes in (layer.input_shapes, layer.output_shapes)
    )
    return replace(layer, kind=str(inside["name"]), settings=inside, input_shapes=given, output_shapes=made)


def at_each_step(model: Blueprint) -> Blueprint:
    """Return a model with all layers as they are at one step, see `each_step`."""
    return replace(model, layers=tuple(map(each_step, model.layers)))


def window(layer: Layer) -> tuple[int, ...]:
    """Return the size of the kernel or the pool, one number for each spatial axis; empty where there is none."""
    return _per_axis(layer, "kernel_size") or _per_axis(layer, "pool_size")


def wide_kernels(model: Blueprint) -> list[Layer]:
    """Return the convolutions whose kernel is larger than a single position."""
    return [layer for layer in model.layers if is_convolution(layer) and math.prod(window(layer)) > 1]


def strides(layer: Layer) -> tuple[int, ...]:
    """Return the steps of the window; a pool that names none steps by its own size."""
    return _per_axis(layer, "strides") or (window(layer) if is_local_pooling(layer) else ())


def _per_axis(layer: Layer, setting: str) -> tuple[int, ...]:
    value = layer.settings.get(setting)
    axes = next((int(digit) for digit in layer.kind if digit.isdigit()), 0)
    if isinstance(value, int):
        return (value,) * axes
    if isinstance(value, list | tuple) and len(value) == axes and all(isinstance(each, int) for each in value):
        return tuple(value)
    return ()


def producers(model: Blueprint, layer: Layer) -> tuple[Layer, ...]:
    """Return the nearest layers with weights, normalization aside, that a layer's output depends on."""
    found, seen, front = [], {layer.name}, list(model.before(layer))
    while front:
        each = front.pop(0)
        if each.name in seen:
            continue
        seen.add(each.name)
        if each.parameters and not is_batch_normalization(each):
            found.append(each)
        else:
            front.extend(model.before(each))
    return tuple(found)


def downstream(model: Blueprint, *layers: Layer) -> Iterator[Layer]:
    """Yield every other layer that depends on the output of one of the layers, the nearest first, each once."""
    seen, front = {layer.name for layer in layers}, [after for layer in layers for after in model.after(layer)]
    while front:
        found = front.pop(0)
        if found.name not in seen:
            seen.add(found.name)
            yield found
            front.extend(model.after(found))


def sources(model: Blueprint) -> Mapping[str, tuple[Layer, ...]]:
    """Return name -> the inputs of the model that a layer depends on, for all layers at once."""
    found: dict[str, tuple[Layer, ...]] = {layer.name: () for layer in model.layers}
    for source in model.layers:
        if not source.inputs:
            for layer in downstream(model, source):
                found[layer.name] += (source,)
    return found


def penalties(layer: Layer) -> tuple[Mapping[str, object], ...]:
    """Return the regularizers of a layer that penalize anything, and what its own ``call`` adds for its weights."""
    named = (layer.settings.get(f"{what}_regularizer") for what in (
        "kernel", "bias", "activity", "embeddings", "depthwise", "pointwise", "recurrent", "gamma", "beta",
    ))  # fmt: skip
    added = layer.settings.get("added_penalty")
    own = ({"name": "add_loss", "value": added},) if added else ()
    return (*(each for each in named if isinstance(each, Mapping)), *own)
