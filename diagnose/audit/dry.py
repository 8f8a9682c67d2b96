"""The dry run: one batch forward and backward, and a few steps on it, before the training.

Everything is computed eagerly, layer by layer, for tracing a large network takes longer than the few steps. The model
is the very one that will be trained, so whatever is moved is put back, to the last bit (`diagnose.live.passive`); its
optimizer, its metrics and its compiled loss are not touched at all, for fresh ones of the same settings do the work.
"""

from __future__ import annotations

import inspect
import math
import re
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from diagnose.audit import batch as batches
from diagnose.audit.functions import is_user_written
from diagnose.blueprint import DryRun, LayerScale
from diagnose.live.anatomy import WatchedLayer, layers_of
from diagnose.live.passive import restored
from diagnose.live.probe import main_output, must_not_be_called, noted_calls, peak, takes_training
from diagnose.live.taps import half_square
from diagnose.sample import DataSample

#: Steps of the training on one batch.
STEPS = 50
#: So many the time must be enough for: with fewer samples, where it is not.
_FEWEST_STEPS = 8
#: Fewer samples than these say little, and batch normalization suffers.
_FEWEST_SAMPLES = 8
#: Steps after which a branch that begins at zero (a zero gain in front of a sum) lets gradients through.
_OPENING = 2
#: Gradients of 16-bit floats are computed of the loss times this: they would vanish otherwise.
_SCALE = 1024.0
_LONGEST = 200
#: Models of more layers are not traced: it takes too long.
_MOST_TRACED = 200


def dry_run(
    model: keras.Model, data: DataSample | None = None, *, seconds: float = 10.0, batch_size: int = 32
) -> DryRun:
    """Compute one batch forward and backward, and train on it for some steps.

    Parameters
    ----------
    model
        A model that is built, compiled if its loss is to be looked at. It is left as it was, to the last bit.
    data
        What the batch is taken from; None, or data that the model is not given as it is: inputs and labels are drawn.
    seconds
        How long it may take. Time is looked at between steps: the first one is made whatever it takes.
    batch_size
        Samples in the batch, fewer where a step would take too long.

    Returns
    -------
    DryRun
        Where the model, or its loss, raises, `DryRun.failed` says what; so it does where nothing could be tried, and
        then `DryRun.samples` is 0. A batch that was drawn is not trained on: whether noise can be learned by heart
        says little about data.
    """
    obstacle = _obstacle(model)
    if obstacle:
        return DryRun(failed=obstacle)
    try:
        with restored(model), _fresh_loss(model):
            return _Rehearsal(model, data, time.monotonic() + seconds).run(batch_size)
    except (MemoryError, tf.errors.ResourceExhaustedError):
        return DryRun(failed="there is not enough memory for one batch")


def _obstacle(model: keras.Model) -> str:
    """Return why nothing can be computed; empty where it can."""
    if keras.backend.backend() != "tensorflow":
        return f"a dry run needs the TensorFlow backend of Keras, and this is {keras.backend.backend()}"
    if not model.built:
        return "the model is not built: it needs an Input, or a first call"
    if any(must_not_be_called(layer) for layer in model._flatten_layers()):
        return "the model has no call of its own, or one that TensorFlow has compiled"
    if model.distribute_strategy.num_replicas_in_sync > 1:
        return "the model is spread over several devices"
    return ""


@contextmanager
def _fresh_loss(model: keras.Model) -> Iterator[None]:
    """Give the model a compiled loss that has seen no labels yet: it keeps the structure of the first it is shown."""
    before = getattr(model, "_compile_loss", None)
    if before is not None:
        fresh = type(before)(before._user_loss, before._user_loss_weights, output_names=before.output_names)
        object.__setattr__(model, "_compile_loss", fresh)
    try:
        yield
    finally:
        if before is not None:
            object.__setattr__(model, "_compile_loss", before)


class _Rehearsal:
    """The state of one dry run."""

    def __init__(self, model: keras.Model, data: DataSample | None, deadline: float) -> None:
        self._model, self._deadline = model, deadline
        self._data = data if data is not None and not data.is_raw and len(data.training) else None
        self._rng = np.random.default_rng(0)
        self._layers = [layer for layer in layers_of(model) if layer.operation is not model]
        self._x: Any = None
        self._y: Any = None
        self._is_made_up = self._data is None or not self._data.training.labels
        self._samples = 0

    def run(self, batch_size: int) -> DryRun:
        """Return what the batch tells."""
        try:
            self._choose(batch_size)
            if not self._samples:
                return DryRun(failed="nothing tells what the model takes as input: it needs an Input, or data")
            return self._told()
        except (MemoryError, tf.errors.ResourceExhaustedError):
            raise
        except Exception as error:  # whatever a model of the user's may raise
            return DryRun(samples=self._samples, is_made_up=self._is_made_up, failed=plainly(error))

    def _choose(self, batch_size: int) -> None:
        """Take as many samples as there is time for."""
        size = batches.fixed_size(self._model)
        if size is None:
            self._take(2)
            size = min(batch_size, self._affordable()) if self._samples else 2
        self._take(size)

    def _take(self, count: int) -> None:
        if self._data is None:
            self._x = batches.made_up_inputs(self._model, count, self._rng)
            self._samples = 0 if self._x is None else count
        else:
            at = batches.chosen(self._data.training, count)
            self._x, self._samples = batches.inputs_of(self._model, self._data, at), len(at)

    def _affordable(self) -> int:
        """Return how many samples there is time for, by the time that the batch of two takes when it is warm."""
        for _ in range(2):
            begun = time.monotonic()
            self._forward(training=False)
            took = time.monotonic() - begun
            if took > 1:
                break
        step = 3 * took / self._samples  # backward takes twice as long as forward
        left = self._deadline - time.monotonic()
        return max(_FEWEST_SAMPLES, int(left / _FEWEST_STEPS / max(step, 1e-9)))

    def _told(self) -> DryRun:
        scales = _Scales()
        if self._has_own_layers():
            self._trace(self._forward)
        with tf.GradientTape() as tape, noted_calls(self._layers, scales):
            outputs = self._forward()
            self._label(outputs)
            loss = self._loss(outputs, penalties=False)
            scaled = None if loss is None else loss * self._scale
        for function in self._own_functions():
            self._trace(function, self._y, outputs)
        if loss is None:
            return DryRun(samples=self._samples, is_made_up=self._is_made_up, scales=tuple(self._scales(scales, {})))
        bias_loss = self._bias_loss(outputs, scales)
        gradients = self._norms(self._gradients(tape, scaled))
        is_numeric = math.isfinite(float(loss))
        losses = self._train(float(loss)) if is_numeric and not self._is_made_up else ()
        if is_numeric and 0.0 in gradients.values():
            gradients = self._opened(gradients, is_trained=len(losses) > _OPENING)
        expected, floor = self._bounds(outputs)
        return DryRun(
            samples=self._samples,
            is_made_up=self._is_made_up,
            initial_loss=float(loss),
            expected_loss=expected,
            bias_loss=bias_loss,
            spread=self._spread(outputs),
            losses=losses,
            floor=floor,
            scales=tuple(self._scales(scales, gradients)),
        )

    def _trace(self, function: Callable[..., Any], *tensors: Any) -> None:
        """Have a function compute with symbols, as ``fit`` does, which gets all it needs for that from TensorFlow.

        Raises
        ------
        ValueError
            That is not possible: the code looks at numbers, with NumPy, ``.numpy()`` or an ``if``.
        """
        if self._model.run_eagerly or not self._model.compiled:
            return
        try:
            tf.function(tf.autograph.experimental.do_not_convert(function)).get_concrete_function(*tensors)
        except Exception as error:  # whatever code of the user's may raise
            raise ValueError(f"fit computes in a graph, and there: {plainly(error)}") from error

    def _has_own_layers(self) -> bool:
        layers = self._model._flatten_layers()
        return len(layers) <= _MOST_TRACED and any(map(is_user_written, layers))

    def _own_functions(self) -> Iterator[Callable[..., Any]]:
        """Yield the compiled loss if something in it is the user's own, and functions of theirs that are metrics."""
        model = self._model
        if type(model).train_step is not keras.Model.train_step or self._y is None or not model.compiled:
            return
        if type(model).compute_loss is keras.Model.compute_loss and any(map(_is_own, keras.tree.flatten(model.loss))):
            yield model._compile_loss
        if tf.is_tensor(self._y):
            metrics = keras.tree.flatten(getattr(model._compile_metrics, "_user_metrics", None))
            yield from (one for one in metrics if inspect.isfunction(one) and _is_own(one))

    def _forward(self, *, training: bool = True) -> Any:
        return self._model(self._x, **({"training": training} if takes_training(self._model) else {}))

    def _label(self, outputs: Any) -> None:
        """Find, or draw, labels for what the model puts out."""
        if self._data is not None:
            at = batches.chosen(self._data.training, self._samples)
            self._y = batches.labels_of(self._model, self._data, at, outputs)
        if self._y is None and getattr(self._model, "_compile_loss", None) is not None:
            self._y = batches.made_up_labels(self._model, outputs, self._rng)

    @property
    def _scale(self) -> float:
        return _SCALE if self._model.compute_dtype == "float16" else 1.0

    def _loss(self, outputs: Any, *, penalties: bool) -> Any:
        """Return the loss of the batch, a tensor; None where there is none, or only the user's own step knows it.

        What regularizers ask for the weights belongs to it only with `penalties`; what layers add (``add_loss``)
        always does.
        """
        model = self._model
        if not model.compiled or type(model).train_step is not keras.Model.train_step:
            return None
        if type(model).compute_loss is not keras.Model.compute_loss:
            return model._compute_loss(x=self._x, y=self._y, y_pred=outputs, sample_weight=None, training=True)
        parts = [model._compile_loss(self._y, outputs)] if model._compile_loss is not None else []
        parts += model.losses
        if not penalties:
            parts += [-loss for loss in model._get_regularization_losses()]
        parts = [tf.cast(part, tf.float32) for part in parts if part is not None]
        return tf.add_n(parts) if parts else None

    def _gradients(self, tape: tf.GradientTape, loss: Any) -> list[Any]:
        """Return the gradient of each trainable variable; None where nothing leads from it to the loss."""
        found = tape.gradient(loss, self._model.trainable_variables)
        return [None if gradient is None else gradient / self._scale for gradient in map(_dense, found)]

    def _norms(self, gradients: Sequence[Any]) -> dict[str, float | None]:
        """Return the norm of the gradient of each layer with trained weights."""
        by_variable = {id(v): g for v, g in zip(self._model.trainable_variables, gradients, strict=True)}
        norms: dict[str, float | None] = {}
        for layer in self._layers:
            reached = [by_variable[id(v)] for v in layer.trained if by_variable.get(id(v)) is not None]
            if layer.trained:
                norms[layer.name] = _norm(reached) if reached else None
        return norms

    def _train(self, first: float) -> tuple[float, ...]:
        """Return the losses over a training on the batch; none where the model has no optimizer that can be copied."""
        optimizer = _copy_of(self._model.optimizer)
        if optimizer is None or not self._model.trainable_variables:
            return ()
        losses, took = [first], 0.0
        for _ in range(STEPS):
            begun = time.monotonic()
            if begun + took > self._deadline or not math.isfinite(losses[-1]):
                break
            self._step(optimizer)
            losses.append(float(self._loss_now))
            took = time.monotonic() - begun
        # The loss of a step is that before it: the first is `first` once more, but for dropout.
        return tuple(losses[:1] + losses[2:])

    def _step(self, optimizer: keras.optimizers.Optimizer) -> list[Any]:
        """Make a step, and return its gradients."""
        with tf.GradientTape() as tape:
            outputs = self._forward()
            self._loss_now = self._loss(outputs, penalties=False)
            total = self._loss(outputs, penalties=True) * self._scale
        gradients = self._gradients(tape, total)
        variables = self._model.trainable_variables
        reached = [(g, v) for g, v in zip(gradients, variables, strict=True) if g is not None]
        if reached:
            optimizer.apply_gradients(reached)
        return gradients

    def _opened(self, norms: dict[str, float | None], *, is_trained: bool) -> dict[str, float | None]:
        """Return norms of gradients with those that were zero measured again after a few steps.

        Many networks begin with branches that give nothing, on purpose: behind them the first gradient is zero.
        """
        optimizer = None if is_trained else _copy_of(self._model.optimizer) or keras.optimizers.SGD(1e-3)
        for _ in range(0 if optimizer is None else _OPENING):
            self._step(optimizer)
        with tf.GradientTape() as tape:
            loss = self._loss(self._forward(), penalties=False) * self._scale
        later = self._norms(self._gradients(tape, loss))
        return {name: later[name] if norm == 0 else norm for name, norm in norms.items()}

    def _bounds(self, outputs: Any) -> tuple[float | None, float]:
        """Return the loss of a model that knows nothing, and of one that knows the labels by heart."""
        model = self._model
        if type(model).compute_loss is not keras.Model.compute_loss or model._compile_loss is None:
            return None, 0.0
        added = sum(map(float, model.losses)) - sum(map(float, model._get_regularization_losses()))
        if added:  # what layers add has no such numbers
            return None, 0.0
        functions = batches.loss_functions(model, outputs)
        flat = [np.asarray(output) for output in keras.tree.flatten(outputs)]
        labels = [None if y is None else np.asarray(y) for y in keras.tree.flatten(self._y)]
        if len(labels) != len(flat):
            return None, 0.0
        naive = [o if f is None else f.of_knowing_nothing(o) for f, o in zip(functions, flat, strict=True)]
        return self._loss_of(outputs, naive), self._floor(outputs, functions, flat, labels)

    def _floor(self, outputs: Any, functions: Sequence[Any], flat: Sequence[Any], labels: Sequence[Any]) -> float:
        try:
            best = [
                o if f is None or y is None else f.of_knowing_all(o, y)
                for f, o, y in zip(functions, flat, labels, strict=True)
            ]
        except (ValueError, IndexError):  # labels of another shape than the output
            return 0.0
        return self._loss_of(outputs, best) or 0.0

    def _loss_of(self, outputs: Any, flat: Sequence[Any]) -> float | None:
        """Return the loss were these the outputs; None where one of them is not known."""
        if any(output is None for output in flat):
            return None
        loss = float(self._model._compile_loss(self._y, keras.tree.pack_sequence_as(outputs, list(flat))))
        return loss if math.isfinite(loss) else None

    def _bias_loss(self, outputs: Any, scales: _Scales) -> float | None:
        """Return the loss were the bias of the last layer all that the output hangs on; None where it has none."""
        if self._is_made_up or not keras.ops.is_tensor(outputs) or self._model._compile_loss is None:
            return None
        called = {layer.name: layer for layer in self._layers if layer.trained}
        last = next((called[name] for name in reversed(scales.outputs) if name in called), None)
        bias = getattr(last.operation, "bias", None) if last is not None else None
        (function,) = batches.loss_functions(self._model, outputs)
        if bias is None or function is None or tuple(bias.shape) != tuple(outputs.shape[-1:]) or not np.any(bias):
            return None
        return self._loss_of(outputs, [function.of_bias(np.asarray(outputs), np.asarray(bias))])

    def _spread(self, outputs: Any) -> float | None:
        """Return the standard error of the loss over the samples; None where it is not a mean over samples."""
        compiled = self._model._compile_loss
        if compiled is None or self._samples < 2:
            return None
        try:
            each = [self._loss_at(outputs, i) for i in range(self._samples)]
        except Exception:  # a loss of the user's own that wants whole batches
            return None
        error = float(np.std(each, ddof=1)) / math.sqrt(len(each))
        return error if math.isfinite(error) else None

    def _loss_at(self, outputs: Any, sample: int) -> float:
        labels, outputs = (
            keras.tree.map_structure(lambda tensor: tensor[sample : sample + 1], part) for part in (self._y, outputs)
        )
        return float(self._model._compile_loss(labels, outputs))

    def _scales(self, found: _Scales, norms: dict[str, float | None]) -> Iterator[LayerScale]:
        for layer in self._layers:
            if layer.name in found.outputs or layer.trained:
                mean, std, zero = found.outputs.get(layer.name, (None, None, None))
                yield LayerScale(
                    layer=layer.name,
                    output_mean=mean,
                    output_std=std,
                    zero_fraction=zero,
                    grad_norm=norms.get(layer.name),
                    weight_norm=_norm([v.value for v in layer.trained]) if layer.trained else None,
                )


class _Scales:
    """Mean, deviation and share of zero units of what each layer puts out, at its first call."""

    def __init__(self) -> None:
        self.outputs: dict[str, tuple[float, float, float]] = {}

    def note_inputs(self, layer: WatchedLayer, inputs: Any) -> None:
        """Nothing is said of inputs."""

    def note_outputs(self, layer: WatchedLayer, outputs: Any) -> None:
        """Measure what a layer puts out. What runs in a graph (a loop) cannot leave it: left out."""
        output = main_output(outputs)
        if output is None or layer.name in self.outputs or not tf.executing_eagerly():
            return
        # Cut off, so that the tape keeps none of what follows.
        values = tf.cast(tf.stop_gradient(output), tf.float32)
        mean, std = tf.reduce_mean(values), tf.math.reduce_std(values)
        zero = tf.reduce_mean(tf.cast(tf.equal(peak(layer.operation, tf.abs(values)), 0), tf.float32))
        self.outputs[layer.name] = float(mean), float(std), float(zero)


def _copy_of(optimizer: Any) -> keras.optimizers.Optimizer | None:
    """Return a fresh optimizer of the same settings; None where there is none, or it cannot be copied."""
    while hasattr(optimizer, "inner_optimizer"):  # loss scaling: gradients are scaled here
        optimizer = optimizer.inner_optimizer
    try:
        return None if optimizer is None else type(optimizer).from_config(optimizer.get_config())
    except Exception:  # one of the user's own
        return None


def _is_own(loss: Any) -> bool:
    """Whether a loss, or a function, is written by the user."""
    function = getattr(loss, "fn", loss)
    written = function if inspect.isfunction(function) else type(loss)
    return not isinstance(loss, str | None) and not str(getattr(written, "__module__", "")).startswith("keras.")


def _dense(gradient: Any) -> Any:
    return None if gradient is None else tf.convert_to_tensor(gradient)


def _norm(tensors: Sequence[Any]) -> float:
    return math.sqrt(sum(2 * float(half_square(tensor)) for tensor in tensors))


def plainly(error: Exception) -> str:
    """Return what a model or a loss has raised, in a line: without colours, and without the call stack of Keras."""
    text = re.sub(r"\x1b\[[0-9;]*m", "", str(error))
    text = re.sub(r"^Exception encountered when calling [^\n]*\n+", "", text)
    text = text.partition("\n\nArguments received")[0]
    text = re.sub(r"\{\{function_node [^}]*\}\} *| *\[Op:\w+\].*", "", text)
    text = " ".join(text.split())
    return (f"{text[: _LONGEST - 3]}..." if len(text) > _LONGEST else text) or type(error).__name__
