"""Tables, from CSV files and pandas frames: what each column is, and their cells in two passes over blocks of rows."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from recipes.config import DataConfig
from recipes.data import cells, storage
from recipes.data.base import Column
from recipes.data.cells import Census
from recipes.data.csv_file import CsvFile, Frame
from recipes.data.source import Columns, Part, Source
from recipes.errors import DataError

Block = tuple[NDArray[np.int64], pd.DataFrame]


def load(path: Path, config: DataConfig) -> Source:
    """Return the table in a CSV file.

    Parameters
    ----------
    path
        ``.csv`` or ``.tsv``, UTF-8, with a header.
    config
        Names the target.

    Raises
    ------
    DataError
        It is no table, names no such target, or holds cells that cannot be trained on; says in which line and column.
    """
    file = CsvFile(path)
    try:
        return _read(file, path.name, config)
    except DataError as error:
        raise DataError(str(error) if str(error).startswith(f"{path}: ") else f"{path}: {error}") from None


def of_frame(frame: pd.DataFrame, name: str, config: DataConfig) -> Source:
    """Return the table in a pandas frame, see `load`; `name` is for people."""
    return _read(Frame(frame), name, config)


def raw_inputs(frame: pd.DataFrame, columns: Sequence[Column]) -> Any:
    """Return new rows as a saved model with its preprocessing takes them.

    Parameters
    ----------
    frame
        New rows; has at least the columns of the training data, in any order.
    columns
        `Data.columns`.

    Returns
    -------
    Tensor or dict
        (n, columns) where all are numbers; else ``{"numeric": ..., "categorical": ...}``.

    Raises
    ------
    DataError
        A column is not there, or a cell is not what the column holds.

    Examples
    --------
    >>> model.predict(raw_inputs(pd.read_csv("new.csv"), data.columns))  # doctest: +SKIP
    """
    from recipes.data.columns import tensors  # Keras

    for column in columns:
        if column.name not in frame.columns:
            raise DataError(f"the frame has no column {column.name!r}{_near(column.name, map(str, frame.columns))}")
    numeric = [_numbers(frame, column) for column in columns if column.kind != "category"]
    words = [_texts(frame[column.name]) for column in columns if column.kind == "category"]
    return tensors(
        np.stack(numeric, axis=1).astype(np.float32) if numeric else np.empty((len(frame), 0), np.float32),
        np.stack(words, axis=1) if words else None,
    )


def _numbers(frame: pd.DataFrame, column: Column) -> NDArray[np.float64]:
    cell = frame[column.name]
    values = cells.numbers(cell, column.kind)
    bad = np.isnan(values) & (cells.factorized(cell)[0] >= 0)
    if bad.any():
        row = int(np.flatnonzero(bad)[0])
        raise DataError(f"row {row + 1}, column {column.name!r}: {str(cell.iloc[row])[:40]!r} is no {column.kind}")
    return values


def _texts(series: pd.Series[Any]) -> NDArray[Any]:
    codes, words = cells.factorized(series)
    return np.array([*words, ""], dtype=object)[codes]


@dataclass
class _Words:
    """The words of a column, numbered as they come."""

    numbers: dict[str, int] = field(default_factory=dict)

    def codes(self, series: pd.Series[Any]) -> NDArray[np.int32]:
        """Return the number of each cell's word; -1: missing."""
        codes, words = cells.factorized(series)
        numbers = [self.numbers.setdefault(word, len(self.numbers)) for word in words]
        return np.array([*numbers, -1], np.int32)[codes]

    def all(self) -> NDArray[Any]:
        return np.array(list(self.numbers), dtype=object)


@dataclass(frozen=True)
class _Plan:
    """What a first pass over a table has found.

    Parameters
    ----------
    columns
        That are features, numbers first.
    targets
        Names, and whether they are words.
    group
        Name; empty: there are no groups.
    rows
        That have a target.
    notes
        For people.
    """

    columns: tuple[Column, ...]
    targets: dict[str, bool]
    group: str
    rows: int
    notes: tuple[str, ...]

    @property
    def texts(self) -> set[str]:
        """Columns whose cells are wanted as they are written."""
        words = {column.name for column in self.columns if column.kind == "category"}
        return words | {name for name, is_words in self.targets.items() if is_words} | ({self.group} - {""})


def _read(table: CsvFile | Frame, name: str, config: DataConfig) -> Source:
    targets = _named(table.names, config)
    plan = _plan(table, targets, config)
    features, rest = _Features(plan, config.cache), _Rest(plan)
    for lines, block in _with_targets(table.blocks(plan.texts), targets):
        features.add(block)
        rest.add(block, lines)
    y, classes = rest.targets()
    part = Part(features.columns(), y, np.concatenate(rest.lines), rest.groups())
    return Source(name, "vector", {"train": part}, classes, targets, plan.notes)


def _named(names: list[str], config: DataConfig) -> tuple[str, ...]:
    """Return the targets, having seen that all columns that are named are there."""
    if not config.target:
        raise DataError(f"say which column is to be predicted with data.target; there are {_listed(names)}")
    for setting, given in (("target", config.target), ("group", (config.group,)), ("ignore", config.ignore)):
        for name in filter(None, given):
            if name not in names:
                near = _near(name, names) or f"; there are {_listed(names)}"
                raise DataError(f"data.{setting}: there is no column {name!r}{near}")
    left_out = {config.group, *config.ignore}
    twice = next((name for name in config.target if name in left_out), None)
    if twice is not None:
        raise DataError(f"column {twice!r} is the target, and cannot be data.group or in data.ignore too")
    return config.target


def _near(name: str, names: Iterable[str]) -> str:
    found = difflib.get_close_matches(name, list(names), n=1)
    return f"; did you mean {found[0]!r}?" if found else ""


def _listed(names: Sequence[str], most: int = 12) -> str:
    return ", ".join(names[:most]) + (", ..." if len(names) > most else "")


def _with_targets(blocks: Iterable[Block], targets: Sequence[str]) -> Iterator[Block]:
    """Yield the rows of each block that have all targets."""
    for lines, block in blocks:
        has_all = _has_all(block, targets)
        yield (lines, block) if has_all.all() else (lines[has_all], block[has_all])


def _has_all(block: pd.DataFrame, targets: Sequence[str]) -> NDArray[np.bool_]:
    """Return (n,) whether a row has all targets."""
    return np.all([cells.present(block[name]) for name in targets], axis=0)


def _plan(table: CsvFile | Frame, targets: tuple[str, ...], config: DataConfig) -> _Plan:
    """Look at every cell once."""
    lines = table.lines()
    skipped = {*config.ignore, config.group}
    known = {name: Census(name) for name in table.names if name not in skipped}
    rows, without, first = 0, 0, 0
    for numbers, block in table.blocks():
        has_all = _has_all(block, targets)
        without += int((~has_all).sum())
        first = first or int(next(iter(numbers[~has_all]), 0))
        rows += int(has_all.sum())
        for name, census in known.items():
            census.update(block[name][has_all], numbers[has_all])
        if config.group:
            _check_groups(block, numbers, config.group)
    if not rows:
        what = "no row has a value in the target" if len(lines) else "there is a header, and no row follows"
        raise DataError(f"{what}; there is nothing to train on")
    notes = [f"{without} rows without a target left out, the first is line {first}"] if without else []
    columns, more = _features([known[name] for name in known if name not in targets])
    if not columns:
        raise DataError("no column is left to predict from; " + "; ".join(more or ["add some"]))
    wordy = {name: known[name].kind() in ("category", "truth", "date") for name in targets}
    return _Plan(columns, wordy, config.group, rows, (*notes, *more))


def _check_groups(block: pd.DataFrame, lines: NDArray[np.int64], group: str) -> None:
    without = lines[~cells.present(block[group])]
    if len(without):
        raise DataError(f"line {int(without[0])}, column {group!r}: there is no group; name one in each row")


def _features(known: Sequence[Census]) -> tuple[tuple[Column, ...], list[str]]:
    """Return the columns to predict from, numbers first, and what is to be said of the others."""
    left_out: dict[str, list[str]] = {}
    columns, notes = [], []
    for census in known:
        why = census.useless()
        if why:
            left_out.setdefault(why, []).append(census.name)
            continue
        columns.append(Column(census.name, census.kind()))
        if columns[-1].kind == "category" and census.mixture():
            notes.append(census.mixture())
    dates = [column.name for column in columns if column.kind == "date"]
    if dates:
        notes.append(f"dates are taken as days since 1970: {_listed(dates)}")
    notes += [f"columns left out, {why}: {_listed(names)}" for why, names in left_out.items()]
    return tuple(sorted(columns, key=lambda column: column.kind == "category")), notes


class _Features:
    """The cells to predict from, filled in a block at a time."""

    def __init__(self, plan: _Plan, cache: str) -> None:
        self._columns = plan.columns
        self._numeric = [column for column in plan.columns if column.kind != "category"]
        self._categories = {column.name: _Words() for column in plan.columns if column.kind == "category"}
        self._numbers = storage.empty((plan.rows, len(self._numeric)), np.float32, cache)
        self._codes = storage.empty((plan.rows, len(self._categories)), np.int32, cache)
        self._filled = 0

    def add(self, block: pd.DataFrame) -> None:
        """Take in the next rows."""
        rows = slice(self._filled, self._filled + len(block))
        for number, column in enumerate(self._numeric):
            self._numbers[rows, number] = cells.numbers(block[column.name], column.kind)
        for number, (name, words) in enumerate(self._categories.items()):
            self._codes[rows, number] = words.codes(block[name])
        self._filled = rows.stop

    def columns(self) -> Columns:
        """Return all rows."""
        words = tuple(words.all() for words in self._categories.values())
        return Columns(self._numbers, self._codes, words, self._columns)


class _Rest:
    """Targets, groups and lines, filled in a block at a time."""

    def __init__(self, plan: _Plan) -> None:
        self._plan = plan
        self._targets: dict[str, list[NDArray[Any]]] = {name: [] for name in plan.targets}
        self._words = {name: _Words() for name in (*plan.targets, plan.group)}
        self._groups: list[NDArray[np.int32]] = []
        self.lines: list[NDArray[np.int64]] = []

    def add(self, block: pd.DataFrame, lines: NDArray[np.int64]) -> None:
        """Take in the next rows."""
        for name, is_words in self._plan.targets.items():
            series = block[name]
            self._targets[name].append(self._words[name].codes(series) if is_words else cells.numbers(series))
        if self._plan.group:
            self._groups.append(self._words[self._plan.group].codes(block[self._plan.group]))
        self.lines.append(lines)

    def targets(self) -> tuple[NDArray[Any], tuple[str, ...]]:
        """Return the targets (n,) or (n, targets), and the names of classes where they are indices of such."""
        values = [np.concatenate(blocks) for blocks in self._targets.values()]
        if len(values) > 1:
            worded = next((name for name, is_words in self._plan.targets.items() if is_words), None)
            if worded is not None:
                raise DataError(f"target {worded!r} holds words; one target may, several must be numbers")
            return np.stack(values, axis=1), ()
        name, is_words = next(iter(self._plan.targets.items()))
        if not is_words:
            return values[0], ()
        words = self._words[name].all()
        order = np.argsort(words)
        ranks = np.empty(len(order), np.int32)
        ranks[order] = np.arange(len(order))
        return ranks[values[0]], tuple(str(word) for word in words[order])

    def groups(self) -> NDArray[np.int32] | None:
        """Return the number (n,) of each row's group."""
        return np.concatenate(self._groups) if self._groups else None
