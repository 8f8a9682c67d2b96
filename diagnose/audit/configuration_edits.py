"""Edits of a model, made in its Keras 3 configuration: nothing here builds a model."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from typing import Any

from diagnose.fix import Edit

Configuration = dict[str, Any]

#: How Keras writes a symbolic tensor among the arguments of a call.
_TENSOR = "__keras_tensor__"


class EditError(Exception):
    """An edit cannot be made here; the message says why, in one line."""


def apply(configuration: Configuration, edits: Sequence[Edit]) -> Configuration:
    """Return the configuration with the edits made; the one given stays as it is.

    Parameters
    ----------
    configuration
        What ``model.to_json()`` holds.
    edits
        Changes of layers by their names in the blueprint, and of the compilation.

    Raises
    ------
    EditError
        A layer or a setting is not there, or a layer cannot be taken out.
    """
    changed = copy.deepcopy(configuration)
    for edit in edits:
        if not edit.layer:
            _compile(changed, edit)
        elif edit.op == "remove":
            _remove(changed, edit.layer)
        else:
            _set(_found(changed, edit.layer)[1]["config"], edit)
    for holder in _holders(changed):
        for layer in holder["config"]["layers"]:
            # It tells the shapes that layers had: Keras finds those of the new model itself.
            layer.pop("build_config", None)
    return changed


def _set(settings: Configuration, edit: Edit) -> None:
    if edit.setting not in settings:
        raise EditError(f"{edit.layer} has no setting {edit.setting}")
    settings[edit.setting] = edit.value


def _compile(configuration: Configuration, edit: Edit) -> None:
    compiled = configuration.get("compile_config")
    if not compiled:
        raise EditError("the model is not compiled")
    if edit.setting in ("loss", "optimizer"):
        if isinstance(compiled.get(edit.setting), list):
            raise EditError(f"the model has a {edit.setting} for each output")
        compiled[edit.setting] = edit.value
        return
    optimizer = compiled.get("optimizer")
    settings = optimizer.get("config", {}) if isinstance(optimizer, dict) else {}
    inner = settings.get("inner_optimizer")  # under mixed precision
    _set(inner["config"] if isinstance(inner, dict) else settings, edit)


def _holders(configuration: Configuration) -> Iterator[Configuration]:
    """Yield the model and every model inside it that has a list of layers."""
    layers = configuration.get("config", {}).get("layers")
    if not isinstance(layers, list):
        return
    yield configuration
    for layer in layers:
        if isinstance(layer, dict):
            yield from _holders(layer)


def _found(configuration: Configuration, name: str) -> tuple[Configuration, Configuration]:
    """Return the model that holds a layer, and the layer's configuration."""
    *containers, own = name.split("/")
    fitting = [
        (holder, layer)
        for holder in _holders(configuration)
        for layer in holder["config"]["layers"]
        if _name(layer) in (own, name)
    ]
    if len(fitting) > 1 and containers:
        fitting = [each for each in fitting if _name(each[0]) == containers[-1]]
    if len(fitting) != 1:
        raise EditError(f"{name} is not one of the layers that its configuration tells of")
    return fitting[0]


def _name(layer: Configuration) -> str:
    return str(layer.get("config", {}).get("name") or layer.get("name") or "")


def _remove(configuration: Configuration, name: str) -> None:
    holder, layer = _found(configuration, name)
    layers = holder["config"]["layers"]
    nodes = layer.get("inbound_nodes")
    if nodes is not None:  # a functional model
        tensors = list(_tensors(nodes))
        if len(nodes) != 1 or len(tensors) != 1:
            raise EditError(f"{name} is used more than once, or has several inputs: take it out by hand")
        before = tensors[0]["config"]["keras_history"]
        own = _name(layer)
        for tensor in _tensors(layers):
            if tensor["config"]["keras_history"][0] == own:
                tensor["config"]["keras_history"] = list(before)
        for end in ("output_layers", "input_layers"):
            holder["config"][end] = _replaced(holder["config"].get(end), own, before)
    layers.remove(layer)


def _tensors(value: Any) -> Iterator[Configuration]:
    if isinstance(value, dict):
        if value.get("class_name") == _TENSOR:
            yield value
        else:
            for member in value.values():
                yield from _tensors(member)
    elif isinstance(value, list):
        for member in value:
            yield from _tensors(member)


def _replaced(places: Any, name: str, by: list[Any]) -> Any:
    """Return places ``[layer, node, tensor]``, in whatever structure, with one layer's replaced by another's."""
    if isinstance(places, list) and len(places) == 3 and isinstance(places[0], str):
        return list(by) if places[0] == name else places
    if isinstance(places, list):
        return [_replaced(each, name, by) for each in places]
    if isinstance(places, dict):
        return {key: _replaced(each, name, by) for key, each in places.items()}
    return places
