"""Inputs or labels hold NaN, infinity, or nothing at all.

What it detects
---------------
NaN and infinite numbers in the inputs or labels of any split, and empty cells of a table.

How it is detected
------------------
Every number of the sample is looked at, and up to 300,000 cells of text. One is enough: `fewest` is how many there
must be. Where the arrays go into ``fit`` as they are, this is critical. Where they are a raw table that a recipe fills
and scales before, missing inputs are worth knowing, and infinite ones or missing labels a warning.

Why it matters
--------------
One NaN in one sample makes the loss of its batch NaN, and one step later every weight of the network.

How to fix
----------
Find the rows; fill what is missing by the median of the training data, or leave the rows out.

References
----------
IEEE 754: whatever is computed with NaN is NaN. Little and Rubin, Statistical Analysis with Missing Data (2019), on what
filling in does.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from diagnose.check import Check, Fault, Needs, threshold
from diagnose.finding import Comparison, Finding, Severity
from diagnose.fix import Fix
from diagnose.measures.encoding import drawn, flat, is_numeric, missing
from diagnose.remedies import data as remedies
from diagnose.run import Run, Split
from diagnose.sample import Array

CHECK = Check(needs=Needs(before=("data",)), fault=Fault.DATA, explains=("nan-loss",))

#: Cells of text or objects that are looked at, one by one.
_MOST_CELLS = 300_000


@dataclass(frozen=True)
class Options:
    """Thresholds of non-finite-inputs."""

    fewest: float = threshold(
        1.0, unit="samples", source="IEEE 754: one NaN makes the whole sum NaN", help="samples that must have some"
    )


@dataclass(frozen=True)
class _Bad:
    """What is wrong with the samples of one array."""

    name: str
    split: Split
    samples: int
    of: int
    nan: int
    infinite: int
    is_label: bool


def check(run: Run, options: Options) -> Iterator[Finding]:
    """Yield at most one finding for the inputs and one for the labels, naming the worst array."""
    if run.data is None:
        return
    found: list[_Bad] = []
    for split, sample in run.data.splits.items():
        found += _bad(sample.inputs, split, is_label=False)
        found += _bad(sample.labels, split, is_label=True)
    for is_label in (False, True):
        bad = [each for each in found if each.is_label == is_label and each.samples >= options.fewest]
        if bad:
            yield _finding(bad, run.data.is_raw, options)


def _bad(arrays: Mapping[str, Array], split: Split, *, is_label: bool) -> Iterator[_Bad]:
    for name, given in arrays.items():
        if not given.ndim or not given.size:
            continue
        array = _looked_at(given)
        if array.dtype.kind == "f":
            nan, infinite = np.isnan(array), np.isinf(array)
        elif array.dtype.kind in "OUS":
            nan = missing(array)
            infinite = np.zeros(array.shape, dtype=bool)
            if array.dtype.kind == "O":
                cells = [isinstance(each, float) and abs(each) == float("inf") for each in array.ravel().tolist()]
                infinite = np.array(cells, dtype=bool).reshape(array.shape)
        else:
            continue
        if array.dtype.kind in "US" and not is_label and array.ndim == 1:
            continue  # an empty text is a text
        samples = int(flat(nan | infinite).any(axis=1).sum())
        if samples:
            yield _Bad(name, split, samples, len(array), int(nan.sum()), int(infinite.sum()), is_label)


def _looked_at(array: Array) -> Array:
    """Return all of an array of numbers, and so many rows of another that it takes no time."""
    if is_numeric(array):
        return array
    return array[drawn(len(array), max(1, _MOST_CELLS * len(array) // array.size))]


def _finding(bad: list[_Bad], is_raw: bool, options: Options) -> Finding:
    worst = max(bad, key=lambda each: each.samples / each.of)
    is_numeric_fault = any(each.infinite for each in bad)
    what = " and ".join(
        text
        for text, count in ((f"{worst.nan} missing", worst.nan), (f"{worst.infinite} infinite", worst.infinite))
        if count
    )
    where = "labels" if worst.is_label else "inputs"
    others = sorted({str(each.split) for each in bad} - {str(worst.split)})
    also = f" ({', '.join(others)} too)" if others else ""
    severity = Severity.CRITICAL
    if is_raw:
        severity = Severity.WARNING if worst.is_label or is_numeric_fault else Severity.INFO
    effect = "the loss becomes NaN" if not is_raw else "they must be filled or left out before training"
    return Finding(
        severity=severity,
        confidence=0.99,
        summary=(
            f"{worst.samples} of {worst.of} {worst.split} samples have {what} values in the {where} "
            f"{worst.name!r}{also}: {effect}."
        ),
        evidence=tuple(
            Comparison(
                label=f"samples of {each.name} ({each.split}) with values that are no numbers",
                value=float(each.samples),
                threshold=options.fewest,
                left_name="with such values",
                left=float(each.samples),
                right_name="all",
                right=float(each.of),
            )
            for each in sorted(bad, key=lambda each: -each.samples)
        ),
        fixes=_fixes(worst),
    )


def _fixes(worst: _Bad) -> tuple[Fix, ...]:
    find = remedies.find_non_finite("training" if worst.split is Split.TRAIN else "validation")
    return (find,) if worst.is_label else (remedies.impute_missing(), find)
