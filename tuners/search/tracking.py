"""A search in MLflow: a run for each trial, in one batch at its end, below one run for the search.

A thread of its own sends them, so that no trial waits for a store. What could not be sent is told once; the journal
knows what is stored, and a search that goes on sends the rest.
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from types import TracebackType
from typing import Any, Self

from diagnose import ReadError, __version__, diagnose
from diagnose import console as texts
from recipes.config import Config
from recipes.errors import one_line
from tuners import tracking
from tuners.outcome import curves_of
from tuners.search.journal import SearchFolder
from tuners.search.records import SearchRecord, State, TrialRecord, logs
from tuners.tracking import TrackingError, TrainingRecord
from tuners.training import Training

#: Number of the run of the search itself among those of its trials.
PARENT = -1


class Courier:
    """Sends trials to MLflow while others are trained.

    Parameters
    ----------
    place
        The search's folder.
    logged
        Store and number -> run of what is stored already; another store has none of it.
    note
        Called, in the driver's thread, with ``logged``, store, number and run of what has been stored.
    track
        As of `tuners.train`.
    trial_config
        Values -> configuration of a trial.
    """

    def __init__(
        self,
        place: SearchFolder,
        logged: Mapping[tuple[str, int], str],
        note: Callable[..., None],
        track: bool | str,
        trial_config: Callable[[Mapping[str, Any]], Config],
    ) -> None:
        self._place, self._note = place, note
        self._content = place.read_settings()
        self._store = tracking.shown_uri(track)
        self._logged = {number: run for (store, number), run in logged.items() if store == self._store}
        self._uri = None if track is True else str(track)
        self._is_on = bool(track)
        self._trial_config = trial_config
        self._tasks: queue.SimpleQueue[TrialRecord | None] = queue.SimpleQueue()
        self._stored: queue.SimpleQueue[tuple[int, str]] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        self._error = ""

    def __enter__(self) -> Self:
        if self._is_on:
            self._thread = threading.Thread(target=self._send_all, name="mlflow", daemon=True)
            self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, _error: BaseException | None, _at: TracebackType | None
    ) -> None:
        """Send what waits; after an interruption the journal knows what was not sent."""
        if self._thread is None:
            return
        self._tasks.put(None)
        if kind is None:
            self._thread.join()
        self._collect()
        self._tell()

    def catch_up(self, trials: Iterable[TrialRecord]) -> None:
        """Send trials that ended in a process before this one, and were not stored."""
        for trial in trials:
            if trial.outcome is not None and trial.number not in self._logged:
                self.log(trial)

    def log(self, trial: TrialRecord) -> None:
        """Send a trial that has ended."""
        if self._is_on:
            self._collect()
            self._tasks.put(trial)

    def conclude(self, record: SearchRecord, training: Training | None, *, is_failed: bool = False) -> None:
        """End the run of the search, with what the best trial and its model have come to."""
        if not self._is_on or self._error or PARENT not in self._logged:
            return
        best = next(iter(record.ranked()), None)
        metrics: dict[str, float] = {
            "trials": len(record.trials),
            "sick_trials": sum(trial.is_sick for trial in record.trials),
        }
        if best is not None and best.score is not None:
            metrics |= {f"best_{record.objective.name}": best.score, "best_trial": best.number}
        if training is not None:
            metrics |= {f"test_{score.metric}": score.value for score in training.evaluation.scores if score.is_known}
        concluded = replace(self._search(metrics=metrics, ended=time.time()), is_failed=is_failed)
        try:
            tracking.conclude(self._logged[PARENT], concluded, self._uri)
        except TrackingError as error:
            self._error = str(error)
            self._tell()

    def within(self, best: TrialRecord) -> tracking.Within:
        """Return what the winner is in the store."""
        parent = self._logged.get(PARENT, "")
        return tracking.Within(parent, f"{self._place.path.name}-winner", f"{self._key}/winner/{best.number}")

    @property
    def track(self) -> bool | str:
        """Where the winner is to be logged, as of `tuners.train`; nowhere after an error."""
        return self._is_on and not self._error and (self._uri or True)

    def _collect(self) -> None:
        """Note what the thread has stored."""
        while not self._stored.empty():
            number, run = self._stored.get()
            self._logged[number] = run
            self._note("logged", store=self._store, number=number, run=run)

    def _tell(self) -> None:
        if self._error:
            texts.complain(f"{self._error}; the trials are complete in {self._place.path}", "tune")
            self._error, self._is_on = "", False

    def _send_all(self) -> None:
        """Send trials until there are no more; after an error take them, and leave them."""
        parent = self._logged.get(PARENT, "")
        while (trial := self._tasks.get()) is not None:
            if self._error:
                continue
            try:
                if not parent:
                    parent = tracking.begin(self._search(), self._uri)
                    self._stored.put((PARENT, parent))
                run = tracking.log_training(self._record(trial, parent), self._uri)
                self._stored.put((trial.number, run))
            except TrackingError as error:
                self._error = str(error)
            except Exception as error:  # a thread that dies would do so unseen
                self._error = f"trial {trial.number} is not in MLflow: {type(error).__name__}: {one_line(error)}"

    def _search(self, metrics: Mapping[str, float] | None = None, ended: float = 0.0) -> TrainingRecord:
        """Return what MLflow is to know of the search as a whole."""
        settings = {**self._content["settings"], **self._content["budget"]}
        return TrainingRecord(
            experiment=self._experiment,
            run=self._place.path.name,
            started=self._content["noted"]["started"],
            ended=ended,
            parameters={f"search.{name}": value for name, value in settings.items()},
            metrics=metrics or {},
            tags={"kerasdx.version": __version__, "kerasdx.kind": "search"},
            artifacts=(self._place.settings, self._place.journal) if ended else (),
            key=self._key,
        )

    def _record(self, trial: TrialRecord, parent: str) -> TrainingRecord:
        """Return what MLflow is to know of a trial."""
        assert trial.outcome is not None
        outcome, objective = trial.outcome, self._content["objective"].partition(":")[2]
        log = next(iter(logs(self._place.trial(trial.number))), None)
        metrics: dict[str, float] = {
            "epochs_run": outcome.epochs,
            "seconds": outcome.seconds,
            "health_findings": len(outcome.findings),
        }
        if trial.score is not None:
            metrics[f"best_{objective}"] = trial.score
        if outcome.best_epoch is not None:
            metrics["best_epoch"] = outcome.best_epoch
        curves = {}
        if log is not None:
            try:
                curves = curves_of(diagnose(log).runs[0].run)
            except (ReadError, IndexError):
                log = None
        return TrainingRecord(
            experiment=self._experiment,
            run=f"{self._place.path.name}-{trial.number:04d}",
            started=trial.started,
            ended=trial.started + outcome.seconds,
            parameters=self._trial_config(trial.values).flat(),
            curves=curves,
            metrics=metrics,
            tags={
                "kerasdx.version": __version__,
                "kerasdx.kind": "trial",
                "diagnosis.verdict": outcome.verdict,
                "diagnosis.findings": ", ".join(finding["check"] for finding in outcome.findings),
                "trial.state": str(outcome.state),
                "trial.reason": trial.reason,
            },
            artifacts=tuple(path for path in (log, log.with_name("run.json")) if path.exists()) if log else (),
            is_failed=outcome.state is State.FAILED,
            parent=parent,
            key=f"{self._key}/{trial.number}",
        )

    @property
    def _experiment(self) -> str:
        noted = self._content["noted"]
        return f"{noted['recipe']} {noted['data']}"

    @property
    def _key(self) -> str:
        """What the search is told by, wherever its folder is moved to."""
        return f"{self._place.path.name} {self._content['noted']['started']}"
