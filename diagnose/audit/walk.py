"""A walk through the graph of a Keras model, into every container: which calls it is made of, and how they are joined.

Whatever a model is made of, nothing here raises. A model or a block of the user's own is called on symbolic tensors
(``diagnose.audit.tracing``) to see its graph; where that fails it is one layer of which nothing is known, or, for the
model itself, a list of layers.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, TypeVar

import keras

from diagnose.audit.constants import scaling_of
from diagnose.audit.functions import is_user_written
from diagnose.audit.tracing import Traced, inputs_as_built, nodes_put_back, trace
from diagnose.blueprint import Shape

_T = TypeVar("_T")


def told(piece: Callable[[], _T], otherwise: _T) -> _T:
    """Return a piece of what is told; what a model of the user's may raise must not hide the rest."""
    try:
        return piece()
    except Exception:
        return otherwise


@dataclass(eq=False)
class Part:
    """A layer or an operation, as the walk finds it; what is of a call is of the first one."""

    operation: keras.Operation
    containers: tuple[str, ...]
    is_trainable: bool
    inputs: list[Part] = field(default_factory=list)
    tensors: tuple[Part | None, ...] = ()
    given: tuple[Shape, ...] = ()
    made: tuple[Shape, ...] = ()
    types: tuple[str, ...] = ()
    training: bool | None = None
    default_training: bool | None = None
    scaling: Mapping[str, float] = field(default_factory=dict)
    variables: tuple[Any, ...] = ()
    calls: int = 1


@dataclass(frozen=True)
class _Place:
    """Where in the model the walk is.

    `is_own_call` says whether the calls here are made by code of the user's, which decides on `training`. A functional
    model hands its own ``training`` on to all that it calls, whatever was written when it was made (Keras 3.15,
    ``keras.src.models.functional.operation_fn``), which is `default_training`.
    """

    containers: tuple[str, ...] = ()
    is_trainable: bool = True
    training: bool | None = None
    default_training: bool | None = None
    is_own_call: bool = False

    def called(self, node: Any, noted: bool | None) -> _Place:
        """Return the place of a call: with what is written there, where nothing around it goes before.

        Parameters
        ----------
        noted
            What was seen to be written when the code of the user's was traced.
        """
        if self.training is not None:
            return self
        written = _written_training(node) if noted is None else noted
        if self.is_own_call:
            return replace(self, training=written)
        return replace(self, default_training=self.default_training if written is None else written)

    def inside(self, container: keras.Operation) -> _Place:
        """Return the place inside a container that is called here."""
        return replace(
            self,
            containers=(*self.containers, container.name),
            is_trainable=self.is_trainable and bool(getattr(container, "trainable", True)),
            is_own_call=is_user_written(container),
        )


@dataclass(frozen=True)
class End:
    """One output of the model."""

    name: str
    shape: Shape
    part: Part | None


def walked(model: keras.Model, inputs: Any) -> Walk:
    """Return the walk through a model, as far as it came.

    Parameters
    ----------
    model
        It is not changed.
    inputs
        Symbolic tensors of a batch, as a model of the user's own is going to be called on; None: as it was built.
    """
    walk = Walk(model, inputs)
    try:
        with nodes_put_back(model):
            walk.model()
    except Exception:  # whatever a model of the user's may do that no model of Keras' does
        walk.is_whole = False
        walk.notes.append(f"{model.name} could not be looked at to its end.")
    return walk


class Walk:
    """A walk through all of a model that can be seen."""

    def __init__(self, model: keras.Model, inputs: Any) -> None:
        self._model = model
        self._inputs = inputs
        self._found: dict[int, Part] = {}
        self._opened: set[int] = set()
        self._functions: dict[tuple[int, str], keras.Function | None] = {}
        #: ``id`` of a node -> the node, so that no other one gets its ``id``, and what is written there of training.
        self._training: dict[int, tuple[Any, bool]] = {}
        self.ends: list[End] = []
        self.notes: list[str] = []
        self.is_whole = True

    @property
    def parts(self) -> list[Part]:
        """All that was found, in the order of the graph."""
        return list(self._found.values())

    def model(self) -> None:
        """Walk through the model itself."""
        model = self._model
        place = _Place(is_trainable=bool(model.trainable), is_own_call=is_user_written(model))
        self._opened.add(id(model))
        function, names = self._function_of_model()
        if function is not None:
            sources = self._graph(function, None, place)
            self.ends = [
                End(name or (part.operation.name if part else ""), tuple(tensor.shape), part)
                for name, tensor, part in zip(names, function.outputs, sources, strict=True)
            ]
        elif isinstance(model, keras.Sequential) and not is_user_written(model):
            self._chain(model, place)
        else:
            self.is_whole = False
        self._rest(model, place)
        if _has_own(model, "train_step") or _has_own(model, "compute_loss"):
            self.notes.append(f"{model.name} trains with a step or a loss of its own, which was not looked into.")

    def _function_of_model(self) -> tuple[keras.Function | None, Sequence[str]]:
        """Return the graph of the model, and what its outputs are called."""
        model = self._model
        function = _own_function(model)
        if function is not None:
            names = getattr(model, "output_names", None) or [""] * len(function.outputs)
            return function, [str(name) for name in names]
        if not is_user_written(model):
            return None, ()
        if not model.built:
            self.notes.append(f"{model.name} has not been built: only its layers are known, not how they are joined.")
            return None, ()
        ways: list[Callable[[], tuple[Any, Mapping[str, Any]]]] = [
            # Keras does not keep of which type the inputs were
            partial(inputs_as_built, model, kind)
            for kind in (model.compute_dtype, "int32")
        ]
        if self._inputs is not None:
            ways.insert(0, lambda: ((self._inputs,), {}))
        for way in ways:
            with suppress(Exception):  # whatever code of the user's may raise on symbolic tensors
                args, kwargs = way()
                traced = trace(model, args, kwargs)
                self._note(traced)
                return traced.function, traced.keys
        self.notes.append(f"The call of {model.name} could not be traced: only its layers are known.")
        return None, ()

    def _graph(self, function: keras.Function, given: Sequence[Part | None] | None, place: _Place) -> list[Part | None]:
        """Walk through a graph; return where each of its outputs comes from.

        Parameters
        ----------
        given
            Where its inputs come from; None for one that is not called by another: its inputs are layers then.
        """
        if given is None:
            given = [self._input(tensor, place) for tensor in function.inputs]
        sources = {id(tensor): part for tensor, part in zip(function.inputs, given, strict=True)}
        for depth in sorted(function._nodes_by_depth, reverse=True):
            for node in function._nodes_by_depth[depth]:
                if not node.is_input and not all(id(tensor) in sources for tensor in node.outputs):
                    made = self._call(node, [sources.get(id(tensor)) for tensor in node.input_tensors], place)
                    sources.update(zip(map(id, node.outputs), made, strict=True))
        return [sources.get(id(tensor)) for tensor in function.outputs]

    def _input(self, tensor: keras.KerasTensor, place: _Place) -> Part:
        operation = tensor._keras_history.operation
        if id(operation) not in self._found:
            self._found[id(operation)] = Part(
                operation,
                place.containers,
                place.is_trainable,
                given=(tuple(tensor.shape),),
                made=(tuple(tensor.shape),),
                types=(str(tensor.dtype),),
            )
        return self._found[id(operation)]

    def _call(self, node: Any, sources: list[Part | None], place: _Place) -> list[Part | None]:
        """Walk through one call; return where each of its outputs comes from."""
        operation = node.operation
        place = place.called(node, self._training.get(id(node), (node, None))[1])
        if id(operation) not in self._found:
            opened = self._opened_call(node, sources, place)
            if opened is not None:
                self._opened.add(id(operation))
                function, given = opened
                made = self._graph(function, given, place.inside(operation))
                if len(made) == len(node.outputs):
                    return made
        return [self._layer(node, sources, place)] * len(node.outputs)

    def _opened_call(
        self, node: Any, sources: list[Part | None], place: _Place
    ) -> tuple[keras.Function, list[Part | None]] | None:
        """Return the graph inside a container that is called, and where its inputs come from; None for a layer."""
        operation = node.operation
        function = _own_function(operation)
        if function is not None:
            given = _aligned(function, node, sources)
            if given is None:
                return None
            tensors = [tensor for tensor, _ in given]
            shapes = [tuple(tensor.shape) for tensor in tensors]
            if shapes != [tuple(tensor.shape) for tensor in function.inputs]:
                function = self._traced(function, (tensors,), {}, shapes) or function
            return function, [source for _, source in given]
        if not isinstance(operation, keras.Layer) or not is_user_written(operation) or not _sublayers(operation):
            return None
        shapes = [tuple(tensor.shape) for tensor in node.input_tensors]
        arguments = dict(node.arguments.kwargs)
        if not place.is_own_call:  # what is written in a functional graph is not what the block is called with
            arguments.pop("training", None)
        traced = self._traced(operation, node.arguments.args, arguments, shapes)
        return None if traced is None or self._loses_variables(operation, traced) else (traced, sources)

    def _loses_variables(self, container: keras.Layer, function: keras.Function) -> bool:
        """Whether a container has variables that no call of its graph is seen to take."""
        nodes = [node for depth in function._nodes_by_depth.values() for node in depth]
        taken = [variable for node in nodes for variable in _variables_of(node)]
        taken += [variable for part in self.parts for variable in part.variables]
        return not {id(variable) for variable in taken}.issuperset(map(id, _weights(container)))

    def _traced(self, operation: Any, args: Any, kwargs: Any, shapes: list[Shape]) -> keras.Function | None:
        """Trace a container once for each kind of input."""
        key = (id(operation), repr(shapes))
        if key not in self._functions:
            traced = told(lambda: trace(operation, args, kwargs), None)
            self._functions[key] = None if traced is None else traced.function
            self._note(traced)
        return self._functions[key]

    def _note(self, traced: Traced | None) -> None:
        for node, written in () if traced is None else traced.training:
            self._training[id(node)] = node, written

    def _layer(self, node: Any, sources: list[Part | None], place: _Place) -> Part:
        operation = node.operation
        inputs = [source for source in sources if source is not None]
        part = self._found.get(id(operation))
        if part is None:
            part = Part(
                operation,
                place.containers,
                place.is_trainable and bool(getattr(operation, "trainable", True)),
                tensors=tuple(sources),
                given=tuple(tuple(tensor.shape) for tensor in node.input_tensors),
                made=tuple(tuple(tensor.shape) for tensor in node.outputs),
                types=tuple(str(tensor.dtype) for tensor in node.outputs),
                training=place.training,
                default_training=place.default_training,
                scaling=told(lambda: scaling_of(node), {}),
                variables=_variables_of(node),
            )
            self._found[id(operation)] = part
        else:
            part.calls += 1
            part.is_trainable = part.is_trainable and place.is_trainable
        part.inputs += [source for source in inputs if source not in part.inputs and source is not part]
        return part

    # What is not part of a graph

    def _chain(self, model: keras.Sequential, place: _Place) -> None:
        """Join the layers of a stack that does not know its input yet."""
        self.is_whole = False
        self.notes.append(
            f"{model.name} does not know the shape of its input yet: shapes and parameters are not known."
        )
        last: Part | None = None
        for layer in model.layers:
            function = _own_function(layer)
            if function is None:
                last = self._alone(layer, place, (last,) if last else ())
            else:
                self._opened.add(id(layer))
                (last,) = self._graph(function, [last] if last else None, place.inside(layer))
        if last is not None:
            units = getattr(last.operation, "units", None)
            self.ends = [End(last.operation.name, (None, units) if isinstance(units, int) else (), last)]

    def _alone(self, layer: keras.Layer, place: _Place, inputs: Sequence[Part] = ()) -> Part:
        trainable = place.is_trainable and bool(layer.trainable)
        part = Part(layer, place.containers, trainable, list(inputs), tuple(inputs), variables=_weights(layer))
        return self._found.setdefault(id(layer), part)

    def _rest(self, container: keras.Layer, place: _Place) -> None:
        """Note the variables and layers of a container that no graph reaches; without weights only if there is none."""
        taken = {id(variable) for part in self.parts for variable in part.variables}
        own = tuple(variable for variable in _own_variables(container) if id(variable) not in taken)
        if own and id(container) not in self._found:
            self._note_rest(container)
            self._found[id(container)] = Part(container, place.containers[:-1], place.is_trainable, variables=own)
        for layer in _sublayers(container):
            if id(layer) in self._found or isinstance(layer, keras.layers.InputLayer):
                continue
            inside = place.inside(layer)
            if id(layer) in self._opened:
                self._rest(layer, inside)
            elif (function := _own_function(layer)) is not None:
                self._opened.add(id(layer))
                self._note_rest(layer)
                self._graph(function, None, inside)
                self._rest(layer, inside)
            elif is_user_written(layer) and _sublayers(layer):
                self._opened.add(id(layer))
                self._rest(layer, inside)
            elif layer.weights or not self.ends:
                self._note_rest(layer)
                self._alone(layer, place)

    def _note_rest(self, layer: keras.Layer) -> None:
        if self.ends:
            self.is_whole = False
            self.notes.append(f"How the inputs of the model reach {layer.name} could not be seen.")


def _own_function(operation: Any) -> keras.Function | None:
    """Return the graph that a container keeps; None for a layer, and for one whose ``call`` is the user's."""
    if is_user_written(operation):
        return None
    if isinstance(operation, keras.Sequential):
        return operation._functional
    return operation if isinstance(operation, keras.Function) else None


def _sublayers(layer: keras.Layer) -> list[keras.Layer]:
    return list(layer._flatten_layers(include_self=False, recursive=False))


def _aligned(
    function: keras.Function, node: Any, sources: Sequence[Part | None]
) -> list[tuple[keras.KerasTensor, Part | None]] | None:
    """Return what is given to each input of a nested model, which may be by name; None where that does not fit."""
    where = {id(tensor): source for tensor, source in zip(node.input_tensors, sources, strict=True)}
    args, kwargs = node.arguments.args, node.arguments.kwargs
    given = args[0] if args else kwargs.get("inputs")
    if isinstance(given, Mapping) and not isinstance(function._inputs_struct, Mapping):
        given = [given.get(tensor.name) for tensor in function.inputs]
    tensors = keras.tree.flatten(given)
    if len(tensors) != len(function.inputs) or not all(id(tensor) in where for tensor in tensors):
        return None
    return [(tensor, where[id(tensor)]) for tensor in tensors]


def _written_training(node: Any) -> bool | None:
    """Return the ``training`` argument of a call, as the user has written it.

    Keras writes a layer's own default into the graph as well: what equals that is taken for it.
    """
    arguments, call = node.arguments, getattr(node.operation, "call", None)
    with suppress(TypeError, ValueError):  # of the user's, and of another form
        signature = inspect.signature(call)  # type: ignore[arg-type]
        written = signature.bind_partial(*arguments.args, **arguments.kwargs).arguments.get("training")
        default = signature.parameters["training"].default if "training" in signature.parameters else None
        return written if isinstance(written, bool) and written is not default else None
    return None


def _variables_of(node: Any) -> tuple[Any, ...]:
    """Return the variables of a layer, or those that are given to an operation."""
    if isinstance(node.operation, keras.Layer):
        return _weights(node.operation)
    return tuple(part for part in node.arguments._flat_arguments if isinstance(part, keras.Variable))


def _weights(layer: keras.Layer) -> tuple[Any, ...]:
    return told(lambda: tuple(layer.weights), ())


def _own_variables(container: keras.Layer) -> tuple[Any, ...]:
    """Return the variables that no layer inside a container has."""
    inside = {id(variable) for layer in _sublayers(container) for variable in _weights(layer)}
    return tuple(variable for variable in _weights(container) if id(variable) not in inside)


def _has_own(model: keras.Model, method: str) -> bool:
    return not str(getattr(getattr(type(model), method, None), "__module__", "keras.")).startswith("keras.")
