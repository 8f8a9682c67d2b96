"""Samples of the validation or test data are in the training data too.

What it detects
---------------
Exact copies of training samples in another split, and near copies: pictures that differ in brightness, noise or
compression, rows that differ by rounding or jitter.

How it is detected
------------------
Samples are compared byte for byte (both splits read as one type), and by distance: near are pictures that on a small
grey version lie within `near` of the usual distance to the tenth neighbour and whose pixels correlate by `likeness`;
rows within `near` of it. Copies must be `share` of the looked-at samples and `fewest` in number; `severe` of them is
`critical`. Tables of few values have honest twins: there, and for near rows, the share must exceed that of the twins
within the training data with both intervals (Wilson, 99 %) and `excess` between them; or the copies must stand alone:
the nearest training row that is not the same differs in `alone` columns or more, a tenth of the training rows are
distinct, and nearly all copies have the label of their original. Near pictures must be ten times as frequent as chance
would have it. On data with a time axis neighbours are no copies, and only exact ones count.

Why it matters
--------------
A sample that was trained on is no test. The score is better than it will be in use, and overfitting does not show.

How to fix
----------
Leave the copies out; split before augmenting and oversampling, and keep samples of one source on one side.

References
----------
Barz and Denzler, Do We Train on Test Data? Purging CIFAR of Near-Duplicates (2020): 3 to 10 % of those test sets.
Kapoor and Narayanan, Leakage and the reproducibility crisis in machine-learning-based science (2023). Wilson (1927).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from diagnose.check import Check, Fault, Needs, threshold
from diagnose.finding import Comparison, Finding, Severity
from diagnose.measures.duplicates import (
    MOST_SAMPLES,
    Near,
    can_be_pictures,
    chance_bits,
    columns_around,
    near_images,
    near_rows,
    near_sample,
    near_within,
    row_keys,
)
from diagnose.measures.encoding import drawn, encode
from diagnose.measures.two_sample import wilson
from diagnose.remedies import data as remedies
from diagnose.run import Run, Split
from diagnose.sample import DataSample, SplitSample

CHECK = Check(
    needs=Needs(before=("data", "validation")), fault=Fault.DATA, explains=("validation-better-than-training",)
)

#: By how many bits coincidence must be out of the question before one copy counts as a copy.
_CERTAIN_BITS = 8.0
#: Fewer distinct rows among all, or labels that agree less often, and rows that stand alone are kinds of things.
_DISTINCT = 0.1
_AGREEING = 0.95
_Z = 2.58


@dataclass(frozen=True)
class Options:
    """Thresholds of train-validation-leak."""

    share: float = threshold(
        0.01, unit="share", source="Barz and Denzler 2020 found 3 % and more worth purging", help="copies in a split"
    )
    fewest: float = threshold(3.0, unit="samples", source="one or two may be chance or error", help="copies in a split")
    severe: float = threshold(
        0.1, unit="share", source="a score may be wrong by as many points", help="copies that make a split useless"
    )
    excess: float = threshold(
        0.05,
        unit="share",
        source="random splits of tests/checks/test_random_splits.py stay below",
        help="copies beyond those within the training data, where twins are honest",
    )
    alone: float = threshold(
        8.0,
        unit="columns",
        source="honest twins of tests/checks/test_random_splits.py have others 2 columns away",
        help="in which the nearest row differs that is not the same, where twins may be honest",
    )
    near: float = threshold(
        0.1, unit="", source="tests/checks/test_train_validation_leak.py", help="share of the usual distance"
    )
    likeness: float = threshold(
        0.97, unit="correlation", source="tests/checks/test_train_validation_leak.py", help="of near pictures"
    )


@dataclass(frozen=True)
class _Copies:
    """Copies of training samples in a split."""

    count: int
    of: int
    is_near: bool
    #: Share of them whose labels agree; None where there are no labels.
    agreeing: float | None

    @property
    def share(self) -> float:
        return self.count / self.of


def check(run: Run, options: Options) -> Iterator[Finding]:
    """Yield at most one finding for each split that is not trained on."""
    data = run.data
    if data is None or not len(data.training):
        return
    rows = drawn(len(data.training), MOST_SAMPLES)
    known = row_keys(data.training.inputs, data.training.inputs, rows)
    for split, sample in data.splits.items():
        if split is Split.TRAIN or not len(sample) or set(sample.inputs) != set(data.training.inputs):
            continue
        copies = _exact(data, rows, known, sample, options)
        if copies is None and not data.is_sequence:
            copies = _near(data, split, options)
        if copies is not None:
            yield _finding(copies, split, data, options)


def _is_enough(copies: _Copies, options: Options) -> bool:
    return copies.count >= options.fewest and copies.share >= options.share


def _exceeds(count: int, of: int, within: int, among: int, options: Options) -> bool:
    """Whether copies are certainly more frequent than twins within the training data."""
    return among > 0 and wilson(count, of, _Z)[0] > wilson(within, among, _Z)[1] + options.excess


def _exact(
    data: DataSample, rows: NDArray[np.intp], known: list[bytes], sample: SplitSample, options: Options
) -> _Copies | None:
    train, others = data.training, drawn(len(sample), MOST_SAMPLES)
    looked_at = row_keys(sample.inputs, train.inputs, others)
    place_of = {key: int(row) for key, row in zip(known, rows, strict=True) if key}
    pairs = [(int(row), place_of[key]) for key, row in zip(looked_at, others, strict=True) if key in place_of]
    copies = _Copies(len(pairs), len(others), is_near=False, agreeing=_agreeing(sample, train, pairs))
    if not _is_enough(copies, options):
        return None
    bits = chance_bits(train.inputs, rows) - float(np.log2(len(rows) * len(others)))
    if bits < _CERTAIN_BITS:
        times = Counter(key for key in known if key)
        twins = sum(number for number in times.values() if number > 1)
        exceeds = _exceeds(copies.count, copies.of, twins, len(rows), options)
        if not exceeds and not _stand_alone(train, rows, [row for _, row in pairs], len(times), copies, options):
            return None
    return copies


def _stand_alone(
    train: SplitSample,
    rows: NDArray[np.intp],
    originals: list[int],
    distinct: int,
    copies: _Copies,
    options: Options,
) -> bool:
    """Whether copies are no rows of few values that meet by chance: nothing lies around them."""
    if distinct < _DISTINCT * len(rows) or (copies.agreeing is not None and copies.agreeing < _AGREEING):
        return False
    return sum(columns_around(array[originals], array[rows]) for array in train.inputs.values()) >= options.alone


def _near(data: DataSample, split: Split, options: Options) -> _Copies | None:
    train, sample = data.training, data.splits[split]
    name, array = next(iter(train.inputs.items()))
    if len(train.inputs) == 1 and can_be_pictures(array, sample.inputs[name]):
        rows, others = near_sample(len(train)), near_sample(len(sample))
        near = near_images(sample.inputs[name][others], array[rows], ratio=options.near, likeness=options.likeness)
        copies = _copies(near, others, rows, sample, train)
        is_more = wilson(copies.count, copies.of, _Z)[0] > min(0.5, 10 * near.by_chance)
        return copies if _is_enough(copies, options) and is_more else None
    encoding = encode(data)
    if not encoding.is_complete or split not in encoding.splits:
        return None
    own, other = encoding.splits[Split.TRAIN], encoding.splits[split]
    rows, others = near_sample(len(own.rows)), near_sample(len(other.rows))
    near = near_rows(other.values[others], own.values[rows], ratio=options.near)
    copies = _copies(near, other.rows[others], own.rows[rows], sample, train)
    if not _is_enough(copies, options):
        return None
    twins = near_within(own.values[rows], ratio=options.near)
    return copies if _exceeds(copies.count, copies.of, twins.count, len(rows), options) else None


def _copies(
    near: Near, others: NDArray[np.intp], rows: NDArray[np.intp], sample: SplitSample, train: SplitSample
) -> _Copies:
    places = np.flatnonzero(near.partners >= 0)
    pairs = [(int(others[place]), int(rows[near.partners[place]])) for place in places]
    return _Copies(len(pairs), len(near.partners), is_near=True, agreeing=_agreeing(sample, train, pairs))


def _agreeing(sample: SplitSample, train: SplitSample, pairs: list[tuple[int, int]]) -> float | None:
    """Return the share of pairs whose labels are the same."""
    names = [name for name in sample.labels if name in train.labels]
    is_whole = all(each.labels[n].shape[:1] == (len(each),) for n in names for each in (sample, train))
    if not names or not pairs or not is_whole:
        return None
    same = [all(np.array_equal(sample.labels[n][ours], train.labels[n][its]) for n in names) for ours, its in pairs]
    return sum(same) / len(same)


def _finding(copies: _Copies, split: Split, data: DataSample, options: Options) -> Finding:
    low, high = wilson(copies.count, copies.of)
    at_least = "" if data.training.is_whole and len(data.training) <= MOST_SAMPLES else "At least "
    kind = "near copies of samples of" if copies.is_near else "also in"
    labels = ""
    if copies.agreeing is not None:
        labels = f"; {100 * copies.agreeing:.0f} % of them have the same label"
    return Finding(
        severity=Severity.CRITICAL if copies.share >= options.severe else Severity.WARNING,
        confidence=0.85 if copies.is_near else 0.98,
        summary=(
            f"{at_least}{copies.count} of {copies.of} {split} samples ({100 * copies.share:.1f} %, interval "
            f"{100 * low:.1f} to {100 * high:.1f} %) are {kind} the training data{labels}."
        ),
        evidence=(
            Comparison(
                label=f"{split} samples that are in the training data",
                value=copies.share,
                threshold=options.share,
                left_name="copies",
                left=float(copies.count),
                right_name="looked at",
                right=float(copies.of),
            ),
        ),
        fixes=(remedies.check_duplicates(), remedies.resample_validation()),
    )
