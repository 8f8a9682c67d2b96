"""Looks at the model itself, at a few epochs of a run: what labels rest on, beside nothing that a check reads.

Everything is measured on all training rows, with a GradientTape and NumPy. Nothing is changed by looking: the model is
called without its state (`stateless_call`), so that normalizations and seeds stay as they are.
"""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import tensorflow as tf

from benchmarks.faults.configuration import Data
from benchmarks.faults.layers.networks import Built
from benchmarks.faults.losses import resolve
from benchmarks.faults.skill import mean_loss, skill
from benchmarks.faults.tasks.splitting import take

SATURATED = {"sigmoid": (0.0066929, 0.9933071), "tanh": (-0.9866143, 0.9866143)}
"""Outputs beyond these belong to pre-activations beyond 5 (sigmoid) and 2.5 (tanh) in size."""
EQUAL = 1e-5
"""Units are equal where they differ by less, relative to the largest number of the layer."""
ROWS = 1000
"""Of each set at most so many are scored."""


class Observer(keras.callbacks.Callback):
    """Measures before training, after the first two epochs, at each quarter and at the end."""

    def __init__(self, built: Built, data: Data, kind: str, loss: Any, epochs: int):
        super().__init__()
        self.built, self.data, self.kind, self.loss = built, data, kind, loss
        self.sets = {"train": take(data.train, slice(ROWS)), "holdout": take(data.holdout, slice(ROWS))}
        self.at = {1, 2, *(round(epochs * share) for share in (0.25, 0.5, 0.75)), epochs}
        self.looks: list[dict[str, Any]] = []

    def on_train_begin(self, logs: Any = None) -> None:  # noqa: ARG002
        tensors = [point.tensor for point in self.built.points]
        self.inside = keras.Model(self.built.model.input, tensors) if tensors else None
        self.first = self.before = [_vector(layer) for layer in self.built.weighted]
        self.look(0)

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:  # noqa: ARG002
        if epoch + 1 in self.at:
            self.look(epoch + 1)

    def on_train_end(self, logs: Any = None) -> None:  # noqa: ARG002
        """Looks again where the training ended early."""
        if self.looks[-1]["epoch"] != max(self.at):
            self.look(self.looks[-1]["epoch"] + 1)

    @np.errstate(all="ignore")  # exploded weights are no numbers
    def look(self, epoch: int) -> None:
        now = [_vector(layer) for layer in self.built.weighted]
        self.looks.append(
            {
                "epoch": epoch,
                **self._scores(),
                "gradient": self._gradients(),
                "moved": [_distance(a, b) for a, b in zip(now, self.before, strict=True)],
                "moved_since_start": [_distance(a, b) for a, b in zip(now, self.first, strict=True)],
                "norm": [_short(np.linalg.norm(a)) for a in now],
                "equal": [_equal_weights(layer) for layer in self.built.weighted],
                **self._activations(),
            }
        )
        self.before = now

    def facts(self) -> dict[str, Any]:
        """What was seen; layers and points input first, in the order of the lists of each look."""
        return {
            "layers": [layer.name for layer in self.built.weighted],
            "trained": [bool(layer.trainable_weights) for layer in self.built.weighted],
            "points": [[point.layer, point.activation] for point in self.built.points],
            "looks": self.looks,
        }

    def _scores(self) -> dict[str, float]:
        """Loss without penalties, and skill, as predictions are made (no dropout, no noise)."""
        found = {}
        for name, (x, y) in self.sets.items():
            outputs = self.built.model(x, training=False)
            outputs = {k: v.numpy() for k, v in outputs.items()} if isinstance(outputs, dict) else outputs.numpy()
            found[f"{name}_loss"] = _short(mean_loss(self.loss, y, outputs))
            found[f"{name}_skill"] = _short(skill(self.kind, y, outputs))
        return found

    def _gradients(self) -> list[float]:
        """The norm of the loss's gradient in each layer, frozen ones included, in the mode of training."""
        model, (x, y) = self.built.model, self.data.train
        values = {id(v): tf.convert_to_tensor(v.value) for v in model.variables}
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch([value for value in values.values() if value.dtype.is_floating])
            outputs, _ = model.stateless_call(
                [values[id(v)] for v in model.trainable_variables],
                [values[id(v)] for v in model.non_trainable_variables],
                x,
                training=True,
            )
            loss = _mean_loss(self.loss, y, outputs)
        of_layers = [[values[id(v)] for v in layer.weights] for layer in self.built.weighted]
        gradients = tape.gradient(loss, of_layers, unconnected_gradients=tf.UnconnectedGradients.ZERO)
        return [_norm(parts) for parts in gradients]

    def _activations(self) -> dict[str, list[float]]:
        """Of each point: units dead on all rows, outputs above zero, outputs saturated, units that equal another."""
        found: dict[str, list[float]] = {"dead": [], "active": [], "saturated": [], "equal_outputs": []}
        if self.inside is None:
            return found
        outputs = self.inside(self.data.train[0], training=False)
        outputs = outputs if isinstance(outputs, list | tuple) else [outputs]
        for point, tensor in zip(self.built.points, outputs, strict=True):
            values = tensor.numpy().astype("float64").reshape(-1, tensor.shape[-1])
            low, high = SATURATED.get(point.activation, (-np.inf, np.inf))
            found["dead"].append(_short(np.mean((values == 0).all(0))))
            found["active"].append(_short(np.mean(values > 0)))
            found["saturated"].append(_short(np.mean((values < low) | (values > high))))
            found["equal_outputs"].append(equal_columns(values[:: max(1, len(values) // 2000)]))
        return found


def _vector(layer: keras.Layer) -> np.ndarray:
    return np.concatenate([np.ravel(v.numpy()).astype("float64") for v in layer.weights])


def _mean_loss(loss: Any, y: Any, outputs: Any) -> Any:
    if isinstance(loss, dict):
        return sum(_mean_loss(loss[name], y[name], outputs[name]) for name in loss)
    return tf.reduce_mean(keras.losses.get(resolve(loss))(y, outputs))


def _norm(parts: list[Any]) -> float:
    total = 0.0
    for part in parts:
        dense = part.values if isinstance(part, tf.IndexedSlices) else part
        total += float(np.sum(np.square(dense.numpy().astype("float64"))))
    return _short(np.sqrt(total))


def _distance(now: np.ndarray, before: np.ndarray) -> float:
    """How far weights went, relative to the larger of their norms."""
    size = max(np.linalg.norm(now), np.linalg.norm(before))
    return _short(np.linalg.norm(now - before) / size) if size else 0.0


def _equal_weights(layer: keras.Layer) -> float | None:
    """The share of units whose incoming weights equal those of another one; None where units are no columns."""
    if isinstance(layer, keras.layers.RNN):
        rows = [np.atleast_2d(v.numpy()) for v in layer.weights]
        return equal_columns(np.concatenate([_by_unit(part, layer.units) for part in rows]))
    if isinstance(layer, keras.layers.Dense | keras.layers.Conv1D | keras.layers.Conv2D):
        return equal_columns(np.concatenate([v.numpy().reshape(-1, v.shape[-1]) for v in layer.weights]))
    return None


def _by_unit(weights: np.ndarray, units: int) -> np.ndarray:
    """Rows x (gates * units) as (rows * gates) x units."""
    return weights.reshape(-1, weights.shape[-1] // units, units).reshape(-1, units)


def equal_columns(values: np.ndarray) -> float:
    """The share of columns that equal another one."""
    if values.shape[1] < 2 or not np.isfinite(values).all():
        return 0.0
    size = np.abs(values).max() or 1.0
    far = np.abs(values[:, :, None] - values[:, None, :]).max(0) / size
    np.fill_diagonal(far, np.inf)
    return _short(np.mean(far.min(0) < EQUAL))


def _short(value: float) -> float:
    return float(f"{float(value):.4g}")
