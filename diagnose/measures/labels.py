"""What the labels of a split are: classes, several labels at once, numbers to be predicted."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from diagnose.blueprint import Blueprint, Output
from diagnose.measures.encoding import drawn, is_numeric
from diagnose.measures.losses import Family, family_of
from diagnose.run import Run, Split
from diagnose.sample import Array, DataSample

#: Losses that are made for classes, one or several a sample.
_OF_CLASSES = (Family.SPARSE, Family.CATEGORICAL, Family.BINARY, Family.HINGE)
#: Whole numbers with more values than this are amounts where nobody says otherwise.
_MOST_CLASSES = 1000
_MOST_LABELS = 20_000


class Kind(StrEnum):
    """What labels of one output are."""

    CLASSES = "classes"
    MULTI_LABEL = "multi-label"
    REGRESSION = "regression"
    #: Pictures, sequences, boxes: one label is an array itself.
    DENSE = "dense"
    EMPTY = "empty"


@dataclass(frozen=True, eq=False)
class Labels:
    """Labels of one output in all splits.

    Parameters
    ----------
    name
        Of the output.
    kind
        What they are.
    splits
        Split -> for classes shape (n,), the class of each sample (a number, or a text); else numbers of shape (n, k).
        Samples without a label are left out of neither: NaN, or an empty text.
    """

    name: str
    kind: Kind
    splits: Mapping[Split, Array]

    @property
    def training(self) -> Array:
        """Those of the training split."""
        return self.splits[Split.TRAIN]


def output_of(model: Blueprint | None, name: str, data: DataSample) -> Output | None:
    """Return the output of the model that labels belong to; None where that is not clear."""
    if model is None:
        return None
    if len(model.outputs) == 1 and len(data.training.labels) == 1:
        return model.outputs[0]
    return next((output for output in model.outputs if name in (output.name, output.layer)), None)


def labels_of(run: Run) -> Iterator[Labels]:
    """Yield the labels of each output that has some."""
    data = run.data
    if data is None:
        return
    for name, array in data.training.labels.items():
        found = {
            split: sample.labels[name]
            for split, sample in data.splits.items()
            if name in sample.labels and sample.labels[name].ndim and len(sample.labels[name])
        }
        if Split.TRAIN not in found or not array.ndim:
            continue
        output = output_of(run.model, name, data)
        kind = _kind(array, output, is_loss_hidden=run.model is not None and output is None)
        yield Labels(name, kind, {split: _plain(given, kind) for split, given in found.items()})


def _kind(array: Array, output: Output | None, *, is_loss_hidden: bool = False) -> Kind:
    """Return what labels are; floats beside a model that trains them to nobody knows what are amounts, as ratings."""
    family = family_of(output.loss) if output is not None else None
    values = array[drawn(len(array), _MOST_LABELS)]
    if values.ndim > 2:
        return Kind.DENSE
    if values.ndim == 2 and values.shape[1] != 1:
        return _kind_of_rows(values, family)
    if not is_numeric(values):
        return Kind.CLASSES if values.dtype.kind in "OUS" else Kind.EMPTY
    may_be_amounts = is_loss_hidden and values.dtype.kind == "f" and not np.isin(values, (0, 1)).all()
    if family is Family.REGRESSION or may_be_amounts:
        return Kind.REGRESSION
    return Kind.CLASSES if family in _OF_CLASSES or _are_class_numbers(values.ravel()) else Kind.REGRESSION


def _kind_of_rows(values: Array, family: Family | None) -> Kind:
    if not values.shape[1]:
        return Kind.EMPTY
    if not is_numeric(values):
        return Kind.DENSE
    finite = values[np.isfinite(values).all(axis=1)]
    is_binary = bool(len(finite)) and bool(np.isin(finite, (0, 1)).all())
    if is_binary and family is not Family.REGRESSION:
        return Kind.CLASSES if bool((finite.sum(axis=1) == 1).all()) else Kind.MULTI_LABEL
    if family is Family.CATEGORICAL:  # soft labels: mixed, or smoothed
        return Kind.CLASSES
    return Kind.DENSE if family is Family.SPARSE else Kind.REGRESSION


def _are_class_numbers(values: Array) -> bool:
    finite = values[np.isfinite(values)]
    if not len(finite) or bool((finite != np.floor(finite)).any()):
        return False
    distinct = len(np.unique(finite))
    if values.dtype.kind in "bu" and distinct <= 2:
        return True
    most = _MOST_CLASSES if values.dtype.kind in "iu" else 20
    return distinct <= most and (distinct <= 3 or distinct <= len(finite) / 3)


def _plain(array: Array, kind: Kind) -> Array:
    if kind is Kind.CLASSES:
        if array.ndim == 2 and array.shape[1] != 1:
            return np.asarray(np.nan_to_num(array.astype(np.float64)).argmax(axis=1))
        column = array.ravel()
        return column if is_numeric(column) else np.array([_text(each) for each in column.tolist()], dtype=str)
    return array.reshape(len(array), -1) if array.ndim < 2 else array


def _text(value: object) -> str:
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    return "" if value is None or value != value else str(value)


def _known_classes(labels: Array) -> Array:
    """Return the class labels of those samples that have one."""
    if is_numeric(labels):
        return np.asarray(labels[np.isfinite(labels)])
    return np.asarray(labels[labels != ""])


def counts_of(labels: Labels) -> tuple[Array, Mapping[Split, NDArray[np.int64]]]:
    """Return the classes of all splits, and how often each has each of them."""
    known = {split: _known_classes(given) for split, given in labels.splits.items()}
    kinds = {given.dtype.kind in "US" for given in known.values()}
    if len(kinds) > 1:  # numbers here and texts there
        known = {split: given.astype(str) for split, given in known.items()}
    distinct = {split: np.unique(given, return_counts=True) for split, given in known.items()}
    classes = np.unique(np.concatenate([values for values, _ in distinct.values()]))
    counts = {}
    for split, (values, numbers) in distinct.items():
        counts[split] = np.zeros(len(classes), dtype=np.int64)
        counts[split][np.searchsorted(classes, values)] = numbers
    return classes, counts
