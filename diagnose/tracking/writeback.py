"""A diagnosis written to a tracking store: to the run that it is of, or as a run of its own. Again, it is an update."""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from diagnose.readers.curves import facts_beside
from diagnose.report import Report, RunReport
from diagnose.tracking import parcel
from diagnose.tracking.record import KIND, TrainingRecord
from diagnose.tracking.sending import send
from diagnose.tracking.store import StoreAwayError, TrackingError, shown_uri, store_uri, usable_uri

_EXPERIMENT = "diagnose"


@dataclass(frozen=True)
class Written:
    """What came of it.

    Parameters
    ----------
    runs
        Ids of the runs, in the order of the report.
    store
        The store of the first one, as it may be shown.
    errors
        A line for each run that could not be written.
    """

    runs: tuple[str, ...]
    store: str
    errors: tuple[str, ...]


def write_back(report: Report, store: str | None, progress: Callable[[int, str], None]) -> Written:
    """Write the diagnosis of each run to MLflow.

    A run that was read from a store is written to there, and so is the log of a training that a store has; anything
    else becomes a run of its own in the experiment ``diagnose`` (or that which ``MLFLOW_EXPERIMENT_NAME`` names), with
    its curves. Whatever the run has of somebody else's making stays: its curves, its status, its description.

    Parameters
    ----------
    report
        The diagnosis.
    store
        A tracking URI; None: the one that the run is in, else that of the working directory.
    progress
        Told before each run: its number, from 1, and its source.
    """
    runs: list[str] = []
    errors: list[str] = []
    shown = ""
    last = {run_id: number for number, each in enumerate(report.runs, 1) if (run_id := _run_id(each))}
    for number, each in enumerate(report.runs, 1):
        if last.get(_run_id(each), number) != number:  # of several trainings in one run the last one counts
            continue
        progress(number, each.source)
        try:
            record, uri = _record(each, store)
            runs.append(send(record.diagnosed(each, with_curves=not record.run_id), uri, again=True))
            shown = shown or shown_uri(uri)
        except StoreAwayError as error:  # the others would wait for it in vain
            left = len(report.runs) - number
            errors.append(f"{error}" + (f"; {left} more runs were not tried" if left else ""))
            break
        except TrackingError as error:
            errors.append(f"{each.run.title}: {error}")
    return Written(tuple(runs), shown, tuple(dict.fromkeys(errors)))


def _record(report: RunReport, store: str | None) -> tuple[TrainingRecord, str]:
    """Return what is to be written of a run beside its diagnosis, and where."""
    if run_id := _run_id(report):
        return _onto(run_id), store or usable_uri(str(report.run.config["mlflow"]["store"]))
    log = Path(report.source)
    known = next(iter(parcel.of_log(log)), None) if report.run.part is None else None
    if known is not None and known.run and (store is None or shown_uri(store) == known.store):
        return _onto(known.run), store or usable_uri(known.store)
    return _new(report, log), store or store_uri(Path.cwd())


def _run_id(report: RunReport) -> str:
    """Return the run of a store that this was read from; empty where it was something else."""
    origin = report.run.config.get("mlflow")
    return str(origin["run_id"]) if isinstance(origin, dict) else ""


def _onto(run_id: str) -> TrainingRecord:
    """Return a record that adds a diagnosis to a run; its curves are there."""
    now = time.time()
    return TrainingRecord(experiment="", run="", started=now, ended=now, run_id=run_id)


def _new(report: RunReport, log: Path) -> TrainingRecord:
    """Return a record of a run of its own, told by where its log is."""
    is_file = log.is_file()
    place = os.path.realpath(log) if is_file else report.source
    part = report.run.part
    # Another training whose log has taken this one's place begins otherwise.
    first = [(series.name, *series.values[:1].tolist()) for series in report.run.series]
    identity = f"{place} {part.label or part.index if part else ''} {first}"
    ended = log.stat().st_mtime if is_file else time.time()
    parameters = report.run.config.get("hyperparameters") or {}
    return TrainingRecord(
        experiment=os.environ.get("MLFLOW_EXPERIMENT_NAME") or _EXPERIMENT,
        run=report.run.title,
        started=ended,
        ended=ended,
        parameters=parameters if isinstance(parameters, dict) else {},
        tags={KIND: "diagnosis"},
        artifacts=tuple(path for path in (log, facts_beside(log)) if is_file and path.is_file()),
        key=f"diagnose {hashlib.sha256(identity.encode()).hexdigest()[:16]}",
    )
