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


SCHEDULES = {f.__name__: f for f in (step_drops, cosine, cosine_restarts, warm_up, triangular, exponential)}


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


CALLBACKS: dict[str, Callable[..., keras.callbacks.Callback]] = {
    "early_stopping": keras.callbacks.EarlyStopping,
    "reduce_on_plateau": keras.callbacks.ReduceLROnPlateau,
    "stop_on_uptick": StopOnUptick,
    "jolt": Jolt,
}
