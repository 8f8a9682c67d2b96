"""The layers of a blueprint: what is told of each part of a graph."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import keras

from diagnose.audit.arithmetic import Field, bytes_of, field_after, field_of_input, flops_of, spatial_axes
from diagnose.audit.configuration import plain_settings
from diagnose.audit.constants import has_learned
from diagnose.audit.first_weights import number_of_copies, number_of_kernel, stops_gradient
from diagnose.audit.functions import activation_of, is_user_written
from diagnose.audit.penalties import added_penalty
from diagnose.audit.walk import Part, told
from diagnose.blueprint import Activation, Curve, Initializer, Layer
from diagnose.live.anatomy import names_of
from diagnose.live.facts import called, initializer_of, settings_of


def layers_of(model: keras.Model, parts: Sequence[Part], lines: Mapping[int, int]) -> tuple[Layer, ...]:
    """Return the layers in the order of the walk; each variable is counted where it is met first.

    Parameters
    ----------
    parts
        Of the model's graph.
    lines
        ``id`` of a layer -> line of the user's source that makes it.
    """
    names = names_of([(part.operation, part.containers) for part in parts])
    by_part = {id(part): name for part, name in zip(parts, names, strict=True)}
    trained = told(lambda: {id(variable) for variable in model.trainable_variables}, set[int]())
    fields: dict[int, Field | None] = {}
    counted: set[int] = set()
    made = []
    for part, name in zip(parts, names, strict=True):
        variables = [variable for variable in part.variables if id(variable) not in counted]
        counted.update(map(id, variables))
        seen = fields[id(part)] = told(partial(_field, part, fields), None)
        made.append(
            replace(
                _described(part),
                name=name,
                inputs=tuple(by_part[id(one)] for one in part.inputs),
                parameters=count_of(variables),
                trainable_parameters=count_of(v for v in variables if id(v) in trained) if part.is_trainable else 0,
                receptive_field=seen.steps if seen else None,
                line=lines.get(id(part.operation)),
            )
        )
    return tuple(made)


def _described(part: Part) -> Layer:
    """Return what is told of a layer by itself."""
    operation = part.operation
    is_custom = _is_custom(operation)
    kind = type(operation).__name__ if is_custom else _kind(operation)
    activation = told(lambda: activation_of(operation), None)
    if isinstance(operation, keras.layers.Lambda):
        is_custom = activation is None or activation.curve is Curve.UNKNOWN
    if is_custom and activation is None and told(lambda: stops_gradient(operation, part.given), False):
        activation = Activation(kind, Curve.STEP, gradient_share=0.0)
    is_function = activation is not None and activation.curve not in (Curve.LINEAR, Curve.UNKNOWN)
    weighted = _weighted(operation)
    return Layer(
        name="",
        kind=kind,
        input_shapes=part.given,
        output_shapes=part.made,
        settings=told(lambda: {**_settings(operation), **part.scaling}, {}),
        activation=activation,
        initializer=told(lambda: _first_weights(part, weighted, is_custom), None),
        bias_initializer=told(lambda: _bias_initializer(weighted), None),
        is_trainable=part.is_trainable,
        is_custom=is_custom,
        calls=part.calls,
        training=part.training,
        default_training=part.default_training,
        is_set_trainable=bool(getattr(operation, "trainable", True)),
        has_learned=told(lambda: has_learned(weighted), None),
        container="/".join(part.containers),
        flops=told(lambda: _flops(part, kind, is_custom, is_function), None),
        activation_bytes=told(lambda: bytes_of(part.made, part.types), None),
    )


def _weighted(operation: Any) -> Any:
    """Return the layer inside a wrapper, or the layer itself."""
    if isinstance(operation, keras.layers.Bidirectional):
        return operation.forward_layer
    return operation.layer if isinstance(operation, keras.layers.Wrapper) else operation


def _is_custom(operation: Any) -> bool:
    """Whether the layer, or that inside a wrapper, or its cell, computes something of the user's own."""
    inside = _weighted(operation)
    cell = getattr(inside, "cell", None) if isinstance(inside, keras.layers.RNN) else None
    return any(is_user_written(one) for one in (operation, inside, cell) if isinstance(one, keras.Operation))


def _kind(operation: keras.Operation) -> str:
    """Return the class of Keras' that the layer is, or is made from without another ``call``."""
    return next(kind.__name__ for kind in type(operation).__mro__ if kind.__module__.startswith("keras."))


def _settings(operation: Any) -> dict[str, Any]:
    if isinstance(operation, keras.Layer):
        added = told(lambda: added_penalty(operation), 0.0)
        own: dict[str, Any] = told(lambda: plain_settings(operation.get_config()), {})
        return {**own, "added_penalty": added} if added else own
    own = {name: value for name, value in vars(operation).items() if not name.startswith("_")}
    return {name: value for name, value in plain_settings(own).items() if value is not None}


def _initializer(initializer: Any) -> Initializer:
    if not isinstance(initializer, keras.initializers.Initializer):
        return Initializer(called(initializer))
    return Initializer(type(initializer).__name__, told(lambda: plain_settings(settings_of(initializer)), {}))


def _first_weights(part: Part, weighted: Any, is_custom: bool) -> Initializer | None:
    """Return how the weights of a layer begin: by its initializer, unless they have all been set to one number."""
    if is_custom:
        number = told(lambda: number_of_copies(part.operation, part.given), None)
    else:
        number = told(lambda: number_of_kernel(weighted), None)
    if number is None:
        return _initializer(initializer_of(weighted))
    return Initializer("Constant", {"value": number})


def _bias_initializer(layer: Any) -> Initializer | None:
    has_bias = getattr(layer, "use_bias", None)
    if has_bias is None:
        has_bias = getattr(layer, "bias", None) is not None
    return _initializer(layer.bias_initializer) if has_bias else None


def _flops(part: Part, kind: str, is_custom: bool, is_function: bool) -> int | None:
    if is_custom:
        return None
    found = flops_of(part.operation, kind, part.given, part.made, is_function=is_function)
    return None if found is None else found * part.calls


def _field(part: Part, fields: Mapping[int, Field | None]) -> Field | None:
    if isinstance(part.operation, keras.layers.InputLayer):
        return field_of_input(spatial_axes(part.made[0]))
    if _is_custom(part.operation):
        return None
    given = [None if one is None else fields.get(id(one)) for one in part.tensors]
    return field_after(part.operation, _kind(part.operation), given, part.given, part.made)


def count_of(variables: Sequence[Any] | Iterator[Any]) -> int:
    """Return how many numbers variables hold."""
    return sum(math.prod(variable.shape) for variable in variables)
