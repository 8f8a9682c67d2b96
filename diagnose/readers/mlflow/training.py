"""Records of a store -> runs: which metrics are curves, what their steps count, and where a training began anew."""

from __future__ import annotations

import bisect
import dataclasses
import math
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from operator import itemgetter
from types import MappingProxyType
from typing import Any

from diagnose.readers.base import ReadError, Roles
from diagnose.readers.columns import classify
from diagnose.readers.mlflow.record import Point, Record, is_curve_name
from diagnose.readers.rows import Log, Row, runs_of
from diagnose.readers.steps import log_of_steps
from diagnose.run import LAYER_STATISTICS, Part, Run

#: Step and value, by step.
_Curve = list[tuple[float, float]]

_NUMBER = re.compile(r"(\d{1,9})")
_MEND = "log metrics with a step: mlflow.log_metrics(logs, step=epoch)"
#: How those who log call what the advice is based on: `Run.config` -> parameters, the first that is there counts.
_SETTINGS = {
    "learning_rate": ("optimizer.learning_rate", "learning_rate", "opt_learning_rate", "lr", "optimizer_learning_rate"),
    "batch_size": ("data.batch_size", "batch_size", "per_device_train_batch_size", "train_batch_size"),
}


def runs_of_records(source: str, format: str, records: Iterable[Record], roles: Roles) -> list[Run]:
    """Return the runs in what a store has; runs without a curve are left out.

    Raises
    ------
    ReadError
        None has a curve.
    """
    found: list[tuple[Record, list[Run]]] = []
    refused: ReadError | None = None
    left_out: list[Record] = []
    for record in records:
        log = _log(record)
        if log is None:
            left_out.append(record)
            continue
        try:
            runs = runs_of(source, format, [log], roles)
        except ReadError as error:
            refused = refused or error
            continue
        found.append((dataclasses.replace(record, metrics={}), [_placed(run, record) for run in runs]))
    if not found:
        raise refused or _without_curve(left_out)
    return _numbered(found)


def _without_curve(records: Sequence[Record]) -> ReadError:
    if len(records) == 1 and records[0].status == "RUNNING":
        return ReadError("holds 1 run without a curve: it has only begun", "wait for its second epoch to end")
    count = f"{len(records)} run{'s' * (len(records) != 1)}" if records else "nothing"
    return ReadError(f"holds {count} without a curve", _MEND)


def _numbered(found: Sequence[tuple[Record, list[Run]]]) -> list[Run]:
    """Return the runs, each under a name that no other has."""
    if len(found) == 1 and len(found[0][1]) == 1:
        return [dataclasses.replace(found[0][1][0], part=None)]
    several = len({record.experiment for record, _ in found}) > 1
    names = [
        f"{record.experiment}/{record.name or record.id[:8]}" if several else record.name or record.id[:8]
        for record, _ in found
    ]
    counts = Counter(names)
    count = sum(len(runs) for _, runs in found)
    numbered: list[Run] = []
    for name, (record, runs) in zip(names, found, strict=True):
        label = f"{name} {record.id[:8]}" if counts[name] > 1 and record.name else name
        for run in runs:
            own = f"{label}, {run.part.label or run.part.index}" if run.part else label
            numbered.append(dataclasses.replace(run, part=Part(len(numbered) + 1, count, own)))
    return numbered


def _placed(run: Run, record: Record) -> Run:
    """Add where the run comes from, so that its diagnosis can be written there."""
    place = {"store": record.store, "run_id": record.id, "experiment": record.experiment, "status": record.status}
    notes = (*run.notes, *record.notes)
    if record.status == "RUNNING":
        notes = (*notes, "MLflow calls it RUNNING: it goes on, or ended without saying so")
    return dataclasses.replace(
        run,
        config=MappingProxyType({**run.config, "mlflow": place}),
        notes=notes,
        epoch_count=_epochs(record) if run.part is None else None,
    )


def _epochs(record: Record) -> int | None:
    """Return how many epochs were trained where a curve counts them in fractions, as Hugging Face does."""
    name = _epoch_name(record.metrics)
    told = [value for _, _, value in record.metrics[name] if math.isfinite(value)] if name else []
    return max(1, math.ceil(max(told))) if any(value % 1 for value in told) else None


def _log(record: Record) -> Log | None:
    """Return the log of a run; None where every metric has one value."""
    many = (name for name, points in record.metrics.items() if len(points) > 1 and not _is_updated(name, points))
    names = _in_model_order(many, record.setup)
    curves: Mapping[str, list[Point]] = {name: record.metrics[name] for name in names if is_curve_name(name)}
    if not curves:
        return None
    notes: tuple[str, ...] = ()
    if not any(step for points in curves.values() for _, step, _ in points):
        curves = {
            name: [(at, float(i), value) for i, (at, _, value) in enumerate(sorted(points, key=_BY_TIME))]
            for name, points in curves.items()
        }
        notes = ("the metrics were logged without a step: their values were counted from 0",)
    curves = _with_steps(curves)
    logs = [log_of_steps(_averaged(training)) for training in _trainings(curves)]
    rows: list[Row] = []
    breaks: list[int] = []
    for log in logs:
        breaks += [len(rows) + at for at in log.breaks]
        rows += log.rows
    return Log(rows, logs[0].axis, breaks, notes=notes, config=_config(record))


def _is_updated(name: str, points: Sequence[Point]) -> bool:
    """Whether these are the values of something that there is one of in a run, told again and again."""
    return _SINGLE.fullmatch(name) is not None and len({step for _, step, _ in points}) == 1


def _in_model_order(names: Iterable[str], setup: Mapping[str, Any]) -> list[str]:
    """Return the names of metrics, those of layers in the order of the model, which no store keeps.

    ``run.json`` has it; else the numbers with which Keras names layers tell.
    """
    architecture = setup.get("architecture")
    layers = architecture if isinstance(architecture, list) else []
    places = {str(layer.get("name")): i for i, layer in enumerate(layers) if isinstance(layer, dict)}

    def place(name: str) -> tuple[Any, ...]:
        statistic, _, layer = name.partition("/")
        if statistic not in LAYER_STATISTICS or not layer:
            return (-1,)
        # Between the numbers stands text: split by digits, every second part is a number.
        parts = [int(part) if i % 2 else part for i, part in enumerate(_NUMBER.split(layer))]
        return places.get(layer, len(places)), parts

    return sorted(names, key=place)


#: What `diagnose.tracking` stores once for a run.
_SINGLE = re.compile(r"(best|test)_.*|epochs_run|seconds|parameters|trials|sick_trials")
#: Of a point; where several have one step the last one counts.
_BY_TIME, _BY_STEP = itemgetter(0, 1), itemgetter(1, 0)


def _with_steps(curves: Mapping[str, list[Point]]) -> Mapping[str, list[Point]]:
    """Give curves that were logged without a step that of the others at the time; leave out what is there twice.

    MLflow's autolog for Keras logs each evaluation so, beside the values of the epoch where it logs these.
    """
    going = {name: points for name, points in curves.items() if len({step for _, step, _ in points}) > 1}
    if len(going) == len(curves):
        return curves
    told = {_measured(name) for name in going}
    steps = sorted((at, step) for points in going.values() for at, step, _ in points)
    times = [at for at, _ in steps]
    placed = dict(going)
    for name, points in curves.items():
        if name not in going and _measured(name) not in told:
            placed[name] = [
                (at, steps[max(bisect.bisect_right(times, at) - 1, 0)][1], value) for at, _, value in points
            ]
    return placed


def _measured(name: str) -> tuple[object, ...]:
    column = classify(name)
    return column.kind, column.quantity or name, column.split, column.output


def _trainings(curves: Mapping[str, list[Point]]) -> list[dict[str, _Curve]]:
    """Tell apart trainings that were logged to one run, one after the other: where the steps begin anew.

    What begins between the first and the last step is one that was resumed: what was logged last counts.
    """
    longest = max(curves, key=lambda name: len(curves[name]))
    cuts = _cuts(sorted(curves[longest], key=_BY_TIME))
    trainings: list[dict[str, _Curve]] = [{} for _ in range(len(cuts) + 1)]
    for name, points in curves.items():
        points = sorted(points, key=_BY_STEP)
        if not cuts:
            trainings[0][name] = [(step, value) for _, step, value in points]
            continue
        for at, step, value in points:
            trainings[bisect.bisect(cuts, at)].setdefault(name, []).append((step, value))
    return [training for training in trainings if training]


def _cuts(points: Sequence[Point]) -> list[float]:
    """Return the times between trainings; values that were sent twice are no training."""
    starts = [0]
    first = points[0][1]
    for i, (before, after) in enumerate(pairwise(points), 1):
        if after[1] <= first < before[1] and after[0] > before[0]:
            starts.append(i)
    parts = [points[a:b] for a, b in pairwise([*starts, len(points)])]
    cuts = []
    for earlier, later in pairwise(parts):
        then = {step: value for _, step, value in earlier}
        if any(step not in then or not _same(then[step], value) for _, step, value in later):
            cuts.append((earlier[-1][0] + later[0][0]) / 2)
    return cuts


def _same(a: float, b: float) -> bool:
    return a == b or (math.isnan(a) and math.isnan(b))


def _epoch_name(curves: Iterable[str]) -> str:
    """Return the metric that tells the epoch of each step, as Lightning and Hugging Face log one."""
    return next((name for name in curves if classify(name).kind == "epoch"), "")


def _averaged(curves: Mapping[str, _Curve]) -> Mapping[str, _Curve]:
    """Return the mean of the values of each epoch, where a metric tells the epochs: one step of many is noise."""
    told = curves.get(_epoch_name(curves))
    if told is None or len(curves) == 1:
        return curves
    steps = [step for step, _ in told]
    averaged: dict[str, _Curve] = {}
    for name, curve in curves.items():
        epochs: dict[float, list[tuple[float, float]]] = {}
        for step, value in curve if curve is not told else ():
            epochs.setdefault(told[max(bisect.bisect_right(steps, step) - 1, 0)][1], []).append((step, value))
        means = [(own[-1][0], sum(value for _, value in own) / len(own)) for own in epochs.values()]
        averaged[name] = curve if curve is told else means
    return averaged


def _config(record: Record) -> dict[str, Any]:
    """Return what is known of the set-up: Monitor's own words, else what the parameters tell."""
    config: dict[str, Any] = {}
    if record.params:
        config["hyperparameters"] = dict(record.params)
    for name, spellings in _SETTINGS.items():
        value = next((_number(record.params[each]) for each in spellings if each in record.params), None)
        if value is not None:
            config[name] = value
    return {**config, **record.setup}


def _number(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    if not math.isfinite(value):
        return None
    return int(value) if value.is_integer() else value
