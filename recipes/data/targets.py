"""From targets as they were found to the task, and to the targets that a model is trained on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from recipes.detection.boxes import typical_sizes
from recipes.errors import DataError
from recipes.task import Kind, Task

#: Up to so many distinct whole numbers are classes; above, only where they are 0, 1, 2, ... without a gap.
MOST_PLAIN_CLASSES = 20
#: Whole numbers are classes only where each has so many samples on average; else they are quantities.
LEAST_PER_CLASS = 3
#: Text with more distinct values than this is no class.
MOST_CLASSES = 1000
_MEND = "say what it is with data.task"


@dataclass(frozen=True)
class Targets:
    """Targets of all samples, encoded as `recipes.task.Task` describes.

    Parameters
    ----------
    kind, names
        See `recipes.task.Task`.
    values
        (n, ...).
    """

    kind: Kind
    names: tuple[str, ...]
    values: NDArray[Any]

    def task(self, rows: NDArray[np.int64]) -> Task:
        """Return the task, with the statistics of the training samples.

        Raises
        ------
        DataError
            A class that training has no sample of, or a target that is the same in all of them.
        """
        values = self.values[rows]
        if self.kind is Kind.REGRESSION:
            return self._regression(values.astype(np.float64))
        counts = self._counts(values)
        if self.kind.is_classification and min(counts) == 0:
            name = self.names[counts.index(0)]
            raise DataError(f"class {name!r} has no training sample; add some, or leave the class out")
        sizes = typical_sizes(values) if self.kind is Kind.DETECTION else ()
        return Task(self.kind, self.names, counts, sizes=sizes)

    def strata(self) -> NDArray[np.int64] | None:
        """Return (n,) what should be equally frequent in all splits; None where there is nothing of the kind.

        The class; for several labels or objects the rarest one that a sample has; for numbers, those of about the same
        size, by the first target.
        """
        if self.kind.is_classification:
            return self.values.astype(np.int64)
        if self.kind is Kind.REGRESSION:
            return _quantiles(self.values[:, 0])
        present = self._presence()
        rarity = np.argsort(np.argsort(-present.sum(axis=0), kind="stable"))  # 0: the most frequent
        return np.asarray(np.max(np.where(present, rarity + 1, 0), axis=1, initial=0), np.int64)

    def _presence(self) -> NDArray[np.bool_]:
        """Return (n, names): whether a sample has the label, or an object of the class."""
        if self.kind is Kind.MULTILABEL:
            return self.values > 0
        classes = self.values[..., 4]
        return np.stack([(classes == number).any(axis=1) for number in range(len(self.names))], axis=1)

    def _counts(self, values: NDArray[Any]) -> tuple[int, ...]:
        if self.kind is Kind.MULTILABEL:
            return tuple(int(count) for count in values.sum(axis=0))
        classes = values[..., 4].ravel() if self.kind is Kind.DETECTION else values
        classes = classes[classes >= 0].astype(np.int64)
        return tuple(int(count) for count in np.bincount(classes, minlength=len(self.names)))

    def _regression(self, values: NDArray[np.float64]) -> Task:
        means, deviations = values.mean(axis=0), values.std(axis=0)
        for name, mean, deviation in zip(self.names, means, deviations, strict=True):
            if deviation <= 1e-7 * abs(mean):  # float32 cannot tell them apart
                raise DataError(f"target {name!r} is {mean:g} in every training sample: there is nothing to learn")
        return Task(
            self.kind,
            self.names,
            means=tuple(float(mean) for mean in means),
            deviations=tuple(float(deviation) for deviation in deviations),
        )


def encode(
    found: NDArray[Any], task: str = "auto", classes: tuple[str, ...] = (), names: tuple[str, ...] = ()
) -> Targets:
    """Find out what is to be predicted, and encode the targets.

    Parameters
    ----------
    found
        (n,) of any type, (n, targets), one-hot (n, classes), or boxes (n, most, 5); of all splits.
    task
        ``auto``, or what the user says it is.
    classes
        Names of the classes where the targets are their indices, or of those in the columns of a one-hot array.
    names
        Of the targets, one for each column.

    Raises
    ------
    DataError
        A missing value, only one class, or targets that contradict `task`.
    """
    found = np.asarray(found)
    if not len(found):
        raise DataError("there is no sample with a target")
    if found.ndim == 2 and found.shape[1] == 1:
        found = found[:, 0]
    if found.ndim == 3 and found.shape[2] == 5:
        return _detection(found, task, classes)
    if found.ndim > 2 or (found.ndim == 2 and found.shape[1] == 0):
        shape = "x".join(map(str, found.shape[1:]))
        raise DataError(f"a target of shape {shape} is no task that is known; it is a class, labels, numbers or boxes")
    found = _plain(found) if found.dtype == object else found
    _check_whole(found)
    if found.ndim == 2:
        return _several(found, task, classes, names)
    name = names[0] if names else "the target"
    if _is_classes(found, task, name, classes):
        return _classes(found, task, classes, name)
    return Targets(Kind.REGRESSION, (names[0] if names else "target",), _single(found)[:, None])


def _plain(found: NDArray[Any]) -> NDArray[Any]:
    """Return an array of objects as numbers where all are, else as text; what is missing is NaN, or empty."""
    missing = np.asarray(pd.isna(found))
    if any(isinstance(value, str) for value in found[~missing]):
        return np.where(missing, "", found.astype(str))
    try:
        return np.where(missing, np.nan, found).astype(np.float64)
    except (TypeError, ValueError):
        return np.where(missing, "", found.astype(str))


def _check_whole(found: NDArray[Any]) -> None:
    """Refuse targets that are missing or infinite; a loader that can leave rows out does so before."""
    if found.dtype.kind in "iub":
        return
    if found.dtype.kind not in "fUS":
        raise DataError(f"targets of type {found.dtype} are no task that is known; give numbers or text")
    bad = ~np.isfinite(found) if found.dtype.kind == "f" else found == np.asarray("", found.dtype)
    if bad.any():
        row = int(np.argwhere(bad)[0][0])
        what = "infinite" if found.dtype.kind == "f" and not np.isnan(found[bad][0]) else "missing"
        raise DataError(f"the target of sample {row + 1} is {what} ({int(bad.sum())} are); leave such samples out")


def _single(found: NDArray[Any]) -> NDArray[np.float32]:
    """Return numbers in 32 bits."""
    with np.errstate(over="ignore"):
        values = found.astype(np.float32)
    if not np.isfinite(values).all():
        raise DataError("a target is too large for 32-bit floats; divide the targets by a constant")
    return values


def _is_classes(found: NDArray[Any], task: str, name: str, classes: tuple[str, ...]) -> bool:
    """Whether one target (n,) is the class, and no number.

    Parameters
    ----------
    found, task, name
        The target, what it is said to be, and its name.
    classes
        Names of the classes, where the target is their index.
    """
    distinct = np.unique(found)
    is_text = bool(classes) or found.dtype.kind in "US"
    is_whole = not is_text and (found.dtype.kind in "iub" or bool(np.all(distinct == np.round(distinct))))
    _check_told(distinct, task, name, is_text=is_text, is_whole=is_whole)
    if task == "regression":
        return False
    if len(distinct) == 1:
        value = classes[int(distinct[0])] if classes else _label(distinct[0])
        raise DataError(f"{name} is {value!r} in every sample: there is nothing to learn")
    if is_text and len(distinct) > MOST_PLAIN_CLASSES and len(found) < 2 * len(distinct):
        raise DataError(
            f"{name} has {len(distinct)} distinct texts in {len(found)} samples; is it the right column? "
            "Classes need several samples each"
        )
    is_classes = is_text or task != "auto" or _are_few(distinct, len(found), is_whole=is_whole)
    if is_classes and len(distinct) > MOST_CLASSES:
        raise DataError(f"{name} has {len(distinct)} distinct values, too many for classes; is it the right column?")
    return is_classes


def _check_told(distinct: NDArray[Any], task: str, name: str, *, is_text: bool, is_whole: bool) -> None:
    """Refuse what the user says of one target where its values contradict it."""
    if task == "multilabel":
        raise DataError(f"{name} is one column, and data.task multilabel needs one column of 0 and 1 for each label")
    if task == "regression" and is_text:
        raise DataError(f"{name} holds classes by name, and cannot be a regression; leave data.task out")
    if task == "binary" and len(distinct) > 2:
        raise DataError(f"{name} has {len(distinct)} distinct values, and data.task binary needs two")
    if task == "multiclass" and not (is_text or is_whole):
        raise DataError(
            f"{name} holds fractions, such as {distinct[0]:g}; they are no classes: use data.task=regression"
        )


def _are_few(distinct: NDArray[Any], samples: int, *, is_whole: bool) -> bool:
    """Whether numbers are few enough to be classes."""
    if len(distinct) == 2:
        return True
    is_counted = bool(np.array_equal(distinct, np.arange(len(distinct))))
    few = len(distinct) <= MOST_PLAIN_CLASSES or (is_counted and len(distinct) <= MOST_CLASSES)
    return is_whole and few and samples >= LEAST_PER_CLASS * len(distinct)


def _classes(found: NDArray[Any], task: str, classes: tuple[str, ...], name: str) -> Targets:
    """Return one target as indices of classes."""
    if classes:
        names, indices = classes, found.astype(np.int64)
        if indices.min() < 0 or indices.max() >= len(classes):
            raise DataError(f"{name} has the class {indices.max()}, and there are {len(classes)} names of classes")
    else:
        distinct, indices = np.unique(found, return_inverse=True)
        names = tuple(_label(value) for value in distinct)
    is_binary = len(names) == 2 and task != "multiclass"
    kind = Kind.BINARY if is_binary else Kind.MULTICLASS
    return Targets(kind, names, indices.astype(np.float32 if is_binary else np.int32))


def _label(value: Any) -> str:
    """Return the name of a class: of whole numbers without a fraction."""
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    if isinstance(value, (float, np.floating)) and float(value).is_integer():
        return str(int(value))
    return str(value)


def _several(found: NDArray[Any], task: str, classes: tuple[str, ...], names: tuple[str, ...]) -> Targets:
    """Return targets (n, columns): one-hot classes, labels, or numbers."""
    columns = found.shape[1]
    if found.dtype.kind in "US":
        raise DataError(f"{columns} targets hold text; one target may, several must be numbers")
    is_flags = bool(np.all((found == 0) | (found == 1)))
    is_one_hot = is_flags and bool(np.all(found.sum(axis=1) == 1))
    if task == "regression" or (task == "auto" and not is_flags):
        titles = names if len(names) == columns else tuple(f"target {number + 1}" for number in range(columns))
        return Targets(Kind.REGRESSION, titles, _single(found))
    if not is_flags:
        raise DataError(f"{columns} targets are not all 0 or 1, and data.task {task} needs that; {_MEND}=regression")
    given = classes or names
    titles = given if len(given) == columns else tuple(str(number) for number in range(columns))
    if task == "multilabel" or (task == "auto" and not is_one_hot):
        return Targets(Kind.MULTILABEL, titles, found.astype(np.float32))
    if not is_one_hot:
        raise DataError(f"some samples have several of the {columns} targets, or none; {_MEND}=multilabel")
    if task == "binary" and columns != 2:
        raise DataError(f"there are {columns} classes, and data.task binary needs two")
    indices = found.argmax(axis=1)
    if columns == 2 and task != "multiclass":
        return Targets(Kind.BINARY, titles, indices.astype(np.float32))
    return Targets(Kind.MULTICLASS, titles, indices.astype(np.int32))


def _detection(found: NDArray[Any], task: str, classes: tuple[str, ...]) -> Targets:
    """Return boxes (n, most, 5)."""
    if task != "auto":
        raise DataError(f"targets (n, most, 5) are boxes of objects, and data.task is {task}; leave it out")
    boxes = found.astype(np.float32)
    numbers = boxes[..., 4]
    objects = boxes[numbers >= 0]
    if not np.all(np.isfinite(boxes)):
        row = int(np.argwhere(~np.isfinite(boxes))[0][0])
        raise DataError(f"a box of sample {row + 1} is not finite; rows that are no object have the class -1")
    if not len(objects):
        raise DataError("no sample has an object: every class of a box is -1")
    if np.any(objects[:, 4] != np.round(objects[:, 4])) or objects[:, 4].max() >= MOST_CLASSES:
        raise DataError("the fifth number of a box is the index of its class, a whole number from 0 on; -1: no object")
    if objects[:, :4].min() < 0 or objects[:, :4].max() > 1 or objects[:, 2:4].min() <= 0:
        row = int(np.argwhere((numbers >= 0) & _outside(boxes))[0][0])
        raise DataError(f"a box of sample {row + 1} is not x, y, width, height as shares of the image, from 0 to 1")
    count = int(objects[:, 4].max()) + 1
    names = classes if len(classes) >= count else tuple(str(number) for number in range(count))
    boxes[numbers < 0] = (0, 0, 0, 0, -1)
    return Targets(Kind.DETECTION, names, boxes)


def _outside(boxes: NDArray[Any]) -> NDArray[np.bool_]:
    places, sizes = boxes[..., :4], boxes[..., 2:4]
    return np.asarray(np.any((places < 0) | (places > 1), axis=-1) | np.any(sizes <= 0, axis=-1))


def _quantiles(values: NDArray[Any], most: int = 10, least: int = 20) -> NDArray[np.int64] | None:
    """Return the number of the quantile that each value is in; each has at least `least` samples."""
    count = min(most, len(values) // least)
    if count < 2:
        return None
    edges = np.quantile(values, np.linspace(0, 1, count + 1)[1:-1])
    return np.asarray(np.searchsorted(edges, values), np.int64)
