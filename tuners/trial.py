"""One trial: build the model that a configuration describes, and train it, watched, in its phases.

This is the one place where models are trained. `tuners.training` adds what one training is worth to a person (score,
report, card); a search calls it once for each configuration.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np

from diagnose import Monitor
from diagnose.live.log import rewind
from recipes import building
from recipes.catalog import find
from recipes.config import Config
from recipes.data.base import Data
from recipes.data.pipeline import evaluation_batches, told_plainly, training_batches
from recipes.errors import RecipeError, one_line
from recipes.parts import optimizers
from recipes.recipe import Recipe
from tuners import devices
from tuners.checkpoint import Checkpoint, Counters
from tuners.keeper import Keeper
from tuners.objective import Objective
from tuners.progress import Ticker

#: How it begins what `Counters.over` says, where Monitor ended the training, and where a search did.
BY_MONITOR, BY_SEARCH = "stopped: ", "search "
#: Nothing but the time of the search ended it: it can go on.
BY_TIME = f"{BY_SEARCH}stopped"
#: Samples of each split that the fingerprint looks at.
_LOOKED_AT = 64


@dataclass(frozen=True)
class Trial:
    """A training that is over.

    Parameters
    ----------
    model
        With the weights of its best epoch.
    monitor
        What watched it; ``monitor.stopped`` says why it was ended, where it was lost.
    counters
        Epochs, the best of them, seconds.
    recipe
        What it was built by.
    device
        What it was trained on, for people.
    """

    model: keras.Model
    monitor: Monitor
    counters: Counters
    recipe: Recipe
    device: str


def run(
    config: Config,
    data: Data,
    *,
    log: Path | None = None,
    checkpoint: Path | None = None,
    monitor: Monitor | None = None,
    callbacks: Sequence[keras.callbacks.Callback] = (),
    ticker: Ticker | None = None,
    check: Callable[[keras.Model], None] | None = None,
    look: Callable[[keras.Model], None] | None = None,
    pause: float = 0.0,
    ended: Callable[[], str] = str,
    keep: Callable[[Counters], bool] = lambda _counters: True,
) -> Trial:
    """Train the model that a configuration describes.

    Parameters
    ----------
    config, data
        What to train, and on what.
    log
        Where Monitor writes; None: nowhere.
    checkpoint
        A folder for the state of each epoch; where it holds one, the training goes on from there, and rows of the log
        that are of later epochs are taken out, for they come again. None: in memory.
    monitor
        What watches it, writing to `log`; None: one that ends a training that is lost.
    callbacks
        More callbacks.
    ticker
        What tells a person how far it is.
    check
        Is given the model before it is trained, and may refuse it.
    look
        Is given the model when it is compiled for its first epoch, and leaves it as it is; not where one is resumed.
    pause
        Seconds in which the checkpoint is not written: a training that is shorter writes its end alone.
    ended
        Asked after each phase: why the training is over though it might go on; nothing where it is not.
    keep
        Asked at the end: whether the checkpoint stays.

    Raises
    ------
    RecipeError
        It cannot be built, the devices are not there or have too little memory, a sample can no longer be read, the
        checkpoint is of other data or of another model.

    Notes
    -----
    On CPUs the same configuration, data and package versions give the same weights, to the last bit, and so does a
    training that was interrupted at any moment and resumed: the order of samples and their augmentation are functions
    of seed and epoch, and the state of random layers is saved with the weights.
    """
    strategy = devices.strategy(config.training)
    _check_batch(min(config.data.batch_size, len(data.train)), strategy.num_replicas_in_sync)
    with devices.precision(config.training.precision), strategy.scope():
        monitor = monitor or Monitor(log, on_finding="stop", audit=False)
        training = _Training(config, data, log, checkpoint, monitor, callbacks, ticker, pause, ended, keep)
        return training.run(devices.describe(strategy), check, look)


class _Training:
    """The state of one call of `run`."""

    def __init__(
        self,
        config: Config,
        data: Data,
        log: Path | None,
        checkpoint: Path | None,
        monitor: Monitor,
        callbacks: Sequence[keras.callbacks.Callback],
        ticker: Ticker | None,
        pause: float,
        ended: Callable[[], str],
        keep: Callable[[Counters], bool],
    ) -> None:
        self.config, self.data, self.ticker, self.ended, self.keep = config, data, ticker, ended, keep
        self.recipe = find(config.recipe)
        self.encode = self.recipe.encode(config, data.facts) if self.recipe.encode else None
        self.phases = self.recipe.phases(config, data.facts)
        self.checkpoint = Checkpoint(checkpoint) if checkpoint else None
        self.counters = (self.checkpoint and self.checkpoint.counters()) or Counters()
        if self.counters.over.startswith(BY_TIME):
            self.counters.over = ""
        self.is_resumed = self.counters.epoch > 0
        self._check_fingerprint()
        if log is not None and self.checkpoint is not None:
            rewind(log, self.counters.epoch)
        self.monitor = monitor
        self.plateau = optimizers.schedule_callbacks(config)
        objective = Objective.of(config.training.monitor) if len(data.validation) else None
        patience = config.training.early_stopping if objective else 0
        self.patience, self.last = patience, config.training.stop_after or config.training.epochs
        self.keeper = Keeper(self.checkpoint, self.counters, objective, patience, self.plateau, pause)
        self.callbacks = [self.monitor, *self.plateau, self.keeper, *callbacks, *([ticker] if ticker else [])]

    def run(
        self,
        device: str,
        check: Callable[[keras.Model], None] | None,
        look: Callable[[keras.Model], None] | None,
    ) -> Trial:
        """Build the model, go through the phases that are left, and set it to its best weights."""
        keras.utils.set_random_seed(self.config.training.seed)
        model = building.network(self.recipe, self.config, self.data.facts)
        if check is not None:
            check(model)
        for number in range(self.counters.phase, len(self.phases)):
            if not self.counters.over and self.counters.epoch < self.last:
                self._phase(model, number, look)
        self.keeper.restore_best(model)
        return Trial(model, self.monitor, self.counters, self.recipe, device)

    def _phase(self, model: keras.Model, number: int, look: Callable[[keras.Model], None] | None) -> None:
        """Train through a phase, from its begin or from where it was interrupted."""
        phase = self.phases[number]
        self.keeper.set_model(model)  # Keras does so in fit, which there may be no epoch left for
        building.start(model, self.recipe, phase, self.config, self.data.facts)
        if look is not None and self.counters.epoch == 0:
            look(model)
        if self.is_resumed:
            self._restore(model)
        first, last = self.counters.epoch, self.counters.phase_start + phase.epochs
        if self.ticker:
            self.ticker.phase = phase.name
        if first < min(last, self.last) and not 0 < self.patience <= self.counters.waited:
            self._fit(model, first, min(last, self.last))
        why = self._why_over()
        is_paused = why.startswith(BY_TIME) or (not why and self.counters.epoch >= self.last)
        if is_paused and self.counters.epoch < last:
            self.counters.over = why
            self._save()  # it can go on from here, in the same phase
        else:
            self._conclude(model, number)

    def _fit(self, model: keras.Model, first: int, last: int) -> None:
        config, facts, encode = self.config, self.data.facts, self.encode
        splits = told_plainly(self.data.train, self.data.validation)
        with _own_errors(config), self.keeper.kept(), splits as (train, validation):
            model.fit(
                training_batches(train, config, facts, encode=encode, first_epoch=first, epochs=last),
                validation_data=evaluation_batches(validation, config, facts, encode=encode) if validation else None,
                steps_per_epoch=facts.steps(config.data.batch_size),
                initial_epoch=first,
                epochs=last,
                callbacks=self.callbacks,
                shuffle=False,  # the batches come in their order
                verbose=0,
            )

    def _restore(self, model: keras.Model) -> None:
        """Set the model to where the training was interrupted; what follows begins as in a training that was not."""
        assert self.checkpoint is not None
        self.checkpoint.restore(model, self.counters)
        self.is_resumed = False

    def _conclude(self, model: keras.Model, number: int) -> None:
        """Note where the phase ended: the next one begins with the best weights so far."""
        counters = self.counters
        if why := self._why_over():
            counters.over = why
        elif number + 1 == len(self.phases):
            counters.over = "trained"
        else:
            self.keeper.restore_best(model)
        counters.phases = [*counters.phases, counters.epoch - counters.phase_start]
        counters.phase, counters.phase_start, counters.waited = number + 1, counters.epoch, 0
        counters.callbacks = {}
        self._save()

    def _save(self) -> None:
        """Write the state, or remove what was written before where it is the last one and not to be kept."""
        counters = self.counters
        if self.checkpoint and (counters.over or counters.epoch >= self.last) and not self.keep(counters):
            self.checkpoint.remove()
            return
        self.keeper.capture()
        self.keeper.save()

    def _why_over(self) -> str:
        """Return why the training is over before its end."""
        if self.monitor.stopped is not None:
            return f"{BY_MONITOR}{self.monitor.stopped['check']}: {self.monitor.stopped['reason']}"
        return self.ended()

    def _check_fingerprint(self) -> None:
        found = fingerprint(self.data)
        if self.is_resumed and self.counters.fingerprint != found:
            raise RecipeError(
                f"{self.data.facts.name} has changed since the training was interrupted: its splits would be others; "
                "train anew in another folder"
            )
        self.counters.fingerprint = found


@contextmanager
def _own_errors(config: Config) -> Iterator[None]:
    """Tell in a line what goes wrong in the training of a model that the user wrote."""
    try:
        yield
    except (RecipeError, OSError, MemoryError):
        raise
    except Exception as error:
        if ":" not in config.recipe:
            raise
        raise RecipeError(
            f"{config.recipe_name}: the training fails: {type(error).__name__}: {one_line(error)}"
        ) from None


def _check_batch(size: int, replicas: int) -> None:
    """Refuse batches that cannot be dealt out evenly: TensorFlow fails at the first."""
    if size % replicas:
        raise RecipeError(
            f"data.batch_size: a batch of {size} samples cannot be split evenly among {replicas} devices; take "
            f"{max(1, size // replicas) * replicas}"
        )


def fingerprint(data: Data) -> str:
    """Return a short text that changes with the data: sizes, targets, and some inputs of each split."""
    crc = 0
    for split in (data.train, data.validation, data.test):
        some = np.linspace(0, len(split) - 1, min(_LOOKED_AT, len(split)), dtype=np.int64)
        for array in (np.asarray(split.y), split.inputs(some)):
            crc = zlib.crc32(np.ascontiguousarray(array).tobytes(), zlib.crc32(str(array.shape).encode(), crc))
    return f"{crc:08x}"
