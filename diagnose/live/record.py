"""A training as it grows: one row per epoch goes in, a `Run` comes out at any time.

The columns mean what they mean to the readers, and the readers' own code makes curves of them: what is seen while
training is what the log tells afterwards. Memory does not grow with the epochs: of long trainings the older rows are
thinned.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from diagnose.analyze import best_epoch
from diagnose.readers.base import ReadError
from diagnose.readers.columns import Column, classify, clean_name
from diagnose.readers.curves import Source, columns_of, to_runs
from diagnose.readers.table import Table
from diagnose.run import BoolArray, FloatArray, LayerStatistic, Run

#: Of more epochs than this the older ones are thinned. Checks look at no more points of a curve (`Curve.block`).
CURVE_ROWS = 4096
#: The same of layer statistics: their course and their end are judged, and a few hundred rows tell both.
LAYER_ROWS = 256
#: The first rows and the last, this share of all, are never thinned.
_EDGE = 1 / 32

_EPOCH = "epoch"
_NO_CONFIG: Mapping[str, Any] = MappingProxyType({})


class Record:
    """What was logged of one training so far.

    Parameters
    ----------
    source, format
        As in `Run`.
    curve_rows, layer_rows
        So many epochs of curves and of layer statistics are kept whole. Of more than these every second, fourth,
        eighth ... is kept, beside the first and the last ones, the best one, and those in which a column was NaN or
        infinite for the first time.
    """

    def __init__(
        self, source: str, format: str = "keras-csv", *, curve_rows: int = CURVE_ROWS, layer_rows: int = LAYER_ROWS
    ) -> None:
        self.source, self.format = source, format
        self._limits = curve_rows, layer_rows
        self._forget()

    def _forget(self) -> None:
        self._curves, self._layers = map(_Rows, self._limits)
        self._columns: list[Column] = []
        self._statistics: dict[str, list[int]] = {}
        self._known: set[str] = set()
        self._last = -np.inf

    def __len__(self) -> int:
        """Return the number of epochs so far."""
        return self._curves.count

    def add(self, epoch: float, row: Mapping[str, Any]) -> None:
        """Take what was logged in an epoch; what is absent, or no number, was not logged.

        Where the number of the epoch does not rise, another training has begun: what was before is forgotten.
        """
        if epoch <= self._last:
            self._forget()
        self._last = epoch
        if not self._known.issuperset(row):
            self._learn([name for name in row if name not in self._known])
        if self._curves.is_full:
            self._curves.thin(self._best())
        if self._layers.is_full:
            self._layers.thin()
        self._curves.add(epoch, [_number(row.get(name)) for name in self._curves.names])
        self._layers.add(epoch, [row.get(name) for name in self._layers.names])

    def _learn(self, names: Iterable[str]) -> None:
        """Find out what new names mean and make room for them."""
        for name in names:
            self._known.add(name)
            column = classify(name)
            if column.kind == "layer":
                self._statistics.setdefault(column.statistic, []).append(len(self._layers.names))
                self._layers.names.append(name)
            elif column.kind == "series":
                self._curves.names.append(name)
        self._curves.widen()
        self._layers.widen()
        self._columns = columns_of((_EPOCH, *self._curves.names), {})

    def run(self, config: Mapping[str, Any] = _NO_CONFIG) -> Run:
        """Return the training so far; what is added later does not change it.

        Parameters
        ----------
        config
            What is known of the set-up, see `Run.config`.
        """
        run = self._run_of(self._curves.kept(self._best()))
        run = dataclasses.replace(run, layers=MappingProxyType(dict(self._layer_statistics())), config=config)
        if not self._curves.is_thinned:
            return run
        note = f"of {len(self):,} epochs one in {self._curves.stride} is kept"
        return dataclasses.replace(run, epoch_count=len(self), notes=(*run.notes, note))

    @np.errstate(all="ignore")
    def _run_of(self, rows: _Selection) -> Run:
        """Return the curves in some rows, as a reader does."""
        logged = self._curves.logged[rows]
        table = Table(
            names=(_EPOCH, *map(clean_name, self._curves.names)),
            columns=[self._curves.epochs[rows], *np.ascontiguousarray(self._curves.values[rows].T)],
            logged=[None, *(None if known.all() else known for known in logged.T)],
        )
        try:
            return to_runs(Source(self.source, self.format, told=True), [(table, self._columns)])[0]
        except ReadError:  # no curve has a value yet
            return Run(self.source, self.format)

    def _layer_statistics(self) -> Iterator[tuple[str, LayerStatistic]]:
        rows = self._layers.kept()
        epochs, values = self._layers.epochs[rows], self._layers.values[rows]
        for name, members in self._statistics.items():
            members = [i for i in members if self._layers.was_logged[i]]
            if members:
                layers = tuple(classify(self._layers.names[i]).layer for i in members)
                yield name, LayerStatistic(name, layers, epochs, values[:, _as_slice(members)])

    def _best(self) -> list[int]:
        """Return the row of the best epoch where rows are thinned, or nothing."""
        best = best_epoch(self._run_of(slice(None))) if self._curves.is_thinned else None
        return [] if best is None else [int(np.searchsorted(self._curves.epochs, best.epoch))]


#: Which rows of those that are held.
_Selection = slice | NDArray[np.intp]


class _Rows:
    """Rows of numbers that grow at the end and, beyond a limit, are thinned.

    Arrays that were given away stay as they are: what is added lies behind them, and what is thinned is copied.

    Parameters
    ----------
    whole
        So many rows are kept whole.

    Attributes
    ----------
    names
        The columns.
    count
        How many rows were added.
    was_logged
        Whether a column ever had a value.
    """

    def __init__(self, whole: int) -> None:
        self._whole = whole
        self._edge = max(1, int(whole * _EDGE))
        self.names: list[str] = []
        self.count = 0
        self._held = 0
        self._ordinals = np.empty(64, dtype=np.intp)
        self._epochs = np.empty(64)
        self._values = np.empty((64, 0))
        self._logged = np.empty((64, 0), dtype=bool)
        self.was_logged = np.empty(0, dtype=bool)
        self._broken = np.empty(0, dtype=bool)
        self._broken_at: list[int] = []

    @property
    def epochs(self) -> FloatArray:
        """The epoch of each row that is held."""
        return self._epochs[: self._held]

    @property
    def values(self) -> FloatArray:
        """Rows x columns; NaN where nothing was logged."""
        return self._values[: self._held]

    @property
    def logged(self) -> BoolArray:
        """Rows x columns: whether a value was logged."""
        return self._logged[: self._held]

    @property
    def is_thinned(self) -> bool:
        """Whether there were more rows than are kept whole."""
        return self.count > self._whole

    @property
    def stride(self) -> int:
        """One in so many rows is kept, of those between the first and the last: a power of two."""
        return 1 << ((self.count - 1) // self._whole).bit_length()

    @property
    def is_full(self) -> bool:
        """Whether rows should be thinned before another one comes."""
        return self._held >= 2 * self._whole

    def widen(self) -> None:
        """Make room for the columns of names that are new."""
        more = len(self.names) - len(self._broken)
        self._values = np.pad(self._values, ((0, 0), (0, more)), constant_values=np.nan)
        self._logged = np.pad(self._logged, ((0, 0), (0, more)))
        self.was_logged = np.pad(self.was_logged, (0, more))
        self._broken = np.pad(self._broken, (0, more))

    def add(self, epoch: float, cells: Sequence[float | None]) -> None:
        """Add a row; a cell is None where nothing was logged."""
        at = self._held
        if at == len(self._epochs):
            self._hold(slice(None), room=2 * at)
        self._ordinals[at], self._epochs[at] = self.count, epoch
        self._values[at] = cells  # None becomes NaN
        self._logged[at] = [cell is not None for cell in cells]
        self.was_logged |= self._logged[at]
        broken = self._logged[at] & ~np.isfinite(self._values[at]) & ~self._broken
        if broken.any() and len(self._broken_at) < self._edge:
            self._broken |= broken
            self._broken_at.append(self.count)
        self._held += 1
        self.count += 1

    def kept(self, also: Sequence[int] = ()) -> _Selection:
        """Return the rows that stay when there are too many: all of them as long as there are not."""
        if not self.is_thinned:
            return slice(None)
        ordinals = self._ordinals[: self._held]
        stays = (ordinals % self.stride == 0) | (ordinals < self._edge) | (ordinals >= self.count - self._edge)
        stays |= np.isin(ordinals, self._broken_at)
        stays[list(also)] = True
        return np.flatnonzero(stays)

    def thin(self, also: Sequence[int] = ()) -> None:
        """Let go of the rows that need not be kept."""
        self._hold(self.kept(also), room=len(self._epochs))

    def _hold(self, rows: _Selection, room: int) -> None:
        """Copy some rows to arrays with room for others."""
        held = len(self._ordinals[: self._held][rows])
        for name in ("_ordinals", "_epochs", "_values", "_logged"):
            old = getattr(self, name)
            new = np.empty((room, *old.shape[1:]), dtype=old.dtype)
            new[:held] = old[: self._held][rows]
            setattr(self, name, new)
        self._held = held


def _number(cell: Any) -> float | None:
    """Return a cell as a number; None where it is none."""
    if cell is None or isinstance(cell, bool | str | bytes):
        return None
    try:
        return float(cell)
    except (TypeError, ValueError, OverflowError):
        return None


def _as_slice(members: list[int]) -> slice | list[int]:
    """Return neighbours as a slice, which copies nothing."""
    together = members[-1] - members[0] == len(members) - 1
    return slice(members[0], members[-1] + 1) if together else members
