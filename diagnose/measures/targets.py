"""What an output is to be trained to: the form of its labels, and whether they and its loss can meet."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from diagnose.blueprint import Loss, Output, Shape
from diagnose.measures.encoding import is_numeric
from diagnose.measures.labels import output_of
from diagnose.measures.losses import Family, family_of
from diagnose.run import Run, Split
from diagnose.sample import Array

#: Labels that are looked at; the rest of a larger sample is like them.
_MOST = 200_000
_ROUNDING = 1e-4


class Form(StrEnum):
    """How labels are written."""

    #: Whole numbers from 0, more than two of them.
    CLASSES = "class numbers"
    BINARY = "zeros and ones"
    SIGNED = "-1 and 1"
    ONE_HOT = "one-hot rows"
    MULTI_HOT = "rows of zeros and ones"
    #: Rows of shares that sum to 1.
    SHARES = "shares that sum to 1"
    CONTINUOUS = "numbers"


@dataclass(frozen=True)
class Target:
    """The labels of one output.

    Parameters
    ----------
    form
        How they are written.
    shape
        With the number of samples.
    low, high
        Least and largest value.
    classes
        The largest class number plus one, of all splits; 0 where they are no classes.
    is_covered
        Whether there is a label of each class below that, and several of most.
    quantiles
        Some values in order, of all those looked at.
    """

    form: Form
    shape: tuple[int, ...]
    low: float
    high: float
    classes: int = 0
    is_covered: bool = False
    quantiles: tuple[float, ...] = ()

    @property
    def width(self) -> int:
        """Numbers in the last axis; 1 where there is one label per sample."""
        return self.shape[-1] if len(self.shape) > 1 else 1

    @property
    def is_one_per_sample(self) -> bool:
        """Whether there is a single number for each sample."""
        return int(np.prod(self.shape[1:], dtype=float)) == 1

    def share_outside(self, low: float | None, high: float | None) -> float:
        """Return the share of the values that lie clearly outside two bounds."""
        slack = _ROUNDING + 1e-3 * max((high or 0.0) - (low or 0.0), 0.0)
        values = np.array(self.quantiles)
        outside = np.zeros(len(values), dtype=bool)
        if low is not None:
            outside |= values < low - slack
        if high is not None:
            outside |= values > high + slack
        return float(outside.mean()) if len(values) else 0.0


def losses_of(run: Run) -> Iterator[tuple[Output, Loss, Family]]:
    """Yield the outputs with a loss of Keras', its loss and family."""
    for output in run.model.outputs if run.model is not None else ():
        family = family_of(output.loss)
        if output.loss is not None and family is not None:
            yield output, output.loss, family


def target_of(run: Run, output: Output) -> Target | None:
    """Return the labels of an output as ``fit`` gets them; None where there are none, or nobody can tell."""
    data = run.data
    if data is None or data.is_raw:
        return None
    for name, labels in data.training.labels.items():
        if output_of(run.model, name, data) == output:
            others = [
                sample.labels[name]
                for split, sample in data.splits.items()
                if split is not Split.TRAIN and name in sample.labels
            ]
            return describe(labels, others)
    return None


def describe(labels: Array, others: list[Array] | None = None) -> Target | None:
    """Return what labels are like; None for text, for none at all, and where one is no finite number.

    `others` are those of other splits: only their class numbers are looked at.
    """
    if labels.ndim == 0 or not labels.size or not is_numeric(labels):
        return None
    values = labels[: max(1, _MOST // max(1, labels[0].size))].astype(np.float64)
    if not np.isfinite(values).all():
        return None
    low, high = float(values.min()), float(values.max())
    form = _form(values, low, high)
    classes, is_covered = 0, False
    if form in (Form.CLASSES, Form.BINARY):
        highest = [high, *(_highest(other) for other in others or [])]
        classes = int(max(highest)) + 1
        is_covered = len(np.unique(values)) == classes and values.size >= 5 * classes
    ordered = np.sort(values, axis=None)
    quantiles = tuple(ordered[np.linspace(0, len(ordered) - 1, min(len(ordered), 1001)).astype(int)].tolist())
    return Target(form, labels.shape, low, high, classes, is_covered, quantiles)


def _highest(labels: Array) -> float:
    if not labels.size or not is_numeric(labels):
        return 0.0
    highest = float(labels.max())
    return highest if np.isfinite(highest) and highest < 2**31 else 0.0


def _form(values: Array, low: float, high: float) -> Form:
    is_whole = bool((values == np.floor(values)).all()) and high < 2**31
    is_rows = values.ndim > 1 and values.shape[-1] > 1
    if is_rows and low >= 0 and high <= 1:
        sums = values.sum(axis=-1)
        if is_whole:
            return Form.ONE_HOT if bool((sums == 1).all()) else Form.MULTI_HOT
        if bool((np.abs(sums - 1) <= _ROUNDING * values.shape[-1]).all()):
            return Form.SHARES
    if is_whole and low >= 0 and high <= 1:
        return Form.BINARY
    if is_whole and low == -1 and high == 1 and not bool((values == 0).any()):
        return Form.SIGNED
    return Form.CLASSES if is_whole and low >= 0 else Form.CONTINUOUS


class Misfit(StrEnum):
    """Why an output, its loss and its labels cannot meet."""

    #: One unit, and a loss for several classes.
    ONE_UNIT = "one unit"
    TOO_FEW = "fewer units than classes"
    TOO_MANY = "more units than classes"
    #: Rows for a loss that takes class numbers.
    ROWS = "rows"
    #: Class numbers for a loss that takes rows, or amounts.
    NUMBERS = "class numbers"
    WIDTH = "another width"
    #: An output with axes that the labels do not have.
    AXES = "axes"


def misfit(output: Output, target: Target | None) -> Misfit | None:
    """Return why an output does not fit its loss and labels in number; None where it does, or nobody can tell."""
    family, units = family_of(output.loss), output.units
    if family is None or units is None:
        return None
    if target is None:
        return Misfit.ONE_UNIT if units == 1 and family in (Family.SPARSE, Family.CATEGORICAL) else None
    if family is Family.SPARSE:
        ignores = output.loss is not None and output.loss.settings.get("ignore_class") is not None
        return _misfit_of_numbers(output.shape, units, target, ignores)
    if family in (Family.OVERLAP, Family.HINGE):
        return None
    return _misfit_of_rows(output.shape, units, target, family)


def _misfit_of_numbers(shape: Shape, units: int, target: Target, ignores: bool) -> Misfit | None:
    has_rows = target.form in (Form.ONE_HOT, Form.SHARES, Form.MULTI_HOT) and len(target.shape) == len(shape)
    if has_rows and target.width > 1:
        return Misfit.ROWS
    places = target.shape[:-1] if len(target.shape) == len(shape) and target.width == 1 else target.shape
    if not _agree(shape[1:-1], places[1:]):
        return Misfit.AXES
    if units == 1:
        return Misfit.ONE_UNIT
    is_from_one = target.low >= 1 and target.high == units  # that is no matter of units
    if target.classes < 2 or is_from_one or ignores:
        return None
    if target.classes > units:
        return Misfit.TOO_FEW
    return Misfit.TOO_MANY if target.classes < units and target.is_covered else None


def _misfit_of_rows(shape: Shape, units: int, target: Target, family: Family) -> Misfit | None:
    if units == 1 and family is Family.CATEGORICAL:
        return Misfit.ONE_UNIT
    is_class = target.form in (Form.CLASSES, Form.BINARY)
    lacks_axis = len(target.shape) == len(shape) - 1 or target.width == 1
    if units > 1 and is_class and lacks_axis and (len(shape) == 2 or family is Family.CATEGORICAL):
        places = target.shape if len(target.shape) == len(shape) - 1 else target.shape[:-1]
        return Misfit.NUMBERS if _agree(shape[1:-1], places[1:]) else Misfit.AXES
    if target.is_one_per_sample and set(shape[1:]) == {1}:
        return Misfit.TOO_FEW if family is Family.BINARY and target.form is Form.CLASSES else None
    places = target.shape
    if len(shape) == len(places) + 1 and (units == 1 or len(shape) == 2):  # Keras adds the last axis
        places = (*places, 1)
    elif len(shape) == len(places) - 1 and places[-1] == 1:
        places = places[:-1]
    if len(shape) != len(places) or not _agree(shape[1:-1], places[1:-1]):
        return Misfit.AXES
    return Misfit.WIDTH if units != places[-1] else None


def _agree(made: Shape, given: tuple[int, ...]) -> bool:
    """Whether axes of an output and of labels are as many and as long, as far as that is known."""
    return len(made) == len(given) and all(a is None or a == b for a, b in zip(made, given, strict=True))
