"""Rows of names and values, as text, JSON and event files hold them -> tables -> runs.

What tables do with rows (tell trainings apart, join what was resumed, find folds) is done for these by the same code.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from diagnose.readers.base import ReadError, Roles
from diagnose.readers.columns import clean_name
from diagnose.readers.curves import Source, columns_of, to_runs
from diagnose.readers.table import MAX_CELLS, Table
from diagnose.run import Part, Run

#: What was logged under each name; a name that is absent was not logged.
Values = Mapping[str, float | str]
#: The number of the epoch or step, None where the log has none; and what was logged in it.
Row = tuple[float | None, Values]

#: More names than this are no log.
MAX_NAMES = 10_000
#: Rows are held in memory before they are a table.
MAX_ROWS = 1_000_000


@dataclass(frozen=True)
class Log:
    """The rows of one log.

    Parameters
    ----------
    rows
        In the order of the log; sparse.
    axis
        What the numbers of the rows count: ``epoch`` or ``step``, or ``index`` where pandas numbered the rows.
    breaks
        Rows at which another training begins for certain; smaller numbers say so by themselves.
    label
        The name of the training, where the source holds several.
    notes
        What the reader had to do to understand it.
    config
        What is known of the set-up.
    """

    rows: Sequence[Row]
    axis: str = "epoch"
    breaks: Sequence[int] = ()
    label: str = ""
    notes: tuple[str, ...] = ()
    config: Mapping[str, Any] = field(default_factory=dict)


def runs_of(source: str, format: str, logs: Iterable[Log], roles: Roles) -> list[Run]:
    """Return the runs in the logs of one source.

    Raises
    ------
    ReadError
        None of them has a curve.
    """
    found: list[Run] = []
    refused: ReadError | None = None
    for log in logs:
        try:
            found += _labelled(_runs(source, format, log, roles), log.label)
        except ReadError as error:
            refused = refused or error
    if not found:
        raise refused or ReadError("has no epoch with a number in it", "has the training finished its first epoch?")
    if len(found) == 1:
        return [dataclasses.replace(found[0], part=None)]
    return [
        dataclasses.replace(run, part=Part(i, len(found), run.part.label if run.part else ""))
        for i, run in enumerate(found, start=1)
    ]


def merged(rows: Iterable[Row]) -> list[Row]:
    """Put consecutive rows of one number together; what was logged last under a name counts."""
    found: list[tuple[float | None, dict[str, float | str]]] = []
    for number, values in rows:
        if found and number is not None and found[-1][0] == number:
            found[-1][1].update(values)
        else:
            found.append((number, dict(values)))
    return [*found]


def _runs(source: str, format: str, log: Log, roles: Roles) -> list[Run]:
    table = _table(log)
    columns = columns_of(table.names, roles)
    return to_runs(Source(source, format, bool(roles), log.notes, log.config), [(table, columns)])


def _labelled(runs: Sequence[Run], label: str) -> list[Run]:
    """Give the runs of one log its label, before that of the part where it holds several."""
    if not label:
        return [*runs]
    labels = [f"{label}, {run.part.label or run.part.index}" if run.part else label for run in runs]
    return [
        dataclasses.replace(run, part=Part(i, len(runs), text))
        for i, (run, text) in enumerate(zip(runs, labels, strict=True), start=1)
    ]


def _table(log: Log) -> Table:
    names = {name: clean_name(name) or "(no name)" for name in dict.fromkeys(n for _, row in log.rows for n in row)}
    count = len(log.rows)
    if len(names) > MAX_NAMES or len(names) * count > MAX_CELLS:
        raise ReadError(f"has {len(names):,} names in {count:,} rows, more than a training log has")
    table = Table(names=(), columns=[], logged=[], breaks=tuple(log.breaks))
    shown: list[str] = []
    text: set[int] = set()
    if any(number is not None for number, _ in log.rows):
        shown.append("" if log.axis == "index" else log.axis)
        table.columns.append(np.array([np.nan if number is None else number for number, _ in log.rows]))
        table.logged.append(None)
    for name, clean in names.items():
        if clean in shown:
            continue  # the number of the row under its own name
        cells = [row.get(name) for _, row in log.rows]
        numbers = np.array([cell if isinstance(cell, float) else np.nan for cell in cells])
        logged = np.array([isinstance(cell, float) for cell in cells])
        words = ["" if not isinstance(cell, str) else clean_name(cell) for cell in cells]
        if sum(map(bool, words)) > logged.sum():
            text.add(len(shown))
            table.labels[len(shown)] = words
        shown.append(clean)
        table.columns.append(numbers)
        table.logged.append(None if logged.all() else logged)
    return dataclasses.replace(table, names=tuple(shown), text=frozenset(text))
