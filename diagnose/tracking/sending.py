"""What a store is sent: a training as a run, once, however often it is sent.

A run of our making has a key. Where a process or the way to the store dies in between, sending again finds the run by
its key and adds what is missing; a run that is whole says so in a tag.
"""

from __future__ import annotations

import math
import re
import time
from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any, TypeVar

from diagnose.readers.mlflow import is_server, without_password
from diagnose.tracking import dataset, source
from diagnose.tracking.record import Curve, TrainingRecord
from diagnose.tracking.store import TrackingError, artifacts_of, connected, experiment_id

_KEY, _IS_WHOLE = "kerasdx.key", "kerasdx.is_whole"
_PARENT, _NOTE = "mlflow.parentRunId", "mlflow.note.content"
#: What stands between them in a description is ours; the rest of it is the user's.
_OURS, _OURS_END = "<!-- kerasdx -->", "<!-- /kerasdx -->"
#: A colon is not allowed on every system.
_NOT_IN_NAMES = re.compile(r"[^\w./\- ]")
_MOST_NAME, _MOST_PARAMETER, _MOST_TAG = 250, 6000, 5000

#: Metric -> the last epoch of it that the caller has stored, and all before.
Known = Mapping[str, float]
#: (epoch, value, seconds since 1970).
Timed = Sequence[tuple[float, float, float]]
_Points = TypeVar("_Points", bound=tuple[float, ...])


def send(
    record: TrainingRecord, uri: str | None = None, *, known: Known | None = None, run: str = "", again: bool = False
) -> str:
    """Store a training as a run, or add what is missing to the run that it is already.

    Parameters
    ----------
    record
        The training.
    uri
        The store; None: `store.store_uri` of the working directory. A database file is made where there is none.
    known
        Points that were stored before by the caller: they are not asked for again.
    run
        Id of the run, where the caller has it from an earlier call; of a record with a key.
    again
        Whether a run that is whole is updated; if not, it is left as it is.

    Returns
    -------
    str
        The run's id.

    Raises
    ------
    TrackingError
        MLflow is not installed, or the store cannot be written to.
    """
    with connected(uri) as (client, uri):
        run_id, there, record = _opened(client, uri, record, run)
        if not again and record.key and there is not None and there.data.tags.get(_IS_WHOLE) == record.key:
            return run_id
        try:
            _write(client, run_id, record, there, known or {})
        except BaseException:
            if record.ended and not record.run_id:  # one that goes on will be tried again
                with suppress(Exception):
                    client.set_terminated(run_id, "FAILED")
            raise
        if record.ended and not record.run_id:
            # Before the files: whatever happens to those, the training has ended.
            client.set_terminated(run_id, "FAILED" if record.is_failed else "FINISHED", _milliseconds(record.ended))
        _write_files(client, run_id, record)
        if record.key and record.ended:
            client.set_tag(run_id, _IS_WHOLE, record.key)
        return run_id


def append(
    run_id: str, points: Mapping[str, Timed], uri: str | None = None, *, is_repeated: bool = False
) -> dict[str, float]:
    """Add points to the curves of a run that goes on, in one batch.

    Parameters
    ----------
    run_id
        The run.
    points
        Column -> (epoch, value, seconds since 1970).
    uri
        As of `send`.
    is_repeated
        Whether a call before has failed: what came through of it is left out, for its answer alone may have been lost.

    Returns
    -------
    dict
        What `send` takes as known.

    Raises
    ------
    TrackingError
        As `send`.
    """
    named = dict(zip(_valid_names(points), points.values(), strict=True))
    with connected(uri) as (client, _uri):
        missing: Mapping[str, Timed] = named
        if is_repeated:
            stored = client.get_run(run_id).data.metrics
            begun = min((_milliseconds(at) for points in named.values() for *_, at in points), default=0)
            missing = {
                name: _without_stored(client, run_id, name, curve, stored, {}, begun) for name, curve in named.items()
            }
        client.log_batch(run_id, metrics=_timed(missing))
    return {name: max(epoch for epoch, *_ in curve) for name, curve in named.items() if curve}


def _opened(client: Any, uri: str, record: TrainingRecord, run: str) -> tuple[str, Any, TrainingRecord]:
    """Return the id of a record's run, the run as it is, or None where it has just been made, and whose child it is."""
    if record.run_id:
        return record.run_id, client.get_run(record.run_id), record
    if run and record.key and (found := _by_id(client, run, record.key)):
        return run, found, record
    experiment = experiment_id(client, record.experiment, artifacts_of(uri), record.experiment_id)
    if record.parent_key and not record.parent:
        parent = _run_of(client, experiment, record.parent_key)
        if parent is None:
            raise TrackingError(f"cannot use MLflow at {without_password(uri)}: the run of its search is not there yet")
        record = replace(record, parent=parent.info.run_id)
    if record.key and (found := _run_of(client, experiment, record.key)):
        return str(found.info.run_id), found, record
    tags = {**source.tags(), **_parent(record), **({_KEY: _stored_key(record.key)} if record.key else {})}
    started = _milliseconds(record.started)
    made = str(client.create_run(experiment, start_time=started, run_name=record.run, tags=tags).info.run_id)
    if record.key and is_server(uri):  # where its answer was lost, the request was made once more
        _remove_twins(client, made, _runs_of(client, experiment, record.key))
    return made, None, record


def _run_of(client: Any, experiment: str, key: str) -> Any:
    """Return the run of a key, of several the whole one, or that with the most in it; None where there is none."""
    runs = _runs_of(client, experiment, key)
    chosen = max(runs, key=lambda run: (_IS_WHOLE in run.data.tags, len(run.data.params)), default=None)
    if chosen is not None:
        _remove_twins(client, chosen.info.run_id, runs)
    return chosen


def _by_id(client: Any, run: str, key: str) -> Any:
    """Return a run by its id; None where this store has none of this id and key: it is another one."""
    with suppress(Exception):
        found = client.get_run(run)
        if found.data.tags.get(_KEY) == _stored_key(key):
            return found
    return None


def _runs_of(client: Any, experiment: str, key: str) -> list[Any]:
    return list(client.search_runs([experiment], f"tags.`{_KEY}` = '{_stored_key(key)}'", max_results=20))


def _remove_twins(client: Any, kept: str, runs: Iterable[Any]) -> None:
    """Delete the runs of a key beside the one that is kept, those in which nothing is."""
    for run in runs:
        if run.info.run_id != kept and not run.data.metrics and not run.data.params:
            with suppress(Exception):  # without the right to, it stays
                client.delete_run(run.info.run_id)


def _stored_key(key: str) -> str:
    """Return a key as it can stand in a question to MLflow."""
    return key.replace("'", "_")


def _write(client: Any, run_id: str, record: TrainingRecord, there: Any, known: Known) -> None:
    """Write parameters, metrics, tags and data sets, but for what is stored."""
    # A name that is a curve and a metric too would get a point that was never measured.
    names = _valid_names([*record.curves, *record.metrics])
    curves = dict(zip(names, _counted(record.curves), strict=False))
    single = dict(zip(names[len(curves) :], record.metrics.values(), strict=True))
    params = _params(record)
    if there is not None:
        stored = there.data
        # In a run of somebody else's an earlier training may have written the same steps.
        since = _milliseconds(record.started) if record.run_id else 0
        curves = {
            name: _without_stored(client, run_id, name, curve, stored.metrics, known, since)
            for name, curve in curves.items()
        }
        single = {name: value for name, value in single.items() if not _same(stored.metrics.get(name), value)}
        params = [param for param in params if param.key not in stored.params]  # they cannot be changed
    # MLflow's page that compares runs shows what it finds first: the health, and how many findings there are.
    # Of points of one step MLflow takes the latest for the value: an update is of now.
    now = time.time() if there is not None else record.ended or record.started
    metrics = _metrics({name: [(0.0, value)] for name, value in single.items()}, now)
    metrics += _metrics(curves, record.ended or record.started) + _machine(record, there)
    client.log_batch(run_id, metrics=metrics, params=params, tags=_tags(record, there))
    # Where somebody else, as autologging does, has named the data, that is the better name.
    if record.datasets and not (record.run_id and there.inputs and there.inputs.dataset_inputs):
        client.log_inputs(run_id, datasets=dataset.inputs(record.datasets))


def _without_stored(
    client: Any, run_id: str, name: str, curve: Sequence[_Points], stored: Collection[str], known: Known, since: int
) -> Sequence[_Points]:
    """Return the points of a curve that a run has not yet, whoever has written those that it has since then."""
    rest = [point for point in curve if point[0] > known.get(name, -math.inf)]
    if not rest or name in known or name not in stored:
        return rest
    steps = {point.step for point in client.get_metric_history(run_id, name) if point.timestamp >= since}
    return [point for point in rest if int(point[0]) not in steps]


def _counted(curves: Mapping[str, Curve]) -> list[Curve]:
    """Return curves by whole numbers, as MLflow takes them: where epochs have fractions, all are counted instead."""
    epochs = sorted({epoch for curve in curves.values() for epoch, _ in curve})
    if all(epoch == int(epoch) for epoch in epochs):
        return list(curves.values())
    place = {epoch: float(number) for number, epoch in enumerate(epochs)}
    return [[(place[epoch], value) for epoch, value in curve] for curve in curves.values()]


def _same(stored: float | None, value: float) -> bool:
    return stored is not None and (stored == value or (math.isnan(stored) and math.isnan(value)))


def _write_files(client: Any, run_id: str, record: TrainingRecord) -> None:
    for name, text in record.texts.items():
        client.log_text(run_id, text, name)
    for path in record.artifacts:
        if path.is_dir():
            client.log_artifacts(run_id, str(path), path.name)
        else:
            client.log_artifact(run_id, str(path))


def _metrics(curves: Mapping[str, Curve], time: float) -> list[Any]:
    return _timed({name: [(epoch, value, time) for epoch, value in curve] for name, curve in curves.items()})


def _timed(curves: Mapping[str, Timed]) -> list[Any]:
    from mlflow.entities import Metric

    return [
        Metric(name, float(value), _milliseconds(at), int(step))
        for name, points in curves.items()
        for step, value, at in points
    ]


def _machine(record: TrainingRecord, there: Any) -> list[Any]:
    """Return how busy the machine was; nothing where MLflow's own measuring, or a call before, has told."""
    if there is not None and any(name.startswith("system/") for name in there.data.metrics):
        return []
    return _timed(record.machine)


def _params(record: TrainingRecord) -> list[Any]:
    from mlflow.entities import Param

    names = _valid_names(record.parameters)
    return [Param(name, _text(value)) for name, value in zip(names, record.parameters.values(), strict=True)]


def _tags(record: TrainingRecord, there: Any) -> list[Any]:
    from mlflow.entities import RunTag

    note = _merged(there.data.tags.get(_NOTE, "") if there is not None else "", record.note) if record.note else ""
    tags = {name: _cut(str(value), _MOST_TAG) for name, value in {**record.tags, **_parent(record)}.items()}
    tags |= {_NOTE: note} if note else {}
    return [RunTag(name, value) for name, value in zip(_valid_names(tags), tags.values(), strict=True)]


def _parent(record: TrainingRecord) -> dict[str, str]:
    return {_PARENT: record.parent} if record.parent else {}


def _merged(there: str, note: str) -> str:
    """Return a description with ours in it, in place of what was ours before; nothing where there is no room."""
    before, _, rest = there.partition(_OURS)
    after = rest.partition(_OURS_END)[2]
    room = _MOST_TAG - len(before) - len(after) - len(_OURS) - len(_OURS_END) - 8
    if room < len(_OURS):
        return ""
    parts = (before.strip(), f"{_OURS}\n{_cut(note, room)}\n{_OURS_END}", after.strip())
    return "\n\n".join(part for part in parts if part)


def _text(value: Any) -> str:
    """Return a setting as it stands in a configuration file."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list | tuple):
        return _cut(", ".join(map(_text, value)), _MOST_PARAMETER)
    return _cut(str(value), _MOST_PARAMETER)


def _valid_names(names: Iterable[str]) -> list[str]:
    """Return names that MLflow takes, each another one; a name is a path of parts to it."""
    taken: dict[str, None] = {}
    for name in names:
        parts = [part.strip() for part in _NOT_IN_NAMES.sub("_", name).split("/")]
        valid = "/".join(part for part in parts if part not in ("", ".", "..")) or "_"
        candidate, number = valid[:_MOST_NAME], 2
        while candidate in taken:
            suffix = f"_{number}"
            candidate, number = valid[: _MOST_NAME - len(suffix)] + suffix, number + 1
        taken[candidate] = None
    return list(taken)


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[: most - 1]}…"


def _milliseconds(seconds: float) -> int:
    return math.floor(seconds * 1000)
