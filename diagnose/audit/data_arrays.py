"""Arrays, frames and whatever else can be indexed: a sample that is spread over the whole split."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from diagnose.audit import data_values as values
from diagnose.audit.data_reading import Limit, Reading, are_windows, spread
from diagnose.readers.base import ReadError
from diagnose.sample import Array, SplitSample

#: So many neighbours tell whether they are windows of one series.
_NEIGHBOURS = 64


@dataclass(frozen=True)
class Pair:
    """Inputs and labels that can be indexed, as `fit` takes them.

    Parameters
    ----------
    x, y
        One array, several in a list or a dict; y may be None.
    target
        Columns of the frame `x` that are the labels.
    """

    x: Any
    y: Any = None
    target: tuple[str, ...] = ()

    def leaves(self) -> tuple[dict[str, Any], dict[str, Any]]:
        """Return the inputs and the labels by name."""
        x, y = self.x, self.y
        if self.target and values.is_frame(x):
            lost = next((name for name in self.target if name not in x.columns), None)
            if lost is not None:
                there = ", ".join(map(str, x.columns[:12]))
                raise ReadError(f"the frame has no column {lost!r}", f"name the target, one of {there}")
            chosen = list(self.target)
            x, y = x.drop(columns=chosen), x[chosen[0] if len(chosen) == 1 else chosen]
        return values.named(x, "x"), values.named(y, "y")


def count(pair: Pair, split: str) -> int:
    """Return how many samples there are.

    Raises
    ------
    ReadError
        There are none, or the arrays differ in length.
    """
    inputs, labels = pair.leaves()
    if not inputs:
        raise ReadError(f"the {split} data has no inputs", "give (x, y)")
    lengths = {name: values.length(leaf, f"{name} of the {split} data") for name, leaf in {**inputs, **labels}.items()}
    name, first = next(iter(lengths.items()))
    other = next((known for known in lengths if lengths[known] != first), None)
    if other is not None and len(inputs) > 1 and isinstance(pair.x, list | tuple) and other in labels:
        raise ReadError(
            f"x of the {split} data is a list of {len(inputs)} arrays, which Keras takes for so many inputs, and "
            f"{other} has {lengths[other]} samples",
            "give np.stack(x) where each is a sample",
        )
    if other is not None:
        raise ReadError(
            f"{name} of the {split} data has {first} samples, and {other} {lengths[other]}", "each sample needs both"
        )
    if not first:
        raise ReadError(f"the {split} data is empty", "give at least one sample")
    return first


def read(pair: Pair, split: str, limit: Limit, span: tuple[int, int] | None = None) -> Reading:
    """Return a sample of arrays.

    Parameters
    ----------
    pair
        The arrays.
    split
        Its name, for messages.
    limit
        How much may be kept.
    span
        First sample, and the one behind the last, where the split is a part of the arrays.

    Raises
    ------
    ReadError
        There are no samples, the arrays differ in length, or hold what is neither number nor text.
    """
    whole = count(pair, split)
    start, stop = span or (0, whole)
    inputs, labels = pair.leaves()
    one = np.array([start], np.int64)
    row = (*_inputs(inputs, one)[0].values(), *(_labels(leaf, one, name) for name, leaf in labels.items()))
    row_bytes = sum(array.nbytes for array in row)
    rows = spread(stop - start, limit.rows(row_bytes))
    neighbours = min(_NEIGHBOURS, limit.rows(row_bytes))
    taken, features = _inputs(inputs, rows + start)
    sample = SplitSample(
        inputs=taken,
        labels={name: _labels(leaf, rows + start, name) for name, leaf in labels.items()},
        count=stop - start,
        is_whole=len(rows) == stop - start,
        positions=rows,
    )
    is_text = any(array.dtype.kind in "UO" for name, array in taken.items() if name in features)
    return Reading(
        sample,
        features,
        is_raw=bool(features) and (bool(pair.target) or is_text),
        is_sequence=_is_sequence(inputs, np.arange(start, min(stop, start + neighbours), dtype=np.int64)),
        notes=left_out(split, len(rows), stop - start),
    )


def left_out(split: str, taken: int, total: int) -> tuple[str, ...]:
    """Return the note on a sample that is not the whole."""
    if taken == total:
        return ()
    return (f"of {total:,} {split} samples {taken:,} were looked at, spread over all of them",)


def _inputs(leaves: Mapping[str, Any], rows: Array) -> tuple[dict[str, Array], dict[str, tuple[str, ...]]]:
    """Return the samples of these numbers, and the names of columns where frames are among the inputs."""
    taken: dict[str, Array] = {}
    features: dict[str, tuple[str, ...]] = {}
    for name, leaf in leaves.items():
        if not values.is_frame(leaf):
            taken[name] = values.take(leaf, rows, name)
            continue
        for inner, (table, titles) in values.columns(leaf, rows, name).items():
            taken[inner], features[inner] = table, titles
    return taken, features


def _labels(leaf: Any, rows: Array, name: str) -> Array:
    array = values.take(leaf, rows, name)
    is_column = values.is_frame(leaf) and array.ndim == 2 and array.shape[1] == 1
    return array[:, 0] if is_column else array


def _is_sequence(leaves: Mapping[str, Any], rows: Array) -> bool:
    """Whether neighbours belong together: the rows of a frame are in time, or arrays hold windows of one series."""
    return any(
        _is_dated(leaf) if values.is_frame(leaf) else are_windows(values.take(leaf, rows, name))
        for name, leaf in leaves.items()
    )


def _is_dated(frame: Any) -> bool:
    dates = [column for column in (frame.index, *(frame[name] for name in frame)) if _is_date(column)]
    return any(column.is_monotonic_increasing and column.nunique() > 1 for column in dates)


def _is_date(column: Any) -> bool:
    return getattr(column.dtype, "kind", "") == "M"
