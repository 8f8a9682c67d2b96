"""Table + what its columns are -> runs: the part that all table formats share.

Rows become points of curves: rows of one epoch are averaged, rows of several trainings are told apart, columns of
folds and outputs are sorted out, layer telemetry is stacked.
"""

from __future__ import annotations

import dataclasses
import functools
import os
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from diagnose.readers import restarts
from diagnose.readers.base import Document, ReadError, Roles
from diagnose.readers.columns import CONFIGURATION, Column, classify_all, clean_name, merged_names, normalize_series
from diagnose.readers.table import BoolArray, Table
from diagnose.run import Direction, FloatArray, LayerStatistic, Part, Run, Series, Split

if TYPE_CHECKING:
    from pathlib import Path

MEND = "name the columns with --role NAME=ROLE, for example --role my_loss=loss"
MAX_CONFIG_BYTES = 1024 * 1024
#: What Monitor's ``run.json`` says of itself, up to its version.
FACTS_SCHEMA = "kerasdx-run/"
#: Of the file beside a log that says which run of a tracking store it is.
PARCEL_SCHEMA = "kerasdx-mlflow/1"
_NO_CONFIG: Mapping[str, Any] = MappingProxyType({})
_SPLIT_WORDS = {
    "train": Split.TRAIN,
    "training": Split.TRAIN,
    "val": Split.VALIDATION,
    "valid": Split.VALIDATION,
    "validation": Split.VALIDATION,
    "eval": Split.VALIDATION,
    "dev": Split.VALIDATION,
    "test": Split.TEST,
}
#: Names that a table of any kind may have; alone they make no training log.
_COMMON_NAMES = frozenset(
    (
        *("score", "error", "err", "errors", "cost", "objective", "return", "returns", "map", "ap", "corr", "rec"),
        *("correlation", "em", "hits", "precision", "recall", "reward", "rewards", "ce", "hd", "r2", "prec", "kl"),
    )
)
#: Settings that a training keeps: where they change by row, a row is a training.
_FIXED_SETTINGS = CONFIGURATION - {"lr", "learning_rate", "momentum", "weight_decay", "gamma"}
_OPPONENTS = frozenset(
    ("gen", "generator", "g", "disc", "discriminator", "d", "critic", "actor", "dis", "d_real", "d_fake", "adv")
)
#: What a check is called; others log ``True`` and ``early stopping`` under "stopped".
_CHECK_ID = re.compile(r"(?!true$|false$|yes$|no$)[a-z][a-z0-9]*(?:-[a-z0-9]+)*")
#: Several rows per epoch are usual from this share of the rows on; fewer are a training started anew.
_USUAL = 0.2


_Curve = TypeVar("_Curve", Series, LayerStatistic)


@dataclass(frozen=True)
class Source:
    """Where a table came from and what is known about it beside its rows.

    Parameters
    ----------
    name, format
        As in `Run`.
    told
        Whether the user gave roles by hand: then the table is taken as told.
    notes
        What the reader had to do so far.
    config
        The set-up, from ``run.json``.
    """

    name: str
    format: str
    told: bool = False
    notes: tuple[str, ...] = ()
    config: Mapping[str, Any] = field(default_factory=lambda: _NO_CONFIG)


@dataclass(frozen=True)
class _Points:
    """The curves of one training: what `Run` needs, before it is one.

    `stops` are the epochs at which Monitor stopped it, with the check because of which it did.
    """

    series: tuple[Series, ...]
    layers: Mapping[str, LayerStatistic]
    axis: str
    label: str = ""
    restarts: tuple[float, ...] = ()
    notes: tuple[str, ...] = ()
    stops: tuple[tuple[float, str], ...] = ()


def columns_of(names: Sequence[str], roles: Roles) -> list[Column]:
    """Return what the columns hold, with the roles given by hand.

    Raises
    ------
    ReadError
        A role is none, or is for a column that is not there.
    """
    present = {clean_name(name) for name in names}
    for name in roles:
        if clean_name(name) not in present:
            raise ReadError(f"has no column {clean_name(name)!r}", f"its columns are {listed(names)}")
    if not roles:
        return list(_classified(tuple(names)))
    try:
        return classify_all(names, roles)
    except ValueError as error:
        raise ReadError(str(error)) from error


@functools.lru_cache(maxsize=64)
def _classified(names: tuple[str, ...]) -> tuple[Column, ...]:
    """Return what the columns hold: logs that are read together mostly have one header."""
    return tuple(classify_all(names))


def listed(names: Sequence[str]) -> str:
    """Return the first names of a header for a message."""
    shown = ", ".join(clean_name(n)[:40] or "(no name)" for n in names[:8])
    return f"{shown} and {len(names) - 8} more" if len(names) > 8 else shown


def config_beside(document: Document) -> Mapping[str, Any]:
    """Return the set-up that Monitor wrote beside a log, ``<stem>.json`` or ``run.json``; empty where none is.

    A file of that name that is something else is no error: nobody said that it belongs to the log.
    """
    if document.path is None:
        return _NO_CONFIG
    folder, name = os.path.split(document.path)
    own = os.path.splitext(name)[0] + ".json"
    for candidate in dict.fromkeys((own, "run.json")):
        config = _dictionary_in(os.path.join(folder, candidate)) if candidate != name else None
        if config is None:
            continue
        if is_facts(config):
            if candidate != own:
                continue  # Monitor's, of the log run.csv
        elif candidate != "run.json" and not _is_setup(config):
            continue
        return MappingProxyType(config)
    return _NO_CONFIG


def facts_beside(log: Path) -> Path:
    """Return where the facts about a training belong: ``run.json`` beside ``run.csv``."""
    return log.with_suffix(".json") if log.suffix != ".json" else log.with_name(f"{log.name}.json")


def facts_in(path: str | os.PathLike[str]) -> dict[str, Any] | None:
    """Return what Monitor wrote to a file; None where it is missing or something else."""
    config = _dictionary_in(path)
    return config if config is not None and is_facts(config) else None


def is_setup_file(path: str | os.PathLike[str]) -> bool:
    """Whether a JSON file is what stands beside a log, and no log."""
    config = _dictionary_in(path)
    if config is None:
        return False
    return is_facts(config) or config.get("schema") == PARCEL_SCHEMA or isinstance(config.get("loss"), str)


def _dictionary_in(path: str | os.PathLike[str]) -> dict[str, Any] | None:
    """Return the dictionary in a JSON file; None where there is none."""
    try:
        if os.stat(path).st_size > MAX_CONFIG_BYTES:
            return None
        import json

        with open(path, "rb") as stream:
            config = json.loads(stream.read())
    except (OSError, ValueError, RecursionError):
        return None
    return config if isinstance(config, dict) else None


def is_facts(config: Mapping[str, Any]) -> bool:
    """Whether a dictionary is what Monitor writes beside its log."""
    schema = config.get("schema")
    return isinstance(schema, str) and schema.startswith(FACTS_SCHEMA)


def _is_setup(config: Mapping[str, Any]) -> bool:
    """Whether a dictionary describes a training and is not its history, which has lists under the same names."""
    told = [config[key] for key in ("loss", "batch_size", "classes", "optimizer") if key in config]
    return bool(told) and not any(isinstance(value, list) for value in told)


def to_runs(source: Source, tables: Sequence[tuple[Table, list[Column]]]) -> list[Run]:
    """Return the runs in the tables of one source.

    Raises
    ------
    ReadError
        There is no curve of a loss or a metric, or the rows are configurations, not epochs.
    """
    found: list[_Points] = []
    refused: ReadError | None = None
    for table, columns in tables:
        more: list[_Points] = []
        try:
            _refuse_other_tables(table, columns, source.told)
            table, columns = _one_column_per_split(table, columns)
            for rows, label in _groups(table, columns):
                label = ", ".join(name for name in (table.label, label) if name)
                more.extend(_trainings(table, columns, rows, label))
        except ReadError as error:
            refused = refused or error
        more = [points for points in more if points.series]
        # A training that was taken up again with other columns stands under another header.
        found = [*found[:-1], *_join([*found[-1:], *more])] if more else found
    if not found:
        raise refused or ReadError("holds no row with a number", "has the training finished its first epoch?")
    return _number(source, found)


def _number(source: Source, found: Sequence[_Points]) -> list[Run]:
    runs = []
    for i, points in enumerate(found, 1):
        is_newest = i == len(found)
        series, note = _test_as_validation(points.series)
        runs.append(
            Run(
                source=source.name,
                format=source.format,
                series=normalize_series(with_totals(series)),
                layers=points.layers,
                # Monitor's facts are those of the newest training; what others wrote is of all.
                config=source.config if is_newest or not is_facts(source.config) else _NO_CONFIG,
                axis=points.axis,
                part=Part(i, len(found), points.label) if len(found) > 1 else None,
                restarts=points.restarts,
                notes=(*source.notes, *points.notes, *note, *_stop_notes(points, source.config, is_newest)),
            )
        )
    return runs


def _stop_notes(points: _Points, config: Mapping[str, Any], is_newest: bool) -> list[str]:
    """Return a note for each time that Monitor stopped the training, with the reason where ``run.json`` has it."""
    told = [training for training in _trainings_told(config) if isinstance(training, Mapping)]
    stops = dict(points.stops)
    reasons: dict[tuple[str, float], str] = {}
    for stop in (training.get("stopped") for training in told):
        if not isinstance(stop, Mapping):
            continue
        check, epoch = stop.get("check"), stop.get("epoch")
        if not isinstance(check, str) or not isinstance(epoch, int | float):
            continue
        reasons[check, epoch] = str(stop.get("reason", ""))
        if not is_newest or stop is not config.get("stopped"):
            continue
        last = float(max(s.epochs[-1] for s in points.series))
        if epoch == last:  # the row may have been written by another callback than Monitor
            stops.setdefault(last, check)
        reasons[check, last] = reasons[check, epoch]  # the epochs of a resumed training are numbered on
    notes = []
    for at, check in stops.items():
        reason = reasons.get((check, at), "")
        notes.append(f"stopped by Monitor at {points.axis} {at:g} because of {check}{reason and f': {reason}'}")
    return notes


def _trainings_told(config: Mapping[str, Any]) -> list[Any]:
    """Return what ``run.json`` says of each training, the newest last; empty where it is not Monitor's."""
    earlier = config.get("earlier")
    return [*(earlier if isinstance(earlier, list) else ()), config] if is_facts(config) else []


def _test_as_validation(series: tuple[Series, ...]) -> tuple[tuple[Series, ...], tuple[str, ...]]:
    """Take a test curve as validation where there is no other: measured every epoch, it is used as one."""
    tests = [s for s in series if s.split == Split.TEST and s.direction is not None and len(s) > 1]
    if not tests or any(s.split == Split.VALIDATION for s in series):
        return series, ()
    moved = tuple(dataclasses.replace(s, split=Split.VALIDATION) if s in tests else s for s in series)
    return moved, (f"no validation curve: {', '.join(s.name for s in tests[:3])} taken as one",)


def _refuse_other_tables(table: Table, columns: Sequence[Column], told: bool) -> None:
    """Raise ReadError where the table is no training log."""
    judged = [i for i, c in enumerate(columns) if c.is_judged]
    curves = [i for i in judged if i not in table.text]
    if not any(table.is_logged(i).any() for i in curves):
        raise _without_curve(table, judged)
    if told:
        return
    settings = _varying_settings(table, columns)
    if settings:
        raise ReadError(
            f"is no training log but a table with one row per configuration (it changes by row: {listed(settings)})",
            "pass the log of one training, with one row per epoch",
        )
    if _counter(table, columns) is None and all(_is_common(table.names[i]) for i in curves):
        raise ReadError(
            f"is no training log: it counts no epochs, and has no loss: {listed(table.names)}",
            f"if it is one, {MEND}",
        )


def _without_curve(table: Table, judged: Sequence[int]) -> ReadError:
    """Return the error for a table in which no loss and no metric has a number."""
    for i in judged:
        text = next((label for label in table.labels.get(i, ()) if label), "")
        if text:
            return ReadError(
                f"has no number in column {table.names[i]!r} from line {table.first_line} on, but text: {text[:40]!r}",
                "log the plain number, one per row",
            )
    if judged:
        return ReadError(f"has no number in column {table.names[judged[0]]!r} yet", "wait for the first epoch to end")
    return ReadError(
        f"is no training log: no column is a loss or a metric ({listed(table.names)})", f"if it is one, {MEND}"
    )


def _is_common(name: str) -> bool:
    return name.strip().lower() in _COMMON_NAMES


def _varying_settings(table: Table, columns: Sequence[Column]) -> list[str]:
    """Return the settings that change from row to row: such rows are configurations, not epochs."""
    n = len(table)
    counter = _counter(table, columns)
    numeric = [
        i
        for i, c in enumerate(columns)
        if c.kind == "series" and not c.is_judged and c.quantity in _FIXED_SETTINGS and i not in table.text
    ]
    if counter is not None:
        if not numeric:
            return []
        same_part = np.diff(table.columns[counter]) >= 0
        return [table.names[i] for i in numeric if np.any((np.abs(np.diff(table.columns[i])) > 0) & same_part)]
    settings = [i for i in numeric if np.any(np.abs(np.diff(table.columns[i])) > 0)]
    for i in table.text:
        different = set(table.labels.get(i, ()))
        is_setting = columns[i].quantity in CONFIGURATION and len(different) > 1
        by_row = i not in table.labels or len(different) > max(1, n // 2)
        if columns[i].kind in ("series", "group") and n > 1 and (is_setting or by_row):
            settings.append(i)
    return [table.names[i] for i in sorted(settings)]


def _one_column_per_split(table: Table, columns: list[Column]) -> tuple[Table, list[Column]]:
    """Give ``epoch,phase,loss`` with a row for training and a row for validation the columns of both."""
    for at in table.text:
        labels = [label.lower() for label in table.labels.get(at, ())]
        words = [word for word in dict.fromkeys(labels) if word]
        if columns[at].kind == "group" and len(words) > 1 and all(word in _SPLIT_WORDS for word in words):
            break
    else:
        return table, columns
    names, values, logged = list(table.names), list(table.columns), list(table.logged)
    columns = list(columns)
    columns[at] = Column("ignore")
    for i, column in enumerate(list(columns)):
        if column.kind != "series" or i in table.text:
            continue
        for n, word in enumerate(words):
            rows = table.is_logged(i) & np.array([label == word for label in labels])
            split = dataclasses.replace(column, split=_SPLIT_WORDS[word])
            if n == 0:
                names[i], logged[i], columns[i] = f"{table.names[i]} ({word})", rows, split
            else:
                names.append(f"{table.names[i]} ({word})")
                values.append(table.columns[i])
                logged.append(rows)
                columns.append(split)
    wide = dataclasses.replace(table, names=tuple(names), columns=values, logged=logged)
    counter = _counter(wide, columns)
    blocks = sum(a != b for a, b in pairwise(labels))
    if counter is not None and blocks == len(words) - 1:  # all of training, then all of validation
        wide = take(wide, np.argsort(wide.columns[counter], kind="stable"))
    return wide, columns


def _counter(table: Table, columns: Sequence[Column]) -> int | None:
    """Return the column that counts epochs or steps under a name of its own."""
    for kind in ("epoch", "step"):
        for i, c in enumerate(columns):
            if c.kind == kind and i not in table.text and not is_index(table.names[i]):
                return i
    return None


def _groups(table: Table, columns: Sequence[Column]) -> list[tuple[NDArray[np.intp] | slice, str]]:
    """Return the rows of each training that a column names (``model``, ``fold`` ...), with its label."""
    counter = _counter(table, columns)
    if counter is not None and np.all(np.diff(table.columns[counter]) > 0):
        return [(slice(None), "")]  # one count through all rows: phases of one training
    keys: list[list[str]] = []
    for i, c in enumerate(columns):
        names = _row_names(table, i, c)
        if names is not None and 1 < len(set(names)) <= len(names) // 2:
            keys.append(names)
    if not keys:
        return [(slice(None), "")]
    rows: dict[tuple[str, ...], list[int]] = {}
    for row, key in enumerate(zip(*keys, strict=True)):
        rows.setdefault(key, []).append(row)
    if len(rows) > restarts.MAX_PARTS:
        raise ReadError(f"holds more than {restarts.MAX_PARTS:,} trainings", "split the file by training")
    return [(np.array(found), ", ".join(k for k in key if k)) for key, found in rows.items()]


def _row_names(table: Table, i: int, column: Column) -> list[str] | None:
    """Return what a column calls the training of each row; None where it names none."""
    if i in table.text:
        labels = table.labels.get(i)
        if labels is None or column.kind == "group":
            return labels
        blocks = 1 + sum(a != b for a, b in pairwise(labels))
        return labels if column.kind == "series" and blocks == len(set(labels)) else None
    if column.kind != "group":
        return None
    return [f"{table.names[i]} {value:g}" for value in table.columns[i].tolist()]


def _trainings(table: Table, columns: Sequence[Column], rows: NDArray[np.intp] | slice, label: str) -> list[_Points]:
    """Return the trainings among some rows: one after the other, or side by side as folds."""
    part = table if isinstance(rows, slice) else take(table, rows)
    axis, values, counter = _axis(part, columns)
    counted, conflict = _row_roles(part, columns, values, counter)
    begins = restarts.starts(values, conflict, counted)
    again = (b for b in part.breaks if 0 < b < len(part) and (counter is None or values[b] <= values[b - 1]))
    begins = sorted({*begins, *again})
    found = []
    for a, b in zip(begins, [*begins[1:], len(part)], strict=True):
        epochs = np.maximum.accumulate(values[a:b]) if counter is not None else values[: b - a]
        found.append(_points(part, columns, slice(a, b), epochs, axis, label))
    joined = _join([points for points in found if points.series])
    return [fold for points in joined for fold in _by_fold(points)]


def take(table: Table, rows: NDArray[np.intp]) -> Table:
    """Return some rows of a table."""
    return dataclasses.replace(
        table,
        columns=[values[rows] for values in table.columns],
        logged=[None if logged is None else logged[rows] for logged in table.logged],
        labels={i: [labels[row] for row in rows] for i, labels in table.labels.items()},
        breaks=(),
    )


def is_index(name: str) -> bool:
    """Whether a column of this name is the row index that pandas writes, which counts rows, not epochs."""
    return not name or name.lower().startswith("unnamed: ") or name == "index"


def _axis(table: Table, columns: Sequence[Column]) -> tuple[str, FloatArray, int | None]:
    """Return what the rows are counted in, the count of each row, and the column that it is from."""
    n = len(table)
    epochs = _filled(table, columns, "epoch")
    steps = _filled(table, columns, "step")
    if epochs is not None:
        values, at = epochs
        rows_only = is_index(table.names[at]) and steps is not None
        if not rows_only and (n < 3 or values.min() != values.max()):
            return "epoch", values, at
    if steps is not None:
        return "step", *steps
    batches = _filled(table, columns, "batch")
    if epochs is not None and batches is not None:
        return "step", *batches
    return ("step" if epochs is not None else "epoch"), np.arange(n, dtype=np.float64), None


def _filled(table: Table, columns: Sequence[Column], kind: str) -> tuple[FloatArray, int] | None:
    """Return the column that counts epochs or steps, gaps filled from the next row; None where there is none."""
    candidates = [
        i
        for i, c in enumerate(columns)
        if c.kind == kind and i not in table.text and np.isfinite(table.columns[i]).any()
    ]
    if not candidates:
        return None
    at = max(candidates, key=lambda i: ("total" in table.names[i] or "global" in table.names[i], -i))
    values = table.columns[at]
    known = np.isfinite(values)
    if known.all():
        return values, at
    # A row without a count belongs to the epoch that is logged next: its learning rate, say.
    rows = np.flatnonzero(known)
    nearest = np.minimum(np.searchsorted(rows, np.arange(len(values))), len(rows) - 1)
    return values[rows[nearest]], at


def _row_roles(
    table: Table, columns: Sequence[Column], epochs: FloatArray, counter: int | None
) -> tuple[BoolArray | None, BoolArray]:
    """Return which rows hold more than a final test, and which say again what the row before says.

    Two rows of one epoch are one where each holds what the other lacks, or where their steps go on.
    """
    n = len(table)
    judged = [i for i, c in enumerate(columns) if c.is_judged and i not in table.text]
    same = np.zeros(n, dtype=bool)
    same[1:] = np.diff(epochs) == 0
    sparse = any(table.logged[i] is not None for i in judged)
    counted = None
    if sparse:
        tests = [i for i in judged if columns[i].split == Split.TEST]
        others = [table.is_logged(i) for i in judged if columns[i].split != Split.TEST]
        if tests and others:
            only_test = np.any([table.is_logged(i) for i in tests], axis=0) & ~np.any(others, axis=0)
            counted = ~only_test
    if not same.any():
        return counted, same
    if sparse:
        both = np.zeros(n, dtype=bool)
        for i in judged:
            logged = table.is_logged(i)
            both[1:] |= logged[1:] & logged[:-1]
        same &= both
    for i, c in enumerate(columns):
        if c.kind in ("step", "batch") and i != counter and i not in table.text:
            same[1:] &= ~(np.diff(table.columns[i]) > 0)
    usual = np.count_nonzero(same) > _USUAL * n
    return counted, np.zeros(n, dtype=bool) if usual else same


def _points(
    table: Table,
    columns: Sequence[Column],
    rows: slice,
    epochs: FloatArray,
    axis: str,
    label: str,
) -> _Points:
    """Return the curves in consecutive rows of one training."""
    firsts = _first_rows(epochs)
    single = len(firsts) == len(epochs)
    series = []
    telemetry: dict[str, list[int]] = {}
    for i, column in enumerate(columns):
        if column.kind == "layer" and table.is_logged(i)[rows].any():
            telemetry.setdefault(column.statistic, []).append(i)
        if column.kind != "series" or i in table.text:
            continue
        values, logged = table.columns[i][rows], table.logged[i]
        at = epochs
        if logged is not None and not logged[rows].all():
            values, at = values[logged[rows]], epochs[logged[rows]]
        if not single:
            at, values = _per_epoch(at, values)
        if len(values):
            series.append(
                Series(
                    name=table.names[i],
                    quantity=column.quantity,
                    split=column.split,
                    epochs=at,
                    values=values,
                    direction=column.direction,
                    output=column.output,
                )
            )
    layers = {
        statistic: _layer_statistic(table, columns, rows, epochs, firsts, statistic, members)
        for statistic, members in telemetry.items()
    }
    return _Points(tuple(series), MappingProxyType(layers), axis, label, stops=_stops(table, columns, rows, epochs))


def _stops(table: Table, columns: Sequence[Column], rows: slice, epochs: FloatArray) -> tuple[tuple[float, str], ...]:
    """Return where Monitor stopped a training: it names the check in the last row, and nothing in those before."""
    for i, column in enumerate(columns):
        labels = table.labels.get(i, [])[rows] if column.kind == "stopped" else []
        if labels and not any(labels[:-1]) and _CHECK_ID.fullmatch(labels[-1]):
            return ((float(epochs[-1]), labels[-1]),)
    return ()


def _first_rows(epochs: FloatArray) -> NDArray[np.intp]:
    """Return the first row of each epoch; the epochs do not fall."""
    return np.flatnonzero(np.concatenate(([True], epochs[1:] > epochs[:-1])))


def _per_epoch(epochs: FloatArray, values: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return the mean of the values of each epoch; the epochs do not fall."""
    if not len(epochs):
        return epochs, values
    firsts = _first_rows(epochs)
    counts = np.diff(firsts, append=len(epochs))
    return epochs[firsts], np.add.reduceat(values, firsts) / counts


def _layer_statistic(
    table: Table,
    columns: Sequence[Column],
    rows: slice,
    epochs: FloatArray,
    firsts: NDArray[np.intp],
    name: str,
    members: Sequence[int],
) -> LayerStatistic:
    values = np.stack([table.columns[i][rows] for i in members], axis=1)
    at = epochs[firsts]
    if len(firsts) < len(epochs):
        merged = np.full((len(firsts), len(members)), np.nan)
        for j, i in enumerate(members):
            logged = table.is_logged(i)[rows]
            own, means = _per_epoch(epochs[logged], values[logged, j])
            merged[np.searchsorted(at, own), j] = means
        values = merged
    return LayerStatistic(name, tuple(columns[i].layer for i in members), at, values)


def _join(found: Sequence[_Points]) -> list[_Points]:
    """Put trainings that went on with the one before together with it."""
    joined: list[_Points] = []
    for points in found:
        if joined:
            whole = _resumed(joined[-1], points)
            if whole is not None:
                joined[-1] = whole
                continue
        joined.append(points)
    return joined


def _resumed(before: _Points, after: _Points) -> _Points | None:
    """Return both as one training, or None where the second began anew."""
    if (before.axis, before.label) != (after.axis, after.label) or _are_other_models(before, after):
        return None
    curves = {s.name: s for s in before.series}
    both = [(curves[s.name], s) for s in after.series if s.direction is not None and s.name in curves]
    if not both:
        return None
    one, other = min(both, key=lambda pair: (not pair[1].is_loss, pair[1].split != Split.TRAIN))
    first, last = float(one.epochs[0]), float(one.epochs[-1])
    again = float(other.epochs[0])
    then = float(np.interp(again, one.epochs, one.values))
    went_on = abs(other.values[0] - then) <= abs(other.values[0] - one.values[0])
    step = float(np.median(np.diff(one.epochs))) if len(one) > 1 else 1.0
    if again > last:
        if again - last > 1.5 * step and not restarts.continues(one.values, other.values):
            return None
        return _appended(before, after, 0.0, again, f"taken up at {before.axis} {again:g} with other columns")
    if first < again <= last and went_on:  # from a checkpoint: the epochs after it were trained again
        note = f"resumed at {before.axis} {again:g}: what was logged after it before was replaced"
        return _appended(before, after, 0.0, again, note)
    if not restarts.continues(one.values, other.values):
        return None
    offset = max(float(s.epochs[-1]) for s in before.series) + step - again
    if not again + offset > last:
        return None  # the epochs are too large to count on
    note = f"resumed after {before.axis} {last:g}: its {before.axis}s are numbered on from there"
    return _appended(before, after, offset, again + offset, note)


def _are_other_models(before: _Points, after: _Points) -> bool:
    """Whether both have layers, and none in common."""
    one, other = ({layer for s in points.layers.values() for layer in s.layers} for points in (before, after))
    return bool(one and other) and not one & other


def _appended(before: _Points, after: _Points, offset: float, start: float, note: str) -> _Points:
    """Return one training followed by another whose epochs are `offset` later; `start` is where that begins."""
    start = min(start, *(float(s.epochs[0]) + offset for s in after.series))
    old, new = ({s.name: s for s in points.series} for points in (before, after))
    return dataclasses.replace(
        before,
        series=tuple(_spliced(old, new, offset, start, _series_joined).values()),
        layers=MappingProxyType(_spliced(before.layers, after.layers, offset, start, _layers_joined)),
        restarts=(*(r for r in before.restarts if r < start), start),
        notes=(*before.notes, note),
        stops=(*(s for s in before.stops if s[0] < start), *((epoch + offset, check) for epoch, check in after.stops)),
    )


def _spliced(
    before: Mapping[str, _Curve],
    after: Mapping[str, _Curve],
    offset: float,
    start: float,
    joined: Callable[[_Curve, _Curve], _Curve],
) -> dict[str, _Curve]:
    """Return the curves of one training up to `start`, and from there those of the other, `offset` later."""
    whole: dict[str, _Curve] = {}
    for name, curve in before.items():
        kept = curve.epochs < start
        if kept.any():
            whole[name] = dataclasses.replace(curve, epochs=curve.epochs[kept], values=curve.values[kept])
    for name, curve in after.items():
        moved = dataclasses.replace(curve, epochs=curve.epochs + offset)
        whole[name] = joined(whole[name], moved) if name in whole else moved
    return whole


def _series_joined(before: Series, after: Series) -> Series:
    return dataclasses.replace(
        before,
        epochs=np.concatenate([before.epochs, after.epochs]),
        values=np.concatenate([before.values, after.values]),
    )


def _layers_joined(before: LayerStatistic, after: LayerStatistic) -> LayerStatistic:
    """Return a statistic of all layers of both, NaN for those that one of them lacks."""
    layers = merged_names(before.layers, after.layers)
    parts = []
    for part in (before, after):
        values = np.full((len(part.epochs), len(layers)), np.nan)
        values[:, [layers.index(name) for name in part.layers]] = part.values
        parts.append(values)
    return LayerStatistic(
        before.name, tuple(layers), np.concatenate([before.epochs, after.epochs]), np.concatenate(parts)
    )


def _by_fold(points: _Points) -> list[_Points]:
    """Return one training for each fold that has columns of its own."""
    folds = list(dict.fromkeys(s.output for s in points.series if s.output.startswith("fold ")))
    if not folds:
        return [points]
    shared = [s for s in points.series if s.output not in folds and s.direction is None]
    found = []
    for fold in folds:
        own = [dataclasses.replace(s, output="") for s in points.series if s.output == fold]
        label = f"{points.label}, {fold}" if points.label else fold
        found.append(dataclasses.replace(points, series=(*own, *shared), label=label))
    return found


def with_totals(series: tuple[Series, ...]) -> tuple[Series, ...]:
    """Return the series with the sum of the losses' components, where a log has the components only.

    They must be the same on training and validation data, and parts of one loss: the losses of a generator and a
    discriminator are opponents, and have no sum.
    """
    losses = [s for s in series if s.is_loss]
    if any(not s.output for s in losses):
        return series
    sides = {split: [s for s in losses if s.split == split] for split in (Split.TRAIN, Split.VALIDATION)}
    outputs = [sorted(s.output for s in side) for side in sides.values()]
    if outputs[0] != outputs[1] or len(outputs[0]) < 2 or _OPPONENTS.intersection(outputs[0]):
        return series
    totals = []
    for split, name in ((Split.TRAIN, "train/loss (sum)"), (Split.VALIDATION, "val/loss (sum)")):
        first, *others = sides[split]
        if any(not np.array_equal(first.epochs, s.epochs) for s in others):
            return series
        total = np.sum([s.values for s in sides[split]], axis=0)
        totals.append(Series(name, "loss", split, first.epochs, total, Direction.LOWER))
    return (*series, *totals)
