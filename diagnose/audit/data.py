"""A bounded sample of the data of a training, from whatever Keras trains on."""

from __future__ import annotations

import math
import random
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from diagnose.audit import data_arrays, data_streams, data_values
from diagnose.audit.data_arrays import Pair
from diagnose.audit.data_reading import MOST_BYTES, MOST_SAMPLES, SECONDS, Limit, Reading
from diagnose.audit.data_streams import Feed
from diagnose.readers.base import ReadError
from diagnose.run import Split
from diagnose.sample import DataSample

__all__ = ["MOST_BYTES", "MOST_SAMPLES", "SECONDS", "sample"]

_SPLITS = {
    "train": Split.TRAIN, "training": Split.TRAIN, "validation": Split.VALIDATION, "val": Split.VALIDATION,
    "valid": Split.VALIDATION, "test": Split.TEST,
}  # fmt: skip
#: Names of arrays as in ``mnist.npz``.
_ARRAYS = re.compile(r"[xy]_(train|training|validation|val|valid|test)")
#: What `fit` calls its data.
_OF_FIT = {"x", "y", "validation_data", "validation_split"}
_MEND = "give (x, y), a pandas frame, a tf.data.Dataset, a PyDataset, or a dict of such for train, validation and test"

Part = Pair | Feed


def sample(
    data: Any,
    y: Any = None,
    *,
    target: str | Sequence[str] | None = None,
    validation: Any = None,
    test: Any = None,
    validation_split: float = 0.0,
    source: str = "",
    most_samples: int = MOST_SAMPLES,
    most_bytes: int = MOST_BYTES,
    seconds: float = SECONDS,
) -> DataSample:
    """Return a bounded sample of what is to be trained on.

    Nothing of the user's is changed, no process is started, and the random numbers of Python and NumPy go on as if
    nothing had been read. Only ``tf.data`` that shuffles by itself draws one more order.

    Parameters
    ----------
    data
        What `fit` takes as ``x``, alone or with `y`: arrays, lists, frames, dicts of inputs, ``tf.data.Dataset``,
        ``PyDataset``, a loader, a function that makes a generator. Or ``(x, y)``; ``((x_train, y_train), (x_test,
        y_test))`` as ``keras.datasets`` have it, or three such pairs for train, validation and test; two data sets for
        train and validation, as ``image_dataset_from_directory(subset="both")`` has them, or three; or a dict of
        ``train``, ``validation`` and ``test``, of ``x_train``, ``y_train`` and so on, or of the arguments of `fit`.
    y
        Labels, where `data` are inputs alone.
    target
        Column, or columns, of a frame that are the labels.
    validation, test
        The other splits, in any of the forms of one split.
    validation_split
        As of `fit`: this share of the samples, the last ones, is the validation.
    source
        As the user named it; empty: the type of `data`.
    most_samples, most_bytes
        Of a split that are kept.
    seconds
        For reading a split that comes in batches; three times as many where it is read twice.

    Raises
    ------
    ReadError
        It is not known, is empty, does not fit together, or fails while it is read.

    Examples
    --------
    >>> found = sample((np.zeros((5000, 3)), np.zeros(5000)), validation_split=0.2)
    >>> {str(split): (len(of), of.count) for split, of in found.splits.items()}
    {'train': (2000, 4000), 'validation': (1000, 1000)}
    """
    limit = Limit(most_samples, most_bytes, seconds)
    targets = (target,) if isinstance(target, str) else tuple(target or ())
    found = _splits(data, y)
    share = found.pop("validation_split", None) or validation_split
    given = {Split(name): part for name, part in found.items()}
    given |= {split: part for split, part in ((Split.VALIDATION, validation), (Split.TEST, test)) if part is not None}
    if Split.TRAIN not in given:
        raise ReadError("there is no data to train on", _MEND)
    parts = {split: _part(given[split], targets) for split in Split if split in given}
    with _same_random_numbers():
        readings = _read(parts, float(share), limit)
    return _joined(readings, source or _title(data))


def _title(data: Any) -> str:
    return "tf.data.Dataset" if data_streams.is_tf_data(data) else type(data).__name__


def _splits(data: Any, y: Any) -> dict[str, Any]:
    """Return split -> its data, and ``validation_split`` where the arguments of `fit` have it."""
    if y is not None:
        return {Split.TRAIN: (data, y)}
    if data_values.is_mapping(data):
        return _named_splits({str(name): data[name] for name in data}) or {Split.TRAIN: data}
    if isinstance(data, list | tuple):
        if len(data) in (2, 3) and all(map(data_streams.is_container, data)):
            return dict(zip(Split, data, strict=False))
        if _are_pairs(data):
            return dict(zip((Split.TRAIN, Split.TEST) if len(data) == 2 else tuple(Split), data, strict=True))
    return {Split.TRAIN: data}


def _named_splits(data: Mapping[str, Any]) -> dict[str, Any]:
    """Return the splits of a dict that names them; nothing where its names are those of inputs."""
    if data.keys() <= _SPLITS.keys():
        return {_SPLITS[name]: part for name, part in data.items() if part is not None}
    if "x" in data and data.keys() <= _OF_FIT:
        train = data["x"] if data.get("y") is None else (data["x"], data["y"])
        more = {Split.VALIDATION: data.get("validation_data"), "validation_split": data.get("validation_split")}
        return {Split.TRAIN: train} | {name: part for name, part in more.items() if part is not None}
    if data and all(map(_ARRAYS.fullmatch, data)):
        endings = [name[2:] for name in data if name.startswith("x_")]
        return {_SPLITS[ending]: (data[f"x_{ending}"], data.get(f"y_{ending}")) for ending in endings}
    return {}


def _are_pairs(data: Sequence[Any]) -> bool:
    """Whether these are (x, y) of two or three splits, and not the inputs and the labels of a model with several."""
    if len(data) not in (2, 3) or not all(isinstance(part, tuple) and len(part) == 2 for part in data):
        return False
    if not all(data_values.holds_samples(array) for part in data for array in part):
        return False
    lengths = [[int(array.shape[0]) for array in part] for part in data]
    if any(x != y for x, y in lengths):
        return False
    return len({x for x, _ in lengths}) > 1 or _are_alike(data)


def _are_alike(data: Sequence[Any]) -> bool:
    """Whether pairs of one length have one form each, x another than y: halves of one data set, most likely."""
    forms = {tuple((tuple(array.shape[1:]), str(array.dtype)) for array in part) for part in data}
    is_given_back = any(data[0][place] is part[place] for part in data[1:] for place in (0, 1))  # an autoencoder
    return len(forms) == 1 and len(set(*forms)) == 2 and not is_given_back


def _part(data: Any, target: tuple[str, ...]) -> Part:
    """Return the data of one split as what can be read."""
    x, *more = data if isinstance(data, tuple) and 1 <= len(data) <= 3 else (data,)
    if isinstance(x, list) and not more and len(x) in (2, 3) and all(map(data_values.holds_samples, x)):
        x, *more = x
    y = more[0] if more else None
    if x is None or isinstance(x, str | bytes):
        what = "None" if x is None else f"{x!r}, a {type(x).__name__}"
        raise ReadError(f"the data is {what}", _MEND)
    if not data_streams.is_container(x) and _is_indexed(x):
        return Pair(x, y, target if y is None else ())
    feed = data_streams.feed_of(x)
    if feed is None:
        raise ReadError(f"data of type {type(x).__name__} is not known", _MEND)
    if y is not None:
        raise ReadError(f"y is given beside a {type(x).__name__}", "let the data set give (x, y) itself, as Keras asks")
    return feed


def _is_indexed(x: Any) -> bool:
    return hasattr(x, "shape") or data_values.is_mapping(x) or isinstance(x, list | tuple)


def _read(parts: Mapping[Split, Part], share: float, limit: Limit) -> dict[Split, Reading]:
    """Return a sample of each split; the last `share` of the training samples is the validation."""
    spans: dict[Split, tuple[int, int]] = {}
    train = parts[Split.TRAIN]
    if share and Split.VALIDATION not in parts:
        if not isinstance(train, Pair):
            raise ReadError("validation_split is for arrays, and the data comes in batches", "give validation_data")
        count = data_arrays.count(train, Split.TRAIN)
        at = math.floor(count * (1.0 - share))
        if not 0 < at < count:
            raise ReadError(f"validation_split={share:g} of {count} samples leaves one split empty", "change it")
        spans = {Split.TRAIN: (0, at), Split.VALIDATION: (at, count)}
        parts = {**parts, Split.VALIDATION: train}
    return {split: _reading(parts[split], split, limit, spans.get(split)) for split in Split if split in parts}


def _reading(part: Part, split: Split, limit: Limit, span: tuple[int, int] | None) -> Reading:
    if isinstance(part, Pair):
        return data_arrays.read(part, split, limit, span)
    return data_streams.read(part, split, limit, is_read_twice=split != Split.TRAIN)


def _joined(readings: Mapping[Split, Reading], source: str) -> DataSample:
    train = readings[Split.TRAIN]
    return DataSample(
        source=source,
        splits={split: reading.split for split, reading in readings.items()},
        features=train.features,
        classes=train.classes,
        is_raw=train.is_raw,
        is_sequence=any(reading.is_sequence for reading in readings.values()),
        batch_size=train.batch_size,
        notes=tuple(note for reading in readings.values() for note in reading.notes),
    )


@contextmanager
def _same_random_numbers() -> Iterator[None]:
    """Let the user's code draw random numbers, and afterwards the training draw those that it would have drawn."""
    python, legacy = random.getstate(), np.random.get_state()
    try:
        yield
    finally:
        random.setstate(python)
        np.random.set_state(legacy)
