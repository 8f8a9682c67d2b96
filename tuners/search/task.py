"""One trial of a search: its trainings, watched, reported epoch by epoch, and whatever goes wrong told as its outcome.

Runs wherever an executor runs it: in the process of the search or in a worker. All knowledge of other trials stays with
the driver, which answers each report.
"""

from __future__ import annotations

import contextlib
import errno
import math
import platform
import resource
import shutil
import time
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from diagnose import Monitor, ReadError, diagnose
from diagnose.finding import Finding
from diagnose.report import RunReport
from recipes.config import Config
from recipes.data import Data, load_data
from recipes.errors import RecipeError, UnaskedError, one_line
from tuners import devices, trial
from tuners.checkpoint import Counters
from tuners.folder import Folder
from tuners.search.parameter import OWN
from tuners.search.records import Candidate, EpochReport, Outcome, State, Stop
from tuners.search.space import OF_DATA
from tuners.trial import BY_MONITOR, BY_SEARCH, Trial

#: What a trial that was interrupted can go on from is written after so many seconds, and again after as many.
PAUSE = 60.0
#: What no trial is to blame for.
_ENDS_THE_SEARCH = (errno.ENOSPC, errno.EDQUOT, errno.EROFS)

#: Settings by which the data of the trials of one search may differ.
_OF_DATA = ("data.folds", "data.fold", *OF_DATA)

Ask = Callable[[EpochReport], Stop | None]


class Datasets:
    """The data of a search: of each fold, and of each value of a searched setting that changes what is loaded.

    Parameters
    ----------
    loaded
        What tells data apart -> data.
    """

    def __init__(self, loaded: Mapping[tuple[Any, ...], Data]) -> None:
        self._loaded = dict(loaded)

    @classmethod
    def load(cls, config: Config, folds: int = 1, variants: Sequence[Mapping[str, Any]] = ({},)) -> Datasets:
        """Load all that trials may ask for.

        Parameters
        ----------
        config
            What is common to all trials.
        folds
            Of the cross-validation.
        variants
            Settings by which the data of trials differ.

        Raises
        ------
        DataError
            As `recipes.load_data`.
        """
        configs = [fold_of(config.replace(values), folds, fold) for values in variants for fold in range(folds)]
        return cls({_key(each): load_data(each) for each in configs})

    @classmethod
    def of(cls, config: Config, data: Data) -> Datasets:
        """Return data that is loaded already as the only one there is."""
        return cls({_key(config): data})

    def get(self, config: Config) -> Data:
        """Return the data that a configuration names."""
        return self._loaded[_key(config)]

    @property
    def first(self) -> Data:
        """The data of the first variant and fold."""
        return next(iter(self._loaded.values()))

    def __getstate__(self) -> dict[str, Any]:
        # A trial sees samples after the preprocessing; the model of it would not survive every transport.
        return {"_loaded": {key: replace(data, preprocessing=None) for key, data in self._loaded.items()}}


def _key(config: Config) -> tuple[Any, ...]:
    """Return what tells the data of trials apart."""
    return tuple(config.get(path) for path in _OF_DATA)


def fold_of(config: Config, folds: int, fold: int) -> Config:
    """Return the configuration of one fold of a cross-validation."""
    return config.replace({"data.folds": folds, "data.fold": fold}) if folds > 1 else config


def parts(candidate: Candidate) -> list[tuple[Config, Path]]:
    """Return the trainings of a trial, each with its folder: every fold with every seed."""
    config, seed = candidate.config, candidate.config.training.seed
    configs = [
        fold_of(config.replace({"training.seed": (seed + execution) % 2**32}), candidate.folds, fold)
        for execution in range(candidate.executions)
        for fold in range(candidate.folds)
    ]
    if len(configs) == 1:
        return [(configs[0], candidate.folder)]
    return [(each, candidate.folder / f"part-{number}") for number, each in enumerate(configs, 1)]


def run_candidate(candidate: Candidate, datasets: Datasets, ask: Ask) -> Outcome:
    """Run a trial, whatever happens in it.

    Parameters
    ----------
    candidate
        The trial. What is in its folder from an interrupted attempt is gone on from.
    datasets
        Holds what the trial is trained on.
    ask
        Is told of each epoch, and may answer that the trial is to end.

    Returns
    -------
    Outcome
        Failed where the trial has no score that counts: it cannot be built or trained, has not enough memory, or became
        NaN. What its code printed is in ``output.txt``, where it failed, ``error.txt`` has the traceback.

    Raises
    ------
    OSError
        The disk is full: nothing that is trained now would be kept.
    """
    begun = time.perf_counter()
    trainings: list[_Part] = []
    try:
        candidate.folder.parent.mkdir(parents=True, exist_ok=True)
        _inherit(candidate)
        candidate.folder.mkdir(exist_ok=True)
        with _own_output(candidate.folder / "output.txt"):
            for number, (config, folder) in enumerate(parts(candidate)):
                part = _Part(candidate, number, config, Folder(folder), datasets.get(config))
                trainings.append(part)
                part.run(ask)
                if part.stop is not None or part.failure:
                    break
        outcome = _outcome(trainings)
    except Exception as error:
        if isinstance(error, OSError) and error.errno in _ENDS_THE_SEARCH:
            raise
        (candidate.folder / "error.txt").write_text(traceback.format_exc(), "utf-8", "backslashreplace")
        outcome = replace(_outcome(trainings, told(error)), state=State.FAILED, score=None)
    finally:
        keras.utils.clear_session()
    return replace(outcome, seconds=time.perf_counter() - begun, memory=_resident())


def told(error: Exception) -> str:
    """Return why a trial failed, in a line."""
    if isinstance(error, MemoryError | tf.errors.ResourceExhaustedError):
        return "out of memory"
    if isinstance(error, RecipeError):
        return one_line(error)
    return f"{type(error).__name__}: {one_line(error)}"


class _Part:
    """One training of a trial.

    Parameters
    ----------
    candidate, number
        The trial, and which of its trainings it is, from 0.
    config, folder, data
        What is trained, where its log goes, and on what.
    """

    def __init__(self, candidate: Candidate, number: int, config: Config, folder: Folder, data: Data) -> None:
        self._candidate, self._number = candidate, number
        self._config, self._folder, self._data = config, folder, data
        self._done: Trial | None = None
        self._watch: _Watch | None = None
        self.parts = candidate.executions * candidate.folds
        self.unasked: tuple[str, ...] = ()

    def run(self, ask: Ask) -> None:
        """Train; what the user's own function does not ask for this time is left out of the configuration."""
        while self._done is None:
            self._watch = _Watch(self._candidate, self._number, self._config, ask)
            try:
                self._done = self._train(self._watch)
            except UnaskedError as error:
                if f"{OWN}.{error.name}" not in self._candidate.values:
                    raise
                self._config = self._config.without_hyperparameter(error.name)
                self.unasked = (*self.unasked, error.name)

    def _train(self, watch: _Watch) -> Trial:
        watch.monitor = Monitor(self._folder.log, on_finding=watch.found, audit=False)
        return trial.run(
            self._config,
            self._data,
            log=self._folder.log,
            checkpoint=self._folder.checkpoint,
            monitor=watch.monitor,
            callbacks=[watch],
            pause=PAUSE,
            ended=lambda: f"{BY_SEARCH}{watch.stop.state}: {watch.stop.reason}" if watch.stop else "",
            keep=self._keeps,
        )

    @property
    def stop(self) -> Stop | None:
        """Why it was ended by the driver, also in a process before this one; None where it was not."""
        over = self._done.counters.over if self._done else ""
        if not over.startswith(BY_SEARCH):
            return self._watch.stop if self._watch else None
        state, _, reason = over.removeprefix(BY_SEARCH).partition(": ")
        return Stop(State(state), reason)

    @property
    def failure(self) -> str:
        """Why its score does not count; nothing where it does."""
        if self._done is None:
            return ""
        counters, stopped = self._done.counters, self._done.monitor.stopped
        if stopped is not None:
            return f"{stopped['check']} at epoch {stopped.get('epoch', 0)}: {stopped['reason']}"
        if counters.over.startswith(BY_MONITOR):  # in a process before this one
            check, _, reason = counters.over.removeprefix(BY_MONITOR).partition(": ")
            return f"{check} at epoch {counters.epoch - 1}: {reason}"
        if counters.best_epoch < 0:
            return f"{self._candidate.objective.name} was never a finite number"
        return ""

    @property
    def score(self) -> float | None:
        """Best value of the objective; None where there is none."""
        if self._done is None or self.failure:
            return None
        return self._done.counters.best

    @property
    def epochs(self) -> int:
        """How many were trained, by all processes, since the trial began."""
        if self._done is None:
            return self._watch.epochs if self._watch else 0
        return max(0, self._done.counters.epoch - self._candidate.begins)

    @property
    def phases(self) -> tuple[int, ...]:
        """Epochs of each phase that came to its end."""
        return tuple(self._done.counters.phases) if self._done else ()

    @property
    def best_epoch(self) -> int | None:
        """The best one, from 0."""
        return self._done.counters.best_epoch if self._done and self._done.counters.best_epoch >= 0 else None

    @property
    def device(self) -> str:
        """What it ran on, for people."""
        return self._done.device if self._done else devices.describe(tf.distribute.get_strategy())

    def report(self) -> RunReport | None:
        """Return the diagnosis of the whole training; None where nothing was trained."""
        if self._done is not None and self._watch is not None and self._done.counters.epoch == self._watch.epochs:
            return self._done.monitor.report.runs[0]  # it has seen it all
        try:
            return diagnose(self._folder.log).runs[0]
        except (ReadError, IndexError):
            return self._done.monitor.report.runs[0] if self._done else None

    def _keeps(self, counters: Counters) -> bool:
        keep = self._candidate.keep
        if isinstance(keep, bool):
            return keep
        # One that is as good may stand before the other one, for it began earlier.
        return not self._candidate.objective.is_better(keep, counters.best)


class _Watch(keras.callbacks.Callback):
    """Reports each epoch to the driver, and ends the training where it answers so."""

    def __init__(self, candidate: Candidate, number: int, config: Config, ask: Ask) -> None:
        super().__init__()
        self._objective, self._ask = candidate.objective, ask
        self._parts = candidate.executions * candidate.folds
        self._number = number
        self._last = config.training.stop_after or config.training.epochs
        self._found: list[dict[str, Any]] = []
        self.stop: Stop | None = None
        self.epochs = 0
        self.monitor: Monitor | None = None

    def found(self, finding: Finding) -> None:
        """Take what Monitor tells."""
        self._found.append(described(finding))

    def on_epoch_end(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:
        """Report the epoch."""
        logs = {name: float(value) for name, value in (logs or {}).items() if np.ndim(value) == 0}
        self.epochs += 1
        lost = self.monitor.lost if self.monitor else None
        findings = tuple({**found, "lost": lost is not None and found["check"] == lost.check} for found in self._found)
        report = EpochReport(self._number, self._parts, epoch, self._last, logs, findings)
        self.stop = self._ask(report)
        if self.stop is not None:
            self.model.stop_training = True


def described(finding: Finding) -> dict[str, Any]:
    """Return what is kept of a finding, ready for JSON."""
    return {
        "check": finding.check,
        "severity": str(finding.severity),
        "epoch": finding.epoch,
        "summary": finding.summary,
    }


def _outcome(trainings: Sequence[_Part], failure: str = "") -> Outcome:
    """Return what the trainings of a trial have come to."""
    reports = [report for report in (part.report() for part in trainings) if report is not None]
    worst = max(reports, key=lambda each: max((f.severity.rank for f in each.findings), default=-1), default=None)
    failure = failure or next((part.failure for part in trainings if part.failure), "")
    scores = tuple(part.score for part in trainings if part.score is not None)
    best = [part.best_epoch for part in trainings if part.best_epoch is not None]
    stop = next((part.stop for part in trainings if part.stop is not None), None)
    state = State.FAILED if failure else stop.state if stop else State.DONE
    return Outcome(
        state=state,
        reason=failure or (stop.reason if stop else ""),
        score=float(np.mean(scores)) if scores and state is not State.FAILED else None,
        scores=scores,
        parts=trainings[0].parts if trainings else 1,
        epochs=sum(part.epochs for part in trainings),
        best_epoch=round(np.mean(best)) if best else None,
        verdict=worst.verdict if worst else "unknown",
        findings=tuple(described(finding) for finding in worst.findings) if worst else (),
        device=trainings[0].device if trainings else "",
        phases=trainings[0].phases if trainings else (),
        unasked=trainings[0].unasked if trainings else (),
    )


def _inherit(candidate: Candidate) -> None:
    """Begin where the parent ended: with its log and its checkpoint, which take their place in one step."""
    folder = candidate.folder
    if candidate.parent is None or (folder.exists() and any(folder.iterdir())):
        return
    copy = folder.with_name(f".{folder.name}.new")
    shutil.rmtree(copy, ignore_errors=True)
    shutil.copytree(candidate.parent, copy, ignore=shutil.ignore_patterns("output.txt", "error.txt", "*.lock"))
    copy.replace(folder)


@contextlib.contextmanager
def _own_output(path: Path) -> Iterator[None]:
    """Write into a file what is printed meanwhile: the terminal belongs to the search."""
    try:
        with (
            path.open("a", encoding="utf-8") as file,
            contextlib.redirect_stdout(file),
            contextlib.redirect_stderr(file),
        ):
            yield
    finally:
        if not path.stat().st_size:
            path.unlink()


def _resident() -> float:
    """Return the most resident memory of this process until now, in MB."""
    scale = 2**20 if platform.system() == "Darwin" else 2**10
    return math.ceil(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / scale)
