"""Whatever Keras takes for samples - arrays, lists, tensors, frames, sparse matrices - as plain NumPy arrays."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from diagnose.audit.data_reading import one_line
from diagnose.readers.base import ReadError
from diagnose.sample import Array

#: Texts that are no longer than this make an array of fixed width, which NumPy sorts and compares fast.
_SHORT_TEXT = 256
#: Python's number of the day 1970-01-01.
_EPOCH = 719_163


def is_frame(values: Any) -> bool:
    """Whether this is a pandas frame."""
    return _is_of("pandas", "DataFrame", values)


def is_mapping(values: Any) -> bool:
    """Whether this is a dict, or like one; a frame is not."""
    return isinstance(values, Mapping)


def holds_samples(values: Any) -> bool:
    """Whether this has an axis of samples: it is no number, and no list."""
    shape = getattr(values, "shape", None)
    return shape is not None and len(shape) > 0


def named(values: Any, name: str) -> dict[str, Any]:
    """Return what `fit` takes as inputs, or as labels, by their names.

    Parameters
    ----------
    values
        None, one array, a list of such, or a dict of such with more dicts in it.
    name
        Of the only one; of several in a list, it is followed by their numbers from 1.
    """
    if values is None:
        return {}
    if is_mapping(values):
        found: dict[str, Any] = {}
        for key, value in values.items():
            found |= {inner if inner == str(key) else f"{key}/{inner}": leaf for inner, leaf in _inner(value, str(key))}
        return found
    if isinstance(values, list | tuple) and values and all(map(holds_samples, values)):
        if len(values) == 1:
            return {name: values[0]}
        return {f"{name}_{number}": value for number, value in enumerate(values, start=1)}
    return {name: values}


def _inner(value: Any, key: str) -> list[tuple[str, Any]]:
    return list(named(value, key).items())


def length(values: Any, name: str) -> int:
    """Return how many samples there are.

    Raises
    ------
    ReadError
        There is no axis of samples.
    """
    shape = getattr(values, "shape", None)
    if shape is None:
        if isinstance(values, Sequence) and not isinstance(values, str | bytes):
            return len(values)
        raise ReadError(f"{name} is of type {type(values).__name__}, which holds no samples", "give an array")
    if not len(shape):
        raise ReadError(f"{name} is a single value, not one for each sample", "give an array (samples, ...)")
    return int(shape[0])


def take(values: Any, rows: NDArray[np.int64], name: str) -> Array:
    """Return the samples of these numbers, ascending, as a plain array.

    Raises
    ------
    ReadError
        They are no numbers and no text.
    """
    if _is_sparse_tensor(values):
        return _dense(values, rows)
    if _is_ragged(values):
        return plain(sys.modules["tensorflow"].gather(values, rows), name)
    if hasattr(values, "iloc"):
        return plain(values.iloc[rows], name)
    if hasattr(values, "tocsr"):
        return plain(values.tocsr()[rows], name)
    if isinstance(values, Sequence):
        return plain([values[int(row)] for row in rows], name)
    if callable(getattr(values, "numpy", None)):
        values = _array(values, name)
    try:
        found = values[rows]
    except Exception as error:  # of whatever class this is
        kind = type(values).__name__
        raise ReadError(f"{name}, a {kind}, does not give its rows: {one_line(error)}", "give a NumPy array") from None
    return plain(found, name)


def plain(values: Any, name: str) -> Array:
    """Return values as an array of numbers or of text.

    Text is of Python's strings; what is missing in it is empty. Dates are days since 1970. Rows of different length are
    filled up with zeros, as ``pad_sequences`` does.

    Raises
    ------
    ReadError
        They are neither.
    """
    array = _array(values, name)
    if array.dtype.kind in "biufcU":
        return array
    if array.dtype.kind == "M":
        days = array.astype("datetime64[s]").astype(np.float64) / 86_400
        return np.where(np.isnat(array), np.nan, days)
    if array.dtype.kind == "m":
        return np.where(np.isnat(array), np.nan, array / np.timedelta64(1, "s"))
    if array.dtype.kind == "S":
        return _texts(array)
    if array.dtype.kind == "O":
        return _of_objects(array, name)
    if array.dtype.names:
        raise ReadError(f"{name} is of type {array.dtype}", "give numbers or text")
    try:
        return array.astype(np.float32)  # bfloat16 and float8
    except (TypeError, ValueError):
        raise ReadError(f"{name} is of type {array.dtype}", "give numbers or text") from None


def _array(values: Any, name: str) -> Array:
    if _is_ragged(values):
        values = values.to_tensor()
    elif _is_sparse_tensor(values):
        return _dense(values, np.arange(int(values.shape[0]), dtype=np.int64))
    elif hasattr(values, "toarray"):
        values = values.toarray()
    elif hasattr(values, "detach"):
        values = values.detach().cpu()
    if callable(getattr(values, "numpy", None)):
        values = values.numpy()
    elif hasattr(values, "to_numpy"):
        values = values.to_numpy()
    try:
        return np.asarray(values)
    except (TypeError, ValueError, RuntimeError):
        try:
            return _of_rows(values)
        except (TypeError, ValueError, RuntimeError) as error:
            said = " ".join(str(error).split())[:150]
            raise ReadError(f"{name} cannot be made an array ({said})", "give a NumPy array") from None


def _of_rows(values: Any) -> Array:
    """Return an array of objects, one for each row."""
    rows = np.empty(len(values), object)
    for number, row in enumerate(values):
        rows[number] = row
    return rows


def _of_objects(array: Array, name: str) -> Array:
    flat = array.ravel().tolist()
    present = [value for value in flat if not _is_missing(value)]
    if any(isinstance(value, str | bytes) for value in present):
        return _texts(array)
    if present and all(isinstance(value, list | tuple | np.ndarray) for value in present) and array.ndim == 1:
        return padded([_row(value, name) for value in flat], name)
    of = _days if present and all(hasattr(value, "toordinal") for value in present) else float
    try:
        return np.array([np.nan if _is_missing(value) else of(value) for value in flat]).reshape(array.shape)
    except (TypeError, ValueError, OverflowError):
        kind = next((type(value).__name__ for value in present if not isinstance(value, int | float)), "object")
        raise ReadError(f"{name} holds objects of type {kind}", "give numbers or text") from None


def _days(date: Any) -> float:
    return float(date.toordinal() - _EPOCH)


def _row(value: Any, name: str) -> Array:
    return np.empty(0) if _is_missing(value) else plain(value, name)


def padded(rows: Sequence[Array], name: str) -> Array:
    """Return arrays of one rank stacked; where they are shorter than the longest, zeros follow.

    Raises
    ------
    ReadError
        They differ in rank.
    """
    ranks = {row.ndim for row in rows}
    if len(ranks) > 1:
        shapes = sorted({row.shape for row in rows}, key=len)
        raise ReadError(
            f"the samples of {name} differ in rank: {shapes[0]} and {shapes[-1]}", "bring them to one shape"
        )
    shape = tuple(max(sizes) for sizes in zip(*(row.shape for row in rows), strict=True))
    whole: Array = np.zeros((len(rows), *shape), np.result_type(*rows))
    for place, row in zip(whole, rows, strict=True):
        place[tuple(slice(size) for size in row.shape)] = row
    return whole


def _texts(array: Array) -> Array:
    texts = [_text(value) for value in array.ravel().tolist()]
    if max(map(len, texts), default=0) <= _SHORT_TEXT:
        return np.array(texts, dtype=str).reshape(array.shape)
    whole = np.empty(len(texts), object)
    whole[:] = texts
    return whole.reshape(array.shape)


def _text(value: Any) -> str:
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    return "" if _is_missing(value) else str(value)


def _is_missing(value: Any) -> bool:
    return (
        value is None or type(value).__name__ in ("NAType", "NaTType") or (isinstance(value, float) and value != value)
    )


def _is_of(module: str, kind: str, values: Any) -> bool:
    """Whether this is of a class of a package, which is not imported for that."""
    known = getattr(sys.modules.get(module), kind, None)
    return known is not None and isinstance(values, known)


def _is_ragged(values: Any) -> bool:
    return _is_of("tensorflow", "RaggedTensor", values)


def _is_sparse_tensor(values: Any) -> bool:
    return _is_of("tensorflow", "SparseTensor", values)


def _dense(tensor: Any, rows: NDArray[np.int64]) -> Array:
    """Return rows of a sparse tensor with the zeros in them."""
    indices, values = np.asarray(tensor.indices), plain(tensor.values, "a sparse tensor")
    shape = tuple(int(size) for size in tensor.shape)
    places = np.searchsorted(rows, indices[:, 0])
    is_taken = (places < len(rows)) & (rows[np.minimum(places, len(rows) - 1)] == indices[:, 0])
    dense = np.zeros((len(rows), *shape[1:]), values.dtype)
    dense[(places[is_taken], *indices[is_taken, 1:].T)] = values[is_taken]
    return dense


def columns(frame: Any, rows: NDArray[np.int64], name: str) -> dict[str, tuple[Array, tuple[str, ...]]]:
    """Return rows of a pandas frame as inputs: name -> (rows, columns), and the columns' names.

    Numbers alone, or text alone, are the input `name`; of a frame of both, ``numeric`` and ``categorical``.
    """
    numeric: dict[str, Array] = {}
    categorical: dict[str, Array] = {}
    for number, title in enumerate(frame.columns):
        cells = plain(frame.iloc[rows, number], f"column {title!r}")
        (categorical if cells.dtype.kind in "UO" else numeric)[str(title)] = cells
    found = {"numeric": numeric, "categorical": categorical}
    tables = {kind: (np.stack(list(known.values()), axis=1), tuple(known)) for kind, known in found.items() if known}
    return {name: next(iter(tables.values()))} if len(tables) == 1 else tables
