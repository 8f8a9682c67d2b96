"""The graph of code of the user's: a model or a layer with a ``call`` of its own, called on symbolic tensors.

Keras keeps no graph of a subclassed model. Called on ``keras.Input`` its ``call`` leaves the same trace as a functional
model, as far as it is made of Keras' layers and operations; what computes with TensorFlow's, or looks at numbers,
cannot be traced so.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import keras

from diagnose.audit import session
from diagnose.audit.functions import is_user_written
from diagnose.live.passive import untouched


@dataclass(frozen=True)
class Traced:
    """What a call has done.

    Parameters
    ----------
    function
        Its graph, from the symbolic tensors of its arguments, in order, to those that it returned.
    keys
        What each output is called where several are returned by name; empty texts else.
    training
        The calls in which ``training`` is written out, each as its node and what is written.
    """

    function: keras.Function
    keys: tuple[str, ...]
    training: tuple[tuple[Any, bool], ...] = ()


def trace(layer: keras.Layer, args: Any, kwargs: Mapping[str, Any]) -> Traced:
    """Call a layer on symbolic tensors; nothing of it changes but the nodes of its parts, see `nodes_put_back`.

    Parameters
    ----------
    layer
        Built, with all its parts that it calls.
    args, kwargs
        As its ``call`` takes them; each tensor is replaced by one that has no history.

    Raises
    ------
    Exception
        What the code raises on symbolic tensors, or what makes no graph of it.
    """
    fresh: list[keras.KerasTensor] = []

    def anew(part: Any) -> Any:
        if not isinstance(part, keras.KerasTensor):
            return part
        fresh.append(keras.Input(batch_shape=part.shape, dtype=part.dtype, sparse=part.sparse, name=part.name))
        return fresh[-1]

    training: list[tuple[Any, bool]] = []
    with (
        session.fresh(session.NAMES), untouched(layer, generators=True), _without_losses(layer), _nothing_built(layer),
        _noting_training(training),
    ):  # fmt: skip
        args, kwargs = keras.tree.map_structure(anew, (args, dict(kwargs)))
        if is_user_written(layer):
            outputs = layer.call(*args, **kwargs, **_training(layer, kwargs))
        else:
            outputs = layer._run_through_graph(keras.tree.flatten((args, kwargs))[: len(layer._inputs)])
        told = [
            ("/".join(map(str, path)) if isinstance(outputs, Mapping) else "", tensor)
            for path, tensor in keras.tree.flatten_with_path(outputs)
            if isinstance(tensor, keras.KerasTensor)
        ]
        function = keras.Function(fresh, [tensor for _, tensor in told])
    return Traced(function, tuple(key for key, _ in told), tuple(training))


def inputs_as_built(model: keras.Model, kind: str) -> tuple[Any, dict[str, Any]]:
    """Return symbolic arguments of a type, of the shapes that a model was built with and any batch size.

    Raises
    ------
    ValueError
        They are not known.
    """
    shapes = dict(getattr(model, "_build_shapes_dict", None) or {})
    if not shapes:
        raise ValueError("the shapes of its inputs are not known")
    made = {name: _symbolic(shape, kind, name) for name, shape in shapes.items()}
    if len(made) == 1:
        return tuple(made.values()), {}
    return (), {name.removesuffix("_shape"): tensors for name, tensors in made.items()}


def _symbolic(shapes: Any, kind: str, name: str) -> Any:
    """Return tensors in the structure of shapes, of any batch size."""
    if isinstance(shapes, Mapping):
        return {key: _symbolic(shape, kind, str(key)) for key, shape in shapes.items()}
    if isinstance(shapes, list | tuple) and all(axis is None or isinstance(axis, int) for axis in shapes):
        return keras.KerasTensor((None, *shapes[1:]), dtype=kind, name=name.replace("_shape", "").replace("/", "_"))
    return type(shapes)(_symbolic(shape, kind, f"{name}_{at}") for at, shape in enumerate(shapes, 1))


def _training(layer: keras.Layer, given: Mapping[str, Any]) -> dict[str, Any]:
    """Return ``training=None`` for a layer that takes it: its default would look like one that is written down."""
    takes = "training" in inspect.signature(layer.call).parameters and "training" not in given
    return {"training": None} if takes else {}


@contextmanager
def _noting_training(noted: list[tuple[Any, bool]]) -> Iterator[None]:
    """Note the calls in which ``training`` is written out: the node has it, or the layer's default, all the same."""
    call = keras.Layer.__call__

    def noting(layer: keras.Layer, *args: Any, **kwargs: Any) -> Any:
        outputs = call(layer, *args, **kwargs)
        written = kwargs.get("training")
        if isinstance(written, bool) and layer._inbound_nodes:
            noted.append((layer._inbound_nodes[-1], written))
        return outputs

    keras.Layer.__call__ = noting
    try:
        yield
    finally:
        keras.Layer.__call__ = call


@contextmanager
def nodes_put_back(layer: keras.Layer) -> Iterator[None]:
    """Take away the nodes that tracing has left at the parts of a layer, in whose place later calls are looked for."""
    parts = {id(part): part for part in _operations_in(layer)}
    before = [(part, len(part._inbound_nodes), len(part._outbound_nodes)) for part in parts.values()]
    try:
        yield
    finally:
        for part, inbound, outbound in before:
            del part._inbound_nodes[inbound:]
            del part._outbound_nodes[outbound:]


def _operations_in(layer: keras.Layer) -> Iterator[keras.Operation]:
    for part in layer._flatten_layers():
        yield part
        if isinstance(part, keras.Function):
            yield from part.operations


@contextmanager
def _without_losses(layer: keras.Layer) -> Iterator[None]:
    """Let ``add_loss`` pass, which takes no symbolic tensors."""
    object.__setattr__(layer, "add_loss", lambda _: None)  # past Keras' own, which would take note of it
    try:
        yield
    finally:
        object.__delattr__(layer, "add_loss")


@contextmanager
def _nothing_built(layer: keras.Layer) -> Iterator[None]:
    """Have a part that is not built yet raise when it is called: its variables would not come to be as in training."""

    def build(*args: Any, **kwargs: Any) -> None:  # noqa: ARG001  # as that of any layer
        raise ValueError("a part has not been built")

    parts = [part for part in layer._flatten_layers() if not part.built]
    for part in parts:
        object.__setattr__(part, "build", build)
    try:
        yield
    finally:
        for part in parts:
            object.__delattr__(part, "build")
