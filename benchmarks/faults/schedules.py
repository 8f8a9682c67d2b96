"""Learning rates over the epochs, and the callbacks that a setup may ask for by name."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import keras
import numpy as np

Rate = Callable[[int], float]
"""Factor of the setup's learning rate at an epoch that counts from 0."""


def step_drops(epochs: int, at: tuple[float, ...] = (0.5, 0.75), factor: float = 0.1) -> Rate:
    return lambda epoch: factor ** sum(epoch >= share * epochs for share in at)


def cosine(epochs: int, floor: float = 0.01) -> Rate:
    return lambda epoch: floor + (1 - floor) * 0.5 * (1 + math.cos(math.pi * epoch / max(1, epochs - 1)))


def cosine_restarts(epochs: int, cycles: int = 3) -> Rate:
    length = max(1, round(epochs / cycles))
    return lambda epoch: 0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * (epoch % length) / length))


def warm_up(epochs: int, share: float = 0.15) -> Rate:
    """A linear rise, then a cosine to nearly nothing."""
    rise = max(2, round(share * epochs))
    fall = cosine(epochs - rise)
    return lambda epoch: (epoch + 1) / rise if epoch < rise else fall(epoch - rise)


def triangular(epochs: int, cycles: int = 4, low: float = 0.1) -> Rate:
    half = max(1, round(epochs / cycles / 2))
    return lambda epoch: low + (1 - low) * (1 - abs(epoch % (2 * half) - half) / half)


def exponential(epochs: int, rate: float = 0.95) -> Rate:
    del epochs
    return lambda epoch: rate**epoch


def one_cycle(epochs: int, peak: float = 0.3) -> Rate:
    """Up to the full rate and down to nearly nothing, both along a cosine."""
    top = max(1, round(peak * epochs))
    fall = cosine(epochs - top, 0.002)
    return lambda epoch: 0.05 + 0.95 * 0.5 * (1 - math.cos(math.pi * epoch / top)) if epoch < top else fall(epoch - top)


def then_constant(epochs: int, share: float = 0.5, low: float = 0.1) -> Rate:
    """A cosine down to a tenth, and there it stays: the tail over which weights are averaged."""
    fall = cosine(max(2, round(share * epochs)), low)
    return lambda epoch: fall(min(epoch, max(1, round(share * epochs) - 1)))


def slow_warm_up(epochs: int, times: float = 60.0) -> Rate:
    """A warm-up planned for many times the epochs: it never gets there."""
    return lambda epoch: (epoch + 1) / (times * epochs)


def late_start(epochs: int, share: float = 0.45) -> Rate:
    return lambda epoch: 1e-4 if epoch < share * epochs else 1.0


def late_jump(epochs: int, share: float = 0.65, factor: float = 100.0) -> Rate:
    return lambda epoch: 1.0 if epoch < share * epochs else factor


def saw(epochs: int, every: int = 5, fall: float = 0.25) -> Rate:
    """Set back to its start again and again, where a decay was meant."""
    del epochs
    return lambda epoch: fall ** (epoch % every)


def growing(epochs: int, power: float = 2.0) -> Rate:
    """A decay that multiplies where it should divide."""
    del epochs
    return lambda epoch: float((epoch + 1) ** power)


def see_saw(epochs: int, high: float = 80.0) -> Rate:
    """Every third epoch at many times the rate."""
    del epochs
    return lambda epoch: high if epoch % 3 == 2 else 1.0


RATES = (
    step_drops,
    cosine,
    cosine_restarts,
    warm_up,
    triangular,
    exponential,
    one_cycle,
    then_constant,
    slow_warm_up,
    late_start,
    late_jump,
    saw,
    growing,
    see_saw,
)
SCHEDULES = {f.__name__: f for f in RATES}


class StopOnUptick(keras.callbacks.Callback):
    """Stops late in the run, just after the validation loss has gone up: a budget that ran out at a bad moment."""

    def __init__(self, after: int):
        super().__init__()
        self.after = after
        self.last = math.inf

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        now = (logs or {})["val_loss"]
        if epoch + 1 >= self.after and now > self.last:
            self.model.stop_training = True
        self.last = now


class Jolt(keras.callbacks.Callback):
    """Disturbs the weights once, as one corrupt batch does; training then recovers by itself."""

    def __init__(self, epoch: int, scale: float = 0.6):
        super().__init__()
        self.epoch, self.scale = epoch, scale

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:  # noqa: ARG002
        if epoch != self.epoch:
            return
        rng = np.random.default_rng(epoch)
        for weight in self.model.trainable_weights:
            value = weight.numpy()
            weight.assign(value + self.scale * value.std() * rng.normal(size=value.shape))


class Forget(keras.callbacks.Callback):
    """Training resumed from saved weights alone: the optimizer's memory starts again from nothing."""

    def __init__(self, epoch: int):
        super().__init__()
        self.epoch = epoch

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:  # noqa: ARG002
        if epoch == self.epoch:
            for variable in self.model.optimizer.variables:
                if "learning_rate" not in variable.path:
                    variable.assign(np.zeros(variable.shape, variable.dtype))


class Unfreeze(keras.callbacks.Callback):
    """Only the last layer learns at first; one more joins at each of the given epochs, or all at the first."""

    def __init__(self, epochs: tuple[int, ...], everything: bool = False):
        super().__init__()
        self.epochs, self.everything = epochs, everything

    def _weighted(self) -> list[Any]:
        return [layer for layer in self.model.layers if layer.trainable_weights or layer.non_trainable_weights]

    def on_train_begin(self, logs: Any = None) -> None:  # noqa: ARG002
        self.model.optimizer.build(self.model.trainable_variables)
        for layer in self._weighted()[:-1]:
            layer.trainable = False
        self.model.make_train_function(force=True)

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:  # noqa: ARG002
        if epoch not in self.epochs:
            return
        frozen = [layer for layer in self._weighted() if not layer.trainable]
        for layer in frozen if self.everything else frozen[-1:]:
            layer.trainable = True
        self.model.make_train_function(force=True)


class LogRate(keras.callbacks.Callback):
    """Logs the rate of a schedule over steps, as LearningRateScheduler does for one over epochs."""

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:  # noqa: ARG002
        if logs is not None:
            logs["learning_rate"] = float(self.model.optimizer.learning_rate)


CALLBACKS: dict[str, Callable[..., keras.callbacks.Callback]] = {
    "early_stopping": keras.callbacks.EarlyStopping,
    "reduce_on_plateau": keras.callbacks.ReduceLROnPlateau,
    "stop_on_uptick": StopOnUptick,
    "jolt": Jolt,
    "forget": Forget,
    "unfreeze": Unfreeze,
    "log_rate": LogRate,
}
