"""The blueprint of a Keras model: its graph, walked into every container, and how it is compiled.

Whatever a model is made of, nothing here raises: a piece that cannot be told is left out.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from functools import partial
from types import MappingProxyType
from typing import Any

import keras

from diagnose.audit.compilation import optimizer_of
from diagnose.audit.layers import count_of, layers_of
from diagnose.audit.outputs import outputs_of
from diagnose.audit.penalties import added_penalty
from diagnose.audit.walk import told, walked
from diagnose.blueprint import Blueprint, Layer

#: More numbers than these under a penalty are not summed up.
_MAX_PENALIZED = 100_000_000


def blueprint_of(
    model: keras.Model,
    *,
    batch_size: int | None = None,
    lines: Mapping[int, int] = MappingProxyType({}),
    inputs: Any = None,
) -> Blueprint:
    """Return what a model is made of, as plain data.

    Parameters
    ----------
    model
        Built or not, compiled or not. It is not changed.
    batch_size
        That it is going to be trained with, where that is known.
    lines
        ``id`` of a layer -> line of the user's source that makes it.
    inputs
        Symbolic tensors of a batch, as a model of the user's own is going to be called on; None: as it was built.
    """
    with warnings.catch_warnings():  # of Keras, as it puts functions of the user's into words
        warnings.simplefilter("ignore")
        return _blueprint(model, batch_size, lines, inputs)


def _blueprint(model: keras.Model, batch_size: int | None, lines: Mapping[int, int], inputs: Any) -> Blueprint:
    walk = walked(model, inputs)
    layers = layers_of(model, walk.parts, lines)
    names = {id(part): layer.name for part, layer in zip(walk.parts, layers, strict=True)}
    return Blueprint(
        name=str(model.name),
        kind=type(model).__name__,
        layers=layers,
        outputs=outputs_of(model, walk.ends, layers, names),
        optimizer=told(lambda: optimizer_of(model), None),
        regularization=told(lambda: _regularization(model), None),
        batch_size=batch_size or _batch_size(layers),
        is_whole=walk.is_whole,
        notes=tuple(dict.fromkeys(walk.notes)),
    )


def _batch_size(layers: Sequence[Layer]) -> int | None:
    """Return the batch size that an input of the model has fixed."""
    inputs = [layer for layer in layers if layer.kind == "InputLayer" and layer.output_shapes[0]]
    return next((layer.output_shapes[0][0] for layer in inputs if layer.output_shapes[0][0]), None)


def _regularization(model: keras.Model) -> float | None:
    if not model.built:
        return None
    penalized = [v for v in model.trainable_variables if getattr(v, "regularizer", None) is not None]
    if count_of(penalized) > _MAX_PENALIZED:
        return None
    added = [told(partial(added_penalty, layer), 0.0) for layer in model._flatten_layers()]
    return float(sum(float(variable.regularizer(variable)) for variable in penalized)) + sum(added)
