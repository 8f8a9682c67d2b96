"""Samples of the validation or test data are in the training data too.

What it detects
---------------
Exact copies of training samples in another split; near copies: pictures that differ in brightness, noise or
compression (frames of one film), rows that differ by rounding or jitter; windows of one series that overlap and were
drawn at random.

How it is detected
------------------
Samples are compared byte for byte (both splits read as one type), and by distance: near are pictures that on a small
grey version lie within `near_pictures` of the usual distance to the tenth neighbour and whose pixels correlate by
`likeness`; rows within `near` of it. Of samples near to each other one is a neighbour: frames of a film do not make
each other usual. Copies must be `share` of the looked-at samples and `fewest` in number; `severe` of them is
`critical`.

Honest twins: samples of little room meet by chance. Their dimensions, counted by the distances to the neighbours, say
how often: copies must be ten times as frequent. They are no copies where all keep a step's distance from each other (a
shape at whole pixels, questions with few answers), or where they are a few kinds of things; numbers of full precision
never meet. Tables of few values: the share must exceed that of the twins within the training data with both intervals
(Wilson, 99 %) and `excess` between them; or the copies must stand alone: the nearest training row that is not the same
differs in `alone` columns or more, a tenth of the training rows are distinct, and nearly all copies have the label of
their original. Near rows must exceed the twins too, or be of measured numbers, `excess` of the samples, with the labels
of their originals.

Windows of one series: the first or the second half of a window stands, step for step, anywhere in a training window. A
series cut in two in time has such windows at the cut, each with training windows on one side: `between` of them must
have them on both. Nothing is said where halves of training windows recur (words, seasons without noise). In data with a
time axis near samples are neighbours, and not looked for.

Why it matters
--------------
A sample that was trained on is no test. The score is better than it will be in use, and overfitting does not show.

How to fix
----------
Leave the copies out; split before augmenting, oversampling and cutting into windows, and keep samples of one source (a
film, a patient) on one side.

References
----------
Barz and Denzler, Do We Train on Test Data? Purging CIFAR of Near-Duplicates (2020): 3 to 10 % of those test sets.
Kapoor and Narayanan, Leakage and the reproducibility crisis in machine-learning-based science (2023). Levina and
Bickel, Maximum Likelihood Estimation of Intrinsic Dimension (2004). Wilson (1927).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum

import numpy as np
from numpy.typing import NDArray

from diagnose.check import Check, Fault, Needs, threshold
from diagnose.finding import Comparison, Finding, Severity
from diagnose.measures.duplicates import (
    FEWEST_GROUPS,
    MOST_SAMPLES,
    Near,
    Room,
    can_be_pictures,
    chance_bits,
    columns_around,
    is_continuous,
    near_images,
    near_rows,
    near_sample,
    near_within,
    room_of_images,
    room_of_rows,
    row_keys,
)
from diagnose.measures.encoding import drawn, encode, flat
from diagnose.measures.memo import once_per_object
from diagnose.measures.overlap import overlap
from diagnose.measures.two_sample import wilson
from diagnose.remedies import data as remedies
from diagnose.run import FloatArray, Run, Split
from diagnose.sample import DataSample, SplitSample

CHECK = Check(
    needs=Needs(before=("data", "validation")), fault=Fault.DATA, explains=("validation-better-than-training",)
)

#: By how many bits coincidence must be out of the question before one copy counts as a copy.
_CERTAIN_BITS = 8.0
#: Fewer distinct rows among all, or labels that agree less often, and rows that stand alone are kinds of things.
_DISTINCT = 0.1
_AGREEING = 0.95
#: How many times as often as by chance, and from which share on, near samples are copies.
_OFTEN = 10.0
_MOST_BY_CHANCE = 0.5
#: Groups of like samples that a class may have.
_A_CLASS = 3
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
    between: float = threshold(
        0.1,
        unit="share",
        source="series cut in two have none; tests/checks/test_train_validation_leak.py",
        help="overlapping windows that have training windows on both sides in time",
    )
    near: float = threshold(
        0.1, unit="", source="tests/checks/test_train_validation_leak.py", help="share of the usual distance of rows"
    )
    near_pictures: float = threshold(
        0.2,
        unit="",
        source="tests/checks/test_train_validation_leak.py",
        help="share of the usual distance of pictures",
    )
    likeness: float = threshold(
        0.97, unit="correlation", source="tests/checks/test_train_validation_leak.py", help="of near pictures"
    )


class _Kind(Enum):
    """What is said of copies, and how sure it is."""

    EXACT = ("are also in the training data", 0.98)
    NEAR = ("are near copies of samples of the training data", 0.85)
    OVERLAPPING = ("share half of their steps or more with windows of the training data", 0.95)


@dataclass(frozen=True)
class _Copies:
    """Copies of training samples in a split."""

    count: int
    of: int
    kind: _Kind
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
        copies = _exact(data, rows, known, sample, options) or _overlapping(data.training, sample, options)
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
    copies = _Copies(len(pairs), len(others), _Kind.EXACT, agreeing=_agreeing(sample, train, pairs))
    if not _is_enough(copies, options):
        return None
    bits = chance_bits(train.inputs, rows) - float(np.log2(len(rows) * len(others)))
    times = Counter(key for key in known if key)
    if bits < _CERTAIN_BITS:
        twins = sum(number for number in times.values() if number > 1)
        if _exceeds(copies.count, copies.of, twins, len(rows), options):
            return copies
        if not _stand_alone(train, rows, [row for _, row in pairs], len(times), copies, options):
            return None
    if is_continuous(train.inputs, rows, len(times)):
        return copies
    room = _room(data) if len(times) >= FEWEST_GROUPS else None
    are_kinds = 2 * len(times) < len(rows) if room is None else _may_meet(copies, room, options.near)
    return None if are_kinds else copies


@once_per_object
def _room(data: DataSample) -> Room | None:
    """Return how much room the training samples have."""
    train = data.training
    array = next(iter(train.inputs.values()))
    if len(train.inputs) == 1 and can_be_pictures(array, array):
        return room_of_images(array[near_sample(len(train))])
    encoding = encode(data)
    if Split.TRAIN not in encoding.splits:
        return None
    values = encoding.splits[Split.TRAIN].values
    return room_of_rows(values[near_sample(len(values))])


def _may_meet(copies: _Copies, room: Room, ratio: float) -> bool:
    """Whether samples have so little room that these copies may have come about by chance."""
    by_chance = min(_MOST_BY_CHANCE, _OFTEN * room.by_chance(ratio))
    return room.is_grained or wilson(copies.count, copies.of, _Z)[0] <= by_chance


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


def _overlapping(train: SplitSample, sample: SplitSample, options: Options) -> _Copies | None:
    """Return windows that lie among those that were trained on, and not only beside them."""
    for name, array in sample.inputs.items():
        found = overlap(array, train.inputs[name])
        if found is None:
            continue
        copies = _Copies(found.either, len(found.rows), _Kind.OVERLAPPING, agreeing=None)
        if _is_enough(copies, options) and found.between >= max(options.fewest, options.between * found.either):
            return copies
    return None


def _near(data: DataSample, split: Split, options: Options) -> _Copies | None:
    train, sample = data.training, data.splits[split]
    name, array = next(iter(train.inputs.items()))
    if len(train.inputs) == 1 and can_be_pictures(array, sample.inputs[name]):
        rows, others = near_sample(len(train)), near_sample(len(sample))
        ratio = options.near_pictures
        near = near_images(sample.inputs[name][others], array[rows], ratio=ratio, likeness=options.likeness)
        copies = _copies(near, others, rows, sample, train)
        return copies if _is_enough(copies, options) and _are_apart(copies, near, data, ratio) else None
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
    if _exceeds(copies.count, copies.of, twins.count, len(rows), options):
        return copies
    is_copied = _are_measured(own.values[rows]) and copies.share >= options.excess
    is_copied &= copies.agreeing is None or copies.agreeing >= _AGREEING
    return copies if is_copied and _are_apart(copies, near, data, options.near) else None


def _are_measured(rows: FloatArray) -> bool:
    """Whether hardly a column has a value twice: no categories, no whole numbers, whose rows have honest twins."""
    return bool(np.mean([len(np.unique(column)) > 0.9 * len(column) for column in rows.T]) > 0.9)


def _are_apart(copies: _Copies, near: Near, data: DataSample, ratio: float) -> bool:
    """Whether near samples are copies, and neither of one kind each nor close for lack of room."""
    if _are_kinds(near, data.training):
        return False
    room = _room(data)
    return room is not None and not _may_meet(copies, room, ratio)


def _are_kinds(near: Near, train: SplitSample) -> bool:
    """Whether what is alike is so because it is of one kind: few groups, of themselves or beside the classes."""
    classes = max((len(np.unique(flat(labels), axis=0)) for labels in train.labels.values()), default=1)
    return near.groups < max(FEWEST_GROUPS, _A_CLASS * classes if classes <= near.groups else 0)


def _copies(
    near: Near, others: NDArray[np.intp], rows: NDArray[np.intp], sample: SplitSample, train: SplitSample
) -> _Copies:
    places = np.flatnonzero(near.partners >= 0)
    pairs = [(int(others[place]), int(rows[near.partners[place]])) for place in places]
    return _Copies(len(pairs), len(near.partners), _Kind.NEAR, agreeing=_agreeing(sample, train, pairs))


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
    said, confidence = copies.kind.value
    labels = ""
    if copies.agreeing is not None:
        labels = f"; {100 * copies.agreeing:.0f} % of them have the same label"
    return Finding(
        severity=Severity.CRITICAL if copies.share >= options.severe else Severity.WARNING,
        confidence=confidence,
        summary=(
            f"{at_least}{copies.count} of {copies.of} {split} samples ({100 * copies.share:.1f} %, interval "
            f"{100 * low:.1f} to {100 * high:.1f} %) {said}{labels}."
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
        fixes=(
            (remedies.split_by_time(),)
            if copies.kind is _Kind.OVERLAPPING
            else (remedies.check_duplicates(), remedies.resample_validation())
        ),
    )
