"""Some classes are much rarer than others, or missing from a split.

What it detects
---------------
A most frequent class that is many times as frequent as the rarest, with the accuracy that always answering it gives;
classes that are hardly there beside the usual ones, or a long tail of them, with the recall that never answering them
costs; classes that the training data have and the validation data lack, or the other way round.

How it is detected
------------------
Counts of the classes in the training sample. The most frequent must be `ratio` times as frequent as the rarest, and
`certain_ratio` times still when both shares are moved by three standard errors towards each other, so that few samples
per class are no finding. It is a `warning` where always answering the most frequent class reaches an accuracy of
`baseline`, or where the class of median size is `ratio` times as frequent as the rarest, as surely, and the classes as
rare as that are `lost_recall` of all: the mean recall that never answering them costs. So it is where the rarest `tail`
of all classes have together no more than `tail_share` of the samples (as surely), but for the next of a row of words,
letters or items, which have a long tail by nature. Not so where the model is judged by a metric that sees rare classes
(F1, AUC, precision, recall): that, and all else, is an `info`. Whole numbers as floats, as ratings are, count as
amounts where the loss of a model is not known.
For labels that can hold together, the rarest label against the samples without it, always an `info`. A class is missing
from a split where a random split would leave out any class that is as frequent as that with a probability under
`absence`.

Why it matters
--------------
Accuracy looks good while the rare class is never found, and its gradient is drowned by that of the others.

How to fix
----------
Weight or resample the classes; judge by F1, precision and recall. Split per class.

References
----------
Rule ClassImbalance of Amazon SageMaker Debugger (ratio 10). He and Garcia, Learning from Imbalanced Data (2009).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from diagnose.check import Check, Fault, Needs, threshold
from diagnose.finding import Comparison, Finding, Severity
from diagnose.measures.encoding import is_numeric
from diagnose.measures.labels import Kind, Labels, counts_of, labels_of, output_of
from diagnose.measures.two_sample import wilson
from diagnose.remedies import data as remedies
from diagnose.run import Run, Split
from diagnose.sample import Array, DataSample

CHECK = Check(needs=Needs(before=("data", "labels")), fault=Fault.DATA, explains=("metric-stuck",))

#: Words, letters or items that a row is made of are as many, at least.
_FEWEST_WORDS = 10
_SEES_RARE = ("f1", "auc", "precision", "recall", "fbeta", "mcc", "matthews", "kappa", "balanced", "sensitivity")


@dataclass(frozen=True)
class Options:
    """Thresholds of class-imbalance."""

    ratio: float = threshold(
        10.0, unit="x", source="ClassImbalance of SageMaker Debugger", help="most frequent class over the rarest"
    )
    certain_ratio: float = threshold(
        4.0,
        unit="x",
        source="random labels of 100 classes and 6 samples each stay below",
        help="the same, with both shares three standard errors nearer",
    )
    baseline: float = threshold(
        0.6,
        unit="accuracy",
        source="beyond it accuracy cannot tell a classifier from its most frequent answer",
        help="accuracy of always answering the most frequent class",
    )
    lost_recall: float = threshold(
        0.1,
        unit="recall",
        source="by convention: one class of ten",
        help="mean recall over the classes that never answering the rare ones costs",
    )
    tail: float = threshold(
        0.25, unit="share", source="a quarter of the mean recall", help="the rarest classes, looked at together"
    )
    tail_share: float = threshold(
        0.03,
        unit="share",
        source="eight times less than even classes have; of 20 classes after Zipf's law the rarest quarter has 0.08",
        help="samples that the rarest classes have together",
    )
    absence: float = threshold(
        1e-3,
        unit="p",
        source="one false alarm in a thousand random splits",
        help="probability that a random split leaves out one of the classes like this",
    )


def check(run: Run, options: Options) -> Iterator[Finding]:
    """Yield at most one finding on balance and one on missing classes, for each output."""
    if run.data is None:
        return
    for labels in labels_of(run):
        if labels.kind is Kind.CLASSES:
            classes, counts = counts_of(labels)
            named = _named(classes, run.data.classes)
            output = output_of(run.model, labels.name, run.data)
            metrics = output.metrics if output is not None else ()
            is_next = _continues_a_row(run.data, len(classes))
            yield from _imbalance(labels, named, counts[Split.TRAIN], metrics, is_next, options)
            yield from _absence(labels, named, counts, options)
        elif labels.kind is Kind.MULTI_LABEL:
            yield from _rare_label(labels, options)


def _named(classes: Array, names: tuple[str, ...]) -> list[str]:
    """Return what to call each class."""
    if classes.dtype.kind in "iu" and len(classes) and classes.min() >= 0 and classes.max() < len(names):
        return [names[int(each)][:40] for each in classes]
    return [str(each)[:40] if classes.dtype.kind in "US" else f"{each:g}" for each in classes.tolist()]


def _continues_a_row(data: DataSample, classes: int) -> bool:
    """Whether the labels may be what comes next in the input: a row of the same classes, as numbers or one-hot."""
    for array in data.training.inputs.values():
        if not is_numeric(array) or not array.size:
            continue
        if array.ndim == 3 and array.shape[2] >= classes and bool(np.isin(array[:100], (0, 1)).all()):
            return True
        is_whole = array.ndim == 2 and array.shape[1] > 1 and bool((array == np.floor(array)).all())
        if is_whole and array.min() >= 0 and array.max() >= max(_FEWEST_WORDS, classes / 2):
            return True
    return False


def _imbalance(
    labels: Labels,
    named: list[str],
    counts: NDArray[np.int64],
    metrics: tuple[str, ...],
    is_next: bool,
    options: Options,
) -> Iterator[Finding]:
    present = np.flatnonzero(counts)
    if len(present) < 2:
        return
    most, least = present[counts[present].argmax()], present[counts[present].argmin()]
    total = int(counts.sum())
    if not _is_rarer(int(counts[least]), int(counts[most]), total, options):
        return
    ratio, share = float(counts[most] / counts[least]), float(counts[most] / total)
    rare = _hardly_there(counts[present], options)
    is_tail = False
    if not is_next and len(rare) < options.lost_recall * len(present):
        tail = np.sort(counts[present])[: math.ceil(options.tail * len(present))]
        is_tail = wilson(int(tail.sum()), total, 3.0)[1] <= options.tail_share
        rare = tail if is_tail else rare
    costs = f"always answering it gives {100 * share:.0f} % accuracy"
    if share < options.baseline and len(rare):
        costs = (
            f"never answering the {len(rare)} of {len(present)} classes that are hardly there costs "
            f"{100 * rare.sum() / total:.1f} points of accuracy, and {100 * len(rare) / len(present):.0f} of mean "
            "recall"
        )
    is_seen = any(mark in metric.lower() for metric in metrics for mark in _SEES_RARE)
    is_costly = share >= options.baseline or is_tail or len(rare) >= options.lost_recall * len(present)
    yield Finding(
        severity=Severity.WARNING if is_costly and not is_seen else Severity.INFO,
        confidence=0.95,
        summary=(
            f"Class {named[most]} is {ratio:.3g} times as frequent as class {named[least]} ({counts[most]} and "
            f"{counts[least]} of {total} samples of {labels.name!r}): {costs}."
        ),
        evidence=(
            Comparison(
                label="most frequent class over the rarest",
                value=ratio,
                threshold=options.ratio,
                unit="x",
                left_name=f"class {named[most]}",
                left=float(counts[most]),
                right_name=f"class {named[least]}",
                right=float(counts[least]),
            ),
        ),
        fixes=(remedies.weight_classes(), remedies.collect_more()),
    )


def _is_rarer(count: int, other: int, total: int, options: Options) -> bool:
    """Whether a class is so many times rarer than another, beyond chance."""
    certain = wilson(other, total, 3.0)[0] / wilson(count, total, 3.0)[1]
    return other >= options.ratio * count and certain >= options.certain_ratio


def _hardly_there(counts: NDArray[np.int64], options: Options) -> NDArray[np.int64]:
    """Return the counts of classes that are much rarer than the one in the middle."""
    middle, total = int(np.sort(counts)[len(counts) // 2]), int(counts.sum())
    return np.array([count for count in counts.tolist() if _is_rarer(count, middle, total, options)], dtype=np.int64)


def _absence(
    labels: Labels, named: list[str], counts: Mapping[Split, NDArray[np.int64]], options: Options
) -> Iterator[Finding]:
    """Yield what a split lacks; the first split that lacks something speaks."""
    train = counts[Split.TRAIN]
    for split, other in counts.items():
        if split is Split.TRAIN or not other.sum() or not train.sum():
            continue
        for have, lack, name in ((train, other, split), (other, train, Split.TRAIN)):
            expected = have * (lack.sum() / have.sum())
            by_chance = np.count_nonzero(have) * (have.sum() / (have.sum() + lack.sum())) ** have
            absent = np.flatnonzero((lack == 0) & (have > 0) & (by_chance < options.absence))
            if not len(absent):
                continue
            few = ", ".join(named[place] for place in absent[:3]) + (" ..." if len(absent) > 3 else "")
            worst = absent[expected[absent].argmax()]
            yield Finding(
                severity=Severity.WARNING,
                confidence=0.95,
                summary=(
                    f"The {name} sample has none of {len(absent)} classes of {labels.name!r} ({few}), where "
                    f"{expected[worst]:.0f} samples of class {named[worst]} were to be expected."
                ),
                evidence=(
                    Comparison(
                        label=f"probability that a random split leaves class {named[worst]} out of the {name} sample",
                        value=float(by_chance[worst]),
                        threshold=options.absence,
                        left_name="expected",
                        left=float(expected[worst]),
                        right_name="found",
                        right=0.0,
                    ),
                ),
                fixes=(remedies.resample_validation(), remedies.shuffle()),
            )
            return


def _rare_label(labels: Labels, options: Options) -> Iterator[Finding]:
    values = labels.training
    total = len(values)
    positive = (values == 1).sum(axis=0)
    present = np.flatnonzero(positive)
    if not len(present):
        return
    least = present[positive[present].argmin()]
    ratio = float((total - positive[least]) / positive[least])
    share = wilson(positive[least], total, 3.0)[1]
    if ratio < options.ratio or (1 - share) / share < options.certain_ratio:
        return
    yield Finding(
        severity=Severity.INFO,
        confidence=0.9,
        summary=(
            f"Label {least} of {labels.name!r} holds for {positive[least]} of {total} samples: never giving it is "
            f"right {100 * (1 - positive[least] / total):.1f} % of the time."
        ),
        evidence=(
            Comparison(
                label="samples without the rarest label over those with it",
                value=ratio,
                threshold=options.ratio,
                unit="x",
                left_name="without",
                left=float(total - positive[least]),
                right_name="with",
                right=float(positive[least]),
            ),
        ),
        fixes=(remedies.collect_more(),),
    )
