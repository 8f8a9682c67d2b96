"""One training's look at its layers: the instrument in the training step, and the probe batch after each epoch."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import keras
import tensorflow as tf

from diagnose.live.anatomy import WatchedLayer
from diagnose.live.duplicates import duplicate_fraction
from diagnose.live.instrument import install
from diagnose.live.probe import Probe
from diagnose.live.telemetry import Columns, columns_of, columns_of_steps

#: Samples in the probe batch: a unit that answers to one sample in twenty is missed once in twenty-five times.
PROBE_SAMPLES = 64
#: Steps that are sampled in an epoch, spread evenly.
SAMPLED_STEPS = 8
#: How far apart they lie in an epoch of unknown length.
_UNKNOWN_DISTANCE = 10
#: So many steps at the beginning of a training are sampled one by one: an explosion often takes no more.
_DENSE_STEPS = 10


class Sampling:
    """Looks at the layers of a model during one training.

    Parameters
    ----------
    model
        A compiled model.
    probe
        The samples on which activations are looked at; None for the first that the model is trained on.

    Raises
    ------
    ValueError
        Keras runs on another backend than TensorFlow.
    """

    def __init__(self, model: keras.Model, probe: Any = None) -> None:
        if keras.backend.backend() != "tensorflow":
            raise ValueError(f"they can be looked at on the TensorFlow backend only, not on {keras.backend.backend()}")
        self._model = model
        self._instrument = install(model, PROBE_SAMPLES if probe is None else 0)
        self._batch = None if probe is None else _inputs_of(probe)
        self._probe: Probe | None = None
        self.has_finite_weights = True
        self._shares: dict[str, float | None] = {}
        self.samples = 0

    def begin_epoch(self, steps: int | None, *, is_first: bool) -> None:
        """Choose the steps to sample in an epoch of so many; None where that is not known."""
        every = _UNKNOWN_DISTANCE if steps is None else math.ceil(steps / SAMPLED_STEPS)
        self._instrument.schedule(every, dense=_DENSE_STEPS if is_first else 0)

    def parts(self) -> Iterator[tuple[str, Callable[[], Columns]]]:
        """Yield what is measured at the end of an epoch, by name."""
        yield "gradients and updates", self._steps
        yield "activations", self._activity
        yield "copies of units", self._copies

    def end_epoch(self) -> None:
        """Count the samples of the epoch, and catch the probe batch where there is none yet."""
        catch = self._instrument.catch
        self.samples = catch.count()
        if self._batch is None:
            self._batch = catch.batch()

    @property
    def batch_size(self) -> int:
        """The number of samples of a step, of all replicas together."""
        return self._instrument.catch.batch_size * self._model.distribute_strategy.num_replicas_in_sync

    @property
    def batch(self) -> Any:
        """The probe batch; None before the end of the first epoch."""
        return self._batch

    def close(self) -> None:
        """Stop sampling."""
        self._instrument.detach()

    def _steps(self) -> Columns:
        for tap in self._instrument.taps:
            if tap.error is not None:
                raise tap.error
        columns = columns_of_steps(self._instrument.read(), self._instrument.weighted)
        norms = [norm for name, norm in columns.items() if name.startswith("weight_norm/")]
        self.has_finite_weights = all(map(math.isfinite, norms))
        return columns

    def _activity(self) -> Columns:
        if self._batch is None:
            if self._instrument.catch.error is not None:
                raise self._instrument.catch.error
            return {}
        if not self.has_finite_weights:  # a ReLU may make zeros of NaN: every unit would look dead
            return {}
        if self._probe is None:
            self._probe = Probe(self._model, _changing(self._instrument.layers))
        activity = self._probe.observe(self._batch)
        columns = (columns_of(statistic, activity[statistic]) for statistic in activity)
        return {name: value for statistic in columns for name, value in statistic.items()}

    def _copies(self) -> Columns:
        """Look at the layers that had copies of units at the last look: units that have parted stay apart."""
        for layer in self._instrument.weighted:
            if self._shares.get(layer.name, 1.0):
                self._shares[layer.name] = duplicate_fraction(layer)
        known = {name: share for name, share in self._shares.items() if share is not None}
        return columns_of("duplicate_fraction", known)


def _changing(layers: Sequence[WatchedLayer]) -> list[WatchedLayer]:
    """Return the layers that are trained, and those without weights that follow them: frozen ones do not change."""
    found = []
    is_trained = True
    for layer in layers:
        if layer.weights:
            is_trained = bool(layer.trained)
        if is_trained:
            found.append(layer)
    return found


def _inputs_of(probe: Any) -> Any:
    """Return samples as the model takes them; of a data set, the inputs of its first batch."""
    if isinstance(probe, tf.data.Dataset):
        return keras.utils.unpack_x_y_sample_weight(next(iter(probe)))[0]
    if isinstance(probe, keras.utils.PyDataset):
        return keras.utils.unpack_x_y_sample_weight(probe[0])[0]
    return probe
