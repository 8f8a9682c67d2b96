"""The callback that keeps what a training has reached: the state of each epoch, and the best weights."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import Any

import keras

from recipes.errors import RecipeError
from tuners.checkpoint import Array, Checkpoint, Counters, State, values
from tuners.objective import Objective

#: Saving may take this share of the time; epochs that are shorter than it allows are saved every few.
_SHARE = 0.05
#: Attributes of Keras' callbacks that change during a training.
_CHANGING = ("best", "wait", "cooldown_counter")


class Keeper(keras.callbacks.Callback):
    """Saves the state at the ends of epochs, keeps the best weights, and stops early.

    Parameters
    ----------
    checkpoint
        Where to save; None: in memory only, and nothing can be resumed.
    counters
        Where the training stands; changed as it goes on.
    objective
        What tells the best epoch; None: there are no validation samples, and the last epoch counts as the best.
    patience
        Epochs without a better one after which the phase ends; 0: never.
    others
        Callbacks whose state is saved too.
    pause
        Seconds from the begin, and from one saving to the next, in which nothing is written.

    Notes
    -----
    An epoch whose value is not finite is never the best one.
    """

    def __init__(
        self,
        checkpoint: Checkpoint | None,
        counters: Counters,
        objective: Objective | None,
        patience: int,
        others: Sequence[keras.callbacks.Callback] = (),
        pause: float = 0.0,
    ) -> None:
        super().__init__()
        self._checkpoint = checkpoint
        self._counters = counters
        self._objective = objective
        self._patience = patience
        self._pause = pause
        self._others = {type(other).__name__: other for other in others}
        self._best: list[Array] | None = None
        self._best_is_saved = True
        self._unsaved: State | None = None
        self._clock = 0.0
        self._saved_at = time.perf_counter() if pause else -math.inf
        self._cost = 0.0

    def on_train_begin(self, logs: Mapping[str, Any] | None = None) -> None:
        """Set the other callbacks to where they were: Keras has just reset them."""
        self._clock = time.perf_counter()
        for name, state in self._counters.callbacks.items():
            for attribute, value in state.items():
                setattr(self._others[name], attribute, value)

    def on_epoch_end(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:
        """Keep what is better, count what is not, and save."""
        counters = self._counters
        now = time.perf_counter()
        counters.epoch = epoch + 1
        counters.seconds += now - self._clock
        self._clock = now
        self._compare(epoch, logs or {})
        if self._patience and counters.waited >= self._patience:
            self.model.stop_training = True
        self._counters.callbacks = {name: _state(other) for name, other in self._others.items()}
        is_due = now - self._saved_at >= max(self._pause, self._cost / _SHARE)
        if is_due or not self._pause:
            self.capture()
        if is_due:
            self.save()

    def _compare(self, epoch: int, logs: Mapping[str, Any]) -> None:
        """Keep the epoch where it is the best one so far; else count it."""
        counters, objective = self._counters, self._objective
        if objective is None:
            value = float(logs.get("loss", math.nan))
            is_best = math.isfinite(value)
        else:
            if objective.name not in logs:
                raise RecipeError(f"{objective.name!r} is no column of the log; there are: {', '.join(logs)}")
            value = float(logs[objective.name])
            is_best = objective.is_better(value, counters.best if counters.best_epoch >= 0 else None)
        if is_best:
            counters.best, counters.best_epoch, counters.waited = value, epoch, 0
            self._best, self._best_is_saved = values(self.model.variables), False
        else:
            counters.waited += 1

    def capture(self) -> None:
        """Take the state as it is now; it is written when it is time to."""
        if self._checkpoint is not None:
            self._unsaved = State.of(self.model, self._counters)

    def save(self) -> None:
        """Write the state that was taken last, if it is not yet.

        Raises
        ------
        OSError
            There is no room; the state before is still there.
        """
        if self._checkpoint is None or self._unsaved is None:
            return
        begun = time.perf_counter()
        self._checkpoint.save(self._unsaved, None if self._best_is_saved else self._best)
        self._unsaved, self._best_is_saved = None, True
        self._saved_at = time.perf_counter()
        self._cost = self._saved_at - begun

    @contextmanager
    def kept(self) -> Iterator[None]:
        """Write what is not written yet where the training is interrupted, or fails, within the block."""
        try:
            yield
        except BaseException:
            with suppress(OSError):  # what went wrong first is told
                self.save()
            raise

    def restore_best(self, model: keras.Model) -> None:
        """Set the model to the weights of the best epoch, where there is one."""
        if self._best is not None:
            for variable, value in zip(model.variables, self._best, strict=True):
                variable.assign(value)
        elif self._checkpoint is not None and self._counters.best_epoch >= 0:
            self._checkpoint.restore_best(model, self._counters.best_epoch)


def _state(callback: keras.callbacks.Callback) -> dict[str, float]:
    return {name: float(getattr(callback, name)) for name in _CHANGING if hasattr(callback, name)}
