"""Optimizers and the schedules of their learning rate, all of them Keras' own.

A schedule starts from the learning rate η and knows the number of steps T; at step t the rate is

==============  ==========================================================================================
constant        η
cosine          η (1 + cos(π t / T)) / 2: falls to 0 (Loshchilov and Hutter 2017, without restarts)
warmup-cosine   rises in a line from η / 100 to η during the first tenth of the steps, then cosine
cyclic          cosine three times, over 1/7, 2/7 and 4/7 of the steps, from η again each time (SGDR)
exponential     η · 0.01^(t / T): falls to η / 100
inverse-time    η / (1 + 9 t / T): falls to η / 10 (Robbins and Monro 1951: rates that fall like 1 / t)
polynomial      η / 100 + 0.99 η (1 - t / T)²: falls to η / 100
plateau         η, halved whenever the validation loss has not improved for a third of the patience of early stopping
==============  ==========================================================================================
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import keras

from recipes.config import Config

_schedules = keras.optimizers.schedules

_WARM_UP = 0.1
_LAST_SHARE = 0.01
_PLATEAU_FACTOR = 0.5
_PLATEAU_PATIENCE = 5

#: Name -> class, and the argument that `optimizer.momentum` goes to.
_OPTIMIZERS: dict[str, tuple[Callable[..., keras.optimizers.Optimizer], str]] = {
    "sgd": (keras.optimizers.SGD, "momentum"),
    "nesterov": (partial(keras.optimizers.SGD, nesterov=True), "momentum"),
    "adam": (keras.optimizers.Adam, "beta_1"),
    "adamw": (keras.optimizers.AdamW, "beta_1"),
    "nadam": (keras.optimizers.Nadam, "beta_1"),
    "adamax": (keras.optimizers.Adamax, "beta_1"),
    "rmsprop": (keras.optimizers.RMSprop, "momentum"),
    "adagrad": (keras.optimizers.Adagrad, ""),
    "adadelta": (keras.optimizers.Adadelta, ""),
    "lion": (keras.optimizers.Lion, "beta_1"),
    "ftrl": (keras.optimizers.Ftrl, ""),
}

#: Weight decay pulls kernels to zero, not what shifts or scales (Loshchilov and Hutter's and BERT's practice).
_NOT_DECAYED = [r"^(bias|gamma|beta|alpha)\b"]


def optimizer(config: Config, learning_rate: float, steps: int) -> keras.optimizers.Optimizer:
    """Return the optimizer of a phase.

    Parameters
    ----------
    config
        Its ``optimizer`` section counts. Weight decay is decoupled for every optimizer, each step subtracts
        rate · decay · weight; for FTRL it is a penalty decay · Σw².
    learning_rate
        Of the phase; schedules start from it.
    steps
        Of the whole phase, all its epochs together.
    """
    settings = config.optimizer
    make, momentum = _OPTIMIZERS[settings.name]
    arguments: dict[str, Any] = {momentum: settings.momentum} if momentum else {}
    if settings.name == "ftrl":  # makes weights anew from sums of gradients: what is subtracted from them is lost
        arguments["l2_regularization_strength"] = settings.weight_decay
    elif settings.weight_decay or settings.name == "adamw":  # AdamW must be told, be it 0
        arguments["weight_decay"] = settings.weight_decay
    made = make(
        learning_rate=rate(config, learning_rate, steps),
        clipnorm=settings.clipnorm or None,
        **arguments,
    )
    made.exclude_from_weight_decay(var_names=_NOT_DECAYED)
    return made


def rate(config: Config, learning_rate: float, steps: int) -> float | keras.optimizers.schedules.LearningRateSchedule:
    """Return the learning rate: a number where it is constant within an epoch, else Keras' schedule over the steps."""
    steps = max(1, steps)
    last = _LAST_SHARE * learning_rate
    match config.optimizer.schedule:
        case "cosine":
            return _schedules.CosineDecay(learning_rate, steps)
        case "warmup-cosine":
            warm_up = max(1, round(_WARM_UP * steps))
            return _schedules.CosineDecay(
                last, max(1, steps - warm_up), warmup_target=learning_rate, warmup_steps=warm_up
            )
        case "cyclic":
            return _schedules.CosineDecayRestarts(learning_rate, max(1, -(-steps // 7)), t_mul=2.0)
        case "exponential":
            return _schedules.ExponentialDecay(learning_rate, steps, _LAST_SHARE)
        case "inverse-time":
            return _schedules.InverseTimeDecay(learning_rate, steps, 9.0)
        case "polynomial":
            return _schedules.PolynomialDecay(learning_rate, steps, end_learning_rate=last, power=2.0)
        case _:
            return learning_rate


def schedule_callbacks(config: Config) -> list[keras.callbacks.Callback]:
    """Return what changes the rate between epochs: the callback of the schedule ``plateau``, else nothing."""
    if config.optimizer.schedule != "plateau":
        return []
    patience = config.training.early_stopping
    return [
        keras.callbacks.ReduceLROnPlateau(
            monitor="val_loss" if config.data.validation or config.data.folds > 1 else "loss",
            factor=_PLATEAU_FACTOR,
            patience=max(1, patience // 3) if patience else _PLATEAU_PATIENCE,
            min_delta=0.0,  # Keras' 1e-4 is a scale that not every loss has
            min_lr=1e-3 * config.optimizer.learning_rate,
        )
    ]
