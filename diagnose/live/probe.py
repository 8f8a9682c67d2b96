"""What the units of a model put out for a small batch that stays the same: dead ones, saturated ones.

One forward pass in inference mode, during which the layers' ``call`` is wrapped. The first passes are eager; then the
pass is traced, for by then the time of tracing pays. A model with layers of the user's own is traced
at once: an activation that is hidden in their ``call`` (``tf.nn.relu(self.conv(x))``) is seen only in the graph. It is
booked under the layer whose output it takes, and only where nothing else takes that output.
"""

from __future__ import annotations

import inspect
import weakref
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import wraps
from typing import Any, Protocol

import keras
import numpy as np
import tensorflow as tf

from diagnose.audit.functions import is_user_written
from diagnose.live.activations import SIGMOID, TANH, Activation, Rectifier, Squashing, activation_of
from diagnose.live.anatomy import WatchedLayer
from diagnose.live.passive import untouched

# Tracing costs as much as a few eager passes more than a traced one do: it does not pay where a training has no more
# epochs than this. (The smaller the model, the more passes: of MobileNetV2 with 64 samples it is three.)
_EAGER_PASSES = 2

# What TensorFlow calls the operations of activations that are hidden in a `call`.
_HIDDEN: Mapping[str, Activation] = {"Relu": Rectifier(), "Relu6": Rectifier(), "Sigmoid": SIGMOID, "Tanh": TANH}

Statistics = dict[str, dict[str, Any]]


class Probe:
    """The forward pass over one batch, made ready.

    Parameters
    ----------
    model
        A model that is built.
    layers
        Its layers, as ``layers_of`` names them.
    """

    def __init__(self, model: keras.Model, layers: Sequence[WatchedLayer]) -> None:
        self._model = model
        self._layers = tuple(layers)
        with untouched(model, generators=True):
            self._activations = {layer.name: activation_of(layer.operation) for layer in layers}
        self._passes = 0
        parts = model._flatten_layers()
        self._looks_inside = any(is_user_written(layer) for layer in parts)
        self._runs_user_code = self._looks_inside or any(isinstance(layer, keras.layers.Lambda) for layer in parts)
        self._callable = model.built and not any(must_not_be_called(layer) for layer in parts)
        self._traceable = not getattr(model, "run_eagerly", False)
        self._is_traced = False
        self._traced = tf.function(self._measure, autograph=False, reduce_retracing=False)

    @property
    def is_of_use(self) -> bool:
        """Whether the model can be looked at, and can have an activation that is looked for."""
        return self._callable and (self._looks_inside or any(self._activations.values()))

    def observe(self, x: Any) -> dict[str, dict[str, float]]:
        """Return what the layers put out for a batch.

        Nothing of the model changes by it, nor any random state: see ``diagnose.live.passive``.

        Parameters
        ----------
        x
            Inputs as the model takes them, NumPy arrays or tensors; 32 to 128 samples.

        Returns
        -------
        dict
            ``dead_fraction``: for layers with a ReLU, the share of units that are zero for every sample and at every
            position. ``saturated_fraction``: for layers with sigmoid or tanh, the share of outputs at their bounds;
            not for the model's last layers, where it is what training is for. 0 to 1 by layer name; not a number
            where outputs are none. (ReLU itself can turn NaN into zero, where TensorFlow fuses it with what comes
            before: of a model whose weights are not finite, dead units mean nothing.)

        Raises
        ------
        Exception
            What the model raises.
        """
        if not self.is_of_use:
            return {"dead_fraction": {}, "saturated_fraction": {}}
        x = keras.tree.map_structure(_as_tensor, x)
        self._passes += 1
        with untouched(self._model, generators=self._runs_user_code and not self._is_traced):
            measured = self._pass(x)
        return {
            statistic: {layer.name: float(by_layer[layer.name]) for layer in self._layers if layer.name in by_layer}
            for statistic, by_layer in measured.items()
        }

    def _pass(self, x: Any) -> Statistics:
        if self._traceable and (self._looks_inside or self._passes > _EAGER_PASSES):
            try:
                traced: Statistics = self._traced(x)
                self._is_traced = True
                return traced
            except Exception:  # code of the user's that runs eagerly only; if it is the model, it fails again below
                self._traceable = self._is_traced = False
        return self._measure(x)

    def _measure(self, x: Any) -> Statistics:
        record = _Record(self._activations)
        inference = {"training": False} if takes_training(self._model) else {}
        with noted_calls(self._layers, record):
            outputs = self._model(x, **inference)
        if self._looks_inside:
            record.note_hidden(self._layers)
        return record.statistics(self._layers, outputs)


class Notes(Protocol):
    """What is told of the calls of layers, see `noted_calls`."""

    def note_inputs(self, layer: WatchedLayer, inputs: Any) -> None:
        """Book the beginning of a layer's call."""

    def note_outputs(self, layer: WatchedLayer, outputs: Any) -> None:
        """Book the end of a layer's call."""


class _Record:
    """What the calls of one pass have shown, reduced at once to a few numbers for each unit."""

    def __init__(self, activations: Mapping[str, Activation | None]) -> None:
        self._activations = activations
        self._graph = tf.compat.v1.get_default_graph()
        self._weighted_calls = 0
        self._weighted_calls_before: dict[str, int] = {}
        self._taken: set[int] = set()
        self._outputs: dict[str, list[tf.Tensor]] = {}
        self._seen: dict[str, list[weakref.ref[tf.Tensor]]] = {}
        self._peaks: dict[str, list[tf.Tensor]] = {}
        self._shares: dict[str, list[tf.Tensor]] = {}

    def note_inputs(self, layer: WatchedLayer, inputs: Any) -> None:
        """Book the beginning of a layer's call."""
        self._weighted_calls += bool(layer.weights)
        if not tf.executing_eagerly():
            self._taken.update(id(tensor) for tensor in keras.tree.flatten(inputs))

    def note_outputs(self, layer: WatchedLayer, outputs: Any) -> None:
        """Book the end of a layer's call. What runs in a graph within the pass (a loop) cannot leave it: left out."""
        output = main_output(outputs)
        if output is None or tf.compat.v1.get_default_graph() is not self._graph:
            return
        activation = self._activations[layer.name]
        if activation is not None:
            self._measure(layer, activation, output)
        elif not tf.executing_eagerly():
            self._outputs.setdefault(layer.name, []).append(output)

    def note_hidden(self, layers: Sequence[WatchedLayer]) -> None:
        """Look in the graph for activations that no layer declares."""
        booked: set[int] = set()
        for layer in reversed(layers):  # parts before what they are part of
            found = [self._hidden(layer, output) for output in self._outputs.get(layer.name, ())]
            for operation in found:
                if operation is not None and None not in found and id(operation) not in booked:
                    booked.add(id(operation))
                    self._measure(layer, _HIDDEN[operation.type], operation.outputs[0])

    def _hidden(self, layer: WatchedLayer, output: tf.Tensor) -> tf.Operation | None:
        """Return the activation that a layer's output comes from, or that alone takes it."""
        if is_user_written(layer.operation) and output.op.type in _HIDDEN:
            return output.op
        takers = output.consumers()
        if len(takers) == 1 and takers[0].type in _HIDDEN and id(output) not in self._taken:
            return takers[0]
        return None

    def _measure(self, layer: WatchedLayer, activation: Activation, output: tf.Tensor) -> None:
        if isinstance(activation, Rectifier):
            self._peaks.setdefault(layer.name, []).append(peak(layer.operation, output))
        else:
            self._shares.setdefault(layer.name, []).append(_saturated_share(activation, output))
            self._seen.setdefault(layer.name, []).append(weakref.ref(output))
            self._weighted_calls_before[layer.name] = self._weighted_calls

    def statistics(self, layers: Sequence[WatchedLayer], outputs: Any) -> Statistics:
        """Return what there is to say about each layer, given what the model put out."""
        ends = {id(output) for output in keras.tree.flatten(outputs)}
        own = {layer.name for layer in layers if layer.weights}
        return {
            "dead_fraction": {name: _dead_share(peaks, shared=name in own) for name, peaks in self._peaks.items()},
            "saturated_fraction": {
                name: tf.reduce_mean(tf.stack(shares))
                for name, shares in self._shares.items()
                if self._weighted_calls_before[name] < self._weighted_calls
                and not any(id(output()) in ends for output in self._seen[name])
            },
        }


def peak(operation: keras.Operation, output: tf.Tensor) -> tf.Tensor:
    """Return the largest output of each unit."""
    rank = output.shape.rank
    if rank == 2:
        return tf.reduce_max(output, axis=0)
    if _data_format(operation, rank) == "channels_first":
        return tf.reduce_max(output, axis=[0, *range(2, rank)])
    # Sample by sample first: on a CPU 2.5 times as fast as all at once.
    shape = tf.shape(output)
    positions = tf.reshape(output, (shape[0], -1, shape[rank - 1]))
    return tf.reduce_max(tf.reduce_max(positions, axis=1), axis=0)


def _data_format(operation: keras.Operation, rank: int) -> str:
    """Return where the channels are; layers without convolution do not say, and follow the global setting."""
    own = getattr(operation, "data_format", None)
    return str(own or (keras.config.image_data_format() if rank > 3 else "channels_last"))


def _dead_share(peaks: list[tf.Tensor], *, shared: bool) -> tf.Tensor:
    """Return the share of units that are zero in every call; an activation without weights has new units in each."""
    peak = tf.reduce_max(tf.stack(peaks), axis=0) if shared else tf.concat(peaks, axis=0)
    share = tf.reduce_mean(tf.cast(tf.equal(peak, 0), tf.float32))
    return tf.where(tf.reduce_all(tf.math.is_finite(peak)), share, float("nan"))


def _saturated_share(bounds: Squashing, output: tf.Tensor) -> tf.Tensor:
    """Return the share of outputs at the bounds."""
    # One comparison instead of two: the distance from the middle, in the precision of the bounds.
    middle, half = (bounds.high + bounds.low) / 2, (bounds.high - bounds.low) / 2
    distance = tf.abs(tf.cast(output, tf.float32) - middle)
    share = tf.reduce_mean(tf.cast(distance >= half, tf.float32))
    return tf.where(tf.math.is_finite(tf.reduce_max(distance)), share, float("nan"))


def main_output(outputs: Any) -> tf.Tensor | None:
    """Return the first dense tensor of numbers with units; None for sparse, ragged and scalar outputs."""
    for output in keras.tree.flatten(outputs):
        if isinstance(output, tf.Tensor) and output.dtype.is_floating and (output.shape.rank or 0) >= 2:
            return output
    return None


@contextmanager
def noted_calls(layers: Sequence[WatchedLayer], record: Notes) -> Iterator[None]:
    """Have every call of the layers noted, for as long as the context lasts."""
    restore: list[tuple[keras.Operation, Any]] = []
    try:
        for layer in layers:
            before, noting_call = vars(layer.operation).get("call"), _noting(layer, record)
            # Past Keras' own __setattr__, which would take note of it.
            object.__setattr__(layer.operation, "call", noting_call)
            restore.append((layer.operation, before))
        yield
    finally:
        for operation, call in restore:
            if call is None:
                object.__delattr__(operation, "call")
            else:
                object.__setattr__(operation, "call", call)


def _noting(layer: WatchedLayer, record: Notes) -> Callable[..., Any]:
    call = layer.operation.call

    @wraps(call)  # Keras looks at the signature
    def noting_call(*args: Any, **kwargs: Any) -> Any:
        record.note_inputs(layer, (args, kwargs))
        outputs = call(*args, **kwargs)
        record.note_outputs(layer, outputs)
        return outputs

    return noting_call


def must_not_be_called(layer: keras.Layer) -> bool:
    """Whether a call would leave traces, whatever is done against it.

    Keras takes a model without ``call`` (whose training step calls its parts) for built once it is called; and a
    ``call`` that is a ``tf.function`` would keep what it is traced to here, for the rest of the training.
    """
    call = type(layer).call
    return hasattr(call, "get_concrete_function") or call is keras.Model.call


def takes_training(model: keras.Model) -> bool:
    """Whether a model's ``call`` has the argument ``training``."""
    parameters = inspect.signature(model.call).parameters.values()
    return any(p.name == "training" or p.kind is p.VAR_KEYWORD for p in parameters)


def _as_tensor(value: Any) -> Any:
    return tf.convert_to_tensor(value) if isinstance(value, np.ndarray) else value
