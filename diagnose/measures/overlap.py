"""Windows of one series that share steps, told by their values alone."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from diagnose.measures.encoding import drawn, flat, is_numeric
from diagnose.sample import Array

#: Steps of a split that are looked at; as many numbers of 8 bytes are held a few times over.
_MOST_STEPS = 1_000_000
#: Fewest steps of a window: half of it must be more than a value.
_FEWEST_STEPS = 4
#: By how many bits coincidence must be out of the question before half a window counts as shared, were its steps
#: independent; that they are not shows in stretches that recur.
_CERTAIN_BITS = 8.0
#: Kinds of steps that half a window must have: a constant or padded stretch is shared with anything.
_FEWEST_KINDS = 3
#: Share of training windows that begin as another does, from which on stretches recur by nature (seasons without
#: noise, words).
_RECURRING = 0.02

_Codes = NDArray[np.uint64]


@dataclass(frozen=True, eq=False)
class Overlap:
    """Which windows have half of their steps, or more, in windows of another set.

    Parameters
    ----------
    rows
        Shape (n,): which windows were looked at.
    first, second
        Shape (n,): whether the first and the second half of each is a stretch of another set's window.
    """

    rows: NDArray[np.intp]
    first: NDArray[np.bool_]
    second: NDArray[np.bool_]

    @property
    def either(self) -> int:
        """How many windows share half of their steps."""
        return int((self.first | self.second).sum())

    @property
    def between(self) -> int:
        """How many windows share both halves: series cut in two in time share one at most, on the side of the cut."""
        return int((self.first & self.second).sum())


def overlap(windows: Array, others: Array) -> Overlap | None:
    """Return which windows have their first or second half, step for step, anywhere in one of the others.

    Parameters
    ----------
    windows, others
        Shape (n, steps) or (n, steps, ...), of one form.

    Returns
    -------
    Overlap | None
        None where they cannot be windows of a series, or where equal stretches would say nothing: there are too few
        steps or values, or stretches recur within the others without being one place of one series.
    """
    if windows.ndim < 2 or windows.shape[1:] != others.shape[1:] or not (is_numeric(windows) and is_numeric(others)):
        return None
    steps = others.shape[1]
    if steps < _FEWEST_STEPS or not len(windows) or not len(others):
        return None
    half = (steps + 1) // 2
    most = max(1, _MOST_STEPS // steps)
    rows = drawn(len(windows), most)
    theirs, ours = _steps(others[drawn(len(others), most)], others.dtype), _steps(windows[rows], others.dtype)
    kinds, counts = np.unique(theirs, return_counts=True)
    if len(kinds) < _FEWEST_KINDS:
        return None
    stretches = _stretches(theirs, half)
    bits = np.log2(theirs.size / counts)
    needed = _CERTAIN_BITS + np.log2(float(len(ours)) * stretches.size)
    beginnings = stretches[_tell(theirs[:, :half], kinds, bits, needed), 0]
    if len(np.unique(beginnings)) < (1 - _RECURRING) * len(beginnings):
        return None
    known = np.unique(stretches)
    first, second = (
        np.isin(_stretches(part, half)[:, 0], known) & _tell(part, kinds, bits, needed)
        for part in (ours[:, :half], ours[:, -half:])
    )
    return Overlap(rows, first, second)


def _steps(windows: Array, kind: np.dtype[np.generic]) -> _Codes:
    """Return a number for each step, shape (n, steps): equal where all its values are, read as one type."""
    width = int(np.prod(windows.shape[2:], dtype=int))
    with np.errstate(all="ignore"):
        values = flat(windows).astype(kind).astype(np.float64) + 0.0  # -0.0 becomes 0.0
    codes = np.ascontiguousarray(values).view(np.uint64).reshape(len(windows), windows.shape[1], width)
    # The high bits of a float differ most; they must reach the low ones, or multiplication would lose them.
    codes = (codes ^ (codes >> np.uint64(32))) * np.uint64(0x9E3779B97F4A7C15)
    return np.asarray(((codes ^ (codes >> np.uint64(29))) * _odd(width)).sum(axis=2, dtype=np.uint64))


def _stretches(codes: _Codes, length: int) -> _Codes:
    """Return a number for each stretch of so many steps, shape (n, steps - length + 1): equal where its steps are."""
    places = codes.shape[1] - length + 1
    total = np.zeros((len(codes), places), np.uint64)
    for step, factor in enumerate(_odd(length)):
        mixed = codes[:, step : step + places]
        total += (mixed ^ (mixed >> np.uint64(31))) * factor
    return total


def _odd(count: int) -> _Codes:
    return np.random.default_rng(0).integers(0, 2**63, count, dtype=np.uint64) * np.uint64(2) + np.uint64(1)


def _tell(stretches: _Codes, kinds: _Codes, bits: NDArray[np.float64], needed: float) -> NDArray[np.bool_]:
    """Return which stretches have steps of several kinds, and so rare ones that they do not meet by chance."""
    ordered = np.sort(stretches, axis=1)
    is_new = np.ones(ordered.shape, bool)
    is_new[:, 1:] = ordered[:, 1:] != ordered[:, :-1]
    places = np.minimum(np.searchsorted(kinds, ordered), len(kinds) - 1)
    told = np.where(is_new, bits[places], 0.0).sum(axis=1)
    return np.asarray((is_new.sum(axis=1) >= _FEWEST_KINDS) & (told >= needed))
