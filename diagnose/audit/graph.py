"""The blueprint of a Keras model: its graph, walked into every container, and how it is compiled.

Whatever a model is made of, nothing here raises: a piece that cannot be told is left out. A model or a block of the
user's own is called on symbolic tensors (``diagnose.audit.tracing``) to see its graph; where that fails it is one layer
of which nothing is known, or, for the model itself, a list of layers.
"""

from __future__ import annotations

import inspect
import math
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import partial
from types import MappingProxyType
from typing import Any, TypeVar

import keras

from diagnose.audit.arithmetic import Field, bytes_of, field_after, field_of_input, flops_of, spatial_axes
from diagnose.audit.compilation import losses_of, metrics_of, optimizer_of, thresholds_of
from diagnose.audit.configuration import plain_settings
from diagnose.audit.constants import has_learned, scaling_of
from diagnose.audit.first_weights import number_of_copies, number_of_kernel, stops_gradient
from diagnose.audit.functions import activation_of, is_user_written
from diagnose.audit.penalties import added_penalty
from diagnose.audit.tracing import Traced, inputs_as_built, nodes_put_back, trace
from diagnose.blueprint import Activation, Blueprint, Curve, Initializer, Layer, Loss, Output, Shape
from diagnose.live.anatomy import names_of
from diagnose.live.facts import called, initializer_of, settings_of

#: More numbers than these under a penalty are not summed up.
_MAX_PENALIZED = 100_000_000

_T = TypeVar("_T")


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
    walk = _walked(model, inputs)
    layers = _layers(model, walk.parts, lines)
    names = {id(part): layer.name for part, layer in zip(walk.parts, layers, strict=True)}
    return Blueprint(
        name=str(model.name),
        kind=type(model).__name__,
        layers=layers,
        outputs=_outputs(model, walk, layers, names),
        optimizer=_told(lambda: optimizer_of(model), None),
        regularization=_told(lambda: _regularization(model), None),
        batch_size=batch_size or _batch_size(layers),
        is_whole=walk.is_whole,
        notes=tuple(dict.fromkeys(walk.notes)),
    )


def _told(piece: Callable[[], _T], otherwise: _T) -> _T:
    """Return a piece of what is told; what a model of the user's may raise must not hide the rest."""
    try:
        return piece()
    except Exception:
        return otherwise


# The walk


@dataclass(eq=False)
class _Part:
    """A layer or an operation, as the walk finds it; what is of a call is of the first one."""

    operation: keras.Operation
    containers: tuple[str, ...]
    is_trainable: bool
    inputs: list[_Part] = field(default_factory=list)
    tensors: tuple[_Part | None, ...] = ()
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
class _End:
    """One output of the model."""

    name: str
    shape: Shape
    part: _Part | None


def _walked(model: keras.Model, inputs: Any) -> _Walk:
    walk = _Walk(model, inputs)
    try:
        with nodes_put_back(model):
            walk.model()
    except Exception:  # whatever a model of the user's may do that no model of Keras' does
        walk.is_whole = False
        walk.notes.append(f"{model.name} could not be looked at to its end.")
    return walk


class _Walk:
    """A walk through all of a model that can be seen."""

    def __init__(self, model: keras.Model, inputs: Any) -> None:
        self._model = model
        self._inputs = inputs
        self._found: dict[int, _Part] = {}
        self._opened: set[int] = set()
        self._functions: dict[tuple[int, str], keras.Function | None] = {}
        #: ``id`` of a node -> the node, so that no other one gets its ``id``, and what is written there of training.
        self._training: dict[int, tuple[Any, bool]] = {}
        self.ends: list[_End] = []
        self.notes: list[str] = []
        self.is_whole = True

    @property
    def parts(self) -> list[_Part]:
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
                _End(name or (part.operation.name if part else ""), tuple(tensor.shape), part)
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

    def _graph(
        self, function: keras.Function, given: Sequence[_Part | None] | None, place: _Place
    ) -> list[_Part | None]:
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

    def _input(self, tensor: keras.KerasTensor, place: _Place) -> _Part:
        operation = tensor._keras_history.operation
        if id(operation) not in self._found:
            self._found[id(operation)] = _Part(
                operation,
                place.containers,
                place.is_trainable,
                given=(tuple(tensor.shape),),
                made=(tuple(tensor.shape),),
                types=(str(tensor.dtype),),
            )
        return self._found[id(operation)]

    def _call(self, node: Any, sources: list[_Part | None], place: _Place) -> list[_Part | None]:
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
        self, node: Any, sources: list[_Part | None], place: _Place
    ) -> tuple[keras.Function, list[_Part | None]] | None:
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
            traced = _told(lambda: trace(operation, args, kwargs), None)
            self._functions[key] = None if traced is None else traced.function
            self._note(traced)
        return self._functions[key]

    def _note(self, traced: Traced | None) -> None:
        for node, written in () if traced is None else traced.training:
            self._training[id(node)] = node, written

    def _layer(self, node: Any, sources: list[_Part | None], place: _Place) -> _Part:
        operation = node.operation
        inputs = [source for source in sources if source is not None]
        part = self._found.get(id(operation))
        if part is None:
            part = _Part(
                operation,
                place.containers,
                place.is_trainable and bool(getattr(operation, "trainable", True)),
                tensors=tuple(sources),
                given=tuple(tuple(tensor.shape) for tensor in node.input_tensors),
                made=tuple(tuple(tensor.shape) for tensor in node.outputs),
                types=tuple(str(tensor.dtype) for tensor in node.outputs),
                training=place.training,
                default_training=place.default_training,
                scaling=_told(lambda: scaling_of(node), {}),
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
        last: _Part | None = None
        for layer in model.layers:
            function = _own_function(layer)
            if function is None:
                last = self._alone(layer, place, (last,) if last else ())
            else:
                self._opened.add(id(layer))
                (last,) = self._graph(function, [last] if last else None, place.inside(layer))
        if last is not None:
            units = getattr(last.operation, "units", None)
            self.ends = [_End(last.operation.name, (None, units) if isinstance(units, int) else (), last)]

    def _alone(self, layer: keras.Layer, place: _Place, inputs: Sequence[_Part] = ()) -> _Part:
        trainable = place.is_trainable and bool(layer.trainable)
        part = _Part(layer, place.containers, trainable, list(inputs), tuple(inputs), variables=_weights(layer))
        return self._found.setdefault(id(layer), part)

    def _rest(self, container: keras.Layer, place: _Place) -> None:
        """Note the variables and layers of a container that no graph reaches; without weights only if there is none."""
        taken = {id(variable) for part in self.parts for variable in part.variables}
        own = tuple(variable for variable in _own_variables(container) if id(variable) not in taken)
        if own and id(container) not in self._found:
            self._note_rest(container)
            self._found[id(container)] = _Part(container, place.containers[:-1], place.is_trainable, variables=own)
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
    function: keras.Function, node: Any, sources: Sequence[_Part | None]
) -> list[tuple[keras.KerasTensor, _Part | None]] | None:
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
    return _told(lambda: tuple(layer.weights), ())


def _own_variables(container: keras.Layer) -> tuple[Any, ...]:
    """Return the variables that no layer inside a container has."""
    inside = {id(variable) for layer in _sublayers(container) for variable in _weights(layer)}
    return tuple(variable for variable in _weights(container) if id(variable) not in inside)


def _has_own(model: keras.Model, method: str) -> bool:
    return not str(getattr(getattr(type(model), method, None), "__module__", "keras.")).startswith("keras.")


# The layers


def _layers(model: keras.Model, parts: Sequence[_Part], lines: Mapping[int, int]) -> tuple[Layer, ...]:
    names = names_of([(part.operation, part.containers) for part in parts])
    by_part = {id(part): name for part, name in zip(parts, names, strict=True)}
    trained = _told(lambda: {id(variable) for variable in model.trainable_variables}, set[int]())
    fields: dict[int, Field | None] = {}
    counted: set[int] = set()
    made = []
    for part, name in zip(parts, names, strict=True):
        variables = [variable for variable in part.variables if id(variable) not in counted]
        counted.update(map(id, variables))
        seen = fields[id(part)] = _told(partial(_field, part, fields), None)
        made.append(
            replace(
                _described(part),
                name=name,
                inputs=tuple(by_part[id(one)] for one in part.inputs),
                parameters=_count(variables),
                trainable_parameters=_count(v for v in variables if id(v) in trained) if part.is_trainable else 0,
                receptive_field=seen.steps if seen else None,
                line=lines.get(id(part.operation)),
            )
        )
    return tuple(made)


def _described(part: _Part) -> Layer:
    """Return what is told of a layer by itself."""
    operation = part.operation
    is_custom = _is_custom(operation)
    kind = type(operation).__name__ if is_custom else _kind(operation)
    activation = _told(lambda: activation_of(operation), None)
    if isinstance(operation, keras.layers.Lambda):
        is_custom = activation is None or activation.curve is Curve.UNKNOWN
    if is_custom and activation is None and _told(lambda: stops_gradient(operation, part.given), False):
        activation = Activation(kind, Curve.STEP, gradient_share=0.0)
    is_function = activation is not None and activation.curve not in (Curve.LINEAR, Curve.UNKNOWN)
    weighted = _weighted(operation)
    return Layer(
        name="",
        kind=kind,
        input_shapes=part.given,
        output_shapes=part.made,
        settings=_told(lambda: {**_settings(operation), **part.scaling}, {}),
        activation=activation,
        initializer=_told(lambda: _first_weights(part, weighted, is_custom), None),
        bias_initializer=_told(lambda: _bias_initializer(weighted), None),
        is_trainable=part.is_trainable,
        is_custom=is_custom,
        calls=part.calls,
        training=part.training,
        default_training=part.default_training,
        is_set_trainable=bool(getattr(operation, "trainable", True)),
        has_learned=_told(lambda: has_learned(weighted), None),
        container="/".join(part.containers),
        flops=_told(lambda: _flops(part, kind, is_custom, is_function), None),
        activation_bytes=_told(lambda: bytes_of(part.made, part.types), None),
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
        added = _told(lambda: added_penalty(operation), 0.0)
        told: dict[str, Any] = _told(lambda: plain_settings(operation.get_config()), {})
        return {**told, "added_penalty": added} if added else told
    own = {name: value for name, value in vars(operation).items() if not name.startswith("_")}
    return {name: value for name, value in plain_settings(own).items() if value is not None}


def _initializer(initializer: Any) -> Initializer:
    if not isinstance(initializer, keras.initializers.Initializer):
        return Initializer(called(initializer))
    return Initializer(type(initializer).__name__, _told(lambda: plain_settings(settings_of(initializer)), {}))


def _first_weights(part: _Part, weighted: Any, is_custom: bool) -> Initializer | None:
    """Return how the weights of a layer begin: by its initializer, unless they have all been set to one number."""
    if is_custom:
        number = _told(lambda: number_of_copies(part.operation, part.given), None)
    else:
        number = _told(lambda: number_of_kernel(weighted), None)
    if number is None:
        return _initializer(initializer_of(weighted))
    return Initializer("Constant", {"value": number})


def _bias_initializer(layer: Any) -> Initializer | None:
    has_bias = getattr(layer, "use_bias", None)
    if has_bias is None:
        has_bias = getattr(layer, "bias", None) is not None
    return _initializer(layer.bias_initializer) if has_bias else None


def _flops(part: _Part, kind: str, is_custom: bool, is_function: bool) -> int | None:
    if is_custom:
        return None
    found = flops_of(part.operation, kind, part.given, part.made, is_function=is_function)
    return None if found is None else found * part.calls


def _field(part: _Part, fields: Mapping[int, Field | None]) -> Field | None:
    if isinstance(part.operation, keras.layers.InputLayer):
        return field_of_input(spatial_axes(part.made[0]))
    if _is_custom(part.operation):
        return None
    given = [None if one is None else fields.get(id(one)) for one in part.tensors]
    return field_after(part.operation, _kind(part.operation), given, part.given, part.made)


def _count(variables: Sequence[Any] | Iterator[Any]) -> int:
    return sum(math.prod(variable.shape) for variable in variables)


def _batch_size(layers: Sequence[Layer]) -> int | None:
    """Return the batch size that an input of the model has fixed."""
    inputs = [layer for layer in layers if layer.kind == "InputLayer" and layer.output_shapes[0]]
    return next((layer.output_shapes[0][0] for layer in inputs if layer.output_shapes[0][0]), None)


def _regularization(model: keras.Model) -> float | None:
    if not model.built:
        return None
    penalized = [v for v in model.trainable_variables if getattr(v, "regularizer", None) is not None]
    if _count(penalized) > _MAX_PENALIZED:
        return None
    added = [_told(partial(added_penalty, layer), 0.0) for layer in model._flatten_layers()]
    return float(sum(float(variable.regularizer(variable)) for variable in penalized)) + sum(added)


# The outputs

#: They leave numbers what they are, or choose among them.
_PASSING = frozenset(
    (
        *("Reshape", "Flatten", "Permute", "Cast", "Identity", "Squeeze", "ExpandDims", "Transpose", "GetItem"),
        *("Dropout", "ActivityRegularization", "StopGradient", "RepeatVector", "Repeat", "Split", "Masking"),
        *(f"{kind}{rank}D" for kind in ("Cropping", "UpSampling", "ZeroPadding") for rank in (1, 2, 3)),
        *(f"{kind}{rank}D" for kind in ("MaxPooling", "AveragePooling") for rank in (1, 2, 3)),
        *(f"Global{kind}Pooling{rank}D" for kind in ("Max", "Average") for rank in (1, 2, 3)),
    )
)  # fmt: skip
#: Of several inputs that are alike they make another one of the kind.
_JOINING = frozenset(("Concatenate", "Average", "Maximum", "Minimum", "Stack"))
#: They scale and shift.
_AFFINE = frozenset(
    ("BatchNormalization", "LayerNormalization", "GroupNormalization", "RMSNormalization", "Normalization")
)
_PROJECTING = frozenset(("Embedding", "MultiHeadAttention", "GroupedQueryAttention"))
_LINEAR = Activation("linear", Curve.LINEAR)


def _outputs(model: keras.Model, walk: _Walk, layers: Sequence[Layer], names: Mapping[int, str]) -> tuple[Output, ...]:
    ends = [end for end in walk.ends if end.part is not None]
    called_so = [end.name for end in ends]
    no_losses: list[Loss | None] = [None] * len(ends)
    no_metrics: list[tuple[str, ...]] = [()] * len(ends)
    losses = _told(lambda: losses_of(model, called_so), no_losses)
    metrics = _told(lambda: metrics_of(model, called_so), no_metrics)
    no_thresholds: list[dict[str, tuple[float, float]]] = [{}] * len(ends)
    thresholds = _told(lambda: thresholds_of(model, called_so), no_thresholds)
    by_name = {layer.name: layer for layer in layers}
    return tuple(
        Output(
            name=end.name,
            layer=names[id(end.part)],
            shape=end.shape,
            activation=_told(partial(_last_activation, by_name[names[id(end.part)]], by_name, {}), None),
            loss=loss,
            metrics=given,
            thresholds=cuts,
        )
        for end, loss, given, cuts in zip(ends, losses, metrics, thresholds, strict=True)
    )


def _last_activation(
    layer: Layer, by_name: Mapping[str, Layer], known: dict[str, Activation | None]
) -> Activation | None:
    """Return the last function that was applied to what a layer gives; None where it is not known."""
    if layer.name not in known:
        known[layer.name] = None  # of a layer that takes, in another call, what it gave itself
        before = [by_name[name] for name in dict.fromkeys(layer.inputs)]
        known[layer.name] = _applied_last(layer, [partial(_last_activation, one, by_name, known) for one in before])
    return known[layer.name]


def _applied_last(layer: Layer, before: Sequence[Callable[[], Activation | None]]) -> Activation | None:
    """Return the last function of a layer's output, given how to find out those of its inputs."""
    if layer.is_custom or layer.kind == "InputLayer":
        return layer.activation
    if layer.kind in _PASSING or (layer.kind == "Activation" and layer.activation and layer.activation.is_linear):
        return before[0]() if len(before) == 1 else None
    if layer.kind in _JOINING or (layer.kind in ("Add", "Subtract") and len(layer.inputs) > 1):
        return _common(layer.kind, [one() for one in before])
    if layer.kind in _AFFINE | _PROJECTING:
        return _LINEAR
    if layer.activation is not None and layer.activation.is_linear and not layer.parameters:  # scaled by a constant
        found = before[0]() if len(before) == 1 else None
        return found if found and found.is_linear else None
    return layer.activation


def _common(kind: str, activations: Sequence[Activation | None]) -> Activation | None:
    """Return the function that all inputs of a joining layer have gone through, if what it makes is like theirs."""
    first = activations[0] if activations else None
    if first is None or any(one is None or one.curve is not first.curve for one in activations):
        return None
    if kind not in _JOINING:  # a sum
        return first if first.is_linear else None
    return None if first.curve is Curve.SOFTMAX and kind != "Average" else first
