"""A training that goes on, in a tracking store: sent from a thread of its own, a few seconds of epochs at a time.

The training never waits for a store. What a store does not take stays in the log, and the parcel beside it knows.
"""

from __future__ import annotations

import atexit
import os
import queue
import sys
import threading
import time
import uuid
import weakref
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from diagnose import __version__, console
from diagnose.readers.curves import facts_beside
from diagnose.report import RunReport
from diagnose.tracking import dataset, parcel
from diagnose.tracking.machine import MachineLoad
from diagnose.tracking.parcel import BusyError
from diagnose.tracking.record import KIND, Curve, TrainingRecord
from diagnose.tracking.settings import settings_of
from diagnose.tracking.store import TrackingError, shown_uri, store_uri, sync_command

#: Epochs are sent together, no more often than this; after an error ever more rarely, up to the longest pause.
_PAUSE, _LONGEST_PAUSE = 5.0, 120.0
#: Points that wait for a store; where it stays away they come from the log.
_MOST_WAITING = 100_000
#: How long the end of the process may wait for a store, in seconds.
_AT_EXIT = 60.0


@dataclass(frozen=True)
class _End:
    """What is known at the end of a training: how long its log was; without a diagnosis it was interrupted."""

    size: int
    report: RunReport | None = None
    facts: Mapping[str, Any] = field(default_factory=dict)


class LiveRun:
    """One training on its way to a store while it goes on.

    Parameters
    ----------
    store
        A tracking URI; None: the active run of MLflow, else the store that is set, else that of the working directory.
    log
        The training's log.
    name
        Of the run, where it is one of our own.
    planned
        Epochs that are wanted, where that is known.
    say
        Told in a line where the run is, and that the store does not answer, once each.
    """

    def __init__(
        self, store: str | None, log: Path, *, name: str, planned: int | None = None, say: Callable[[str], None]
    ) -> None:
        _abandon_interrupted()
        run_id, uri, is_autologged = _active(store)
        self._uri, self._say, self._planned, self._is_autologged = uri, say, planned, is_autologged
        self._log = log
        record = TrainingRecord(
            experiment="" if run_id else os.environ.get("MLFLOW_EXPERIMENT_NAME", ""),
            experiment_id="" if run_id else os.environ.get("MLFLOW_EXPERIMENT_ID", ""),
            run=name,
            started=time.time(),
            ended=0.0,
            tags={KIND: "training", "kerasdx.version": __version__},
            artifacts=(log, facts_beside(log)),
            key="" if run_id else uuid.uuid4().hex,
            run_id=run_id,
        )
        self._parcel = parcel.begun(log, record, shown_uri(uri))
        self._run = run_id
        self._left_to_autolog: frozenset[str] = frozenset()
        self._queue: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._waiting: dict[str, list[tuple[float, float, float]]] = {}
        self._known: dict[str, float] = {}
        self._facts: Mapping[str, Any] = {}
        self._is_open = self._has_told = self._is_doubtful = self._has_failed = self._is_ended = False
        self._owner = threading.get_ident()
        self._load = MachineLoad()
        self._load.start()
        self._thread = threading.Thread(target=self._work, name="kerasdx-mlflow", daemon=True)
        self._thread.start()
        _living.add(self)

    def epoch(self, epoch: int, row: Mapping[str, Any], of_keras: Collection[str], facts: Mapping[str, Any]) -> None:
        """Send an epoch.

        Parameters
        ----------
        epoch
            Its number.
        row
            Column -> value.
        of_keras
            Columns that Keras' own logs have: where MLflow's autologging is on, it sends those.
        facts
            What is known of the training by now, the content of ``run.json``.
        """
        if self._is_autologged:
            self._left_to_autolog |= frozenset(of_keras)
        mine = {name: value for name, value in row.items() if name not in self._left_to_autolog}
        self._queue.put((epoch, mine, facts, time.time()))

    def end(self, report: RunReport, facts: Mapping[str, Any]) -> None:
        """Send what the whole training has come to; returns at once, see `flush`."""
        self._put_end(_End(self._size(), report, facts))

    def abandon(self) -> None:
        """Send what the log has of a training that was interrupted; nothing where it has ended."""
        self._put_end(_End(self._size()))

    def _put_end(self, end: _End) -> None:
        if not self._is_ended:
            self._is_ended = True
            self._queue.put(end)

    def _size(self) -> int:
        """Return where the training's part of the log ends: the log may grow before all is sent."""
        try:
            return self._log.stat().st_size
        except OSError:
            return 0

    def flush(self, seconds: float) -> bool:
        """Wait until all of an ended training is sent or given up, and return whether that is so."""
        self._thread.join(seconds)
        return not self._thread.is_alive()

    def _work(self) -> None:
        """Send epochs until the training ends, then the whole."""
        pause, due = _PAUSE, 0.0
        try:
            while True:
                item = self._next(due - time.monotonic() if self._waiting else None)
                if isinstance(item, _End):
                    break
                if item is not None:
                    self._collect(*item)
                if self._waiting and time.monotonic() >= due:
                    pause = _PAUSE if self._try() else min(2 * pause, _LONGEST_PAUSE)
                    due = time.monotonic() + pause
            self._conclude(item)
        except Exception as error:  # a thread that dies would do so unseen
            self._complain(f"{type(error).__name__}: {error}")

    def _next(self, seconds: float | None) -> Any:
        """Return the next of the queue; None after so many seconds without one."""
        try:
            return self._queue.get(timeout=None if seconds is None else max(0.0, seconds))
        except queue.Empty:
            return None

    def _collect(self, epoch: int, row: Mapping[str, Any], facts: Mapping[str, Any], at: float) -> None:
        self._facts = facts
        if sum(map(len, self._waiting.values())) > _MOST_WAITING:
            self._waiting.clear()
            self._has_failed = True
        for name, value in row.items():
            if name != "epoch" and isinstance(value, int | float):
                self._waiting.setdefault(name, []).append((float(epoch), float(value), at))

    def _try(self) -> bool:
        """Send what waits, and return whether the store took it."""
        from diagnose.tracking import sending

        try:
            if not self._is_open:  # the run's settings, and the run itself where it is our own
                record = replace(self._parcel.record, parameters=settings_of(self._facts, self._planned), artifacts=())
                self._run = sending.send(record, self._uri)
                self._parcel = replace(self._parcel, run=self._run)
                with suppress(OSError):
                    self._parcel.write()
                self._is_open = True
                self._say(f"MLflow run {self._run} in {self._parcel.store}")
            sent = sending.append(self._run, self._waiting, self._uri, is_repeated=self._is_doubtful)
        except TrackingError as error:
            self._is_doubtful = self._has_failed = True
            if not self._has_told:
                self._has_told = True
                self._say(f"{error}; the training goes on, and the log has everything")
            return False
        self._known.update(sent)
        self._waiting, self._is_doubtful = {}, False
        return True

    def _conclude(self, end: _End) -> None:
        """Send the whole of the training."""
        machine = self._load.stop()
        if end.report is None:
            self._parcel = replace(self._parcel, until=end.size)
            self._deliver(None)
            return
        record = replace(
            self._parcel.record,
            ended=time.time(),
            parameters=settings_of(end.facts, self._planned),
            datasets=dataset.of_data_facts(end.facts),
        )
        self._parcel = replace(self._parcel, record=record, state=parcel.State.UNSENT, until=end.size)
        with suppress(OSError):  # a full disk: the store may take it all the same
            self._parcel.write()
        whole = record.diagnosed(end.report)
        curves: dict[str, Curve] = {
            name: curve for name, curve in whole.curves.items() if name not in self._left_to_autolog
        }
        artifacts = tuple(path for path in record.artifacts if path.exists())
        self._deliver(replace(whole, curves=curves, machine=machine, artifacts=artifacts))

    def _deliver(self, record: TrainingRecord | None) -> None:
        # After a failure nobody knows which points have arrived.
        known = {} if self._has_failed else self._known
        try:
            self._parcel = self._parcel.deliver(record, uri=self._uri, known=known)
        except (TrackingError, BusyError) as error:
            self._complain(str(error))
            return
        self._parcel.discard()

    def _complain(self, reason: str) -> None:
        with suppress(Exception):  # at the end of the process there may be nobody to tell
            console.complain(f"{reason}; it is kept: {sync_command(self._log.parent, self._parcel.store)}", "kerasdx")


def _abandon_interrupted() -> None:
    """End the trainings of this thread that were interrupted without being told: it trains one model at a time."""
    for run in list(_living):
        if run._owner == threading.get_ident():
            run.abandon()


def _active(store: str | None) -> tuple[str, str | None, bool]:
    """Return the run that is active in the store, or empty, the store, and whether MLflow's autologging logs there.

    MLflow is not imported for this.
    """
    mlflow = sys.modules.get("mlflow")
    if mlflow is None or not hasattr(mlflow, "active_run"):
        return os.environ.get("MLFLOW_RUN_ID", ""), store or store_uri(Path.cwd()), False
    run = mlflow.active_run()
    theirs = str(mlflow.get_tracking_uri()) if run is not None or mlflow.is_tracking_uri_set() else ""
    if store is not None and (not theirs or shown_uri(store) != shown_uri(theirs)):
        return "", store, False  # what is active is so in another store
    run_id = str(run.info.run_id) if run is not None else os.environ.get("MLFLOW_RUN_ID", "")
    return run_id, store or theirs or store_uri(Path.cwd()), run is not None and _autologs()


def _autologs() -> bool:
    """Whether MLflow logs Keras' trainings by itself."""
    tools = sys.modules.get("mlflow.utils.autologging_utils")
    if tools is None:
        return False
    settings = tools.AUTOLOGGING_INTEGRATIONS
    return any(name in settings and not settings[name].get("disable", True) for name in ("keras", "tensorflow"))


#: Those whose process may end before they do.
_living: weakref.WeakSet[LiveRun] = weakref.WeakSet()


@atexit.register
def _finish() -> None:
    """Give the stores some time when the process ends."""
    deadline = time.monotonic() + _AT_EXIT
    runs = [run for run in _living if not run.flush(0)]
    for run in runs:
        run.abandon()
    for run in runs:
        if not run.flush(max(0.0, deadline - time.monotonic())):
            run._complain(f"{run._parcel.store} takes too long")
