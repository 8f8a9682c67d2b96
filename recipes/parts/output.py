"""From the task to the end of a network: output layer, loss, metrics, and the form of the targets that fits them.

=============  ==========  =======================================  ==========================================
task           output      loss, where it is "auto"                 metrics
=============  ==========  =======================================  ==========================================
binary         1 sigmoid   binary cross-entropy                     accuracy
multiclass     K softmax   categorical cross-entropy, in its        accuracy
                           sparse form unless targets are one-hot
multilabel     K sigmoid   binary cross-entropy                     binary_accuracy, f1 (macro)
regression     K linear    mean squared error                       mae, r2
=============  ==========  =======================================  ==========================================

Where classes are imbalanced, accuracy is joined by precision, recall and f1: of the positive class of two, macro
averages of more than two.

A regression is trained on standardized targets (`encode`), so that no rate, clipping, penalty or Huber's delta depends
on the unit of the target, a mean squared error of 1 is that of always answering the mean, and targets of different
units count alike. `decoded` puts the way back to the target's own units behind a trained network.

Where samples are mixed, a metric takes the class that has most of the sample for the true one.

All layers, losses and metrics are Keras' own: a saved model loads without this package. But for the metrics of mixed
samples, which are left out with all else that a model was compiled with when it is exported.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from recipes.config import Config
from recipes.errors import ConfigError
from recipes.parts.layers import regularizer
from recipes.task import Facts, Kind, Task

_BINARY = ("binary_crossentropy", "binary_focal_crossentropy")
_ONE_HOT = ("categorical_crossentropy", "categorical_focal_crossentropy")
_SPARSE = "sparse_categorical_crossentropy"

#: Task -> output activation -> losses that take what it gives.
_FITS: dict[Kind, dict[str, tuple[str, ...]]] = {
    Kind.BINARY: {"sigmoid": _BINARY},
    Kind.MULTICLASS: {"softmax": (*_ONE_HOT, _SPARSE), "sigmoid": _BINARY},  # sigmoid: each class against the rest
    Kind.MULTILABEL: {"sigmoid": _BINARY},
    Kind.REGRESSION: {"linear": ("mse", "mae", "huber", "log_cosh")},
}

_SMOOTHED: dict[str, Callable[..., keras.losses.Loss]] = {
    "binary_crossentropy": keras.losses.BinaryCrossentropy,
    "binary_focal_crossentropy": keras.losses.BinaryFocalCrossentropy,
    "categorical_crossentropy": keras.losses.CategoricalCrossentropy,
    "categorical_focal_crossentropy": keras.losses.CategoricalFocalCrossentropy,
}
_PLAIN: dict[str, Callable[..., keras.losses.Loss]] = {
    "sparse_categorical_crossentropy": keras.losses.SparseCategoricalCrossentropy,
    "mse": keras.losses.MeanSquaredError,
    "mae": keras.losses.MeanAbsoluteError,
    "huber": keras.losses.Huber,
    "log_cosh": keras.losses.LogCosh,
}

#: F_beta tends to precision as beta goes to 0, and to recall as it grows (van Rijsbergen 1979); of Keras' metrics only
#: `FBetaScore` averages over classes. Off by less than 1e-3 where precision and recall are within a factor of 1000.
_PRECISION_BETA, _RECALL_BETA = 1e-3, 1e3


def is_one_hot(config: Config, task: Task) -> bool:
    """Whether targets must be one-hot, (n, classes), and not the index of the class.

    Label smoothing, mixing and each class against the rest need shares of classes, macro scores need a column for each.
    """
    return task.kind is Kind.MULTICLASS and _loss_name(config, task) != _SPARSE


def output_layer(x: keras.KerasTensor, config: Config, facts: Facts) -> keras.KerasTensor:
    """Return the network's output, (batch, units), in float32 also where the layers before it compute in 16 bits.

    Raises
    ------
    ConfigError
        The output activation does not fit the task or the loss.
    """
    name = config.model.kernel_initializer
    return keras.layers.Dense(
        facts.task.units,
        activation=_output_activation(config, facts.task),
        kernel_initializer="glorot_uniform" if name == "auto" else name,
        kernel_regularizer=regularizer(config),
        dtype=keras.config.dtype_policy().variable_dtype,
        name="output",
    )(x)


def loss(config: Config, facts: Facts) -> keras.losses.Loss:
    """Return the loss.

    Raises
    ------
    ConfigError
        It does not fit the task, or cannot be smoothed.
    """
    name = _loss_name(config, facts.task)
    smoothing = config.regularization.label_smoothing
    if name in _SMOOTHED:
        return _SMOOTHED[name](label_smoothing=smoothing)
    if smoothing:
        hint = "leave model.loss at auto" if name == _SPARSE else "there are no labels in a regression; set it to 0"
        raise ConfigError(f"regularization.label_smoothing: {name} cannot smooth labels; {hint}")
    return _PLAIN[name]()


def metrics(config: Config, facts: Facts) -> list[keras.metrics.Metric]:
    """Return the metrics, by the names in the table above."""
    plain = _metrics(config, facts.task)
    is_mixed = config.data.mixing != "none" and facts.task.kind.is_classification
    return [OfMixed(metric) for metric in plain] if is_mixed else plain


def _metrics(config: Config, task: Task) -> list[keras.metrics.Metric]:
    if task.kind is Kind.REGRESSION:
        return [keras.metrics.MeanAbsoluteError(name="mae"), keras.metrics.R2Score(name="r2")]
    if task.kind is Kind.MULTILABEL:
        f1 = keras.metrics.F1Score(average="macro", threshold=0.5, name="f1")
        return [keras.metrics.BinaryAccuracy(name="binary_accuracy"), f1]
    if task.kind is Kind.BINARY:
        return [keras.metrics.BinaryAccuracy(name="accuracy"), *(_binary_scores() if task.is_imbalanced else ())]
    if is_one_hot(config, task):
        return [keras.metrics.CategoricalAccuracy(name="accuracy"), *(_macro_scores() if task.is_imbalanced else ())]
    return [keras.metrics.SparseCategoricalAccuracy(name="accuracy")]


def encode(_config: Config, facts: Facts) -> Callable[[NDArray[Any]], NDArray[Any]] | None:
    """Return the function from targets as `Task` describes them, (n, ...), to targets as loss and metrics take them.

    Regression: to mean 0 and deviation 1. Two classes that are imbalanced: (n, 1), as F1 asks for. Else there is none.
    That targets of several classes are one-hot is up to the pipeline, see `is_one_hot`.
    """
    task = facts.task
    if task.kind is Kind.REGRESSION:
        means, deviations = _units(task)
        return lambda y: ((np.asarray(y, dtype=np.float64) - means) / deviations).astype(np.float32)
    if task.kind is Kind.BINARY and task.is_imbalanced:
        return lambda y: np.reshape(y, (-1, 1))
    return None


def decoded(model: keras.Model, facts: Facts) -> keras.Model:
    """Return a model that predicts in the targets' own units; it shares the layers of the one given.

    Other tasks have no units: for these it is the model itself.
    """
    if facts.task.kind is not Kind.REGRESSION:
        return model
    means, deviations = _units(facts.task)
    rescale = keras.layers.Rescaling(
        scale=deviations.tolist(), offset=means.tolist(), dtype=model.output.dtype, name="units"
    )
    return keras.Model(model.input, rescale(model.output), name=model.name)


def _units(task: Task) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return mean and deviation of each target; a target that never varies keeps its scale."""
    means, deviations = np.asarray(task.means, dtype=np.float64), np.asarray(task.deviations, dtype=np.float64)
    return means, np.where(deviations > 0, deviations, 1.0)


def _loss_name(config: Config, task: Task) -> str:
    name = config.model.loss
    if task.kind not in _FITS:
        return name
    fitting = _FITS[task.kind][_output_activation(config, task)]
    if name != "auto":
        return name
    if _SPARSE not in fitting or _needs_shares(config) or task.is_imbalanced:
        return fitting[0]
    return _SPARSE


def _needs_shares(config: Config) -> bool:
    """Whether a sample may belong to several classes by shares."""
    return config.regularization.label_smoothing > 0 or config.data.mixing != "none"


def _output_activation(config: Config, task: Task) -> str:
    """Return the activation that task, loss and setting agree on.

    Raises
    ------
    ConfigError
        They do not.
    """
    chosen, name = config.model.output_activation, config.model.loss
    fits = _FITS[task.kind]
    if name != "auto" and not any(name in losses for losses in fits.values()):
        known = ", ".join(loss for losses in fits.values() for loss in losses)
        raise ConfigError(f"model.loss: {name} does not fit a {task.kind} task; it takes {known}")
    if name == _SPARSE and _needs_shares(config):
        raise ConfigError(f"model.loss: {name} cannot smooth or mix labels; categorical_crossentropy can")
    if chosen != "auto" and chosen not in fits:
        fitting = " or ".join(fits)
        raise ConfigError(f"model.output_activation: {chosen} does not fit a {task.kind} task; {fitting} does")
    for activation, losses in fits.items():
        if chosen in ("auto", activation) and (name == "auto" or name in losses):
            return activation
    raise ConfigError(f"model.output_activation: {chosen} does not fit the loss {name}; leave one of them at auto")


@keras.saving.register_keras_serializable("kerasdx")
class OfMixed(keras.metrics.Metric):
    """A metric of mixed samples: of two classes that share one, that with the larger share is the true one.

    Keras' own metrics expect whole labels: `BinaryAccuracy` calls no answer to 0.7 right, `Recall` takes each share for
    a yes, and the F-scores count by shares.
    """

    def __init__(self, metric: keras.metrics.Metric) -> None:
        super().__init__(name=metric.name, dtype=metric.dtype)
        self._metric = metric

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        """Count a batch."""
        self._metric.update_state(_whole(keras.ops.convert_to_tensor(y_true)), y_pred, sample_weight)

    def result(self) -> Any:
        """Return the value."""
        return self._metric.result()

    def reset_state(self) -> None:
        """Start over."""
        self._metric.reset_state()

    def get_config(self) -> dict[str, Any]:
        """Return what it is made from again."""
        return {"metric": keras.saving.serialize_keras_object(self._metric)}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> OfMixed:
        """Make it from what `get_config` gave."""
        return cls(keras.saving.deserialize_keras_object(config["metric"]))


def _whole(y: Any) -> Any:
    """Return shares of classes, (n,), (n, 1) or (n, classes), as whole labels."""
    if len(y.shape) > 1 and y.shape[1] > 1:
        return keras.ops.one_hot(keras.ops.argmax(y, axis=1), y.shape[1])
    return keras.ops.cast(y > 0.5, y.dtype)


def _binary_scores() -> list[keras.metrics.Metric]:
    return [
        keras.metrics.Precision(name="precision"),
        keras.metrics.Recall(name="recall"),
        keras.metrics.F1Score(average="macro", threshold=0.5, name="f1"),  # of one column; without: not a scalar
    ]


def _macro_scores() -> list[keras.metrics.Metric]:
    return [
        keras.metrics.FBetaScore(average="macro", beta=_PRECISION_BETA, name="precision"),
        keras.metrics.FBetaScore(average="macro", beta=_RECALL_BETA, name="recall"),
        keras.metrics.F1Score(average="macro", name="f1"),
    ]
