"""A KerasTuner project folder: ``oracle.json`` and one ``trial.json`` per trial.

Stock KerasTuner stores one value of each metric per trial; a tuner that reports every epoch (as kerasdx' own does)
stores the whole curve.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from diagnose.readers import json_text
from diagnose.readers.base import Document, ReadError, Roles
from diagnose.readers.rows import Log, runs_of
from diagnose.readers.steps import log_of_steps
from diagnose.run import Run

FORMAT = "keras-tuner"

_TRIAL = re.compile(r'"trial_id"\s*:')
_ORACLE = re.compile(r'"(?:ongoing_trials|tried_so_far|start_order)"\s*:')
_MIN_CURVE = 2
_MEND = "KerasTuner keeps the best epoch only; pass what the callback CSVLogger('run.csv') wrote in a trial"


def matches(document: Document) -> bool:
    """Whether this is a project folder, or one of its JSON files."""
    if document.is_directory and document.path is not None:
        return any((document.path / name).is_file() for name in ("oracle.json", "tuner0.json")) and bool(
            _trial_files(document.path)
        )
    text = document.head_text
    return '"hyperparameters"' in text and bool(_TRIAL.search(text) or _ORACLE.search(text))


def read(document: Document, roles: Roles) -> list[Run]:
    """Return a run for each trial with a curve."""
    if document.is_directory and document.path is not None:
        return _read_project(document, document.path, roles)
    content = _load(document)
    if "trial_id" not in content:
        raise ReadError(
            "is the state of a KerasTuner search, not a training log", "pass the project folder that it lies in"
        )
    log = _log(content)
    if log is None:
        raise ReadError("is a KerasTuner trial with one value per metric, not a training log", _MEND)
    return runs_of(document.source, FORMAT, [log], roles)


def _read_project(document: Document, folder: Path, roles: Roles) -> list[Run]:
    logs: list[Log] = []
    notes: list[str] = []
    files = _trial_files(folder)
    for file in files:
        try:
            log = _log(_load(Document(str(file), path=file)), file.parent.name)
        except ReadError as error:
            notes.append(f"{file.parent.name} is left out: its trial.json {error.what}")
            continue
        if log is not None:
            logs.append(log)
    without = len(files) - len(notes) - len(logs)
    if without:
        notes.append(f"{without} of {len(files)} trials stored one value per metric and no curve")
    if not logs:
        raise ReadError(f"is a KerasTuner project without a curve: {'; '.join(notes)}", _MEND)
    first, *others = runs_of(document.source, FORMAT, logs, roles)
    return [dataclasses.replace(first, notes=(*first.notes, *notes)), *others]


def _log(trial: Mapping[str, Any], label: str = "") -> Log | None:
    """Return the log of a trial; None where each metric has one value."""
    points = _points(trial)
    if max(map(len, points.values()), default=0) < _MIN_CURVE:
        return None
    message = trial.get("message")
    notes = (message,) if isinstance(message, str) and message else ()
    return log_of_steps(points, label=label, notes=notes, config=_config(trial))


def _points(trial: Mapping[str, Any]) -> dict[str, list[tuple[float, float]]]:
    """Return the observations of each metric, averaged over the executions of the trial."""
    metrics = trial.get("metrics")
    metrics = metrics.get("metrics") if isinstance(metrics, dict) else None
    points: dict[str, list[tuple[float, float]]] = {}
    for name, metric in metrics.items() if isinstance(metrics, dict) else ():
        observations = metric.get("observations") if isinstance(metric, dict) else None
        points[name] = []
        for one in observations if isinstance(observations, list) else ():
            step, value = (one.get("step"), one.get("value")) if isinstance(one, dict) else (None, None)
            numbers = [v for v in value if isinstance(v, float)] if isinstance(value, list) else []
            if isinstance(step, float) and numbers:
                points[name].append((step, sum(numbers) / len(numbers)))
    return points


def _config(content: Mapping[str, Any]) -> Mapping[str, Any]:
    hyperparameters = content.get("hyperparameters")
    values = hyperparameters.get("values") if isinstance(hyperparameters, dict) else None
    return {"hyperparameters": values} if isinstance(values, dict) else {}


def _load(document: Document) -> dict[str, Any]:
    try:
        content = json_text.load(document)
    except json_text.SeveralError as error:
        raise ReadError("has more after the end of the JSON") from error
    if not isinstance(content, dict):
        raise ReadError("is no KerasTuner file: the JSON is no object")
    return content


def _trial_files(folder: Path) -> list[Path]:
    return sorted(folder.glob("trial_*/trial.json"))
