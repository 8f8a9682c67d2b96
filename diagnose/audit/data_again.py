"""Two readings of one split: whether something random is done to its samples, told apart from another order."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from diagnose.sample import Array

#: Rows are compared by so many of their numbers, evenly spread.
_MOST_NUMBERS = 256
#: So many rows tell whether two readings have one order.
_MOST_ROWS = 200
#: So many samples are expected to be in both readings by chance, where none at all is a proof.
_ENOUGH_TWICE = 10


class Samples(Protocol):
    """Inputs and labels by name."""

    @property
    def inputs(self) -> Mapping[str, Array]:
        """Inputs by name."""

    @property
    def labels(self) -> Mapping[str, Array]:
        """Labels by name."""


def row_keys(arrays: Mapping[str, Array]) -> list[bytes]:
    """Return what is the same for two rows if, and only if, all their values are."""
    count = len(next(iter(arrays.values()), ()))
    digests = [hashlib.blake2b(digest_size=16) for _ in range(count)]
    for array in arrays.values():
        for digest, row in zip(digests, array, strict=True):
            is_text = array.dtype == object
            digest.update("\0".join(np.ravel(row)).encode() if is_text else np.ascontiguousarray(row).tobytes())
    return [digest.digest() for digest in digests]


def again(first: Samples, second: Samples, *, is_whole: bool, expected: float) -> tuple[Mapping[str, Array], str]:
    """Return the inputs of the second reading in the order of the first, and a note on them.

    They are empty where the second reading tells nothing: it has the same samples in another order, or it is not known
    to have the same.

    Parameters
    ----------
    first, second
        The readings.
    is_whole
        Whether each has all samples of the split.
    expected
        How many samples are in both, at least, if each is a random part of a split in which nothing is random.
    """
    if _shapes(first) != _shapes(second):
        return {}, ""
    known, repeated = row_keys(first.inputs), row_keys(second.inputs)
    if known == repeated:
        return second.inputs, ""
    if Counter(known) == Counter(repeated):
        return {}, "its samples come in another order when they are read again"
    if _is_one_order(first, second):
        return second.inputs, ""
    is_met = bool(set(known) & set(repeated))
    if is_whole or (not is_met and expected >= _ENOUGH_TWICE):
        rows = _matched(first, second, known, repeated)
        return {name: array[rows] for name, array in second.inputs.items()}, ""
    return {}, "it was not compared with a second reading, which had other samples"


def _shapes(samples: Samples) -> dict[str, tuple[tuple[int, ...], str]]:
    return {name: (array.shape, array.dtype.kind) for name, array in samples.inputs.items()}


def _is_one_order(first: Samples, second: Samples) -> bool:
    """Whether the readings have the samples in one order, be they changed or not."""
    telling = [name for name, array in first.labels.items() if len(set(row_keys({name: array}))) > 1]
    if telling:
        return row_keys({name: first.labels[name] for name in telling}) == row_keys(
            {name: second.labels[name] for name in telling if name in second.labels}
        )
    a, b = _described(first.inputs), _described(second.inputs)
    rows = np.unique(np.linspace(0, len(a) - 1, min(len(a), _MOST_ROWS)).astype(np.int64))
    return bool(np.mean(_nearest(a[rows], b) == rows) > 0.5)


def _matched(first: Samples, second: Samples, known: Sequence[bytes], repeated: Sequence[bytes]) -> NDArray[np.int64]:
    """Return for each row of the first reading the number of its like in the second: the same, else the nearest."""
    places = {key: row for row, key in enumerate(repeated)}
    same = np.array([places.get(key, -1) for key in known], np.int64)
    lost = np.flatnonzero(same < 0)
    a, b = _described(first.inputs), _described(second.inputs)
    same[lost] = _nearest(a[lost], b)
    return same


def _described(arrays: Mapping[str, Array]) -> NDArray[np.float64]:
    """Return (n, numbers) a few of the numbers of each row, each of about the same weight."""
    count = len(next(iter(arrays.values())))
    parts = [np.zeros((count, 1))]
    for array in arrays.values():
        if array.dtype.kind in "biuf" and array.size:
            flat = array.reshape(count, -1)
            chosen = np.unique(np.linspace(0, flat.shape[1] - 1, min(flat.shape[1], _MOST_NUMBERS)).astype(np.int64))
            numbers = np.nan_to_num(flat[:, chosen].astype(np.float64), posinf=0.0, neginf=0.0)
            deviation = numbers.std(axis=0)
            parts.append((numbers - numbers.mean(axis=0)) / np.where(deviation > 0, deviation, 1.0))
    return np.concatenate(parts, axis=1)


def _nearest(rows: NDArray[np.float64], others: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return the number of the row of `others` that is nearest to each row."""
    distances = (others**2).sum(axis=1) - 2 * rows @ others.T
    return np.asarray(distances.argmin(axis=1), np.int64)
