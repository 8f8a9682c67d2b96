"""Layers of convolutional networks, made by hand, for tests of checks that look at space and at transfer learning."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Sequence
from typing import Any

from diagnose.blueprint import Blueprint, Layer, Shape
from tests import blueprints

Make = Callable[[Shape], Layer]


def conv(filters: int, kernel: int = 3, *, strides: int = 1, kind: str = "Conv2D", **more: Any) -> Make:
    """Return what makes a convolution with ``padding="same"`` for a shape."""

    def make(given: Shape) -> Layer:
        rank = len(given) - 2
        made = (None, *(None if size is None else -(-size // strides) for size in given[1:-1]), filters)
        use_bias = more.get("use_bias", True)
        numbers = filters * ((given[-1] or 0) * kernel**rank + use_bias)
        settings = {
            "filters": filters, "kernel_size": [kernel] * rank, "strides": [strides] * rank, "padding": "same",
            "data_format": "channels_last", "use_bias": use_bias, **more.get("settings", {}),
        }  # fmt: skip
        activation = blueprints.ACTIVATIONS[more.get("activation", "relu")]
        return _layer(
            kind, made, given, numbers, settings=settings, activation=activation,
            **{k: v for k, v in more.items() if k not in ("use_bias", "settings", "activation")},
        )  # fmt: skip

    return make


def pool(size: int = 2, *, strides: int | None = None, kind: str = "MaxPooling2D", **more: Any) -> Make:
    """Return what makes a pooling with ``padding="same"`` for a shape."""
    step = size if strides is None else strides

    def make(given: Shape) -> Layer:
        rank = len(given) - 2
        made = (None, *(None if side is None else -(-side // step) for side in given[1:-1]), given[-1])
        settings = {
            "pool_size": [size] * rank, "strides": [step] * rank, "padding": "same", "data_format": "channels_last",
        }  # fmt: skip
        return _layer(kind, made, given, settings=settings, **more)

    return make


def plain(kind: str, *, shape: Callable[[Shape], Shape] = lambda given: given, numbers: int = 0, **more: Any) -> Make:
    """Return what makes a layer of another kind; it keeps its shape where none is given."""
    return lambda given: _layer(kind, shape(given), given, numbers, **more)


def flatten() -> Make:
    return plain("Flatten", shape=lambda given: (None, math.prod(size or 1 for size in given[1:])))


def global_pool() -> Make:
    return plain("GlobalAveragePooling2D", shape=lambda given: (None, given[-1]))


def batch_norm(**more: Any) -> Make:
    def make(given: Shape) -> Layer:
        numbers = 4 * (given[-1] or 0)
        trained = numbers // 2 if more.get("is_trainable", True) else 0
        made = _layer("BatchNormalization", given, given, numbers, settings={"axis": -1, "center": True}, **more)
        return dataclasses.replace(made, trainable_parameters=trained)

    return make


def dropout(rate: float = 0.5, kind: str = "Dropout", **more: Any) -> Make:
    return plain(kind, settings={"rate": rate}, **more)


def dense(units: int, activation: str = "relu", **more: Any) -> Make:
    def make(given: Shape) -> Layer:
        made = blueprints.dense(units, activation, given=given[-1] or 1, **more)
        return dataclasses.replace(
            made, output_shapes=((*given[:-1], units),), input_shapes=(given,),
            trainable_parameters=made.parameters if made.is_trainable else 0,
        )  # fmt: skip

    return make


def rescaling(scale: float = 1 / 255, offset: float = 0.0, **more: Any) -> Make:
    return plain("Rescaling", settings={"scale": scale, "offset": offset}, **more)


def _layer(kind: str, shape: Shape, given: Shape, numbers: int = 0, **more: Any) -> Layer:
    trained = numbers if more.get("is_trainable", True) else 0
    return blueprints.layer(kind, shape, given=given, parameters=numbers, trainable_parameters=trained, **more)


def network(*makes: Make, given: Shape = (None, 32, 32, 3), classes: int | None = 10, **more: Any) -> Blueprint:
    """Return the layers one behind the other, with a softmax over `classes` at the end (None: as they are).

    The receptive fields are those of windows and strides.
    """
    shape, made = given, []
    for make in (*makes, *([dense(classes, "softmax", name="output")] if classes else [])):
        layer = make(shape)
        made.append(layer)
        shape = layer.output_shapes[0]
    model = blueprints.model(*made, given=given, **more)
    return dataclasses.replace(model, layers=with_fields(model.layers))


def with_fields(layers: Sequence[Layer]) -> tuple[Layer, ...]:
    """Return a chain of layers with their receptive fields."""
    told, field, step = [], 1, 1
    for layer in layers:
        window = layer.settings.get("kernel_size") or layer.settings.get("pool_size") or [1]
        strides = layer.settings.get("strides") or [1]
        field += (window[0] - 1) * step
        step *= strides[0]
        axes = len(layer.output_shapes[0]) - 2
        told.append(dataclasses.replace(layer, receptive_field=(field,) * axes if axes > 0 else None))
    return tuple(told)


def held(name: str, *makes: Make) -> tuple[Make, ...]:
    """Return the layers inside a container of that name."""
    return tuple(_in(name, make) for make in makes)


def _in(name: str, make: Make) -> Make:
    return lambda given: dataclasses.replace(make(given), container=name)
