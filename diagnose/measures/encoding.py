"""Samples of any kind as one bounded matrix of numbers: tables, pictures, sequences, text columns.

Everything is decided by the training split and applied to all, so that splits can be compared column by column. Rows
are drawn with a fixed seed: taking every n-th would beat with data that goes round the classes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from diagnose.measures.memo import once_per_object
from diagnose.run import FloatArray, Split
from diagnose.sample import Array, DataSample, SplitSample

#: What is looked at of a split, and of an input.
MOST_ROWS = 1500
MOST_COLUMNS = 256
#: Side of the grid that pictures are averaged down to.
GRID = 8
#: Values of a text column that get a column of their own; the rest are one.
MOST_VALUES = 12
_MISSING = frozenset({"", "nan", "none", "na", "n/a", "null", "?"})

Rows = NDArray[np.intp]
_Encoder = Callable[[Array], FloatArray]


@dataclass(frozen=True, eq=False)
class Encoded:
    """Samples of one split as numbers.

    Parameters
    ----------
    rows
        Which of the samples these are.
    values
        Shape (rows, columns), finite.
    """

    rows: Rows
    values: FloatArray


@dataclass(frozen=True, eq=False)
class Encoding:
    """The splits as matrices with the same columns.

    Parameters
    ----------
    columns
        Their names: of the feature, or ``x[3]``.
    splits
        Split -> numbers; those without samples are left out.
    is_complete
        Whether every input could be turned into numbers.
    """

    columns: tuple[str, ...]
    splits: Mapping[Split, Encoded]
    is_complete: bool


def drawn(count: int, most: int) -> Rows:
    """Return at most `most` of `count` places, in order, always the same."""
    if count <= most:
        return np.arange(count)
    return np.sort(np.random.default_rng(0).permutation(count)[:most])


def is_numeric(array: Array) -> bool:
    """Whether an array holds real numbers or truth values."""
    return array.dtype.kind in "buif"


def is_image(array: Array) -> bool:
    """Whether an array is a stack of pictures: height, width and, most often, few channels."""
    sides = array.shape[1:3]
    return array.ndim in (3, 4) and is_numeric(array) and min(sides) >= GRID and (array.ndim == 4 or sides[1] > 16)


def flat(array: Array) -> Array:
    """Return shape (n, columns) of an array of any shape."""
    return array.reshape(len(array), int(np.prod(array.shape[1:], dtype=int)))


def missing(array: Array) -> NDArray[np.bool_]:
    """Return where an array of text or objects has nothing: None, NaN, an empty cell."""
    cells = [each is None or str(each).strip().lower() in _MISSING for each in array.ravel().tolist()]
    return np.array(cells, dtype=bool).reshape(array.shape)


def as_number(column: Array) -> FloatArray | None:
    """Return a column of text or objects as numbers, NaN where it is empty; None where it is text."""
    empty = missing(column)
    values = np.full(len(column), np.nan)
    try:
        values[~empty] = column[~empty].astype(np.float64)
    except (TypeError, ValueError):
        return None
    return values


def pooled(images: Array, side: int) -> FloatArray:
    """Return pictures averaged down to at most `side` x `side`, channels kept: shape (n, h, w, c)."""
    pictures = images.reshape(*images.shape[:3], -1)
    for axis in (1, 2):
        size = pictures.shape[axis]
        if size > side:
            starts = np.linspace(0, size, side, endpoint=False).astype(int)
            widths = np.diff([*starts, size]).reshape([-1 if i == axis else 1 for i in range(4)])
            pictures = np.add.reduceat(pictures, starts, axis=axis, dtype=np.float32) / widths
    return pictures.astype(np.float64)


@once_per_object
def encode(data: DataSample) -> Encoding:
    """Return the splits as numbers."""
    encoders: list[tuple[str, _Encoder]] = []
    columns: list[str] = []
    is_complete = True
    for name, array in data.training.inputs.items():
        made = _encoder(array) if array.ndim and len(array) else None
        if made is None:
            is_complete = False
            continue
        encoder, count = made
        encoders.append((name, encoder))
        columns += _names(name, data.features.get(name, ()), array, count)
    places = {split: drawn(len(sample), MOST_ROWS) for split, sample in data.splits.items() if len(sample)}
    splits = {
        split: Encoded(rows, values)
        for split, rows in places.items()
        if (values := _matrix(data.splits[split], data.training, rows, encoders)) is not None
    }
    if Split.TRAIN not in splits:
        return Encoding((), {}, is_complete=False)
    middle = _medians(splits[Split.TRAIN].values)
    for encoded in splits.values():
        bad = ~np.isfinite(encoded.values)
        encoded.values[bad] = np.broadcast_to(middle, bad.shape)[bad]
        np.clip(encoded.values, -1e100, 1e100, out=encoded.values)
    return Encoding(tuple(columns), splits, is_complete)


def _matrix(
    sample: SplitSample, train: SplitSample, rows: Rows, encoders: list[tuple[str, _Encoder]]
) -> FloatArray | None:
    """Return some samples of a split as numbers; None where it is of another shape or type than the training data."""
    parts = []
    for name, encoder in encoders:
        array = sample.inputs.get(name)
        if array is None or len(array) != len(sample) or array.shape[1:] != train.inputs[name].shape[1:]:
            return None
        try:
            parts.append(encoder(array[rows]))
        except (TypeError, ValueError):
            return None
    return np.concatenate(parts, axis=1) if parts else None


def _medians(values: FloatArray) -> FloatArray:
    middles = np.zeros(values.shape[1])
    for column in range(values.shape[1]):
        finite = values[:, column][np.isfinite(values[:, column])]
        if len(finite):
            middles[column] = np.median(finite)
    return middles


def _encoder(array: Array) -> tuple[_Encoder, int] | None:
    """Return how an input becomes numbers, and into how many columns; None where it cannot."""
    if is_numeric(array):
        width = int(np.prod(array.shape[1:], dtype=int))
        if width > MOST_COLUMNS and is_image(array):
            size = pooled(array[:1], GRID).size
            return (lambda given: flat(pooled(given, GRID))), size
        picked = np.linspace(0, width - 1, min(width, MOST_COLUMNS)).astype(int)
        return (lambda given: flat(given)[:, picked].astype(np.float64)), len(picked)
    if array.dtype.kind not in "OUS" or array.ndim > 2:
        return None
    cells = flat(array[drawn(len(array), MOST_ROWS)])
    parts = [_cell_encoder(cells[:, place]) for place in range(min(cells.shape[1], MOST_COLUMNS))]
    known = [(place, part) for place, part in enumerate(parts) if part is not None]
    if not known:
        return None

    def encoder(given: Array) -> FloatArray:
        table = flat(given)
        return np.concatenate([part[0](table[:, place]) for place, part in known], axis=1)

    return encoder, sum(part[1] for _, part in known)


def _cell_encoder(column: Array) -> tuple[_Encoder, int] | None:
    """Return how one column of a table becomes numbers; None for free text, whose cells hardly repeat."""
    if as_number(column) is not None:
        return _numbers, 1
    texts, counts = np.unique([str(each) for each in column.tolist()], return_counts=True)
    if len(texts) > max(MOST_VALUES, len(column) // 2):
        return None
    frequent = [str(text) for text in texts[np.argsort(-counts, kind="stable")][:MOST_VALUES]]

    def encoder(given: Array) -> FloatArray:
        cells = np.array([str(each) for each in given.tolist()])
        return np.stack([cells == text for text in frequent], axis=1).astype(np.float64)

    return encoder, len(frequent)


def _numbers(column: Array) -> FloatArray:
    values = as_number(column)
    if values is None:
        raise ValueError("a column of numbers holds text in another split")
    return values[:, None]


def _names(name: str, features: tuple[str, ...], array: Array, count: int) -> list[str]:
    width = int(np.prod(array.shape[1:], dtype=int))
    if len(features) == width == count:
        return list(features)
    return [name] if count == 1 else [f"{name}[{place}]" for place in range(count)]


def normal_scores(values: FloatArray) -> FloatArray:
    """Return columns by their ranks, spread like a normal distribution: heavy tails and units are gone.

    Ties share their middle rank; the inverse of the normal distribution is that of the logistic one, near enough.
    """
    shares = (ranks(values) + 0.5) / len(values)
    return np.asarray(np.log(shares / (1 - shares)) / 1.702)


def ranks(values: FloatArray) -> FloatArray:
    """Return the rank of each value in its column, from 0, ties sharing their middle one."""
    result = np.empty(values.shape)
    for place in range(values.shape[1]):
        _, inverse, counts = np.unique(values[:, place], return_inverse=True, return_counts=True)
        ends = np.cumsum(counts)
        result[:, place] = (ends - (counts + 1) / 2)[inverse]
    return result


def standardized(values: FloatArray) -> FloatArray:
    """Return columns of mean 0 and deviation 1; those that are constant are left out."""
    centred = values - values.mean(axis=0)
    spread = centred.std(axis=0)
    keep = spread > 1e-12 * (1 + np.abs(values).max(axis=0, initial=0.0))
    return np.asarray(centred[:, keep] / spread[keep])
