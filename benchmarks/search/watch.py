"""The same eye on every search: it times epochs, scores whatever is the best so far on the test set, and ends the time.

It is added to each `fit` of the process, so that searches of all kinds are looked at in the same way, and none of them
knows of it. The time that looking takes is nobody's.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import keras
import numpy as np

from benchmarks.search.samples import Samples

_PAGE_MB = 4096 / 1e6


class TimeUp(KeyboardInterrupt):
    """The time of the search is up: like Ctrl-C, it is no error of the trial."""


class Clock:
    """The seconds of a search, without those of looking at it."""

    def __init__(self) -> None:
        self._begun = time.perf_counter()
        self.paused = 0.0

    def now(self) -> float:
        return time.perf_counter() - self._begun - self.paused

    @contextmanager
    def stopped(self) -> Iterator[None]:
        begun = time.perf_counter()
        try:
            yield
        finally:
            self.paused += time.perf_counter() - begun


@dataclass
class Fit:
    """A training: when it began and ended, how many epochs it had, its best score, what the process held in memory."""

    begun: float
    memory: float
    ended: float | None = None
    epochs: int = 0
    best: float | None = None


@dataclass
class Seen:
    """What a search has come to.

    Parameters
    ----------
    curve
        Seconds, validation score and test score of each model that was the best so far.
    fits
        All trainings within the time.
    """

    curve: list[tuple[float, float, float]] = field(default_factory=list)
    fits: list[Fit] = field(default_factory=list)


class Watch(keras.callbacks.Callback):
    """Looks at the trainings of a search.

    An epoch that ends too late does not count, and is the last one. There is no looking between steps, which would keep
    Keras from computing the next one meanwhile.

    Parameters
    ----------
    samples
        Whose test set is scored, and which column counts.
    seconds
        After which nothing counts any more; infinite: all counts.
    """

    def __init__(self, samples: Samples, seconds: float) -> None:
        super().__init__()
        self._samples = samples
        self._seconds = seconds
        self.seen = Seen()
        self.clock = Clock()

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Look at all trainings within the block, and begin with the time."""
        plain = keras.Model.fit

        def fit(model: keras.Model, *arguments: Any, callbacks: Any = None, **more: Any) -> Any:
            return plain(model, *arguments, callbacks=[*(callbacks or ()), self], **more)

        keras.Model.fit = fit
        self.clock = Clock()
        try:
            yield
        except TimeUp:
            pass
        finally:
            keras.Model.fit = plain

    def on_train_begin(self, logs: Any = None) -> None:  # noqa: ARG002
        self._check()
        self.seen.fits.append(Fit(self.clock.now(), memory()))

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:  # noqa: ARG002
        self._check()
        fit = self.seen.fits[-1]
        fit.epochs += 1
        value = float((logs or {}).get(self._samples.objective, math.nan))
        if math.isfinite(value) and (fit.best is None or value > fit.best):
            fit.best = value
        if math.isfinite(value) and (not self.seen.curve or value > self.seen.curve[-1][1]):
            with self.clock.stopped():
                test = self._tested()
            self.seen.curve.append((self.clock.now(), value, test))

    def on_train_end(self, logs: Any = None) -> None:  # noqa: ARG002
        self.seen.fits[-1].ended = self.clock.now()
        self.set_model(None)  # or the model of the last trial would be kept while the next is built

    def _check(self) -> None:
        if self.clock.now() > self._seconds:
            raise TimeUp

    def _tested(self) -> float:
        x, y = self._samples.test
        # Not `predict`: it would compile a function for each model.
        return self._samples.score(np.asarray(self.model(x, training=False)), y)


def memory() -> float:
    """Return the resident memory of the process in MB."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * _PAGE_MB
