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
from diagnose.tracking.store import TrackingError, shown_uri, store_uri

#: Epochs are sent together, no more often than this; after an error ever more rarely, up to the longest pause.
_PAUSE, _LONGEST_PAUSE = 5.0, 120.0
#: Points that wait for a store; where it stays away they come from the log.
_MOST_WAITING = 100_000
#: How long the end of the process may wait for a store, in seconds.
_AT_EXIT = 60.0
_UNSENT = Path("mlruns") / "unsent"


@dataclass(frozen=True)
class _End:
    """What is known at the end of a training; without a diagnosis it was interrupted."""

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
    is_scratch
        Whether the log's folder is nobody's, and goes when all is sent.
    say
        Told in a line that the store does not answer, once.
    """

    def __init__(
        self,
        store: str | None,
        log: Path,
        *,
        name: str,
        planned: int | None = None,
        is_scratch: bool = False,
        say: Callable[[str], None],
    ) -> None:
        run_id, uri = _active(store)
        self._uri, self._say, self._is_scratch, self._planned = uri, say, is_scratch, planned
        self._log = log
        record = TrainingRecord(
            experiment="",
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
        self._autologs = _autologs()
        self._left_to_autolog: frozenset[str] = frozenset()
        self._queue: queue.SimpleQueue[_End | tuple[int, Mapping[str, Any], Mapping[str, Any]]] = queue.SimpleQueue()
        self._waiting: dict[str, list[tuple[float, float]]] = {}
        self._known: dict[str, set[float]] = {}
        self._facts: Mapping[str, Any] = {}
        self._has_told = self._has_failed = False
        self._is_ended = False
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
        if self._autologs:
            self._left_to_autolog |= frozenset(of_keras)
        mine = {name: value for name, value in row.items() if name not in self._left_to_autolog}
        self._queue.put((epoch, mine, facts))

    def end(self, report: RunReport, facts: Mapping[str, Any]) -> None:
        """Send what the whole training has come to; returns at once, see `flush`."""
        self._is_ended = True
        self._queue.put(_End(report, facts))

    def abandon(self) -> None:
        """Send what the log has of a training that was interrupted; nothing where it has ended."""
        if not self._is_ended:
            self._is_ended = True
            self._queue.put(_End())

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

    def _collect(self, epoch: int, row: Mapping[str, Any], facts: Mapping[str, Any]) -> None:
        self._facts = facts
        if sum(map(len, self._waiting.values())) > _MOST_WAITING:
            self._waiting.clear()
        for name, value in row.items():
            if name != "epoch" and isinstance(value, int | float):
                self._waiting.setdefault(name, []).append((float(epoch), float(value)))

    def _try(self) -> bool:
        """Send what waits, and return whether the store took it."""
        from diagnose.tracking import sending

        try:
            if not self._known:  # the first time: the run's settings, and the run itself where it is our own
                self._run = sending.send(
                    replace(self._parcel.record, parameters=settings_of(self._facts, self._planned), artifacts=()),
                    self._uri,
                )
                self._parcel = replace(self._parcel, run=self._run)
                with suppress(OSError):
                    self._parcel.write()
            sent = sending.append(self._run, self._waiting, time.time(), self._uri, is_repeated=self._has_failed)
        except TrackingError as error:
            self._has_failed = True
            if not self._has_told:
                self._has_told = True
                self._say(f"{error}; the training goes on, and the log has everything")
            return False
        for name, steps in sent.items():
            self._known.setdefault(name, set()).update(steps)
        self._waiting, self._has_failed = {}, False
        return True

    def _conclude(self, end: _End) -> None:
        """Send the whole of the training."""
        machine = self._load.stop()
        if end.report is None:
            self._deliver(None)
            return
        record = replace(
            self._parcel.record,
            ended=time.time(),
            parameters=settings_of(end.facts, self._planned),
            datasets=dataset.of_data_facts(end.facts),
            artifacts=tuple(path for path in (self._log, facts_beside(self._log)) if path.exists()),
        )
        self._parcel = replace(self._parcel, record=record, state=parcel.State.UNSENT)
        with suppress(OSError):  # a full disk: the store may take it all the same
            self._parcel.write()
        whole = record.diagnosed(end.report)
        curves: dict[str, Curve] = {
            name: curve for name, curve in whole.curves.items() if name not in self._left_to_autolog
        }
        self._deliver(replace(whole, curves=curves, machine=machine))

    def _deliver(self, record: TrainingRecord | None) -> None:
        try:
            self._parcel = self._parcel.deliver(record, uri=self._uri, known=self._known)
        except (TrackingError, BusyError) as error:
            self._complain(str(error))
            return
        if self._is_scratch:
            parcel.discard(self._parcel)

    def _complain(self, reason: str) -> None:
        with suppress(Exception):  # at the end of the process there may be nobody to tell
            console.complain(f"{reason}; it is kept: tune sync {self._log.parent}", "kerasdx")


def unsent_log() -> Path:
    """Return a log for a training that has none of its own, in the folder where it waits for the store."""
    return _UNSENT / f"{time.strftime('%Y%m%d-%H%M%S')}-{uuid.uuid4().hex[:8]}" / "run.csv"


def _active(store: str | None) -> tuple[str, str | None]:
    """Return the run that is active, or empty, and the store; MLflow is not imported for this."""
    mlflow = sys.modules.get("mlflow")
    run = None
    if mlflow is not None and hasattr(mlflow, "active_run"):
        run = mlflow.active_run()
        if run is not None:
            return str(run.info.run_id), store or str(mlflow.get_tracking_uri())
        if store is None and mlflow.is_tracking_uri_set():
            store = str(mlflow.get_tracking_uri())
    return os.environ.get("MLFLOW_RUN_ID", ""), store or store_uri(Path.cwd())


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
